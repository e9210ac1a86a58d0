"""The history of earlier audits and the numbers of this one -> small plots, rows and sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reportgen.audit.history import past_of
from reportgen.report.pictures.plots import Band, Plot, Point, plot
from reportgen.report.values.card import Figure, Sign
from reportgen.report.values.comparison import ChangeLine
from reportgen.report.values.history import HistorySection, PastRow
from reportgen.report.wording import NONE, date, duration, listed, number, ordinal, plural, sentence, share

Results = Mapping[str, Any]
Past = Mapping[str, Any]
ROWS = 10
GATES_DRAWN = 4
NAMED = 3
THIS = "this audit"


def history(results: Results, reproducible: bool) -> HistorySection | None:
    """The section; None where the recipe names no history. Where bytes are to repeat, times are left out."""
    found = results.get("history")
    if found is None:
        return None
    now = past_of(results, THIS)
    audits = [*found["audits"], now]
    failed = sum(not past["met"] for past in audits)
    earlier = plural(len(found["audits"]), "earlier audit")
    unmet = f"; dots mark {failed:,} of {len(audits):,} in which a requirement was not met" if failed else ""
    return HistorySection(
        lead=f"This audit after {earlier} of the same title, the oldest on the left{unmet}."
        if found["audits"]
        else "The first audit of this title: there is none before it.",
        count=f"{len(found['audits']):,}",
        figures=tuple(_figures(audits, reproducible)) if len(audits) > 1 else (),
        rows=tuple(map(_row, reversed(audits[-ROWS:]))),
        lines=tuple(_lines(found["findings"], results, reproducible)),
    )


def _figures(audits: Sequence[Past], reproducible: bool) -> Iterator[Figure]:
    accuracy = [past["accuracy"] for past in audits]
    ends = [(past["low"], past["high"]) for past in audits]
    yield from _drawn("accuracy", "Accuracy", audits, accuracy, ends=ends)
    names = [gate["name"] for gate in audits[-1]["gates"] if not _told_already(gate)]
    for place, name in enumerate(dict.fromkeys(names[:GATES_DRAWN])):
        gates = [_gate(past, name) for past in audits]
        values = [gate["value"] if gate else None for gate in gates]
        yield from _drawn(f"gate-{place}", sentence(_plain(name)), audits, values, gates[-1]["limit"])
    faults = [float(sum(status == "fault" for status in past["checks"].values())) for past in audits]
    yield from _drawn("faults", "Checks at fault", audits, faults)
    if not reproducible:
        yield from _drawn("seconds", "Seconds of measuring", audits, [past["seconds"] for past in audits])


def _told_already(gate: Mapping[str, Any]) -> bool:
    """Whether a requirement has a plot anyway, or no number of its own to follow."""
    return bool(gate["metric"] == "accuracy" or gate["metric"].startswith("check."))


def _gate(past: Past, name: str) -> Any:
    return next((gate for gate in past["gates"] if gate["name"] == name), None)


def _drawn(
    name: str,
    title: str,
    audits: Sequence[Past],
    values: Sequence[float | None],
    limit: float | None = None,
    ends: Sequence[tuple[float | None, float | None]] = (),
) -> Iterator[Figure]:
    """A line over the audits that have the number, with its limit and interval where there are such; nothing
    of fewer than two."""
    known = [n for n, value in enumerate(values) if value is not None]
    if len(known) < 2:
        return
    x, line = np.array(known) + 1.0, np.array([values[n] for n in known], float)
    lines = [(title, line)]
    if limit is not None:
        lines.append(("limit", np.full(len(line), limit)))
    bands: dict[int, Band] = {}
    if ends and all(None not in ends[n] for n in known):
        low, high = (np.array([ends[n][side] for n in known], float) for side in (0, 1))
        bands = {0: (low, high)}
    drawn = plot(x, lines, bands, "audit", "", None)
    places = drawn.lines[0].points.split()
    marks = [_mark(places[k]) for k, n in enumerate(known) if not audits[n]["met"]]
    last = f"{title}: {number(float(line[-1]))} in this audit, {number(float(line[-2]))} before"
    yield Figure(f"history-{name}", "curve", title, "", last, plot=_marked(drawn, marks))


def _mark(place: str) -> Point:
    x, y = map(float, place.split(","))
    return Point(x, y, y, y, "", x, y)


def _marked(drawn: Plot, marks: Sequence[Point]) -> Plot:
    whole = tuple(tick for tick in drawn.x_ticks if "." not in tick.text)  # there is no audit 1.5
    return replace(drawn, points=tuple(marks), x_ticks=whole)


def _row(past: Past) -> PastRow:
    failed = [gate["name"] for gate in past["gates"] if not gate["passed"]]
    faults = [name for name, status in past["checks"].items() if status == "fault"]
    words = "met" if past["met"] else "not met"
    return PastRow(
        name=past["name"],
        date=date(past["created"]),
        met=Sign("ok" if past["met"] else "bad", words) if past["gates"] else Sign("note", "none"),
        failed=_some(list(map(_plain, failed))),
        accuracy=share(past["accuracy"]),
        faults=_some(faults) or NONE,
        checkpoint=past["checkpoint_sha256"][:12],
    )


def _plain(name: str) -> str:
    """A gate's name without the key of the recipe that it begins with."""
    return name.removeprefix("diff.").replace("_", " ")


def _some(names: Sequence[str]) -> str:
    if not names:
        return ""
    rest = len(names) - NAMED
    return listed([*names[:NAMED], *([f"{rest} more"] if rest > 0 else [])])


def _lines(findings: Sequence[Any], results: Results, reproducible: bool) -> Iterator[ChangeLine]:
    titles = {check["name"]: check["title"] for check in results["checks"]}
    for found in findings:
        if found["kind"] == "since":
            yield _since(found, titles)
        elif found["kind"] == "mended":
            yield _mended(found, titles)
        elif found["what"] != "seconds" or not reproducible:
            yield _jump(found)


def _since(found: Mapping[str, Any], titles: Mapping[str, str]) -> ChangeLine:
    name, check = _subject(found["what"], titles)
    how = "finds a fault" if check else "is not met"
    if found["audits"] == 1:
        text = f"{name} {how} for the first time in this row of audits."
    else:
        text = f"{name} {how} since {found['since']}: the {ordinal(found['audits'])} audit in a row."
    return ChangeLine("bad", "since", text, f"#check-{check}" if check else "#history", "history")


def _mended(found: Mapping[str, Any], titles: Mapping[str, str]) -> ChangeLine:
    name, check = _subject(found["what"], titles)
    how = "finds no fault any more" if check else "is met again"
    did = "it did" if check else "it was not"
    first, count = found["since"], found["audits"]
    when = first if count == 1 else f"the {count} audits from {first} on"
    text = f"{name} {how}: {did} in {when}."
    return ChangeLine("ok", "mended", text, f"#check-{check}" if check else "#history", "history")


def _subject(what: str, titles: Mapping[str, str]) -> tuple[str, str]:
    """How a requirement or a check is called in a sentence, and the check's name or ""."""
    check = what.removeprefix("check.") if what.startswith("check.") else ""
    return f"The check {titles.get(check, check)}" if check else sentence(_plain(what)), check


def _jump(found: Mapping[str, Any]) -> ChangeLine:
    told: Callable[[float], str] = {"accuracy": share, "seconds": duration}.get(found["what"], number)
    what = "The time of measuring" if found["what"] == "seconds" else sentence(found["what"])
    text = (
        f"{what} jumped to {told(found['value'])}, beyond the spread of the {found['audits']} audits before"
        f" (median {told(found['median'])})."
    )
    return ChangeLine("warn", "jump", text, "#history", "history")
