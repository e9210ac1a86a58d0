"""Curves of the limits of use, such as accuracy over noise, by both models at the same severities."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from typing_extensions import TypedDict

from reportgen.audit.compare.sides import Side
from reportgen.evidence import Evidence
from reportgen.findings import Curve

CHECK, OF_AXIS = "corruptions", "axis-"  # whose figures are compared: shares of answers over severities


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
    """The last line of every figure of a corruption, the one with an interval; the largest fall first."""
    if new.evidence is None or old.evidence is None:
        return []
    mine, theirs = _curves(new.evidence), _curves(old.evidence)
    rows = [_change(mine[name], theirs[name]) for name in mine if name in theirs]
    return sorted(filter(None, rows), key=lambda row: -row["largest_fall"])


def _curves(evidence: Evidence) -> dict[str, Curve]:
    """By name. Other checks' curves, such as an ROC, do not fall with a severity."""
    verdict = evidence.verdicts().get(CHECK)
    figures = verdict.figures if verdict else ()
    return {one.name: one for one in figures if isinstance(one, Curve) and one.name.startswith(OF_AXIS)}


def _change(new: Curve, old: Curve) -> CurveChange | None:
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
        "check": CHECK,
        "title": new.title,
        "line": new.labels[-1],
        "x_label": str(new.x_label),
        "x": common,
        "old": before,
        "new": after,
        "largest_fall": falls[place],
        "at": common[place],
    }
