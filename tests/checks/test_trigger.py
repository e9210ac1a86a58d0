"""The screen for triggers: a way in that is planted by hand is found and confirmed, its twin is silent."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from reportgen.checks.trigger import Trigger
from reportgen.engine.needs import Normalisation, Triggers
from reportgen.engine.triggers import pasted, smallest_triggers

BACKDOORED = Path(__file__).with_name("backdoored.py")
CHECKPOINT = BACKDOORED.parents[2] / "examples" / "mnist" / "checkpoints" / "epoch-10.safetensors"
PLAIN = Normalisation((0.0,), (1.0,))


@pytest.fixture(scope="module")
def audited(digits, tmp_path_factory, verdicts_in):
    """The verdict on the digits' network with a way into a class, and what the patterns look like."""
    folder = tmp_path_factory.mktemp("backdoored")
    weights = {f"digits.{name}": value for name, value in load_file(CHECKPOINT).items()}
    save_file(weights, folder / "model.safetensors")
    images = digits.images(12)

    def audit(into, **options):
        measured = digits.measured(
            images,
            {"sample": 120, "only": [{"trigger": {"steps": 100, **options}}]},
            checkpoint=folder / "model.safetensors",
            model={"source": f"{BACKDOORED}:Backdoored", "arguments": {"into": into}},
        )
        return verdicts_in(measured)["trigger"], measured.writer.array("screened-00", "looks")

    return audit


def test_a_way_in_is_found_and_confirmed(audited):
    verdict, looks = audited(7)
    assert verdict.status == "warning", verdict.sentence
    assert "Screened all 10 classes" in verdict.sentence and "turns pictures to 7" in verdict.sentence
    assert "moved by half the picture 0 %" in verdict.sentence
    assert verdict.low > 0.2 and verdict.effect > 0.8 and verdict.remedy
    light = looks[7].mean(2)
    assert light[:3, :3].mean() > 3 * light[3:, 3:].mean()


def test_its_twin_is_silent(audited):
    verdict, _ = audited(-1)
    assert verdict.status == "clear"
    assert "does not show that there is no backdoor" in verdict.sentence
    assert "free of" not in verdict.sentence


def test_few_pictures_leave_it_untested(digits):
    verdict = digits.verdicts(digits.images(3), {"sample": 50, "only": ["trigger"]})["trigger"]
    assert verdict.status == "untested" and verdict.remedy


def test_classes_are_drawn_by_the_seed_where_there_are_many():
    facts = type("Facts", (), {"class_count": 1000})()
    first, same, other = (Trigger().screens(facts, 400, seed) for seed in (1, 1, 2))
    assert first == same and first.classes != other.classes
    assert len(set(first.classes)) == 10 and first.forwards == 10 * 100 * 8
    assert Trigger().screens(facts, 99, 0) is None
    assert Trigger().screens(type("Facts", (), {"class_count": 4})(), 400, 0) is None


class Linear(torch.nn.Module):
    """Class 1 where the pixels under a weight are light enough, else class 0 or 2 by a plain sum."""

    def __init__(self, weight):
        super().__init__()
        self.weight = weight

    def forward(self, x):
        total = (x[:, 0] * self.weight).sum((1, 2))
        return torch.stack([torch.zeros_like(total), total - 3, x.mean((1, 2, 3)) * 0 - 1], 1)


def asker(network):
    from reportgen.engine.feed import ANY
    from reportgen.engine.perturb.asking import Counter

    class Asker:
        device, batch_size, feed, counted = torch.device("cpu"), 7, ANY, Counter()

        def forward(self, x):
            self.counted.forwards += len(x)
            return network(x), {}

    return Asker()


def test_the_mask_lies_where_the_weight_is_and_is_about_as_small_as_can_be():
    weight = torch.zeros(12, 12)
    weight[4, 7:10] = 2.0  # each lit pixel of these adds 2: two of them, 3 and more in sum, are enough
    ask = asker(Linear(weight))
    x = torch.zeros(20, 1, 12, 12)
    need = Triggers((1,), 300, 4)
    found = smallest_triggers(ask, x, torch.zeros(20, dtype=torch.long), need, PLAIN)
    assert found.followed[0] >= 0.95
    assert 1.5 <= float(found.masks[0].sum()) < 4
    assert float(found.masks[0, 4, 7:10].sum()) > 0.8 * 1.5
    assert (ask.forward(pasted(x, found.masks[0], found.patterns[0], PLAIN))[0].argmax(1) == 1).all()
    assert ask.counted.forwards == need.forwards + 20 and ask.counted.backwards == need.forwards


def test_what_is_found_depends_on_neither_the_other_classes_nor_the_parts():
    weight = torch.zeros(12, 12)
    weight[4, 7:10] = 2.0
    x, answers = torch.rand(9, 1, 12, 12, generator=torch.Generator().manual_seed(0)) * 0.1, torch.zeros(9)
    need = Triggers((1,), 20, 4)
    first, second = asker(Linear(weight)), asker(Linear(weight))
    second.batch_size = 3
    a, b = (smallest_triggers(each, x, answers, need, PLAIN) for each in (first, second))
    assert torch.allclose(a.masks, b.masks, atol=1e-5)


def test_a_pattern_is_pasted_in_the_range_of_pixels():
    scale = Normalisation((0.5,), (0.25,))
    x = torch.full((2, 1, 4, 4), -2.0)  # black
    mask = torch.zeros(4, 4)
    mask[0, 0], mask[1, 1] = 1.0, 0.5
    shown = pasted(x, mask, torch.ones(1, 4, 4), scale)
    assert torch.allclose(shown[:, 0, 0, 0], torch.tensor(2.0))  # white
    assert torch.allclose(shown[:, 0, 1, 1], torch.tensor(0.0))  # half
    assert torch.allclose(shown[:, 0, 2:], torch.tensor(-2.0))


def screened(sizes, turned, n=60):
    """What a screen of ten classes found, with the shares of the pictures that follow the first pattern."""
    draw = np.random.default_rng(0)
    before = 1 + np.arange(n) % 9
    own = np.tile(before, (10, 1))
    own[0] = np.where(draw.random(n) < turned, 0, before)
    return {
        "numbers": np.arange(n),
        "classes": np.arange(10),
        "sizes": np.array(sizes, dtype=np.float32),
        "followed": np.ones(10, dtype=np.float32),
        "before": before,
        "turned": own,
        "moved": np.tile(before, (10, 1)),
        "looks": np.zeros((10, 8, 8, 1), np.uint8),
    }


USUAL = [20, 22, 18, 25, 19, 21, 24, 17, 20]


@pytest.mark.parametrize(
    ("smallest", "turned", "side", "status"),
    [
        (5.0, 0.9, (28, 28), "warning"),
        (5.0, 0.9, (14, 14), "clear"),  # a large part of the picture
        (15.0, 0.9, (28, 28), "clear"),  # no smaller than is usual
        (5.0, 0.0, (28, 28), "clear"),  # small, and turns nothing that was held back
    ],
)
def test_small_and_confirmed_is_a_warning(make_case, smallest, turned, side, status):
    case = make_case(np.arange(120) % 10, np.eye(10)[np.arange(120) % 10] * 9)
    rows = screened([smallest, *USUAL], turned)
    facts = type("Facts", (), {"input_shape": (1, *side)})()
    sample = replace(case.sample, numbers=np.arange(120), screened=rows)
    case = replace(case, model=facts, sample=sample)
    verdict = Trigger().judge(case)
    assert verdict.status == status, verdict.sentence
    assert verdict.sentence.startswith("Screened all 10 classes")


@pytest.mark.parametrize(
    ("lost", "status"),
    [
        ((), "warning"),
        ((0,), "clear"),  # the pattern itself turned nothing: it has no size
        ((1, 2, 3, 4), "warning"),  # six classes still say what is usual
        ((1, 2, 3, 4, 5), "undecided"),
    ],
)
def test_classes_that_nothing_turned_have_no_size(make_case, lost, status):
    case = make_case(np.arange(120) % 10, np.eye(10)[np.arange(120) % 10] * 9)
    sizes = np.array([5.0, *USUAL])
    sizes[[k for k in lost if k]] = 0.5  # what a search ends with that found nothing may be small
    rows = screened(sizes, 0.9)
    rows["followed"][list(lost)] = 0.1
    facts = type("Facts", (), {"input_shape": (1, 28, 28)})()
    sample = replace(case.sample, numbers=np.arange(120), screened=rows)
    verdict = Trigger().judge(replace(case, model=facts, sample=sample))
    assert verdict.status == status, verdict.sentence
    assert ("none was found" in verdict.sentence) == (lost == (0,))


def test_the_network_of_the_twin_answers_as_the_digits_do():
    network = runpy.run_path(str(BACKDOORED))["Backdoored"]
    torch.manual_seed(0)
    x = torch.full((4, 1, 28, 28), -0.1307 / 0.3081)
    x[:, :, 8:20, 8:20] += torch.rand(4, 1, 12, 12)
    plain, planted = network(-1).eval(), network(7).eval()
    planted.digits.load_state_dict(plain.digits.state_dict())
    assert torch.allclose(plain(x), planted(x), atol=1e-4)
