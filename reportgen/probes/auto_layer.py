"""What a figure says of the layer that `auto` took."""

from __future__ import annotations

from collections.abc import Sequence

from reportgen.engine.needs import AUTO, LayerFacts, LayerNames
from reportgen.findings import Remark


def why(wished: LayerNames, layers: Sequence[LayerFacts]) -> tuple[Remark, ...]:
    """Which layer `auto` is and why, where it is not the last stack of maps, which needs no words."""
    if wished != AUTO or not layers[0].described:
        return ()
    text = f"{layers[0].name}, {layers[0].described}: the last layer whose places the logits depend on"
    return (Remark("layer", text),)
