"""What became of the network: tensors and filters that are others, zero filters, channels that died."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import numpy as np
from typing_extensions import TypedDict

from reportgen.audit.checks import ShownChannel
from reportgen.audit.compare.sides import Side
from reportgen.audit.quantities import Count
from reportgen.findings import Array
from reportgen.stats import finite

# the table that lists channels with what is wrong with them, as whatever visualization has it
TABLE, HEADS, DEAD = "channels", ["layer", "channel", "fault"], "dead"
ZERO = 1e-12  # a norm up to this part of the layer's largest is that of a filter that is switched off


class TensorChange(TypedDict):
    """A tensor whose values are others: how far it moved, and how many of its filters did."""

    name: str
    shape: list[Count]
    distance: Annotated[
        float | None, "‖new − old‖ / ‖old‖, estimated from sketches to about 4 %; null where it is not known"
    ]
    rows: Annotated[Count | None, "parts along the first axis, such as filters; null of a vector"]
    rows_changed: Count | None


class NetworkChange(TypedDict):
    """From the old network to the new one; null where nothing was kept of one of them."""

    tensors: Annotated[Count | None, "that both have"]
    changed: Annotated[list[TensorChange], "what moved furthest first"]
    added: list[str]
    removed: list[str]
    reshaped: list[str]
    zeroed: Annotated[list[ShownChannel], "filters that are zero and were not"]
    restored: Annotated[list[ShownChannel], "filters that were zero and are not"]
    died: Annotated[list[ShownChannel], "channels that are never above zero and were, over the images"]
    revived: list[ShownChannel]
    dead: Annotated[list[Count] | None, "how many channels are dead: in the old network, in the new one"]


def network_change(new: Side, old: Side) -> NetworkChange:
    """What is known of it from what both audits kept."""
    (mine, my_arrays), (theirs, their_arrays) = new.tensors, old.tensors
    ours = {record["name"]: record for record in mine}
    others = {record["name"]: record for record in theirs}
    both = [name for name in ours if name in others]
    same_shape = [name for name in both if ours[name]["shape"] == others[name]["shape"]]
    moved = [name for name in same_shape if ours[name]["sha256"] != others[name]["sha256"]]
    known = bool(ours and others)
    changed = [_change(ours[name], others[name], my_arrays, their_arrays) for name in moved]
    off = [_switched_off(ours, my_arrays, moved), _switched_off(others, their_arrays, moved)]
    dead = [_dead(new), _dead(old)]
    return {
        "tensors": len(both) if known else None,
        "changed": sorted(changed, key=lambda one: (-(one["distance"] or 0), one["name"])),
        "added": [name for name in ours if name not in others] if known else [],
        "removed": [name for name in others if name not in ours] if known else [],
        "reshaped": [name for name in both if name not in same_shape],
        "zeroed": _listed(off[0] - off[1]),
        "restored": _listed(off[1] - off[0]),
        "died": _listed(dead[0] - dead[1]),
        "revived": _listed(dead[1] - dead[0]),
        "dead": _dead_counts(old, new),
    }


def _change(
    new: Any, old: Any, my_arrays: Mapping[str, Array], their_arrays: Mapping[str, Array]
) -> TensorChange:
    rows = len(new["shape"]) > 1
    mine, theirs = (
        arrays["row_hash"][slice(*record["rows"])]
        for record, arrays in ((new, my_arrays), (old, their_arrays))
    )
    moved = my_arrays["sketch"][new["row"]] - their_arrays["sketch"][old["row"]]
    before = old["norm"]
    distance = float(np.linalg.norm(moved)) / before if before and new["norm"] is not None else None
    return {
        "name": new["name"],
        "shape": new["shape"],
        "distance": finite(distance),
        "rows": len(mine) if rows else None,
        "rows_changed": int((mine != theirs).sum()) if rows else None,
    }


def _switched_off(
    records: Mapping[str, Any], arrays: Mapping[str, Array], names: list[str]
) -> set[tuple[str, int]]:
    """The filters of some tensors whose weights are all but zero beside the layer's largest."""
    found = set()
    for name in names:
        norms = arrays["row_norm"][slice(*records[name]["rows"])]
        if len(norms):
            largest = float(np.max(norms[np.isfinite(norms)], initial=0))
            found |= {(name, int(n)) for n in np.flatnonzero(norms <= ZERO * largest)}
    return found


def _dead(side: Side) -> set[tuple[str, int]]:
    """The channels that are listed as dead, by layer."""
    return {(str(row[0]), int(row[1])) for row in _faulty(side) if row[2] == DEAD}


def _faulty(side: Side) -> Iterator[list[Any]]:
    for found in side.results["findings"].values():
        table = found.get("tables", {}).get(TABLE)
        if table and table["columns"][: len(HEADS)] == HEADS:
            yield from table["rows"]


def _dead_counts(old: Side, new: Side) -> list[int] | None:
    """How many channels are dead in all, where both audits counted: a list may name the first only."""
    counts = [
        [found[DEAD] for found in side.results["findings"].values() if DEAD in found] for side in (old, new)
    ]
    return [int(count[0]) for count in counts] if all(counts) else None


def _listed(channels: set[tuple[str, int]]) -> list[ShownChannel]:
    return [{"layer": layer, "channel": number} for layer, number in sorted(channels)]
