"""Views asked round after round: one looks at what earlier ones asked, and a resumed run asks the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest

from reportgen.checks.case import Case, View
from reportgen.checks.changes import Change
from reportgen.findings import Verdict
from reportgen.measure import measure_main
from reportgen.measure.checks.chosen import ChosenChecks
from reportgen.measure.selection import sample
from reportgen.ownership import NAMES

DARK = tuple(View(f"dark {k}", pixels=Change("darker", 1 - 0.2 * k)) for k in range(1, 4))


@dataclass(frozen=True)
class Stepping:
    """Asks the first view of two images, the second of two as well once the first is known, then the first of
    seven and the third of all; keeps the cases that it saw."""

    seen: tuple[list[Case], ...] = ([],)
    broken: bool = False

    def views(self, model):
        return (*DARK, View("noise", pixels=Change("noise", 0.2)))

    def asks(self, case: Case) -> Mapping[str, int]:
        self.seen[0].append(case)
        count = {name: int(np.isfinite(z).all(1).sum()) for name, z in case.sample.views.items()}
        if self.broken and count:
            raise ValueError("broken on purpose")
        if not count:
            return {"dark 1": 2, "noise": 2}
        if "dark 2" not in count:
            return {"dark 2": 2}
        return {"dark 1": 7, "dark 3": 100}

    def asks_at_most(self, model, drawn):
        return 2 + 2 + 2 + 5 + drawn

    def judge(self, case):
        self.seen[0].append(case)
        return Verdict("clear", "It was seen.")


@pytest.fixture
def asked(two, tmp_path):
    """Measures nine images, a batch of two at a time."""
    (two.images / "red" / "broken.png").unlink()

    def ask(check, out="evidence", progress=lambda *_: None, batch_size=2):
        made = two.recipe(own="", edit=shortened).model_copy(update={"beside": None})
        audit = two.audit(made)
        chosen = ChosenChecks.of([("stepping", check)], audit.main.facts, 9)
        audit = replace(audit, models=(replace(audit.main, checks=chosen, batch_size=batch_size),))
        return audit, measure_main(audit, tmp_path / out, progress)

    return ask


def shortened(text):
    head, _, rest = text.replace("checks: false\n", "").partition("visualizations:\n")
    return head + "visualizations: [predictions]\n" + rest[rest.index("output:") :]


def answered(case, name):
    return {int(n) for n in case.sample.numbers[np.isfinite(case.sample.views[name]).all(1)]}


def test_a_round_knows_what_earlier_ones_asked_and_nothing_else(asked):
    check = Stepping(([],))
    audit, m = asked(check)
    *rounds, judged = check.seen[0]
    first = [set(sample(audit.files, count, 0)) for count in (2, 7, 9)]
    known = [{name: answered(case, name) for name in case.sample.views} for case in rounds]
    assert known[0] == {}
    assert known[1] == {"dark 1": first[0], "noise": first[0]}
    assert known[2] == {**known[1], "dark 2": first[0]}
    assert known[3] == {"dark 1": first[1], "noise": first[0], "dark 2": first[0], "dark 3": first[2]}
    assert len(rounds) == 4 and len(judged.sample.numbers) == 9
    assert {name: answered(judged, name) for name in judged.sample.views} == known[3]
    assert m.writer.cost()["check_forwards"] == 2 + 2 + 2 + 5 + 9 == m.model.checks.cost(9)["forwards"]


def test_answers_do_not_depend_on_the_batches(asked):
    checks = [Stepping(([],)) for _ in range(2)]
    cases = []
    for check, size in zip(checks, (2, 9), strict=True):
        asked(check, f"by-{size}", batch_size=size)
        cases.append(check.seen[0][-1])
    for name, logits in cases[0].sample.views.items():
        np.testing.assert_allclose(logits, cases[1].sample.views[name], atol=1e-5)


def test_a_check_that_fails_is_asked_no_further_and_the_rest_is_kept(asked):
    _, m = asked(Stepping(([],), broken=True))
    assert str(m.failed_checks["stepping"]) == "broken on purpose"
    assert m.writer.cost()["check_forwards"] == 4


def test_an_interrupted_run_resumes_to_the_same_bytes(asked, tmp_path):
    calls = []
    _, whole = asked(Stepping(([],)), "whole", lambda stage, *_: calls.append(stage))
    stops = [number for number, stage in enumerate(calls) if stage == "check"]
    names = sorted(path.name for path in whole.writer.folder.iterdir())
    assert all(NAMES.fullmatch(f"evidence/{name}") for name in names), "a report owns all of them"
    assert sum(name.startswith("swept-") for name in names) > 10
    for stop in (stops[2], stops[len(stops) // 2], stops[-2]):
        out, seen = f"again-{stop}", []

        def interrupt(stage, *_, seen=seen, stop=stop):
            seen.append(stage)
            if len(seen) > stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            asked(Stepping(([],)), out, interrupt)
        asked(Stepping(([],)), out)
        for name in names:
            one, other = (tmp_path / folder / name for folder in ("whole", out))
            assert one.read_bytes() == other.read_bytes(), (stop, name)
