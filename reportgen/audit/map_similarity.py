"""How much two models' maps of the same images are alike, where they lie on one grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from reportgen.evidence import Evidence, Findings, Record
from reportgen.findings import Heatmap
from reportgen.stats import spearman


def of_images(main: Evidence, beside: Evidence) -> dict[str, dict[str, dict[str, Any]]]:
    """By image and visualization: the rank correlation `rho` of the two models' first maps, and
    whether both explain the `same_class`. Maps of different grids or crops are left out."""
    others = {record["id"]: record for record in beside.records() if record["measured"]}
    return {
        mine["id"]: _of_image(mine, main.findings(mine), other, beside.findings(other))
        for mine in main.records()
        if mine["measured"] and (other := others.get(mine["id"]))
    }


def _of_image(mine: Record, found: Findings, other: Record, theirs: Findings) -> dict[str, dict[str, Any]]:
    if mine["geometry"]["crop_original_px"] != other["geometry"]["crop_original_px"]:
        return {}
    targets = [record["targets"][0]["class_index"] for record in (mine, other)]
    known = {
        name: spearman(a.values, b.values)
        for name in found
        if (a := _map(found, name)) and (b := _map(theirs, name))
    }
    return {
        name: {"rho": rho, "same_class": targets[0] == targets[1]}
        for name, rho in known.items()
        if rho is not None
    }


def _map(found: Findings, name: str) -> Heatmap | None:
    """A visualization's map of the first target."""
    slots = found.get(name, [()])
    return next((held for held in slots[0] if isinstance(held, Heatmap) and held.name == "map"), None)


def summary(
    images: Mapping[str, Mapping[str, Mapping[str, Any]]], methods: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """By visualization: the mean correlation over the images where both maps explain one class."""
    found = {}
    for name in methods:
        held = [one[name]["rho"] for one in images.values() if name in one and one[name]["same_class"]]
        if held:
            found[name] = {"images": len(held), "rho": fmean(held)}
    return found
