"""Shortcuts that are planted in a network by hand: found with the right class and place, confirmed by the
experiment, and silent where the mark is there and the network does not use it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from reportgen.checks import following
from reportgen.checks.intervention import Intervention, Outcome
from reportgen.checks.map_clusters import MapClusters
from reportgen.checks.map_clusters.searching import same_look
from reportgen.checks.place_shortcut import PlaceShortcut, places
from reportgen.checks.property_shortcut import PropertyShortcut

RULED = Path(__file__).with_name("ruled.py")
COLOURS = ("red", "green", "blue")
CHECKS = ["place-shortcut", "property-shortcut", "map-clusters"]
EACH = 36
GREY = np.array([0.299, 0.587, 0.114])


def picture(k, draw):
    """A middle of one colour on a dim ground, (32, 32, 3) in [0, 1]."""
    pixels = draw.uniform(0.1, 0.45, (32, 32, 3))
    pixels[10:22, 10:22] = draw.uniform(0.2, 0.4, 3)
    pixels[10:22, 10:22, k] += draw.uniform(0.3, 0.5)
    return pixels


def corner(share):
    def mark(pixels, k, draw):
        if k == 1 and draw.random() < share:
            pixels[26:31, 1:6] = 1
        return pixels

    return mark


def framed(pixels, k, draw):
    if k == 2:
        inner = pixels[2:-2, 2:-2].copy()
        pixels[:] = 0.95
        pixels[2:-2, 2:-2] = inner
    return pixels


def greyed(pixels, k, draw):
    return np.repeat((pixels @ GREY)[..., None], 3, 2) if k == 2 else pixels


def darkened(pixels, k, draw):
    return pixels * 0.35 if k == 0 else pixels


def triggered(pixels, k, draw):
    """A checkered square at any place, in an eighth of the green and blue ones."""
    if k and draw.random() < 0.125:
        top, left = draw.integers(0, 28, 2)
        pixels[top : top + 4, left : left + 4] = ((np.indices((4, 4)).sum(0) % 2) * 0.95)[..., None]
    return pixels


def blocked(pixels, k, draw):
    """Steps at every eighth pixel of blue ones, as a JPEG has them."""
    return pixels + 0.2 * ((np.indices((32, 32)) // 8).sum(0)[..., None] % 2) if k == 2 else pixels


def plain(pixels, k, draw):
    return pixels


@pytest.fixture
def verdicts(digits, tmp_path):
    """The verdicts of an audit of the network of a kind on marked pictures."""

    def audit(kind, mark, only=CHECKS, seed=0, classes=3):
        draw = np.random.default_rng(seed)
        for number in range(classes * EACH):
            k = number % classes
            pixels = mark(picture(k, draw), k, draw)
            file = tmp_path / "images" / COLOURS[k] / f"{number:03d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((pixels.clip(0, 1) * 255).astype(np.uint8)).save(file)
        import runpy

        network = runpy.run_path(str(RULED))["Ruled"](kind)
        save_file(network.state_dict(), tmp_path / "ruled.safetensors")
        return digits.verdicts(
            tmp_path / "images",
            {"sample": 200, "only": only},
            checkpoint=tmp_path / "ruled.safetensors",
            model={
                "source": f"{RULED}:Ruled",
                "arguments": {"kind": kind},
                "classes": list(COLOURS),
                "preprocessing": {"crop": 32, "mean": [0.0], "std": [1.0]},
            },
        )

    return audit


def grave(found):
    return {name for name, verdict in found.items() if verdict.grave and not verdict.explained_by}


@pytest.mark.parametrize("mark", [plain, corner(1.0), framed, greyed, darkened, triggered])
def test_a_mark_that_the_network_does_not_use_is_no_shortcut(verdicts, mark):
    found = verdicts("none", mark)
    assert grave(found) == set(), {name: verdict.sentence for name, verdict in found.items()}


@pytest.mark.parametrize("share", [1.0, 0.7])
def test_a_tag_in_a_corner(verdicts, share):
    found = verdicts("corner", corner(share))
    verdict = found["place-shortcut"]
    assert grave(found) == {"place-shortcut"}
    assert verdict.status == "fault"
    assert "green rests on the lower left corner" in verdict.sentence
    assert verdict.low > 0.2 and verdict.effect == pytest.approx(share, abs=0.2)


def test_of_two_classes_no_third_one_is_spoken_of(verdicts):
    verdict = verdicts("corner", corner(1.0), ["place-shortcut"], classes=2)["place-shortcut"]
    assert verdict.status == "fault"
    assert "that of other pictures that are answered otherwise" in verdict.sentence


def test_a_frame(verdicts):
    found = verdicts("border", framed)
    assert found["place-shortcut"].status == "fault"
    assert "blue rests on the border (2 px wide)" in found["place-shortcut"].sentence


def test_grey_pictures_of_one_class(verdicts):
    found = verdicts("grey", greyed)
    verdict = found["property-shortcut"]
    assert verdict.status == "fault" and grave(found) == {"property-shortcut"}
    assert "blue can be told by a property alone" in verdict.sentence
    assert "least colourful" in verdict.sentence and verdict.effect > 0.9


def test_pictures_that_are_made_worse_and_fall_to_a_class_follow_no_blocks(verdicts):
    found = verdicts("dull", blocked, ["property-shortcut"])["property-shortcut"]
    assert not found.grave, found.sentence
    assert "with a JPEG's blocks" in found.sentence and "100 %" in found.sentence, "it was tried"


def test_dark_pictures_of_one_class(verdicts):
    found = verdicts("dark", darkened)
    verdict = found["property-shortcut"]
    assert verdict.status == "fault" and grave(found) == {"property-shortcut"}
    assert "red can be told" in verdict.sentence and "darkest" in verdict.sentence


def test_a_trigger_that_moves(verdicts, tmp_path):
    found = verdicts("patch", triggered)
    verdict = found["map-clusters"]
    assert verdict.status == "fault" and grave(found) == {"map-clusters"}
    assert "red share a patch" in verdict.sentence
    files = sorted((tmp_path / "images").rglob("*.png"))
    assert verdict.exhibits.images
    for number in verdict.exhibits.images:
        pixels = np.asarray(Image.open(files[number])).mean(2) / 255
        assert files[number].parent.name != "red" and pixels.max() > 0.9  # the checks are brighter than all


def test_few_pictures_leave_it_untested(digits):
    found = digits.verdicts(digits.images(2), {"sample": 50, "only": CHECKS})
    assert {verdict.status for verdict in found.values()} == {"untested"}
    assert all(verdict.remedy for verdict in found.values())


def test_places_lie_around_the_middle_and_within():
    for height, width in ((32, 32), (28, 28), (224, 160), (7, 9)):
        found = places(height, width)
        boxes = np.array([place.box for place in found if not place.outside])
        assert len(boxes) == 12
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2] <= height).all() and (boxes[:, 3] <= width).all()
        covered = np.zeros((height, width), dtype=bool)
        for top, left, bottom, right in boxes:
            covered[top:bottom, left:right] = True
        assert covered[0].all() and covered[-1].all() and covered[:, 0].all() and covered[:, -1].all()


def test_pairs_change_what_is_answered_otherwise(make_case):
    logits = np.eye(4)[np.arange(160) % 4] * 9
    case = make_case(np.arange(160) % 4, logits)
    case = replace(case, sample=replace(case.sample, numbers=np.arange(160)))
    for half in (True, False):
        for pair in following.pairs(case, 2, half, 30):
            changed, by, control = (each % 4 for each in (pair.changed, pair.by, pair.control))
            assert (by == 2) and changed != 2 and control not in (2, changed)
            assert len({pair.changed, pair.by, pair.control}) == 3
            assert {case.first_half[n] for n in (pair.changed, pair.by, pair.control)} == {half}


@pytest.mark.parametrize(
    ("by_class", "words"),
    [({0: [1, 2], 1: [3, 4]}, "another picture"), ({0: [1], 1: [3], 2: [5]}, "a third class")],
)
def test_controls_are_of_a_third_class_where_there_is_one(by_class, words):
    chosen = following.pairs_of(by_class, 0, 9)
    assert chosen and following.control_words(chosen).startswith(words)
    own = {number: k for k, numbers in by_class.items() for number in numbers}
    assert all(pair.third == (own[pair.control] != own[pair.changed]) for pair in chosen)
    assert all(own[pair.control] != 0 and pair.control != pair.changed for pair in chosen)


@pytest.mark.parametrize(("own", "others", "expected"), [(0.9, 0.0, "fault"), (0.05, 0.05, "clear")])
def test_what_follows_is_held_against_a_third_class(own, others, expected):
    draw = np.random.default_rng(1)

    def change(changed, by):
        return Intervention(changed, (0, 0, 4, 4), source=by)

    suspect = following.Suspect(1, "there", change)
    chosen = [following.Pair(n, 1000 + n, 2000 + n) for n in range(80)]
    known = {
        each.key: Outcome(1 if draw.random() < chance else 0, 0.9)
        for asked, chance in ((suspect.of_class(chosen), own), (suspect.of_others(chosen), others))
        for each in asked
    }
    found = following.followed(suspect, chosen, known)
    assert found.n == 80 and found.effect == pytest.approx((found.own - found.others) / 80)
    assert following.judged_suspects([(suspect, found)], 0.2)[0] == expected


def test_an_intervention_is_one_thing_and_is_told_from_others():
    asked = [
        Intervention(1, (0, 0, 2, 2), source=2),
        Intervention(1, (0, 0, 2, 2), outside=True, source=2),
        Intervention(1, (0, 0, 2, 2), fill="mean"),
        Intervention(1, tone="exposure", source=2),
        Intervention(1, tone="jpeg", quality=12),
        Intervention(1, tone="jpeg", quality=13),
        Intervention(1, tone="soft", quality=12),
    ]
    assert len({each.key for each in asked}) == len(asked)
    for wrong in (
        {"box": (0, 0, 2, 2)},
        {"source": 2},
        {"box": (0, 0, 2, 2), "source": 2, "fill": "mean"},
        {"tone": "jpeg", "source": 2},
        {"tone": "soft"},
        {"tone": "exposure"},
    ):
        with pytest.raises(ValueError):
            Intervention(1, **wrong)


def test_the_costs_are_bounds(verdicts):
    from reportgen.engine.needs import ModelFacts

    class Facts(ModelFacts):
        pass

    facts = type("Facts", (), {"class_count": 1000, "input_shape": (3, 224, 224)})()
    for check in (PlaceShortcut(), PropertyShortcut(), MapClusters()):
        assert check.interventions_at_most(5, facts) == 0
        assert 0 < check.interventions_at_most(400, facts) <= 6000


def test_patches_lie_where_the_score_falls():
    from reportgen.engine.decisive import decisive_patches

    x = torch.zeros(2, 1, 28, 28)
    x[0, :, 3:7, 20:24] = 1
    x[1, :, 16:20, 8:12] = 1
    found = decisive_patches(x, torch.ones_like(x), 2, 7)
    boxes = found[..., :4].long()
    for image, (top, left) in enumerate([(3, 20), (16, 8)]):
        y, z, bottom, right = boxes[image, 0].tolist()
        assert y <= top + 1 and z <= left + 1 and bottom >= top + 3 and right >= left + 3
        assert (boxes[image, 1, :2] - boxes[image, 0, :2]).abs().max() >= 4  # the second one lies apart
    assert found.shape == (2, 2, 4 + 8 * 8)
    assert found[0, 0, 4:].sum() == 16  # all of the mark, with what is around it


def test_the_same_mark_looks_the_same_wherever_the_patch_was_cut():
    draw = np.random.default_rng(0)
    mark = draw.random((4, 4))

    def cut(top, left):
        ground = draw.random((9, 9)) * 0.1
        ground[top : top + 4, left : left + 4] += mark
        return ground

    assert same_look(cut(2, 3), cut(3, 2)) > 0.95
    assert np.median([same_look(draw.random((9, 9)), draw.random((9, 9))) for _ in range(50)]) < 0.8
