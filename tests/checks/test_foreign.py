"""Foreign pictures: a network that is as sure of them as of its own is found, one that is not is clear."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from reportgen.checks.case import Foreign, Pictures, Sample
from reportgen.checks.foreign import ForeignPictures, distances, energy, told_by
from reportgen.errors import RecipeError
from reportgen.inputs.images.facts import FIELDS
from reportgen.stats import auroc, auroc_interval

ONLY = {"sample": 100, "only": ["foreign"]}


def folder_of(digits, name, pictures):
    target = digits.folder / name
    target.mkdir(exist_ok=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(target / f"{number:03d}.png")
    return target


@pytest.fixture
def made(make_case):
    """A case of so many own and foreign pictures by their logits and features."""

    def make(own, foreign, features=None, same=0):
        case = make_case(np.zeros(len(own)), own)
        pixels = np.random.default_rng(0).integers(0, 256, (len(own) + len(foreign), 16), dtype=np.uint8)
        mine, theirs = pixels[: len(own)], pixels[len(own) :].copy()
        theirs[:same] = mine[:same]

        def facts(rows):
            n = len(rows)
            values = np.zeros((n, len(FIELDS)))
            paths = tuple(f"f{k}.png" for k in range(n))
            return Pictures(FIELDS, values, rows, np.zeros((n, 2), np.uint64), ("",) * n, paths)

        kept = [{"logits": own}, {"logits": foreign}]
        if features is not None:
            kept = [{**rows, "features": part} for rows, part in zip(kept, features, strict=True)]
        sample = Sample(case.answers.numbers, kept[0])
        return replace(case, pictures=facts(mine), sample=sample, foreign=Foreign(facts(theirs), kept[1]))

    return make


def sure(n, by, seed):
    """Logits (n, 4) whose first class leads by about so much."""
    return np.random.default_rng(seed).normal(0, 0.5, (n, 4)) + by * np.eye(4)[0]


def test_noise_among_digits_is_told_with_what_keeps_it_out(digits):
    draw = np.random.default_rng(0)
    noise = draw.integers(0, 256, (40, 28, 28), dtype=np.uint8)
    foreign = folder_of(digits, "noise", noise)
    images = digits.images(10)
    m = digits.measured(images, ONLY, images={"foreign": str(foreign)})
    planned, spent = m.model.checks.cost(100), m.writer.cost()
    assert spent["check_forwards"] == planned["forwards"] == 2 * 140
    found = m.writer.finished["verdicts"]["records"][0]
    assert found["status"] in ("clear", "warning", "fault") and found["n"] == 40
    assert set(found["numbers"]) == set(ForeignPictures.numbers)
    assert found["numbers"]["distance.auroc"]["value"] > 0.9
    figures = m.writer.findings("verdicts", None)["check:foreign"][0]
    assert [figure.name for figure in figures] == ["scores", "roc", "confidence", "surest"]
    assert all(np.isfinite(figure.values).all() for figure in figures[1:3])


def test_pictures_of_the_set_itself_are_said_and_left_out(digits):
    images = digits.images(4)
    twins = digits.folder / "twins"
    shutil.copytree(images, twins)
    found = digits.verdicts(images, ONLY, images={"foreign": str(twins)})["foreign"]
    assert found.status == "untested"
    assert "all of 40 foreign pictures are pictures of the set itself" in found.sentence


def test_without_such_pictures_it_is_untested_and_costs_nothing_more(digits):
    m = digits.measured(digits.images(2), ONLY)
    found = m.writer.finished["verdicts"]["records"][0]
    assert found["status"] == "untested" and tuple(found["exhibits"]["settings"]) == ("images.foreign",)
    assert not [name for name in m.writer.finished if name.startswith("foreign")]
    assert not m.writer.keys(m.writer.shards("checked")[0]), "no row is kept that nothing is held against"


@pytest.mark.parametrize("kind", ["absent", "empty"])
def test_a_folder_that_is_not_there_or_is_empty_is_an_error_of_the_recipe(kind, digits):
    listed = digits.folder / f"{kind}-folder"
    if kind == "empty":
        listed.mkdir(exist_ok=True)
    with pytest.raises(RecipeError, match=r"images\.foreign: .*" + listed.name) as error:
        digits.measured(digits.images(2), ONLY, images={"foreign": str(listed)})
    assert error.value.remedy


def test_one_as_sure_of_foreign_pictures_is_a_fault_and_its_twin_is_clear(made):
    judge = ForeignPictures().judge
    fault, clear = (
        judge(made(sure(200, 6, 0), sure(150, 6, 1))),
        judge(made(sure(200, 6, 0), sure(150, 0, 1))),
    )
    assert (fault.status, clear.status) == ("fault", "clear")
    assert clear.high < 0.2 < fault.low
    assert fault.numbers["probability.auroc"].value == pytest.approx(0.5, abs=0.07)
    assert clear.numbers["probability.auroc"].value > 0.95


@pytest.mark.parametrize("by", [3.0, 4.0, 5.0])
def test_the_share_that_passes_grows_with_how_sure_it_is(by, made):
    shares = [
        ForeignPictures().judge(made(sure(300, 4, 0), sure(300, lead, 1))).effect for lead in (by - 1, by)
    ]
    assert shares[0] < shares[1]


def test_what_the_features_keep_out_is_a_warning_with_their_threshold(made):
    draw = np.random.default_rng(2)
    own = draw.normal(0, 0.2, (200, 8)) + np.eye(8)[0]
    foreign = draw.normal(0, 0.2, (100, 8)) - np.eye(8)[0]
    found = ForeignPictures().judge(made(sure(200, 6, 0), sure(100, 6, 1), (own, foreign)))
    assert found.status == "warning"
    assert "by the distance of features only" in found.sentence and "below -" in found.remedy


def test_a_few_in_both_are_left_out_and_too_few_decide_nothing(made):
    found = ForeignPictures().judge(made(sure(100, 6, 0), sure(60, 0, 1), same=7))
    assert found.n == 53 and "7 foreign pictures are in the set, too, and left out" in found.sentence
    few = ForeignPictures().judge(made(sure(100, 6, 0), sure(10, 0, 1)))
    assert few.status == "undecided" and "too few" in few.sentence


def test_energy_and_distances_are_those_of_slow_references(made):
    draw = np.random.default_rng(3)
    logits = draw.normal(0, 30, (20, 5))
    np.testing.assert_allclose(energy(logits), torch.logsumexp(torch.from_numpy(logits), 1))
    own, foreign = draw.normal(size=(60, 6)), draw.normal(size=(9, 6))
    unit = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (own, foreign)]
    far = np.linalg.norm(unit[0][:, None] - unit[0], axis=2)
    np.fill_diagonal(far, np.inf)
    mine, theirs = distances(own, foreign)
    np.testing.assert_allclose(mine, np.sort(far, 1)[:, 2], atol=1e-9)  # the third of 60
    beyond = np.sort(np.linalg.norm(unit[1][:, None] - unit[0], axis=2), 1)
    np.testing.assert_allclose(theirs, beyond[:, 2], atol=1e-9)


def test_the_threshold_keeps_95_of_100_own_pictures():
    own = np.arange(100.0)
    told = told_by("energy", own, np.array([0.0, 4.0, 5.0, 99.0] * 10), 0)
    assert (own >= told.threshold).mean() >= 0.95
    assert told.passing == float((np.array([0.0, 4.0, 5.0, 99.0]) >= told.threshold).mean())
    assert told.ends[0] <= told.passing <= told.ends[1]


def test_the_area_is_sklearns_and_its_interval_covers():
    draw = np.random.default_rng(4)
    own, foreign = np.round(draw.normal(1, 1, 80), 1), np.round(draw.normal(0, 1, 50), 1)
    labels = np.repeat([1, 0], [80, 50])
    assert auroc(own, foreign) == pytest.approx(roc_auc_score(labels, np.concatenate([own, foreign])))
    true, hit = float(norm.cdf(1 / np.sqrt(2))), 0
    for _ in range(400):
        area = auroc(draw.normal(1, 1, 60), draw.normal(0, 1, 40))
        low, high = auroc_interval(area, 60, 40)
        assert 0 <= low <= area <= high <= 1
        hit += low <= true <= high
    assert 0.92 <= hit / 400 <= 0.985
    low, high = auroc_interval(1.0, 40, 40)
    assert 0.9 < low < 1 and high == 1, "told apart without a mistake, it has a width"
