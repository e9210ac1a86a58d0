"""Preprocessing: another way that answers more labels right is found; the right one is left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from reportgen.checks.case import Sample
from reportgen.checks.preprocessing import Preprocessing
from reportgen.checks.preprocessing.alternatives import alternatives
from reportgen.checks.preprocessing.trying import tried
from reportgen.engine.network.trace import trace
from reportgen.measure.checks import narrowing

ONLY = {"sample": 200, "only": ["preprocessing", "accuracy", "class-names", "duplicates", "balance"]}
GRAVE = ("fault", "warning")


def changed(folder, change, classes=None):
    """Every picture of a folder, or of some classes, as another one."""
    for path in folder.rglob("*.png"):
        if classes is None or path.parent.name in classes:
            Image.fromarray(change(np.asarray(Image.open(path).convert("L")))).save(path)
    return folder


@pytest.fixture(scope="module")
def asked(digits):
    def ask(change=None, classes=None, each=20, **keys):
        images = digits.images(each)
        if change is not None:
            changed(images, change, classes)
        return digits.verdicts(images, ONLY, **keys)

    return ask


def test_the_clean_digits_have_no_fault_and_no_other_setting(asked):
    found = asked()["preprocessing"]
    assert found.status not in GRAVE
    assert found.sentence.startswith("None of 16 other ways")
    assert (found.high <= 0.02) == (found.status == "clear")


def test_inverted_grey_values_are_found_and_explain_the_accuracy(asked):
    verdicts = asked(lambda picture: 255 - picture)
    found = verdicts["preprocessing"]
    assert found.status == "fault"
    assert found.sentence.startswith("With inverted grey values 9")
    assert found.low > 0.3
    assert verdicts["accuracy"].explained_by == "preprocessing"
    assert verdicts["balance"].status == "clear"
    assert verdicts["class-names"].status not in GRAVE or verdicts["class-names"].explained_by


@pytest.mark.parametrize(("mean", "std"), [(-3.0, 1.0), (0.1307, 9.0)])
def test_a_wrong_scale_is_found_with_the_key_and_a_value(mean, std, asked):
    wrong = {"preprocessing": {"crop": 28, "mean": [mean], "std": [std]}}
    found = asked(model=wrong)["preprocessing"]
    assert found.status == "fault"
    assert "mean" in found.sentence or "pixels" in found.sentence
    assert "model.preprocessing.mean" in found.remedy
    assert found.exhibits.settings == ("model.preprocessing.mean", "model.preprocessing.std")


def test_a_crop_for_a_squash_is_found_with_the_share_that_it_loses(asked):
    def wide(picture):
        return np.asarray(Image.fromarray(picture).resize((56, 28)))

    cropping = {"preprocessing": {"resize": 28, "crop": 28, "mean": [0.1307], "std": [0.3081]}}
    found = asked(wide, model=cropping)["preprocessing"]
    assert found.status == "fault"
    assert "images squashed to 28×28" in found.sentence and "throws away 50 %" in found.sentence
    assert "model.preprocessing.resize: [28, 28]" in found.remedy
    squashing = {"preprocessing": {"resize": [28, 28], "mean": [0.1307], "std": [0.3081]}}
    assert asked(wide, model=squashing)["preprocessing"].status not in GRAVE


def test_a_class_on_its_side_is_named_and_its_images_shown(digits):
    images = changed(digits.images(30), lambda picture: np.rot90(picture, -1).copy(), ["4"])
    sample = {**ONLY, "sample": 300}
    found = digits.verdicts(images, sample)["preprocessing"]
    assert found.status == "fault"
    assert found.sentence.startswith("4: only ")
    assert "a turn by 90°, as they lie on their side" in found.sentence
    assert 15 <= len(found.exhibits.images) <= 30


def test_a_part_of_the_images_on_their_side_is_found(digits):
    images = digits.images(30)
    for path in sorted(images.rglob("*.png"))[::6]:
        Image.fromarray(np.rot90(np.asarray(Image.open(path)), -1).copy()).save(path)
    found = digits.verdicts(images, {**ONLY, "sample": 300})["preprocessing"]
    assert found.status in GRAVE
    assert "wrong answers would be right with a turn by 90°" in found.sentence
    assert found.low < 1 / 6 < found.high + 0.06


def test_without_labels_it_is_at_most_a_warning(digits):
    images = changed(digits.images(20), lambda picture: 255 - picture)
    found = digits.verdicts(images, ONLY, images={"labels": "none"})["preprocessing"]
    assert found.status == "warning" and "without labels" in found.sentence
    clean = digits.verdicts(digits.images(20), ONLY, images={"labels": "none"})["preprocessing"]
    assert clean.status == "undecided" and clean.exhibits.settings == ("images.labels",)


def test_on_views_that_change_nothing_but_by_chance_there_is_hardly_a_fault(make_case, make_answers, awkward):
    """What is searched among twenty is confirmed elsewhere: 200 sets on which all ways are equally good."""
    facts = trace(awkward, (3, 32, 32))
    grave = 0
    for seed in range(200):
        draw = np.random.default_rng(seed)
        labels = draw.integers(0, 5, 200)
        case = make_case(labels, make_answers(labels, 0.8, draw, 5), seed=seed)
        views = {way.view.name: make_answers(labels, 0.8, draw, 5) for way in alternatives(facts)}
        object.__setattr__(case, "model", facts)
        object.__setattr__(case, "sample", Sample(case.answers.numbers, views=views))
        grave += Preprocessing().judge(case).status in GRAVE
    assert grave <= 10


def narrowed(case, limit):
    """The case where what half A excludes was not asked of half B."""
    half = case.first_half
    so_far = {name: np.where(half[:, None], z, np.nan) for name, z in case.sample.views.items()}
    kept = Preprocessing(limit).promising(replace(case, sample=replace(case.sample, views=so_far)))
    views = {name: z if name in kept else so_far[name] for name, z in case.sample.views.items()}
    return replace(case, sample=replace(case.sample, views=views)), kept


def test_what_half_a_excludes_is_no_finding_and_changes_none(make_case, make_answers, awkward):
    """Ways that are better, worse or as good for all, for a class or for a part: the same is found."""
    facts = trace(awkward, (3, 32, 32))
    ways, found, dropped = alternatives(facts), 0, 0
    for seed in range(24):
        draw = np.random.default_rng(seed)
        labels = draw.integers(0, 5, 150)
        right = np.where(labels == 1, 0.2, 0.8) if seed % 2 else np.full(150, 0.8)
        case = make_case(labels, make_answers(labels, right, draw, 5), seed=seed)
        views = {
            way.view.name: make_answers(labels, draw.choice([0.3, 0.75, 0.8, 0.85, 0.95]), draw, 5)
            for way in ways
        }
        case = replace(case, model=facts, sample=Sample(case.answers.numbers, views=views))
        less, kept = narrowed(case, 0.02)
        whole, part = (Preprocessing()._found(each, tried(each)) for each in (case, less))
        dropped += len(ways) - len(kept)
        assert (whole is None) == (part is None)
        if whole is not None:
            found += 1
            assert part.tried.way.view.name == whole.tried.way.view.name in kept
            assert (part.kind, part.gain, part.low, part.n) == (whole.kind, whole.gain, whole.low, whole.n)
    assert found > 6 and dropped > 60


def test_asked_part_after_part_the_verdict_on_a_planted_fault_is_the_same(digits, verdicts_in, monkeypatch):
    images = digits.images(8)
    for path in sorted(images.rglob("*.png"))[::3]:
        Image.fromarray(np.rot90(np.asarray(Image.open(path)), -1).copy()).save(path)
    monkeypatch.setattr(narrowing, "SCREENED", 15)
    asked = {"sample": 80, "only": ["preprocessing"]}
    less = digits.measured(images, asked)
    monkeypatch.delattr(Preprocessing, "promising")
    whole = digits.measured(images, asked)
    part, all_asked = (verdicts_in(m)["preprocessing"] for m in (less, whole))
    assert part.status in GRAVE and "a turn by 90°" in part.sentence
    assert replace(part, figures=()) == replace(all_asked, figures=())
    assert less.writer.cost()["check_forwards"] < whole.writer.cost()["check_forwards"]
