"""The judging of peers, with no peer there: the same rule as the audit's, on results that are written out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flaws.network import SmallNet
from flaws.peers.__main__ import PEERS, kept
from flaws.peers.cases import Case, prepared, read
from flaws.peers.dump import dump
from flaws.peers.results import Expected, Result, expected, outcome, told
from flaws.planting import FLAWS, Flaw, Planted, Said

SIX = frozenset(f"a/{number}.png" for number in range(6))
CLASSES = ("a", "b")


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (Result("label", True, "9 of 60 images of a", SIX), "found"),  # the images are the number
        (Result("label", True, "6 of 60 images of b", SIX), "partly"),  # another class
        (Result("label", True, "6 of 60 images of a", frozenset(["b/1.png"])), "partly"),  # other images
        (Result("label", False, "6 of 60 images of a", SIX), "partly"),  # told, and not decided
        (Result("label", False, "6 of 60 images of b", SIX), "missed"),
        (Result("outlier", True, "6 of 60 images of a", SIX), "missed"),  # another kind
    ],
)
def test_a_peer_is_judged_as_the_audit_is(result: Result, said: str) -> None:
    planted = Expected("twin", SIX, (Said(number=6), Said(("of a",))))
    assert outcome(("label",), planted, [result]) == said


def test_where_no_image_was_planted_the_number_is_asked_for() -> None:
    filters = Expected("twin", frozenset(), (Said(number=14),))
    assert outcome(("weights",), filters, [Result("weights", True, "14 filters are zero")]) == "found"
    assert outcome(("weights",), filters, [Result("weights", True, "a filter is zero")]) == "partly"


def test_what_is_information_only_is_no_alarm() -> None:
    assert told([Result("health", False, "0.98"), Result("label", True, "3 images")]).grave == ["label"]


def test_the_class_of_most_images_is_said() -> None:
    assert Result("outlier", True, "7", SIX | {"b/1.png"}).of_classes().sentence == "7 (class a: 6 of 7)"
    half = Result("outlier", True, "2", frozenset(["a/1.png", "b/1.png"]))
    assert half.of_classes() == half


@pytest.mark.parametrize("peer", PEERS)
def test_what_a_peer_may_name_is_a_flaw_that_is_planted(peer: str) -> None:
    from importlib import import_module

    from flaws import in_networks, in_pictures  # noqa: F401  # they register their flaws

    assert set(import_module(f"flaws.peers.with_{peer}").NAMED_BY) <= set(FLAWS)


def planted(training: bool = True) -> Planted:
    draw = np.random.default_rng(0)
    pictures = {
        f"{k}/{n}.png": draw.integers(0, 256, (8, 16), dtype=np.uint8) for k in "ab" for n in range(3)
    }
    new = {f"{k}/new.png": draw.integers(0, 256, (8, 16), dtype=np.uint8) for k in "ab"}
    recipe = {"preprocessing": {"resize": 8, "crop": 8, "mean": [0.5], "std": [0.25]}}
    return Planted(
        pictures,
        SmallNet(1, 2).eval(),
        CLASSES,
        recipe,
        {"channels": 1, "classes": 2},
        training=new | {"a/old.png": pictures["a/1.png"]} if training else {},
        touched=frozenset(["a/1.png"]),
        says=(Said(number=1), Said(("training",))),
    )


def test_a_case_is_read_as_it_was_planted_and_its_twin_is_without_the_leak(tmp_path: Path) -> None:
    def clean(seed: int) -> Planted:
        return planted(training=False)

    at = planted()
    dump(Flaw("leak", ("leakage",), lambda seed: at, clean), tmp_path)
    case, about = read(tmp_path / "leak"), expected(tmp_path / "leak")
    assert about == Expected("clean-with-training", at.touched, at.says)
    assert case.audited.paths == tuple(at.pictures)
    assert np.array_equal(case.audited.pictures[0], at.pictures["a/0.png"])
    assert case.audited.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert case.audited.probabilities.sum(1) == pytest.approx(np.ones(6))
    assert len(case.together()) == 9 and case.training is not None
    logits = case.network.fc.weight.detach().numpy() @ case.audited.features[0]
    logits = logits + case.network.fc.bias.detach().numpy()
    assert logits.argmax() == case.audited.probabilities[0].argmax()
    beside = read(tmp_path / about.twin)
    assert beside.training is not None and beside.training.paths == ("a/new.png", "b/new.png")


def test_the_recipe_crops_the_middle_or_squashes() -> None:
    wide = np.zeros((8, 16), dtype=np.uint8)
    wide[:, 4:12] = 255
    about = {"mean": [0.5], "std": [0.25]}
    cropped = prepared([wide], {"resize": 8, "crop": 8, **about})
    squashed = prepared([wide], {"resize": [8, 8], **about})
    assert cropped.shape == squashed.shape == (1, 1, 8, 8)
    assert cropped.eq(2).all() and squashed[0, 0, 4, 0] < -1.5 and squashed[0, 0, 4, 4] == 2


def test_an_error_of_a_peer_is_told_and_the_peer_is_asked_once(tmp_path: Path) -> None:
    asked = []

    def fails(case: Case) -> list[Result]:
        asked.append(case.name)
        raise ValueError("needs more than one class")

    dump(Flaw("leak", (), lambda seed: planted(), lambda seed: planted()), tmp_path)
    case = read(tmp_path / "leak")
    first, again = kept(fails, case, "flaws.with_it"), kept(fails, case, "flaws.with_it")
    assert first == again == [Result("error", False, "ValueError: needs more than one class")]
    assert asked == ["leak"]
