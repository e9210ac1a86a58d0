"""Backgrounds that decide, planted in a network by hand: found by the exchange, with masks and with boxes,
and silent where the network goes by the thing alone."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from reportgen.checks.background import Background
from reportgen.checks.intervention import Intervention
from reportgen.errors import InputError
from reportgen.measure.checks.intervened import intervened, spread
from reportgen.measure.checks.views import Scale

RULED = Path(__file__).with_name("ruled.py")
COLOURS = ("red", "green", "blue")
EACH = 40
INNER = slice(9, 23)


def picture(k, draw, share):
    """A middle of one colour; the ground of blue ones is bluish, of a share of them."""
    pixels = draw.uniform(0.1, 0.45, (32, 32, 3))
    if k == 2 and draw.random() < share:
        pixels[..., 2] += 0.4
    pixels[INNER, INNER] = draw.uniform(0.2, 0.4, 3)
    pixels[10:22, 10:22, k] += draw.uniform(0.3, 0.5)
    return (pixels.clip(0, 1) * 255).astype(np.uint8)


@pytest.fixture
def audited(digits, tmp_path):
    """The verdict on a network of a kind; `told` is how the things' places are given."""

    def audit(kind, share=1.0, told="masks", labels="folder", seed=0, **checks):
        draw, rows = np.random.default_rng(seed), ["path,part,left,top,right,bottom"]
        mask = np.zeros((32, 32), np.uint8)
        mask[INNER, INNER] = 255
        for number in range(3 * EACH):
            k = number % 3
            for folder, pixels in (("images", picture(k, draw, share)), ("masks", mask)):
                file = tmp_path / folder / COLOURS[k] / f"{number:03d}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(file)
            rows.append(f"images/{COLOURS[k]}/{number:03d}.png,thing,9,9,23,23")
        (tmp_path / "parts.csv").write_text("\n".join(rows))
        network = runpy.run_path(str(RULED))["Ruled"](kind)
        save_file(network.state_dict(), tmp_path / "ruled.safetensors")
        where = {"masks": {"masks": str(tmp_path / "masks")}, "parts": {"parts": str(tmp_path / "parts.csv")}}
        return digits.verdicts(
            tmp_path / "images",
            {"sample": 200, "only": ["background"], **checks},
            checkpoint=tmp_path / "ruled.safetensors",
            images={"labels": labels, **where.get(told, {})},
            model={
                "source": f"{RULED}:Ruled",
                "arguments": {"kind": kind},
                "classes": list(COLOURS),
                "preprocessing": {"crop": 32, "mean": [0.0], "std": [1.0]},
            },
        )["background"]

    return audit


@pytest.mark.parametrize(("told", "share"), [("masks", 1.0), ("parts", 0.7)])
def test_a_class_that_its_ground_decides(audited, told, share):
    verdict = audited("ground", share, told)
    # boxes may hold parts of a thing alone, and leave the rest of it in the background
    assert verdict.status == ("fault" if told == "masks" else "warning"), verdict.sentence
    assert verdict.low > 0.2
    assert "blue rests on what lies around the thing" in verdict.sentence
    assert "known by the background alone" in verdict.sentence and verdict.remedy
    assert verdict.exhibits.images and max(verdict.exhibits.images) < EACH  # the blue ones' backgrounds


def test_the_same_pictures_with_a_network_that_goes_by_the_thing(audited):
    verdict = audited("none")
    assert verdict.status == "clear", verdict.sentence
    assert verdict.high <= 0.2 and not verdict.exhibits.images


def test_without_labels_it_is_a_warning_at_most(audited):
    verdict = audited("ground", labels="none")
    assert verdict.status == "warning"
    assert "blue rests" in verdict.sentence


def test_nothing_says_where_the_thing_is(audited):
    verdict = audited("ground", told="nothing")
    assert verdict.status == "untested"
    assert verdict.exhibits.settings == ("images.masks", "images.parts")
    assert "images.masks" in verdict.remedy


def test_it_costs_nothing_where_nothing_says_where_the_thing_is():
    facts = type("Facts", (), {"class_count": 1000, "input_shape": (3, 224, 224)})()
    assert Background().interventions_at_most(0, facts) == 0
    assert 0 < Background().interventions_at_most(400, facts) <= 3000


def test_a_missing_folder_of_masks_is_named_by_its_key(digits, tmp_path):
    with pytest.raises(InputError, match=r"images\.masks: there is no folder"):
        digits.verdicts(digits.images(2), ["background"], images={"masks": str(tmp_path / "none")})


def test_what_is_covered_leaves_no_trace():
    draw = torch.Generator().manual_seed(0)
    x, other = torch.rand(3, 24, 24, generator=draw), torch.rand(3, 24, 24, generator=draw)
    thing, theirs = torch.zeros(24, 24, dtype=torch.bool), torch.zeros(24, 24, dtype=torch.bool)
    thing[6:14, 8:18] = True
    theirs[10:20, 2:9] = True
    things = {1: thing, 2: theirs}

    def made(own, ground):
        asked = [
            Intervention(1, fill="mean", thing=True),
            Intervention(1, fill="blur", thing=True),
            Intervention(1, fill="mean", outside=True, thing=True),
            Intervention(1, fill="blur", outside=True, thing=True),
            Intervention(1, source=2, outside=True, thing=True),
        ]
        scale = Scale((0.0,), (1.0,))
        return intervened(asked, {1: own, 2: ground}, scale, torch.zeros(3), things)

    first = made(x, other)
    moved = made(torch.where(thing, 1 - x, x), torch.where(theirs, 1 - other, other))
    for row in (0, 1):  # only the background was kept, and the thing is another one
        assert torch.equal(first[row], moved[row])
    shifted = made(torch.where(thing, x, 1 - x), other)
    for row in (2, 3):  # only the thing was kept, and the background is another one
        assert torch.equal(first[row], shifted[row])
    assert torch.equal(first[4], made(x, torch.where(theirs, 1 - other, other))[4])
    assert torch.equal(first[4][:, thing], x[:, thing])
    seen = ~thing & ~theirs
    assert torch.equal(first[4][:, seen], other[:, seen])


def test_what_is_spread_is_a_mean_of_what_is_kept():
    kept = torch.zeros(20, 20, dtype=torch.bool)
    kept[:4] = True
    x = torch.rand(2, 20, 20, generator=torch.Generator().manual_seed(1))
    found = spread(x, kept)
    low, high = x[:, kept].amin(1)[:, None, None], x[:, kept].amax(1)[:, None, None]
    assert (found >= low - 1e-5).all() and (found <= high + 1e-5).all()
    even = torch.full((2, 20, 20), 0.3)
    assert torch.allclose(spread(even, kept), even, atol=1e-6)
    assert torch.allclose(found[:, -1], x[:, kept].mean(1)[:, None].expand(2, 20), atol=0.05)  # far from all


def test_an_intervention_on_a_thing_is_one_thing():
    assert Intervention(1, fill="mean", thing=True).key != Intervention(1, fill="blur", thing=True).key
    for wrong in (
        {"thing": True},
        {"thing": True, "box": (0, 0, 2, 2), "fill": "mean"},
        {"thing": True, "source": 2},
        {"thing": True, "tone": "jpeg", "quality": 12},
    ):
        with pytest.raises(ValueError):
            Intervention(1, **wrong)
