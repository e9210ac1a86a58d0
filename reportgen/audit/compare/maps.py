"""How much the maps of two audits are alike: their order of places, and how far their centre moved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import hypot
from statistics import fmean
from typing import Annotated, Any

import numpy as np
from typing_extensions import TypedDict

from reportgen.audit.compare.matching import Match
from reportgen.audit.quantities import Count, ImageId, Rho
from reportgen.evidence import Evidence
from reportgen.findings import Array, Finding, Heatmap
from reportgen.stats import spearman


class MapPair(TypedDict):
    """One image's maps by both models, where they lie on one grid and explain one class."""

    id: ImageId
    method: str
    rho: Annotated[Rho, "Spearman's rank correlation, value by value"]
    shift_px: Annotated[float | None, "of the centre of what is above zero, in the model's input"]
    growth: Annotated[float | None, "the mean absolute value of the new map over that of the old one"]


class MapsCompared(TypedDict):
    """The means of one visualization over images."""

    images: Count
    rho: Rho
    lowest_rho: Rho
    shift_px: float | None
    growth: float | None


def map_pairs(new: Evidence, old: Evidence, pairs: Sequence[Match]) -> list[MapPair]:
    """The maps that both audits have of an image for the same class, on one grid and of one crop."""
    return [found for pair in pairs for found in _of_image(new, old, pair)]


def maps_of(evidence: Evidence, record: Any) -> dict[str, Heatmap]:
    """An image's map of the first target, by visualization."""
    return {name: found for name, slots in evidence.findings(record).items() if (found := _first(slots))}


def summary(pairs: Sequence[MapPair]) -> dict[str, MapsCompared]:
    """By visualization, the least alike first."""
    methods = dict.fromkeys(pair["method"] for pair in pairs)
    rows = {name: _means([pair for pair in pairs if pair["method"] == name]) for name in methods}
    return dict(sorted(rows.items(), key=lambda item: item[1]["rho"]))


def centre(values: Array) -> tuple[float, float] | None:
    """The centre (x, y) of what a map (h, w) has above zero, in shares of its width and height; None where it
    has nothing there."""
    weight = np.clip(np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0), 0, None)
    total = float(weight.sum())
    if total <= 0:
        return None
    height, width = weight.shape
    x = float((weight.sum(0) @ (np.arange(width) + 0.5)) / total / width)
    y = float((weight.sum(1) @ (np.arange(height) + 0.5)) / total / height)
    return x, y


def _of_image(new: Evidence, old: Evidence, pair: Match) -> Iterator[MapPair]:
    if not (pair.new["measured"] and pair.old["measured"]):
        return
    if pair.new["geometry"]["crop_original_px"] != pair.old["geometry"]["crop_original_px"]:
        return
    if pair.new["targets"][0]["class_name"] != pair.old["targets"][0]["class_name"]:
        return
    _, height, width = new.manifest["model"]["input_shape"]
    mine, theirs = maps_of(new, pair.new), maps_of(old, pair.old)
    for name, a in mine.items():
        b = theirs.get(name)
        rho = spearman(a.values, b.values) if b is not None and a.values.ndim == 2 else None
        if b is not None and rho is not None:
            yield {
                "id": pair.new["id"],
                "method": name,
                "rho": rho,
                "shift_px": _distance(centre(a.values), centre(b.values), width, height),
                "growth": _growth(a.values, b.values),
            }


def _first(slots: Sequence[tuple[Finding, ...]]) -> Heatmap | None:
    found = (one for one in (slots[0] if slots else ()) if isinstance(one, Heatmap) and one.name == "map")
    return next(found, None)


def _distance(
    a: tuple[float, float] | None, b: tuple[float, float] | None, width: int, height: int
) -> float | None:
    if a is None or b is None:
        return None
    return hypot((a[0] - b[0]) * width, (a[1] - b[1]) * height)


def _growth(new: Array, old: Array) -> float | None:
    before = float(np.abs(old).mean())
    return float(np.abs(new).mean()) / before if before > 0 else None


def _means(pairs: Sequence[MapPair]) -> MapsCompared:
    moved = [pair["shift_px"] for pair in pairs if pair["shift_px"] is not None]
    grown = [pair["growth"] for pair in pairs if pair["growth"] is not None]
    return {
        "images": len(pairs),
        "rho": fmean(pair["rho"] for pair in pairs),
        "lowest_rho": min(pair["rho"] for pair in pairs),
        "shift_px": fmean(moved) if moved else None,
        "growth": fmean(grown) if grown else None,
    }
