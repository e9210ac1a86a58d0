"""What the courses of the axes say: a sentence, figures, and the numbers that gates may be on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reportgen.checks.corruptions.axes import EVERYDAY, SEVERITIES, SEVERITY, Axis
from reportgen.checks.corruptions.falls import Course, Fall
from reportgen.checks.corruptions.searching import FEWEST_DECIDING
from reportgen.checks.words import interval, listed, percent
from reportgen.findings import Curve, Finding, Number, Status, Table
from reportgen.stats import wilson

NAMED = 5  # axes in a list of the sentence


def sentence(told: Sequence[Course], side_px: int, status: Status, labelled: bool) -> str:
    """The everyday changes that it does not bear, then to what it holds, and from where it falls."""
    grave = sorted(
        (course for course in told if course.everyday is False), key=lambda c: -c.falls[EVERYDAY].size
    )
    unsure = [course for course in told if course.everyday is None]
    holding = [course for course in told if course.holds_to]
    parts = []
    if grave:
        said = [_at(course, EVERYDAY, side_px, labelled) for course in grave]
        ends = interval(*grave[0].falls[EVERYDAY].ends)
        parts.append(f"falls under everyday changes: {listed(said, NAMED)}, the first by {ends}")
    if holding:
        said = [course.axis.said(course.holds_to, side_px) for course in holding]
        parts.append(f"holds to {listed(said, NAMED)}")
    if later := _later(told):
        said = [_at(course, course.falls_from or 0, side_px, labelled) for course in later]
        parts.append(f"not to {listed(said, NAMED)}" if holding else f"falls by {listed(said, NAMED)}")
    if unsure:
        names = listed([_within(course.axis.title) for course in unsure], NAMED)
        parts.append(f"{names} {'is' if len(unsure) == 1 else 'are'} not decided")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _within(title: str) -> str:
    """A title within a sentence: names and abbreviations keep their capitals."""
    first = title.split()[0]
    return title if first.isupper() or first == "Gaussian" else f"{title[:1].lower()}{title[1:]}"


def _later(told: Sequence[Course]) -> list[Course]:
    """Those that fall by more than an everyday change, by the mildest first."""
    later = [(c.falls_from, -c.falls[c.falls_from].size, n, c) for n, c in enumerate(told) if c.falls_from]
    return [course for *_, course in sorted(later) if course.everyday is not False]


def _at(course: Course, severity: float, side_px: int, labelled: bool) -> str:
    """ "noise of 0.12 (98.0 to 61.0 % right)"."""
    fall = course.falls[severity]
    what = course.axis.said(severity, side_px)
    if not labelled:
        return f"{what} ({percent(fall.changed, 0)} of the answers change)"
    return f"{what} (from {percent(fall.before, 0)} right to {percent(fall.accuracy, 0)})"


def numbers_of(told: Sequence[Course], side_px: int) -> dict[str, Number]:
    """To what each axis holds, and between which amounts that lies where it is not decided; the same in
    severities, which are the same for every size of input."""
    found = {}
    for course in told:
        axis = course.axis
        ends = sorted(axis.amount(severity, side_px) for severity in (course.holds_to, course.open_to))
        value = axis.amount(course.holds_to, side_px)
        found[f"{axis.kind}.{axis.number}"] = Number(value, ends[0], ends[1])
        found[f"{axis.kind}.{SEVERITY}"] = Number(course.holds_to, course.holds_to, course.open_to)
    return found


def figures_of(
    told: Sequence[Course], side_px: int, labelled: bool, calibration: float
) -> tuple[Finding, ...]:
    """The table of all axes, and a small plot each where there are images enough that a line of it may mean
    something; `calibration` is the error as they are."""
    table = _table(told, side_px, labelled)
    if max(fall.n for course in told for fall in course.falls.values()) < FEWEST_DECIDING:
        return (table,)
    return (table, *(_curve(course, side_px, labelled, calibration) for course in told))


def _table(told: Sequence[Course], side_px: int, labelled: bool) -> Table:
    what = "right" if labelled else "answers changed"
    columns = (
        "axis",
        "everyday",
        "holds up to",
        "falls from",
        f"{what} there",
        "fall, points [95 %]",
        "images",
    )
    rows = tuple(_row(course, side_px, labelled) for course in told)
    return Table("holds-to", "Holds up to", columns, rows)


def _row(course: Course, side_px: int, labelled: bool) -> tuple[str | int, ...]:
    axis, first, is_open = course.axis, course.falls_from, course.open_to > course.holds_to
    fall = course.falls[first or max(course.falls)]
    everyday = {True: "holds", False: "falls", None: "not decided"}[course.everyday]
    none = "not decided" if is_open else "none of these"
    return (
        axis.title,
        f"{axis.said(EVERYDAY, side_px)}: {everyday}",
        _named(axis, course.holds_to, side_px) if course.holds_to else none,
        _named(axis, first, side_px) if first else "not decided" if is_open else "–",
        percent(fall.accuracy if labelled else fall.changed, 0),
        f"{100 * fall.size:.0f} {interval(*fall.ends, 0).replace(' %', '')}".replace("-", "−"),
        fall.n,
    )


def _named(axis: Axis, severity: float, side_px: int) -> str:
    which = "everyday" if severity == EVERYDAY else f"severity {severity:g}"
    return f"{axis.said(severity, side_px)} ({which})"


def _curve(course: Course, side_px: int, labelled: bool, calibration: float) -> Curve:
    """The shares over the severity, from the pictures as they are; the last line has an interval."""
    axis, asked = course.axis, sorted(course.falls)
    falls = [course.falls[severity] for severity in asked]
    lines: list[tuple[str, list[float]]] = [("answers changed", [0.0, *(fall.changed for fall in falls)])]
    band = [(0.0, 0.0), *(_ends(fall, labelled) for fall in falls)]
    if labelled:
        most = max(falls, key=lambda fall: fall.n)
        error = [fall.calibration for fall in falls]
        if np.isfinite([calibration, *error]).all():
            lines.append(("calibration error", [calibration, *error]))
        lines.append(("right", [most.before, *(fall.accuracy for fall in falls)]))
        band[0] = wilson(round(most.before * most.n), most.n)
    # what the first and the last are is short: the plot's label has little room
    at = [f"{axis.amount(severity, side_px):.3g}" for severity in (SEVERITIES[1], SEVERITIES[-1])]
    return Curve(
        name=f"axis-{axis.kind}",
        title=axis.title,
        values=np.array([values for _, values in lines]),
        x=np.array([0.0, *asked]),
        labels=tuple(name for name, _ in lines),
        x_label=f"severity (1 to 5: {at[0]} to {at[1]})",
        y_label="share",
        band=np.array(band).T,
        limits=(0.0, 1.0),
    )


def _ends(fall: Fall, labelled: bool) -> tuple[float, float]:
    return wilson(round((fall.accuracy if labelled else fall.changed) * fall.n), fall.n)
