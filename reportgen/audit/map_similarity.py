"""How much two models' maps of the same images are alike, where they lie on one grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from typing_extensions import TypedDict

from reportgen.audit.quantities import Count, Rho
from reportgen.evidence import Evidence, Findings, Record
from reportgen.findings import Heatmap
from reportgen.stats import spearman


class Likeness(TypedDict):
    """The rank correlation of two models' maps of one image, and whether both explain one class."""

    rho: Rho
    same_class: bool


class MeanLikeness(TypedDict):
    """The mean rank correlation over the images where both maps explain one class."""

    images: Count
    rho: Rho


def of_images(main: Evidence, beside: Evidence) -> dict[str, dict[str, Likeness]]:
    """By image and visualization: the rank correlation `rho` of the two models' first maps, and
    whether both explain the `same_class`. Maps of different grids or crops are left out."""
    others = {record["id"]: record for record in beside.records() if record["measured"]}
    return {
        mine["id"]: _of_image(mine, main.findings(mine), other, beside.findings(other))
        for mine in main.records()
        if mine["measured"] and (other := others.get(mine["id"]))
    }


def _of_image(mine: Record, ours: Findings, other: Record, theirs: Findings) -> dict[str, Likeness]:
    if mine["geometry"]["crop_original_px"] != other["geometry"]["crop_original_px"]:
        return {}
    targets = [record["targets"][0]["class_index"] for record in (mine, other)]
    known = {
        name: spearman(a.values, b.values)
        for name in ours
        if (a := _map(ours, name)) and (b := _map(theirs, name))
    }
    return {
        name: {"rho": rho, "same_class": targets[0] == targets[1]}
        for name, rho in known.items()
        if rho is not None
    }


def _map(findings: Findings, name: str) -> Heatmap | None:
    """A visualization's map of the first target."""
    slots = findings.get(name, [()])
    return next((map for map in slots[0] if isinstance(map, Heatmap) and map.name == "map"), None)


def summary(images: Mapping[str, Mapping[str, Likeness]], methods: Sequence[str]) -> dict[str, MeanLikeness]:
    """By visualization: the mean over the images where both maps explain one class."""
    means: dict[str, MeanLikeness] = {}
    for name in methods:
        likenesses = [by_method[name] for by_method in images.values() if name in by_method]
        if rhos := [likeness["rho"] for likeness in likenesses if likeness["same_class"]]:
            means[name] = {"images": len(rhos), "rho": fmean(rhos)}
    return means
