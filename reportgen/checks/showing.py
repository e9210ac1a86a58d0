"""The pictures that a verdict shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reportgen.checks.case import Case
from reportgen.findings import Gallery


def pictures_of(
    case: Case, numbers: Sequence[int], name: str, title: str, columns: int = 6, **more: Any
) -> tuple[Gallery, ...]:
    """Images by number, as the model saw them; those that can no longer be read are left out, and nothing is
    shown of none. `more` goes to the gallery."""
    seen = case.sources.seen(list(numbers))
    shown = [number for number in numbers if number in seen]
    if not shown:
        return ()
    tiles = np.stack([seen[number] for number in shown]).astype(np.float32) / 255  # (P, h, w, C)
    tiles = tiles[..., 0] if tiles.shape[3] != 3 else tiles.transpose(0, 3, 1, 2)
    what = "pixels as the model saw them"
    how = {"scale": "unit", "columns": columns, "counted": "image", **more}
    return (Gallery(name, title, tiles, np.array(shown), what, **how),)
