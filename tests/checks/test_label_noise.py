"""Label noise: planted wrong labels are counted and named; a model's own mistakes are not taken for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reportgen.checks.label_noise import LabelNoise


def mixed(make_case, noise, errors, seed=0, n=600, classes=10):
    """A case with a share of wrong labels, and a model that errs itself on another share, less surely."""
    draw = np.random.default_rng(seed)
    true = draw.integers(0, classes, n)
    logits = draw.normal(0, 1, (n, classes))
    logits[np.arange(n), true] += draw.gamma(8, 1.0, n)
    err = draw.random(n) < errors
    other = (true + draw.integers(1, classes, n)) % classes
    logits[err, true[err]] = logits[err].min(1) - 1
    logits[err, other[err]] = logits[err].max(1) + draw.gamma(2, 1.0, err.sum())
    flip = draw.random(n) < noise
    labels = np.where(flip, (true + draw.integers(1, classes, n)) % classes, true)
    return make_case(labels, logits, seed=seed), flip


@pytest.mark.parametrize("noise", [0.05, 0.08, 0.15])
@pytest.mark.parametrize("seed", range(3))
def test_planted_wrong_labels_are_counted_and_named(make_case, noise, seed):
    case, flip = mixed(make_case, noise, 0.02, seed)
    said = LabelNoise().judge(case)
    assert said.status == "fault" or (noise == 0.05 and said.status == "warning")
    assert said.low <= flip.mean() <= said.high
    named = list(said.exhibits.images)
    assert flip[named].mean() > 0.75, "most that are named are wrong"
    mended = LabelNoise().without(case, said).answers
    assert mended.right.mean() > case.answers.right.mean() + noise / 2


def test_on_clean_labels_there_is_hardly_an_alarm(make_case):
    statuses = [
        LabelNoise().judge(mixed(make_case, 0, errors, seed)[0]).status
        for errors in (0.0, 0.02, 0.05, 0.1)
        for seed in range(15)
    ]
    assert statuses.count("fault") == 0
    assert statuses.count("warning") <= 6


def test_a_model_that_errs_much_is_no_judge(make_case):
    said = LabelNoise().judge(mixed(make_case, 0.05, 0.3)[0])
    assert said.status == "undecided" and "no judge of labels" in said.sentence


def test_the_interval_covers(make_case):
    inside = 0
    for seed in range(200):
        case, _ = mixed(make_case, 0.08, 0.0, seed, n=300, classes=4)
        said = LabelNoise().judge(case)
        inside += said.low <= 0.08 <= said.high
    assert 184 <= inside <= 200


def test_few_labels_decide_nothing(make_case):
    case, _ = mixed(make_case, 0.2, 0.0, n=60)
    few = LabelNoise().judge(case)
    assert few.status == "undecided" and few.effect is few.low is few.high is None
    none = replace(case.answers, labels=np.full(60, -1))
    assert LabelNoise().judge(replace(case, answers=none)).status == "untested"


@pytest.mark.parametrize("share, status", [(0.0, "clear"), (0.08, "fault")])
def test_a_set_of_digits_with_wrong_labels(digits, share, status):
    images = digits.images(each=50)
    draw = np.random.default_rng(3)
    files = sorted(images.glob("*/*.png"))
    for file in [files[k] for k in draw.permutation(len(files))[: round(share * len(files))]]:
        other = str((int(file.parent.name) + draw.integers(1, 10)) % 10)
        file.rename(images / other / f"moved-{file.name}")
    said = digits.verdicts(images, ["label-noise", "class-names"])["label-noise"]
    assert said.status == status, said.sentence
    assert said.low <= share <= said.high


@pytest.mark.parametrize("n, status", [(120, "undecided"), (300, "undecided"), (600, "clear")])
def test_it_is_clear_only_where_the_interval_excludes_the_limit(make_case, n, status):
    said = LabelNoise().judge(mixed(make_case, 0, 0.0, n=n)[0])
    assert said.effect == 0 and said.status == status and (said.high <= 0.02) == (status == "clear")
    assert ("about" in said.remedy) == (status == "undecided"), "how many images would decide it"


def test_where_most_answers_contradict_the_labels_it_is_no_judge(make_case):
    case, _ = mixed(make_case, 0, 0.0)
    shifted = replace(case.answers, labels=np.where(case.answers.numbers < 4, case.answers.labels, 9))
    said = LabelNoise().judge(replace(case, answers=shifted))
    assert said.status == "undecided" and 0 <= said.low <= said.effect <= said.high <= 1


@pytest.mark.parametrize("errors", [0.03, 0.07])
def test_more_wrong_labels_are_no_weaker_verdict(make_case, errors):
    order = ["clear", "undecided", "warning", "fault"]
    for seed in range(4):
        said = [LabelNoise().judge(mixed(make_case, noise, errors, seed)[0]) for noise in (0.08, 0.15, 0.22)]
        ranks = [order.index(verdict.status) for verdict in said]
        assert ranks == sorted(ranks) and said[1].status == said[2].status == "fault", [
            v.sentence for v in said
        ]


def test_many_wrong_labels_are_a_fault(make_case):
    for seed in range(12):
        said = LabelNoise().judge(mixed(make_case, 0.15, 0.04, seed)[0])
        assert said.status == "fault", said.sentence
