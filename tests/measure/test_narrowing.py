"""Views asked part after part: what a part excludes is not asked further, and a resumed run asks the same."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from reportgen.checks.case import Case, View, halved
from reportgen.findings import Verdict
from reportgen.measure import measure_main
from reportgen.measure.checks import narrowing, viewing
from reportgen.measure.checks.chosen import ChosenChecks

PLAIN = (
    View("as it is"),
    View("squashed", fit="squash"),
    View("inverted", inverted=True),
    View("smooth", interpolation="bicubic"),
)
STEPS = (View("a step", stepped=1e-3), View("a larger step", stepped=1e-2))


@dataclass(frozen=True)
class Searching:
    """Wants each of its views up to the first part in which more than so many images have answered by it;
    `inverted` for good. Steps are wanted always."""

    seen: tuple[list[Case], ...] = ([],)
    until: int = 2
    asked_for: tuple[View, ...] = (*PLAIN, *STEPS)

    def views(self, model):
        return self.asked_for

    def promising(self, case):
        self.seen[0].append(case)
        count = {name: np.isfinite(z).all(1).sum() for name, z in case.sample.views.items()}
        few = {name for name, n in count.items() if n <= self.until}
        return frozenset(few | {"inverted"})

    def judge(self, case):
        self.seen[0].append(case)
        return Verdict("clear", "It was seen.")


@pytest.fixture
def asked(two, tmp_path, monkeypatch):
    """Measures nine images, two of half A first, a batch of two at a time."""
    monkeypatch.setattr(narrowing, "SCREENED", 2)
    (two.images / "red" / "broken.png").unlink()

    def ask(check, out="evidence", progress=lambda *_: None):
        made = two.recipe(own="", edit=shortened).model_copy(update={"beside": None})
        audit = two.audit(made)
        chosen = ChosenChecks.of([("searching", check)], audit.main.facts, 9)
        main = replace(audit.main, checks=chosen, batch_size=2)
        audit = replace(audit, models=(main,))
        return audit, measure_main(audit, tmp_path / out, progress)

    return ask


def shortened(text):
    head, _, rest = text.replace("checks: false\n", "").partition("visualizations:\n")
    return head + "visualizations: [predictions]\n" + rest[rest.index("output:") :]


def of_half_a(case):
    return {int(n) for n, h in zip(case.answers.numbers, case.answers.hashes, strict=True) if halved(h, 0)}


def answered(case, name):
    return {int(n) for n in case.sample.numbers[np.isfinite(case.sample.views[name]).all(1)]}


def test_what_a_part_excludes_is_not_asked_of_the_next(asked):
    check = Searching(([],))
    asked(check)
    few, half, _, judged = check.seen[0]
    first = of_half_a(judged)
    assert 3 < len(first) < 8, "both halves have some, and half A more than are asked first"
    assert len(answered(few, "squashed")) == 2 and answered(few, "squashed") < first
    assert len(few.sample.numbers) == len(half.sample.numbers) == 9, "two are not taken for the half"
    assert answered(half, "squashed") == first == answered(judged, "squashed")
    assert answered(judged, "inverted") == set(judged.answers.numbers.tolist())


def test_a_gradient_is_taken_once_for_all_steps_and_told_on_the_other_half(asked, monkeypatch):
    taken = []
    own = viewing.descent

    def counting(asker, batches, fitted):
        taken.append(sum(len(x) for x, _ in batches))
        return own(asker, batches, fitted)

    monkeypatch.setattr(viewing, "descent", counting)
    check = Searching(([],), until=9)
    _, m = asked(check)
    case = check.seen[0][-1]
    first = of_half_a(case)
    assert taken == [len(first)], "one for two steps"
    assert m.writer.cost()["check_backwards"] == len(first)
    other = set(case.answers.numbers.tolist()) - first
    for step in STEPS:
        assert answered(case, step.name) == other
    small, large = (case.sample.views[step.name] for step in STEPS)
    plain = case.sample.views["as it is"]
    moved = [np.nanmax(abs(z - plain)) for z in (small, large)]
    assert 0 < moved[0] < moved[1]


def test_an_interrupted_run_resumes_to_the_same_bytes(asked, tmp_path):
    """Stopped within half A, where more is known than its first part, and between two steps."""
    calls = []
    _, whole = asked(Searching(([],)), "whole", lambda stage, *_: calls.append(stage))
    stops = [number for number, stage in enumerate(calls) if stage == "check"]
    assert len(stops) == 24
    names = sorted(path.name for path in whole.writer.folder.iterdir())
    assert sum(name.startswith("viewed-") for name in names) > 10
    for stop in (stops[13], stops[20]):
        out, seen = f"again-{stop}", []

        def interrupt(stage, *_, seen=seen, stop=stop):
            seen.append(stage)
            if len(seen) > stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            asked(Searching(([],)), out, interrupt)
        asked(Searching(([],)), out)
        for name in names:
            one, other = (tmp_path / folder / name for folder in ("whole", out))
            assert one.read_bytes() == other.read_bytes(), (stop, name)
