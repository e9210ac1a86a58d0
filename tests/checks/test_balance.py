"""Balance: classes without images and small ones are named; an even set is clear."""

from __future__ import annotations

import numpy as np
import pytest

from reportgen.checks.balance import Balance

NAMES = ("disc", "ring", "square", "star", "cross", "bar")


@pytest.fixture
def verdict(make_case, make_answers):
    def of(counts, options=None):
        labels = np.repeat(np.arange(len(counts)), counts)
        logits = make_answers(labels, 0.9, np.random.default_rng(0), len(counts))
        return Balance(**(options or {})).judge(make_case(labels, logits, NAMES[: len(counts)]))

    return of


@pytest.mark.parametrize("absent", [[3], [0], [1, 4]])
def test_classes_without_images_are_named(verdict, absent):
    said = verdict([0 if k in absent else 60 for k in range(6)])
    assert said.status == "warning" and said.effect == 0
    assert all(NAMES[k] in said.sentence for k in absent)
    assert "not known" in said.sentence and "images are answered so" in said.sentence


@pytest.mark.parametrize("few", [1, 3, 5])
def test_a_class_with_less_than_a_tenth_of_the_median_is_named(verdict, few):
    said = verdict([60, 60, 60, few, 60, 60])
    assert said.status == "warning" and f"star ({few})" in said.sentence
    assert said.effect == pytest.approx(few / 60)


@pytest.mark.parametrize("counts", [[60] * 6, [50, 60, 70, 55, 62, 41], [6, 60, 60, 60, 60, 60]])
def test_an_even_set_is_clear(verdict, counts):
    assert verdict(counts).status == "clear"


def test_what_the_largest_class_is_worth_is_said(verdict):
    said = verdict([300, 60, 60, 60, 60, 60])
    assert said.status == "clear"
    assert "Always answering disc would be right for 50.0 %" in said.sentence


def test_too_few_images_decide_nothing_and_no_label_is_untested(verdict, make_case):
    said = verdict([1, 0, 1, 0, 1, 1])
    assert said.status == "undecided" and said.figures == (), "a list of empty classes tells nothing"
    said = Balance().judge(make_case([-1, -1], np.eye(2)))
    assert said.status == "untested" and said.exhibits.settings == ("images.labels",)


def test_a_set_of_digits_without_its_eights(digits):
    images = digits.images(each=3)
    clear = digits.verdicts(images, ["balance"])["balance"]
    for file in (images / "8").iterdir():
        file.unlink()
    warned = digits.verdicts(images, ["balance"])["balance"]
    assert (clear.status, warned.status) == ("clear", "warning")
    assert warned.sentence.startswith("No image of 8: its accuracy is not known")


def test_counts_and_medians_are_as_they_are(verdict):
    said = verdict([60, 59, 60, 2, 58, 57])
    assert "star (2), against 58.5 in the median class" in said.sentence
