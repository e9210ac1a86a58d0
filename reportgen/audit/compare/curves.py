"""Curves of the limits of use, such as accuracy over noise, by both models at the same severities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from typing_extensions import TypedDict

from reportgen.audit.compare.sides import Side
from reportgen.evidence import Evidence
from reportgen.findings import Curve

GROUP = "the limits of use"  # of the checks whose curves are compared


class CurveChange(TypedDict):
    """One line of a check's figure, where both audits measured it."""

    check: str
    title: str
    line: str
    x_label: str
    x: list[float]
    old: list[float]
    new: list[float]
    largest_fall: Annotated[float, "of old less new; below zero where the new one is above throughout"]
    at: Annotated[float, "the x of that"]


def curve_changes(new: Side, old: Side) -> list[CurveChange]:
    """The last line of every such figure, which is the one with an interval; the largest fall first."""
    if new.evidence is None or old.evidence is None:
        return []
    mine, theirs = _curves(new.evidence), _curves(old.evidence)
    rows = [_change(key[0], mine[key], theirs[key]) for key in mine if key in theirs]
    return sorted(filter(None, rows), key=lambda row: -row["largest_fall"])


def _curves(evidence: Evidence) -> dict[tuple[str, str], Curve]:
    groups = {words["name"]: words["group"] for words in evidence.manifest.get("checks", ())}
    return dict(_each(evidence, groups))


def _each(evidence: Evidence, groups: dict[str, str]) -> Iterator[tuple[tuple[str, str], Curve]]:
    for name, verdict in evidence.verdicts().items():
        if groups.get(name) == GROUP:
            for figure in verdict.figures:
                if isinstance(figure, Curve):
                    yield (name, figure.name), figure


def _change(check: str, new: Curve, old: Curve) -> CurveChange | None:
    if new.labels[-1] != old.labels[-1]:
        return None
    common = [float(x) for x in np.intersect1d(new.x, old.x)]
    if len(common) < 2:
        return None
    before = [float(old.values[-1][list(old.x).index(x)]) for x in common]
    after = [float(new.values[-1][list(new.x).index(x)]) for x in common]
    # what is answered otherwise is worse where there is more of it, what is right where there is less
    worse = -1 if "changed" in new.labels[-1] else 1
    falls = [worse * (a - b) for a, b in zip(before, after, strict=True)]
    place = int(np.argmax(falls))
    return {
        "check": check,
        "title": new.title,
        "line": new.labels[-1],
        "x_label": str(new.x_label),
        "x": common,
        "old": before,
        "new": after,
        "largest_fall": falls[place],
        "at": common[place],
    }
