"""What became of the network: tensors and filters that are others, zero filters, channels that died."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

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
    died: Annotated[
        list[ShownChannel],
        "channels that are never above zero and were, over the images, of layers whose dead channels both"
        " list in full",
    ]
    revived: list[ShownChannel]
    died_count: Annotated[Count | None, "how many died; at least so many where the audits do not list all"]
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
    gone, back = _died(new, old), _died(old, new)
    return {
        "tensors": len(both) if known else None,
        "changed": sorted(changed, key=lambda one: (-(one["distance"] or 0), one["name"])),
        "added": [name for name in ours if name not in others] if known else [],
        "removed": [name for name in others if name not in ours] if known else [],
        "reshaped": [name for name in both if name not in same_shape],
        "zeroed": _listed(off[0] - off[1]),
        "restored": _listed(off[1] - off[0]),
        "died": _listed(gone.channels),
        "revived": _listed(back.channels),
        "died_count": gone.at_least,
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


class _Died(NamedTuple):
    """Channels that are dead in one network and not in another: known ones, and how many at least."""

    channels: set[tuple[str, int]]
    at_least: int | None


def _died(now: Side, before: Side) -> _Died:
    """Layer by layer, of those that both networks have. A list names the first dead channels of a layer only,
    so that a channel that it does not name may be dead all the same: where a list is cut, counts decide."""
    totals = _dead_counts(before, now)
    if totals is None:
        return _Died(set(), None)
    (here, mine), (there, theirs) = _dead(now), _dead(before)
    channels, count = set(), 0
    for layer in mine.keys() & theirs.keys():
        a, b = here.get(layer, set()), there.get(layer, set())
        if (len(a), len(b)) == (mine[layer], theirs[layer]):
            channels |= {(layer, channel) for channel in a - b}
            count += len(a - b)
        else:
            count += max(mine[layer] - theirs[layer], 0)
    return _Died(channels, count)


def _dead(side: Side) -> tuple[dict[str, set[int]], dict[str, int]]:
    """By layer the channels that are listed as dead, and how many there are in all, where that was judged."""
    listed: dict[str, set[int]] = {}
    for row in _faulty(side):
        if row[2] == DEAD:
            listed.setdefault(str(row[0]), set()).add(int(row[1]))
    return listed, dict(_by_layer(side))


def _by_layer(side: Side) -> Iterator[tuple[str, int]]:
    for found in side.results["findings"].values():
        for table in found.get("tables", {}).values():
            columns = table["columns"]
            if columns[:1] == HEADS[:1] and DEAD in columns:
                place = columns.index(DEAD)
                yield from ((str(row[0]), int(row[place])) for row in table["rows"] if row[place] is not None)


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
