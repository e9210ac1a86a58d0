"""What came before an audit, kept beside its evidence, so that the report can be written again without it:
the comparison with the baseline, both models' maps of images that changed, and the history."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from reportgen.audit.compare.comparison import Comparison, compare
from reportgen.audit.compare.maps import maps_of
from reportgen.audit.compare.matching import class_indices, matched
from reportgen.audit.compare.sides import Side
from reportgen.audit.history import History
from reportgen.evidence import Evidence, canonical_json, write_whole
from reportgen.evidence.arrays import Stored, packed
from reportgen.findings import Array
from reportgen.ownership import EVIDENCE, claim

BASELINE, MAPS, HISTORY = "baseline.json", "baseline.safetensors", "history.json"
PICTURED = 6  # images whose maps are set side by side
ALIKE = 1 - 1e-9  # a rank correlation above which two maps show the same
METHODS = 2  # kinds of map of each of them


@dataclass(frozen=True)
class MapsBefore:
    """One image's maps by both models on one grid, raw."""

    id: str
    method: str
    old: Array  # (h, w)
    new: Array  # (h, w)


def keep(
    evidence: Path, comparison: Comparison | None, maps: Sequence[MapsBefore], past: History | None
) -> None:
    """Writes what there is into the evidence's folder in a report's, and removes what an earlier run left."""
    parts = {BASELINE: comparison, MAPS: maps, HISTORY: past}
    claim(evidence.parent, [f"{EVIDENCE}/{name}" for name, part in parts.items() if part])
    _write(evidence / BASELINE, canonical_json(comparison) if comparison else None)
    arrays = {f"{one.id}/{one.method}/{side}": getattr(one, side) for one in maps for side in ("old", "new")}
    _write(evidence / MAPS, packed(arrays) if arrays else None)
    _write(evidence / HISTORY, canonical_json(past) if past else None)


def _write(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink(missing_ok=True)
    else:
        write_whole(path, data)


def kept_comparison(evidence: Evidence) -> Comparison | None:
    """The comparison with the baseline; None where there was none."""
    return cast("Comparison | None", _read(evidence.folder / BASELINE))


def kept_history(evidence: Evidence) -> History | None:
    """The history; None where there was none."""
    return cast("History | None", _read(evidence.folder / HISTORY))


def kept_maps(evidence: Evidence) -> list[MapsBefore]:
    """The maps of the images that changed, worst first."""
    path = evidence.folder / MAPS
    comparison = kept_comparison(evidence)
    if comparison is None or not path.is_file():
        return []
    with Stored(path) as stored:
        names = frozenset(stored.names())
        wanted = [
            (pair["id"], pair["method"])
            for pair in comparison["map_pairs"]
            if f"{pair['id']}/{pair['method']}/old" in names
        ]
        order = {change["id"]: place for place, change in enumerate(comparison["changed"])}
        wanted.sort(key=lambda key: order.get(key[0], len(order)))
        return [
            MapsBefore(id_, method, *(stored.whole(f"{id_}/{method}/{side}") for side in ("old", "new")))
            for id_, method in wanted
        ]


def _read(path: Path) -> Any:
    return json.loads(path.read_bytes()) if path.is_file() else None


def maps_before(new: Side, old: Side, comparison: Comparison) -> list[MapsBefore]:
    """What is set side by side: both models' maps of the images that changed, and then of those whose maps
    did, for the kinds of map that differ most on each."""
    if new.evidence is None or old.evidence is None:
        return []
    by_image: dict[str, list[Any]] = {}
    for pair in comparison["map_pairs"]:
        if pair["rho"] > ALIKE:
            continue
        by_image.setdefault(pair["id"], []).append(pair)
    changed = [change["id"] for change in comparison["changed"] if change["id"] in by_image]
    others = [pair["id"] for pair in sorted(comparison["map_pairs"], key=lambda one: one["rho"])]
    others = [id_ for id_ in others if id_ in by_image]
    chosen = list(dict.fromkeys((*changed, *others)))[:PICTURED]
    pairs = {pair.new["id"]: pair for pair in _pairs(new, old)}
    found: list[MapsBefore] = []
    for id_ in chosen:
        mine, theirs = maps_of(new.evidence, pairs[id_].new), maps_of(old.evidence, pairs[id_].old)
        least = sorted(by_image[id_], key=lambda one: one["rho"])[:METHODS]
        for one in least:
            a, b = mine[one["method"]].values, theirs[one["method"]].values
            found.append(MapsBefore(id_, one["method"], np.asarray(b), np.asarray(a)))
    return found


def _pairs(new: Side, old: Side) -> Iterator[Any]:
    yield from matched(new.records, old.records, class_indices(new.names, old.names)).pairs


def compared_with(
    new: Side, old: Side, gates: Sequence[Mapping[str, Any]]
) -> tuple[Comparison, list[MapsBefore]]:
    """The comparison and the maps to set side by side."""
    comparison = compare(new, old, gates)
    return comparison, maps_before(new, old, comparison)
