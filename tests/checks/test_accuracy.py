"""Accuracy: answers that are worth nothing and classes that are weak are found, chance is not."""

from __future__ import annotations

import numpy as np
import pytest

from reportgen.checks.accuracy import Accuracy

NAMES = ("disc", "ring", "square", "star", "cross", "bar")


def graded(make_case, make_answers, accuracies, counts, seed=0):
    labels = np.repeat(np.arange(len(counts)), counts)
    chance = np.repeat(np.asarray(accuracies, dtype=float), counts)
    logits = make_answers(labels, chance, np.random.default_rng(seed), len(counts))
    return make_case(labels, logits, NAMES[: len(counts)], seed=seed)


@pytest.mark.parametrize("weak, count, chance", [(3, 10, 0.1), (0, 60, 0.4), (5, 30, 0.3)])
def test_a_weak_class_is_named_with_its_counts(make_case, make_answers, weak, count, chance):
    accuracies = [chance if k == weak else 0.99 for k in range(6)]
    counts = [count if k == weak else 60 for k in range(6)]
    case = graded(make_case, make_answers, accuracies, counts)
    said = Accuracy().judge(case)
    own = case.answers.right[case.answers.labels == weak]
    assert said.status == "fault"
    assert f"{NAMES[weak]} {own.sum()} of {count} right" in said.sentence
    assert ("balanced accuracy" in said.sentence) == (count != 60), "where classes are not alike in size"
    missed = (case.answers.labels == weak) & ~case.answers.right
    assert set(said.exhibits.images) == set(np.flatnonzero(missed))


def test_even_classes_give_hardly_an_alarm(make_case, make_answers):
    statuses = [
        Accuracy().judge(graded(make_case, make_answers, [a] * 6, [40] * 6, seed)).status
        for a in (0.6, 0.9, 0.97)
        for seed in range(20)
    ]
    assert statuses.count("fault") <= 1 and statuses.count("warning") <= 4


def test_answers_that_are_worth_nothing(make_case, make_answers):
    guessing = graded(make_case, make_answers, [1 / 6] * 6, [100, 50, 50, 50, 50, 50])
    said = Accuracy().judge(guessing)
    assert said.status == "fault"
    assert "Always giving the commonest label would be right for 28.6 %" in said.sentence
    labels = np.repeat(np.arange(3), 20)
    said = Accuracy().judge(make_case(labels, np.tile([0.0, 3.0, 0.0], (60, 1)), NAMES[:3]))
    assert said.status == "fault" and "Every answer is ring" in said.sentence


def test_the_numbers_are_those_of_the_field(make_case, make_answers):
    from sklearn import metrics

    case = graded(make_case, make_answers, [0.9, 0.7, 0.8, 0.95, 0.6, 0.9], [40, 10, 60, 20, 30, 50])
    said = Accuracy().judge(case)
    rows = dict(said.figures[0].rows)
    y, z = case.answers.labels, case.answers.answers
    assert rows["balanced accuracy"] == pytest.approx(metrics.balanced_accuracy_score(y, z))
    assert rows["F1, macro"] == pytest.approx(metrics.f1_score(y, z, average="macro"))
    assert rows["Matthews' correlation"] == pytest.approx(metrics.matthews_corrcoef(y, z))
    logits = case.sources.all
    assert rows["label among the first 5 answers"] == pytest.approx(
        metrics.top_k_accuracy_score(y, logits, k=5)
    )
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    area = metrics.roc_auc_score(y, p, multi_class="ovr")
    assert rows["area under the ROC, macro"] == pytest.approx(area)
    mean = metrics.average_precision_score(np.eye(6)[y], p, average="macro")
    assert rows["average precision, macro"] == pytest.approx(mean)


@pytest.mark.parametrize("classes, lines", [(2, 1), (4, 4), (6, 0)])
def test_operating_curves_of_few_classes(make_case, make_answers, classes, lines):
    case = graded(make_case, make_answers, [0.8] * classes, [40] * classes)
    curves = Accuracy().judge(case).figures[1:]
    assert len(curves) == (2 if lines else 0)
    y, p = case.answers.labels, np.exp(case.sources.all)
    p /= p.sum(1, keepdims=True)
    for curve in curves:
        assert curve.values.shape == (lines, 101) and ((curve.values >= 0) & (curve.values <= 1)).all()
        for line, name in zip(curve.values, curve.labels, strict=True):
            truth, score = y == NAMES.index(name), p[:, NAMES.index(name)]
            for x, value in zip(np.linspace(0, 1, 101), line, strict=True):  # every threshold, one by one
                best = 0.0
                for threshold in [*score, np.inf]:
                    said = score >= threshold
                    recall, false = said[truth].mean(), said[~truth].mean()
                    if curve.name == "roc" and false <= x + 1e-12:
                        best = max(best, recall)
                    if curve.name == "precision" and said.any() and recall >= x - 1e-12:
                        best = max(best, (said & truth).sum() / said.sum())
                assert value == pytest.approx(best), (curve.name, name, x)


def test_few_or_no_labels(make_case, make_answers):
    few = Accuracy().judge(graded(make_case, make_answers, [0.5] * 3, [5] * 3))
    assert few.status == "undecided" and few.effect is few.low is few.high is None
    assert Accuracy().judge(make_case([-1, -1], np.eye(2))).status == "untested"
    one = Accuracy().judge(make_case([0] * 40, np.tile([1.0, 0.0], (40, 1))))
    assert one.status == "clear" and one.effect is None


def test_answers_no_better_than_the_commonest_label_are_no_open_question(make_case):
    labels = np.repeat(np.arange(6), 50)
    labels[:30] = 5  # 80 of 300
    logits = np.eye(6)[np.where(np.arange(300) % 4 == 0, labels, (labels + 1) % 6)]
    said = Accuracy().judge(make_case(labels, logits, NAMES))
    assert said.status == "warning"
    assert "No better than always giving the commonest label, right for 26.7 %" in said.sentence


def test_an_open_answer_says_how_many_images_may_decide_it(make_case, make_answers):
    said = Accuracy().judge(graded(make_case, make_answers, [0.97] * 6, [50] * 6))
    assert said.status == "undecided" and "in all may decide it" in said.remedy
    asked = int(said.remedy.split("about ")[1].split(" ")[0].replace(",", ""))
    assert asked > 300
    more = graded(make_case, make_answers, [0.97] * 6, [2 * asked // 6] * 6)
    assert Accuracy().judge(more).status == "clear"


def test_one_label_is_held_against_no_other(make_case):
    said = Accuracy().judge(make_case([0] * 40, np.tile([1.0, 0.0], (40, 1)), NAMES[:2]))
    assert "All labels are disc" in said.sentence and "points below" not in said.sentence


def test_an_output_that_is_not_finite_is_not_said_to_lack_a_label(make_case):
    from dataclasses import replace

    from reportgen.checks.calibration import Calibration
    from reportgen.checks.class_names import ClassNames
    from reportgen.checks.label_noise import LabelNoise

    case = make_case([0, 1], np.eye(2), NAMES[:2])
    case = replace(case, answers=replace(case.answers, answers=np.array([-1, -1])))
    for check in (Accuracy(), Calibration(), ClassNames(), LabelNoise()):
        said = check.judge(case)
        assert said.status == "untested" and "no labelled image has an answer" in said.sentence


def test_a_handful_of_images_has_no_interval_of_sixty_points(make_case, make_answers):
    from reportgen.checks.class_names import ClassNames

    case = graded(make_case, make_answers, [0.8] * 3, [2] * 3)
    for check in (Accuracy(), ClassNames()):
        said = check.judge(case)
        assert said.status == "undecided" and (said.effect, said.low, said.high) == (None, None, None)
    assert Accuracy().judge(case).sentence.endswith("Too few images to judge.")


def test_its_numbers_are_scikit_learns_and_none_is_a_metric_of_the_set(make_case):
    """A gate may be on either; one number under two names would be two promises."""
    from sklearn import metrics

    from reportgen.audit.gate_numbers import OF_SET

    draw = np.random.default_rng(4)
    labels = draw.integers(0, 3, 90)
    logits = draw.normal(size=(90, 3)) + 2 * np.eye(3)[labels]
    answers = logits.argmax(1)
    numbers = {
        key: number.value
        for key, number in Accuracy().judge(make_case(labels, logits, NAMES[:3])).numbers.items()
    }
    assert numbers.keys() == Accuracy.numbers.keys() and not numbers.keys() & set(OF_SET)
    expected = {
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, answers),
        "mcc": metrics.matthews_corrcoef(labels, answers),
        "weighted_precision": metrics.precision_score(labels, answers, average="weighted"),
        "weighted_recall": metrics.recall_score(labels, answers, average="weighted"),
        "weighted_f1": metrics.f1_score(labels, answers, average="weighted"),
    }
    assert {key: numbers[key] for key in expected} == pytest.approx(expected)
    odds = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert numbers["macro_roc_auc"] == pytest.approx(
        metrics.roc_auc_score(labels, odds, multi_class="ovr", average="macro")
    )
