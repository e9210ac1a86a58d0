"""Checks while an audit is measured: what they keep of the sample, what fails, what is folded."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from reportgen.checks import questions
from reportgen.checks.case import Answers, Case, Sample, View
from reportgen.engine.needs import Activation, Noisy, Scores
from reportgen.evidence import Evidence
from reportgen.findings import NotApplicable, Tally, Verdict
from reportgen.measure import measure_main
from reportgen.measure.checks.chosen import ChosenCheck, ChosenChecks
from reportgen.measure.checks.verdicts import folded
from reportgen.measure.checks.views import viewed
from reportgen.measure.selection import sample

NONE = Sample(np.zeros(0, dtype=np.int64))


@dataclass(frozen=True)
class Watching:
    """Keeps a row an image and a tally, and asks for two views; what it was given stays in `seen`."""

    seen: tuple[list[Case], ...] = ([],)

    def needs(self, model):
        return (Activation(model.leaves()[0].name), Scores(Noisy(2, 0.1)))

    def views(self, model):
        return (View("squashed", fit="squash"), View("as it is"))

    def observe(self, tape):
        return {
            "mean": tape[Activation(tape.model.leaves()[0].name)].mean((2, 3)),
            "noisy": tape[Scores(Noisy(2, 0.1))],
        }

    def tally(self, tape):
        return Tally(sums={"images": np.array(len(tape.labels))})

    def judge(self, case):
        self.seen[0].append(case)
        return Verdict("clear", "It was seen.")


@dataclass(frozen=True)
class Saying:
    """Says one thing, or raises."""

    verdict: Verdict | Exception
    mended: float = 0.0

    def judge(self, case):
        if isinstance(self.verdict, Exception):
            raise self.verdict
        if self.mended and case.answers.confidence.mean() == self.mended:
            return Verdict("clear", "Now it is well.")
        return self.verdict


@dataclass(frozen=True)
class Cause(Saying):
    """Explains another check."""

    def without(self, case, verdict):
        answers = case.answers
        return case.with_answers(replace(answers, confidence=np.full_like(answers.confidence, 0.5)))


def asked(two, tmp_path, checks, out="evidence", sample_size=4, at_most=200, progress=lambda *_: None):
    recipe = two.recipe(at_most=at_most, own="", edit=quick)
    recipe = recipe.model_copy(update={"beside": None})
    recipe = recipe.model_copy(update={"checks": recipe.checks.model_copy(update={"sample": sample_size})})
    audit = two.audit(recipe)
    chosen = ChosenChecks.of(list(checks.items()), audit.main.facts, sample_size)
    audit = replace(audit, models=(replace(audit.main, checks=chosen),))
    return audit, measure_main(audit, tmp_path / out, progress)


def quick(text):
    head, _, rest = text.replace("checks: false\n", "").partition("visualizations:\n")
    return head + "visualizations: [predictions]\n" + rest[rest.index("output:") :]


@pytest.mark.parametrize("at_most", [200, 2])
def test_a_check_is_given_the_rows_the_tally_and_the_views_of_its_sample(two, tmp_path, at_most):
    (two.images / "red" / "broken.png").unlink()
    check = Watching(([],))
    audit, m = asked(two, tmp_path, {"watching": check}, at_most=at_most)
    (case,) = check.seen[0]
    numbers = sample(audit.files, 4, 0)
    assert case.sample.numbers.tolist() == numbers
    count = len(case.sample.numbers)
    assert case.sample.rows["noisy"].shape == (count, 2, 3)
    assert case.sample.tally.sums["images"] == count
    own = {int(n): logits for b, part in case.sources.logits() for n, logits in zip(b, part, strict=True)}
    expected = np.stack([own[int(n)] for n in case.sample.numbers])
    np.testing.assert_allclose(case.sample.views["as it is"], expected, rtol=1e-4, atol=1e-5)
    assert not np.allclose(case.sample.views["squashed"], expected, atol=1e-3)
    spent = m.writer.cost()
    planned = audit.main.checks.cost(audit.readable)
    assert spent["check_forwards"] == planned["forwards"] + planned["perturbed_forwards"]
    assert spent["check_forwards"] == count * (1 + 2 + 2), "a forward, two perturbed ones, two views"
    (line,) = [line for line in audit.lines(audit.main) if "for the checks" in line]
    assert line.startswith("4 images drawn at random are measured for the checks: 12 forwards")


def test_the_facts_of_the_pictures_are_those_of_the_files(two, tmp_path):
    saw = []

    @dataclass(frozen=True)
    class Looking:
        def judge(self, case):
            saw.append(case)
            return Verdict("clear", "Seen.")

    audit, _ = asked(two, tmp_path, {"looking": Looking()})
    (case,) = saw
    readable = [f for f in audit.files if f.number in case.answers.numbers]
    assert len(case.pictures) == len(case.answers.numbers) == len(readable) == 9
    assert set(case.pictures.column("width")) == {49.0} and set(case.pictures.column("height")) == {42.0}
    assert case.answers.hashes == tuple(f.sha256 for f in readable)
    assert len({bytes(row) for row in case.pictures.pixels}) == 9, "every picture is another one"
    grey = case.sources.greys(case.answers.numbers[:2])
    assert {g.shape for g in grey.values()} == {(64, 64)}
    assert dict(case.sources.tensors())["head.weight"].shape[0] == 3


def test_a_check_that_raises_is_untested_and_the_others_stand(two, tmp_path):
    class Odd(Watching):
        def observe(self, tape):
            raise ZeroDivisionError("odd")

    class Unanswerable(Watching):
        def needs(self, model):
            return (NoSolver(),)

    @dataclass(frozen=True)
    class NoSolver:
        def work(self, model):
            from reportgen.engine.needs import Work

            return Work()

    good = Watching(([],))
    checks = {
        "good": good,
        "odd": Odd(([],)),
        "unanswerable": Unanswerable(([],)),
        "raising": Saying(KeyError("nothing")),
        "refusing": Saying(NotApplicable("it has no sense here")),
    }
    _, m = asked(two, tmp_path, checks)
    verdicts = {r["name"]: r for r in m.writer.records("verdicts")}
    assert verdicts["good"]["status"] == "clear"
    assert len(good.seen[0][0].sample.rows["noisy"]) == len(good.seen[0][0].sample.numbers)
    assert {verdicts[name]["status"] for name in checks if name != "good"} == {"untested"}
    assert "ZeroDivisionError: odd" in verdicts["odd"]["sentence"] and verdicts["odd"]["error"]
    assert "no solver for NoSolver" in verdicts["unanswerable"]["error"]
    assert verdicts["refusing"]["sentence"] == "Not tested: it has no sense here."
    assert verdicts["refusing"]["error"] == ""


def test_an_interrupted_sample_resumes_to_the_same_bytes(two, tmp_path):
    _, whole = asked(two, tmp_path, {"watching": Watching(([],))}, "whole")
    told = []

    def interrupt(stage, done, total, note=""):
        told.append(stage)
        if stage == "check" and done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asked(two, tmp_path, {"watching": Watching(([],))}, "again", progress=interrupt)
    asked(two, tmp_path, {"watching": Watching(([],))}, "again")
    names = sorted(path.name for path in whole.writer.folder.iterdir())
    assert any(name.startswith("checked-") for name in names) and "verdicts.json" in names
    for name in names:
        one, other = (tmp_path / out / name for out in ("whole", "again"))
        assert one.read_bytes() == other.read_bytes(), name


def answers(count=3):
    return Answers(
        np.arange(count),
        ("",) * count,
        ("",) * count,
        np.zeros(count, int),
        np.zeros(count, int),
        np.ones(count),
        np.ones(count),
    )


def fold(**checks):
    case = Case(answers(), ("a",), None, None)
    chosen = {name: ChosenCheck(name, check) for name, check in checks.items()}
    verdicts = {name: check.judge(case) for name, check in checks.items()}
    return folded(chosen, dict.fromkeys(chosen, case), verdicts)


def test_a_cause_folds_what_is_well_without_it():
    cause = Cause(Verdict("fault", "The order is wrong.", explains=("low", "other", "fine")))
    result = fold(
        cause=cause,
        low=Saying(Verdict("fault", "It is low."), mended=0.5),
        other=Saying(Verdict("warning", "It is odd.")),
        fine=Saying(Verdict("clear", "It is fine.")),
    )
    assert (result["low"].explained_by, result["low"].otherwise) == ("cause", "Now it is well.")
    assert result["other"].explained_by == "", "it has another cause"
    assert result["other"].otherwise == "It is odd."
    assert result["fine"].otherwise == "" and not result["cause"].explained_by


def test_what_is_no_harm_explains_nothing():
    cause = Cause(Verdict("clear", "The order is right.", explains=("low",)))
    result = fold(cause=cause, low=Saying(Verdict("fault", "It is low."), mended=0.5))
    assert not result["low"].explained_by


def test_a_view_keeps_the_size_of_the_input(two):
    own = two.audit(two.recipe(own="").model_copy(update={"beside": None})).main.subject.preprocessing
    assert (own.resize, own.crop) == (32, (28, 28))
    squashed = viewed(View("squash", fit="squash"), own)
    assert squashed.input_shape == own.input_shape and squashed.resize == (28, 28)
    assert viewed(View("crop", fit="crop"), own).resize == 28
    assert viewed(View("as it is"), own) == own


def test_of_labels_each_by_itself_only_what_holds_for_them_is_asked(two):
    facts = two.audit(two.recipe(own="").model_copy(update={"beside": None})).main.facts
    every = ChosenChecks.of([(name, q.check()) for name, q in questions().items()], facts, 4)
    reasons = {c.name: c.reason for c in every.fitting(exclusive=False).every}
    assert reasons["duplicates"] is reasons["weights"] is None
    assert reasons["accuracy"] == "the model does not choose one class of several"
    assert every.fitting(exclusive=True) is every
    # the small networks have no batch normalisation
    assert {c.name for c in every.every if c.reason is not None} <= {"input-statistics"}


def test_two_models_have_verdicts_of_their_own(two):
    out = two.run(two.recipe(edit=quick), "out")
    results = json.loads((out / "results.json").read_text())
    assert {check["name"] for check in results["checks"]} == {c["name"] for c in results["beside"]["checks"]}
    (theirs,) = [c for c in results["beside"]["checks"] if c["name"] == "balance"]
    assert theirs["status"] == "untested" and "the same for both models" in theirs["sentence"]
    evidence = Evidence(out / "evidence")
    assert evidence.verdicts().keys() == evidence.beside.verdicts().keys()
    assert list(evidence.altered()) == []


def test_the_rows_of_a_batch_are_one_an_image(two, tmp_path):
    class Short(Watching):
        def observe(self, tape):
            return {"mean": torch.zeros(1 + len(tape.labels))}

    _, m = asked(two, tmp_path, {"short": Short(([],))})
    (verdict,) = m.writer.records("verdicts")
    assert verdict["status"] == "untested" and "rows for" in verdict["error"]
