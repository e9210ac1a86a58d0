"""The experiment of a background, step by step in pictures."""

from __future__ import annotations

from reportgen.checks.background.searching import CONFIRMED_ON, Search, kind_of
from reportgen.checks.following import Suspect, control_words, turned_first
from reportgen.checks.showing import SHOWN, Step, experiment, outcome
from reportgen.findings import Finding


def figures_of(search: Search, suspect: Suspect) -> tuple[Finding, ...]:
    """Things as they are, and before the backgrounds that are compared."""
    steps = _drawn(search, suspect) if kind_of(suspect) == "draws" else _missed(search, suspect)
    return experiment(search.case, steps)


def _drawn(search: Search, suspect: Suspect) -> list[Step]:
    """Other things before backgrounds of a class, and before those of a third one, where there is one."""
    known, k = search.known, suspect.k
    name, (_, every) = search.case.classes[k], search.drawing(k, False)
    shown = turned_first(suspect, every, known)[:SHOWN]
    own, others = (outcome(k, way(every), known) for way in (suspect.of_class, suspect.of_others))
    return [
        Step("suspects", f"Pictures of {name}", [pair.by for pair in shown]),
        Step("before", "Other things", [pair.changed for pair in shown]),
        Step("drawn", f"Before backgrounds of {name}: {own} answered {name}", suspect.of_class(shown)),
        Step("control", f"Before those of {control_words(every)}: {others}", suspect.of_others(shown)),
    ]


def _missed(search: Search, suspect: Suspect) -> list[Step]:
    """Things before other backgrounds of their class, and before those of other classes."""
    every, lost = search.exchanged(suspect.k, False, CONFIRMED_ON), set(search.failing(suspect))
    shown = sorted(every, key=lambda each: each.number not in lost)[:SHOWN]
    same, other = search.table(every).sum(0).tolist()
    of = len(search.table(every))
    own = f"Before other backgrounds of the class: {same} of {of} answered so"
    return [
        Step("before", "As they are", [each.number for each in shown]),
        Step("same", own, [each.same for each in shown]),
        Step("other", f"Before those of other classes: {other} of {of}", [each.other for each in shown]),
    ]
