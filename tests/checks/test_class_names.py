"""Class names: another order is found and named, whatever it is; a listed one that fits is clear."""

from __future__ import annotations

import numpy as np
import pytest

from reportgen.checks.class_names import ClassNames

NUMBERS = tuple(str(k) for k in range(12))
WORDS = ("ant", "bee", "cat", "dog", "eel", "fox")


@pytest.fixture
def verdict(make_case, make_answers):
    def of(order, names, each=40, accuracy=0.95, seed=0):
        """A network whose output k stands for the name order[k]."""
        true = np.repeat(np.arange(len(names)), each)
        logits = make_answers(true, accuracy, np.random.default_rng(seed), len(names))
        case = make_case(np.asarray(order)[true], logits, names, seed=seed)
        return ClassNames().judge(case), case

    return of


@pytest.mark.parametrize(
    "order, names, words",
    [
        (np.roll(np.arange(12), 1), NUMBERS, "shifted by one"),
        (np.roll(np.arange(6), -1), WORDS, "shifted by one"),
        ([int(k) for k in sorted(NUMBERS)], NUMBERS, "sorted as text (10 before 2)"),
        (np.arange(6)[::-1], WORDS, "reversed"),
        ([0, 1, 4, 3, 2, 5], WORDS, "cat and eel look exchanged"),
        ([2, 4, 1, 3, 0, 5], WORDS, "4 classes look out of order"),
    ],
)
@pytest.mark.parametrize("accuracy", [0.95, 0.7])
def test_another_order_is_found_and_named(verdict, order, names, words, accuracy):
    said, case = verdict(order, names, each=80, accuracy=accuracy)
    assert said.status == "fault" and words in said.sentence
    moved = np.mean(np.asarray(order)[case.answers.answers] != case.answers.answers)
    assert said.low <= moved * accuracy + 0.05 and said.low > 0.05
    mended = ClassNames().without(case, said).answers
    assert mended.right.mean() == pytest.approx(accuracy, abs=0.06)
    np.testing.assert_allclose(mended.label_probability[mended.right], mended.confidence[mended.right])


@pytest.mark.parametrize("accuracy", [1.0, 0.9, 0.5, 0.2])
def test_an_order_that_fits_is_clear(verdict, accuracy):
    said, _ = verdict(np.arange(6), WORDS, accuracy=accuracy)
    assert said.status != "fault" and not said.explains
    assert said.status == "clear" or accuracy < 0.5


def test_on_clean_sets_there_is_a_fault_in_at_most_one_of_twenty(verdict):
    draws = [verdict(np.arange(6), WORDS, 10, 0.4 + 0.01 * seed, seed)[0].status for seed in range(60)]
    assert draws.count("fault") == 0 and draws.count("warning") == 0


def test_few_images_decide_nothing(verdict, make_case):
    assert verdict(np.roll(np.arange(6), 1), WORDS, each=4)[0].status == "undecided"
    assert ClassNames().judge(make_case([-1], np.eye(1, 3))).status == "untested"


def test_many_classes_of_one_image_are_found_shifted_all_the_same(verdict):
    names = tuple(f"class {k:03d}" for k in range(300))
    said, _ = verdict(np.roll(np.arange(300), 1), names, each=1, accuracy=0.8)
    assert said.status == "fault" and "shifted by one" in said.sentence


def test_a_set_of_digits_with_two_folders_exchanged(digits):
    images = digits.images(each=12)
    (images / "3").rename(images / "x")
    (images / "5").rename(images / "3")
    (images / "x").rename(images / "5")
    said = digits.verdicts(images, ["class-names"])["class-names"]
    assert said.status == "fault" and "3 and 5 look exchanged" in said.sentence
    assert len(said.exhibits.images) >= 20


@pytest.mark.parametrize("seed", range(4))
def test_answers_worth_little_are_not_taken_for_another_order(make_case, seed):
    draw = np.random.default_rng(seed)
    true = np.repeat(np.arange(10), 60)
    likely = draw.permutation(10)  # as of an untrained last layer: each class has an answer that is likelier
    answers = np.where(draw.random(600) < 0.3, likely[true], draw.integers(0, 10, 600))
    said = ClassNames().judge(make_case(true, np.eye(10)[answers], NUMBERS[:10], seed=seed))
    assert said.low > 0.05, "another order makes more of them right, surely"
    assert said.status == "undecided" and not said.explains and "last layer" in said.remedy


def test_a_weak_network_with_two_classes_exchanged_is_found_all_the_same(verdict):
    said, _ = verdict([0, 1, 4, 3, 2, 5], WORDS, each=150, accuracy=0.45)
    assert said.status == "fault" and "cat and eel look exchanged" in said.sentence


def test_few_images_are_told_how_many_would_do(verdict):
    said, _ = verdict(np.arange(6), WORDS, each=2)
    assert said.status == "undecided" and "90 in all" in said.remedy, "half of them are held back"


def test_a_gain_that_is_not_shown_is_not_said(verdict):
    found = [verdict(np.arange(6), WORDS, 15, 0.2, seed)[0] for seed in range(20)]
    assert any(said.low <= 0 for said in found)
    assert all("some more answers right" not in said.sentence for said in found if said.low <= 0)
