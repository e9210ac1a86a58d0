"""Curves of the limits of use, such as accuracy over noise, by both models, and up to where each holds."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from typing_extensions import TypedDict

from reportgen.audit.compare.sides import Side
from reportgen.evidence import Evidence
from reportgen.findings import Curve, Verdict

CHECK, OF_AXIS = "corruptions", "axis-"  # whose figures are compared: shares of answers over severities
LEVEL = ".holds_to_severity"  # the check's number that is the same for every size of input


class Line(TypedDict):
    """One model's line at the severities that it was asked at, with its 95 % interval."""

    x: list[float]
    y: list[float]
    low: list[float]
    high: list[float]


class Holds(TypedDict):
    """Up to which severity each holds: the last one that it surely bears, and the last that it may bear. The
    two are told apart where one surely bears what the other surely does not."""

    old: list[float]
    new: list[float]
    further: Annotated[Literal["old", "new"] | None, "null where the images do not decide it"]


class CurveChange(TypedDict):
    """One line of a check's figure, where both audits measured it."""

    check: str
    title: str
    line: str
    x_label: str
    x: Annotated[list[float], "where both were asked"]
    old: list[float]
    new: list[float]
    largest_fall: Annotated[float, "of old less new; below zero where the new one is above throughout"]
    at: Annotated[float, "the x of that"]
    old_line: Line
    new_line: Line
    holds: Annotated[Holds | None, "null of older evidence"]


def curve_changes(new: Side, old: Side) -> list[CurveChange]:
    """The last line of every figure of a corruption, the one with an interval; first those by which the two
    are told apart, then the largest fall."""
    if new.evidence is None or old.evidence is None:
        return []
    (mine, my_levels), (theirs, their_levels) = (_told(side.evidence) for side in (new, old) if side.evidence)
    rows = []
    for name in (name for name in mine if name in theirs):
        holds = holds_of(my_levels.get(name), their_levels.get(name))
        rows.append(_change(mine[name], theirs[name], holds))
    return sorted(filter(None, rows), key=lambda row: (not is_apart(row), -row["largest_fall"]))


def is_apart(row: CurveChange) -> bool:
    """Whether one of the two surely holds further than the other."""
    return bool(row["holds"] and row["holds"]["further"])


def _told(evidence: Evidence) -> tuple[dict[str, Curve], dict[str, tuple[float, float]]]:
    """The check's curves, and the ends of the levels, by the curve's name. Other checks' curves, such as an
    ROC, do not fall with a severity."""
    verdict = evidence.verdicts().get(CHECK)
    figures = verdict.figures if verdict else ()
    curves = {one.name: one for one in figures if isinstance(one, Curve) and one.name.startswith(OF_AXIS)}
    return curves, _levels(verdict)


def _levels(verdict: Verdict | None) -> dict[str, tuple[float, float]]:
    found = {}
    for name, number in (verdict.numbers if verdict else {}).items():
        if name.endswith(LEVEL) and number.low is not None and number.high is not None:
            found[OF_AXIS + name.removesuffix(LEVEL)] = (number.low, number.high)
    return found


def holds_of(new: tuple[float, float] | None, old: tuple[float, float] | None) -> Holds | None:
    """What the ends of two levels say: of each the last severity that it surely bears, and may bear."""
    if new is None or old is None:
        return None
    further: Literal["old", "new"] | None = None
    if new[0] > old[1]:
        further = "new"
    elif old[0] > new[1]:
        further = "old"
    return {"old": list(old), "new": list(new), "further": further}


def _change(new: Curve, old: Curve, holds: Holds | None) -> CurveChange | None:
    if new.labels[-1] != old.labels[-1]:
        return None
    common = [float(x) for x in np.intersect1d(new.x, old.x)]  # as they are, at least
    before = [float(old.values[-1][list(old.x).index(x)]) for x in common]
    after = [float(new.values[-1][list(new.x).index(x)]) for x in common]
    if not common or min(len(new.x), len(old.x)) < 2:
        return None
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
        "old_line": _line(old),
        "new_line": _line(new),
        "holds": holds,
    }


def _line(curve: Curve) -> Line:
    y = curve.values[-1]
    low, high = curve.band if np.ndim(curve.band) else (y, y)
    return {"x": curve.x.tolist(), "y": y.tolist(), "low": low.tolist(), "high": high.tolist()}
