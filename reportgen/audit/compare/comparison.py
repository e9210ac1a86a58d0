"""Everything that changed from one audit to another, as one value that page, diff.json and gates take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from typing_extensions import TypedDict

from reportgen.audit import answer_changes
from reportgen.audit.answer_changes import AnswerCounts
from reportgen.audit.compare.curves import CurveChange, curve_changes
from reportgen.audit.compare.limits import DiffNumbers, diff_numbers, judged
from reportgen.audit.compare.maps import MapPair, MapsCompared, map_pairs, summary
from reportgen.audit.compare.matching import Matching, class_indices, matched
from reportgen.audit.compare.network import NetworkChange, network_change
from reportgen.audit.compare.obstacles import Obstacle, obstacles
from reportgen.audit.compare.shifts import Shifts, shifts
from reportgen.audit.compare.sides import Side
from reportgen.audit.compare.verdicts import (
    CheckChange,
    NumberChange,
    RequirementChange,
    check_changes,
    number_changes,
    requirement_changes,
)
from reportgen.audit.gates import Judged
from reportgen.audit.quantities import Count, Sha256

SCHEMA: Literal["reportgen.diff/1"] = "reportgen.diff/1"


class ComparedSide(TypedDict):
    """What one of the two audits is known by."""

    name: str
    title: str
    created: str
    checkpoint: str
    checkpoint_sha256: Sha256
    source: str
    images: Sha256
    recipe: Sha256
    reportgen: str


class Images(TypedDict):
    """How many images both audits have, by hash."""

    matched: Count
    only_old: Count
    only_new: Count
    relabelled: Count


class ChangedImage(answer_changes.Changed):
    """An image to which the two answer differently; `answers` are the new model's, then the old one's."""

    path: str
    label: str | None


class Comparison(TypedDict):
    """From the old audit to the new one, of the images that both have."""

    schema: Literal["reportgen.diff/1"]
    old: ComparedSide
    new: ComparedSide
    obstacles: Annotated[list[Obstacle], "what is not compared, or not like with like, by name"]
    images: Images
    numbers: Annotated[DiffNumbers, "what a gate {diff: NAME} may be on"]
    answers: AnswerCounts
    changed: Annotated[list[ChangedImage], "newly wrong answers first"]
    shifts: Shifts
    set: Annotated[list[NumberChange], "numbers of the whole set, each of its own audit's images"]
    requirements: list[RequirementChange]
    checks: list[CheckChange]
    network: NetworkChange
    maps: dict[str, MapsCompared]
    map_pairs: Annotated[list[MapPair], "image by image"]
    curves: list[CurveChange]
    gates: Annotated[list[Judged], "the new recipe's limits on this comparison"]


def compare(new: Side, old: Side, gates: Sequence[Mapping[str, Any]] = ()) -> Comparison:
    """What changed from the old audit to the new one, from what both kept: no model is needed. `gates` are
    those of a recipe; its limits on changes are judged."""
    classes = class_indices(new.names, old.names)
    images = matched(new.records, old.records, classes)
    mine, theirs = [pair.new for pair in images.pairs], [pair.as_new for pair in images.pairs]
    counts = answer_changes.counts(mine, theirs)
    of_maps: list[MapPair] = []
    if new.evidence is not None and old.evidence is not None:
        of_maps = map_pairs(new.evidence, old.evidence, images.pairs)
    moved = shifts(new, old, images.pairs, classes is None and new.classes == old.classes)
    checks, network, maps = check_changes(new, old), network_change(new, old), summary(of_maps)
    numbers = diff_numbers(counts, moved, checks, network, maps)
    return {
        "schema": SCHEMA,
        "old": _side(old),
        "new": _side(new),
        "obstacles": list(obstacles(new, old, images)),
        "images": _images(images),
        "numbers": numbers,
        "answers": counts,
        "changed": _changed(images),
        "shifts": moved,
        "set": list(number_changes(new, old)),
        "requirements": requirement_changes(new, old),
        "checks": checks,
        "network": network,
        "maps": maps,
        "map_pairs": of_maps,
        "curves": curve_changes(new, old),
        "gates": judged(gates, numbers, counts, new.results, old.results),
    }


def _side(side: Side) -> ComparedSide:
    results = side.results
    return {
        "name": side.name,
        "title": results["title"],
        "created": results["created"],
        "checkpoint": results["model"]["checkpoint"],
        "checkpoint_sha256": results["model"]["checkpoint_sha256"],
        "source": results["model"]["source"],
        "images": results["identity"]["images"],
        "recipe": results["identity"]["recipe"],
        "reportgen": results["environment"]["reportgen"],
    }


def _images(images: Matching) -> Images:
    return {
        "matched": len(images.pairs),
        "only_old": len(images.only_old),
        "only_new": len(images.only_new),
        "relabelled": sum(pair.relabelled for pair in images.pairs),
    }


def _changed(images: Matching) -> list[ChangedImage]:
    by_id: dict[str, Any] = {pair.new["id"]: pair.new for pair in images.pairs}
    return [
        {
            "id": change["id"],
            "path": by_id[change["id"]]["path"],
            "label": by_id[change["id"]]["label"],
            "kind": change["kind"],
            "answers": change["answers"],
        }
        for change in answer_changes.changed(
            [pair.new for pair in images.pairs], [pair.as_new for pair in images.pairs]
        )
    ]
