"""One cause, one row: what follows from a wrong order of the names is folded under it, and told as it would
be without it; a clean set gives no alarm at all."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from reportgen.checks.case import Sample
from reportgen.findings import GRAVE, Verdict
from reportgen.measure.checks.verdicts import folded

ASKED = ["accuracy", "balance", "calibration", "class-names", "duplicates", "label-noise", "weights"]


@pytest.fixture(scope="module")
def images(digits):
    return digits.images(each=40)


def test_a_clean_set_gives_no_alarm(digits, images):
    verdicts = digits.verdicts(images, ASKED)
    assert {name: said.sentence for name, said in verdicts.items() if said.status in GRAVE} == {}
    assert not any(said.error for said in verdicts.values())


@pytest.mark.parametrize("shift", [1, 9])
def test_a_shifted_list_of_names_is_the_one_row(digits, images, shift):
    names = [str((k + shift) % 10) for k in range(10)]
    model = {
        "source": f"{digits.network}:DigitNet",
        "classes": names,
        "preprocessing": {"crop": 28, "mean": [0.1307], "std": [0.3081]},
    }
    verdicts = digits.verdicts(images, ASKED, model=model)
    rows = [name for name, said in verdicts.items() if said.grave and not said.explained_by]
    assert rows == ["class-names"]
    assert "shifted by one" in verdicts["class-names"].sentence
    under = {name for name, said in verdicts.items() if said.explained_by == "class-names"}
    assert {"accuracy", "calibration"} <= under
    told = verdicts["accuracy"]
    assert told.sentence.startswith(tuple("0123456789")) and "accuracy 9" in told.otherwise


class Said:
    """A check whose verdict is read off the case: the first of those that are left in it."""

    def __init__(self, name, *explains):
        self.name, self.explains = name, explains

    def judge(self, case):
        grave = self.name in case.classes
        return Verdict("fault" if grave else "clear", self.name, explains=self.explains if grave else ())

    def without(self, case, verdict):
        """Each cause takes itself along, and only `blank` what both explain."""
        gone = {self.name, "calibration"} if self.name == "blank" else {self.name}
        return replace(case, classes=tuple(name for name in case.classes if name not in gone))


def test_what_the_first_cause_does_not_explain_the_second_may(make_case):
    case = make_case([0, 1], [[1.0, 0, 0], [0, 1.0, 0]], ["twice", "blank", "calibration"])
    checks = [Said("twice", "calibration"), Said("blank", "calibration"), Said("calibration")]
    chosen = {each.name: SimpleNamespace(check=each) for each in checks}
    cases = dict.fromkeys(chosen, case)
    said = folded(chosen, cases, {name: each.check.judge(case) for name, each in chosen.items()})
    assert said["calibration"].explained_by == "blank"
    assert not said["twice"].explained_by and not said["blank"].explained_by


class Reads:
    """A check that reads the rows of its sample by the images' places in it."""

    name, explains = "reads", ()

    def judge(self, case):
        features = case.sample.rows["features"]
        assert len(features) == len(case.sampled.numbers) == len(case.sample.views["other"])
        fits = (features == case.sampled.numbers).all()
        return Verdict("warning" if 2 in case.sampled.numbers else "clear", f"fits: {fits}")


class Drops(Said):
    """A cause that takes some images along."""

    def without(self, case, verdict):
        return case.with_answers(case.answers.only(~np.isin(case.answers.numbers, [0, 2])))


def test_what_was_measured_goes_with_the_images_that_a_cause_takes_along(make_case):
    sample = Sample(np.array([0, 1, 2, 4]), {"features": np.array([0, 1, 2, 4])}, None, {"other": np.eye(4)})
    case = replace(make_case([0, 1, 0, 1, 0], np.eye(2)[[0, 1, 0, 1, 0]], ["blank", "b"]), sample=sample)
    chosen = {each.name: SimpleNamespace(check=each) for each in (Drops("blank", "reads"), Reads())}
    cases = dict.fromkeys(chosen, case)
    said = folded(chosen, cases, {name: each.check.judge(case) for name, each in chosen.items()})
    assert (said["reads"].explained_by, said["reads"].otherwise) == ("blank", "fits: True")


class Unknown(Said):
    """A check that cannot be judged once something was mended."""

    def judge(self, case):
        if case.preprocessing.get("mended"):
            return Verdict("untested", "Not known.")
        return Verdict("warning", self.name)


class Mends(Said):
    """A cause without which so many of the four wrong answers are right."""

    def __init__(self, name, mended):
        super().__init__(name, "unknown")
        self.mended = mended

    def without(self, case, verdict):
        answers = case.answers.answers.copy()
        answers[: self.mended] = case.answers.labels[: self.mended]
        mended = case.with_answers(replace(case.answers, answers=answers))
        return replace(mended, preprocessing={"mended": "another"})


@pytest.mark.parametrize(("mended", "folds"), [(1, False), (2, True), (4, True)])
def test_a_cause_that_leaves_most_answers_wrong_explains_nothing_unknown(make_case, mended, folds):
    case = make_case([0, 0, 0, 0, 1], [[0, 1.0]] * 5, ["cause", "b"])
    checks = [Mends("cause", mended), Unknown("unknown")]
    chosen = {each.name: SimpleNamespace(check=each) for each in checks}
    said = folded(
        chosen, dict.fromkeys(chosen, case), {name: each.check.judge(case) for name, each in chosen.items()}
    )
    assert said["unknown"].explained_by == ("cause" if folds else "")


class Statistics(Mends):
    """What another cause may explain, and mends as many answers by itself."""

    def __init__(self, name, mended, *explains):
        super().__init__(name, mended)
        self.explains = explains

    def judge(self, case):
        return Verdict("fault", self.name, explains=self.explains)


@pytest.mark.parametrize(
    ("settings", "statistics", "folded_under"),
    [(1, 4, {"settings": "statistics"}), (4, 4, {"statistics": "settings"}), (1, 1, {})],
)
@pytest.mark.parametrize("first", ["settings", "statistics"])
def test_of_two_causes_the_one_that_mends_most_is_the_cause(
    make_case, settings, statistics, folded_under, first
):
    """Another preprocessing makes a few answers right, the statistics of the images all of them: the second
    is the cause. Where either mends all, it is the one that explains the other."""

    class Settled(Statistics):
        def judge(self, case):
            return Verdict("clear", "mended") if case.preprocessing.get("mended") else super().judge(case)

    case = make_case([0, 0, 0, 0, 1], [[0, 1.0]] * 5, ["cause", "b"])
    checks = [Statistics("settings", settings, "statistics"), Settled("statistics", statistics, "accuracy")]
    checks = checks if first == "settings" else checks[::-1]
    chosen = {each.name: SimpleNamespace(check=each) for each in checks}
    verdicts = {name: each.check.judge(case) for name, each in chosen.items()}
    if settings == statistics == 1:  # what is judged again without the settings is as it was
        Settled.judge = Statistics.judge
    said = folded(chosen, dict.fromkeys(chosen, case), verdicts)
    assert {name: one.explained_by for name, one in said.items() if one.explained_by} == folded_under
