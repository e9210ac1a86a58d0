"""Experiments on pictures of the sample: their pixels, their rounds, and a run that was interrupted."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from reportgen.checks.intervention import Intervention
from reportgen.engine.onepass import OnePass
from reportgen.findings import Verdict
from reportgen.measure import measure_main
from reportgen.measure.checks import intervening
from reportgen.measure.checks.chosen import ChosenChecks
from reportgen.measure.checks.intervened import TONES, intervened, luminance
from reportgen.measure.checks.streaming import PREDICTED
from reportgen.measure.checks.views import Scale

SCALE = Scale(torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.25, 0.3]))
BOX = (2, 3, 7, 9)


@pytest.fixture(scope="module")
def pictures():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(3, 3, 24, 20, generator=generator)
    pixels[1] *= 0.3
    pixels[2] = 0.6 + (pixels[2] - 0.5) * 0.4
    return {number: SCALE.done(each[None])[0] for number, each in enumerate(pixels)}


def made(pictures, *asked):
    return intervened(asked, pictures, SCALE, torch.tensor([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("outside", [False, True])
def test_a_part_is_exchanged_to_the_pixel(pictures, outside):
    (x,) = made(pictures, Intervention(0, BOX, outside, source=1))
    inside = torch.zeros(24, 20, dtype=torch.bool)
    inside[2:7, 3:9] = True
    taken = inside != outside
    assert torch.equal(x[:, taken], pictures[1][:, taken])
    assert torch.equal(x[:, ~taken], pictures[0][:, ~taken])


def test_a_part_is_covered(pictures):
    mean, blur = made(pictures, Intervention(0, BOX, fill="mean"), Intervention(0, BOX, fill="blur"))
    assert torch.equal(mean[:, 2:7, 3:9], torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1).expand(3, 5, 6))
    assert blur[:, 2:7, 3:9].std() < pictures[0][:, 2:7, 3:9].std() / 3
    for x in (mean, blur):
        assert torch.equal(x[:, 7:], pictures[0][:, 7:]) and torch.equal(x[:, :, 9:], pictures[0][:, :, 9:])


@pytest.mark.parametrize("tone", list(TONES))
@pytest.mark.parametrize("source", [1, 2])
def test_a_picture_is_toned_until_it_measures_what_the_other_does(pictures, tone, source):
    _, measure, _, _ = TONES[tone]
    (x,) = made(pictures, Intervention(0, tone=tone, source=source))
    own, other = (SCALE.undone(pictures[number][None]).clamp(0, 1) for number in (0, source))
    wanted = measure(other)
    assert measure(SCALE.undone(x[None])) == pytest.approx(wanted, rel=0.03, abs=1e-4)
    assert abs(measure(own) - wanted) > 0.05 * wanted  # it was not so before


def test_a_picture_is_never_made_sharper(pictures):
    (x,) = made(pictures, Intervention(1, tone="sharpness", source=0))
    assert torch.allclose(x, pictures[1], atol=1e-5)


def test_colour_is_taken_and_luminance_stays(pictures):
    grey = luminance(SCALE.undone(pictures[0][None])).expand(1, 3, -1, -1)
    other = {**pictures, 9: SCALE.done(grey)[0]}
    (x,) = made(other, Intervention(0, tone="colour", source=9))
    assert torch.allclose(SCALE.undone(x[None]), grey, atol=5e-3)


def test_a_jpeg_is_pillows(pictures):
    import io

    from PIL import Image

    (x,) = made(pictures, Intervention(0, tone="jpeg", quality=30))
    pixels = (SCALE.undone(pictures[0][None])[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=30)
    expected = np.asarray(Image.open(file)) / 255
    found = SCALE.undone(x[None])[0].permute(1, 2, 0).numpy()
    assert np.abs(found - expected).max() < 1e-5


def test_a_soft_picture_is_changed_as_much_as_by_a_jpeg(pictures):
    asked = [Intervention(0, tone=tone, quality=12) for tone in ("jpeg", "soft")]
    own = luminance(SCALE.undone(pictures[0][None])).expand(1, 3, -1, -1)
    grey = {0: SCALE.done(own)[0]}
    saved, soft = (float((SCALE.undone(x[None]) - own).square().mean()) for x in made(grey, *asked))
    assert soft == pytest.approx(saved, rel=0.02) and saved > 1e-4


@dataclass(frozen=True)
class Asking:
    """Pastes every picture into the next; then covers those whose answer was class 0."""

    seen: tuple[list, ...] = ([],)
    fails_in: int = 99

    def interventions(self, case):
        self.seen[0].append(case)
        if len(self.seen[0]) > self.fails_in:
            raise ValueError("no more")
        numbers = case.sample.numbers.tolist()
        first = [
            Intervention(a, (0, 0, 20, 20), source=b)
            for a, b in zip(numbers, numbers[1:] + numbers[:1], strict=True)
        ]
        if any(each.key not in case.sample.outcomes for each in first):
            return first
        zero = [each.number for each in first if case.sample.outcomes[each.key].answer == 0]
        return [Intervention(number, (0, 0, 20, 20), fill="mean") for number in zero]

    def interventions_at_most(self, images, model):
        return 2 * images

    def judge(self, case):
        self.seen[0].append(case)
        return Verdict("clear", f"{len(case.sample.outcomes)} were seen.")


@pytest.fixture
def asked(two, tmp_path, monkeypatch):
    """Measures nine images, two to a batch and one batch to a shard, with one check."""
    monkeypatch.setattr(intervening, "BATCHES", 1)
    (two.images / "red" / "broken.png").unlink()

    def ask(check, out="evidence", progress=lambda *_: None):
        def shortened(text):
            head, _, rest = text.replace("checks: false\n", "").partition("visualizations:\n")
            return head + "visualizations: [predictions]\n" + rest[rest.index("output:") :]

        made = two.recipe(own="", edit=shortened).model_copy(update={"beside": None})
        audit = two.audit(made)
        chosen = ChosenChecks.of([("asking", check)], audit.main.facts, 9)
        audit = replace(audit, models=(replace(audit.main, checks=chosen, batch_size=2),))
        return audit, measure_main(audit, tmp_path / out, progress)

    return ask


def of_evidence(folder):
    return {file.name: file.read_bytes() for file in folder.glob("intervened-*")}


def test_rounds_go_on_until_nothing_new_is_named(asked):
    check = Asking(([],))
    audit, m = asked(check)
    last = check.seen[0][-1]
    pasted = [each for each in last.sample.outcomes.values() if each.answer == 0]
    assert 9 <= len(last.sample.outcomes) <= 18
    assert len(last.sample.outcomes) >= 9 + min(1, len(pasted))
    assert m.writer.cost()["check_forwards"] == len(last.sample.outcomes)
    assert audit.main.checks.cost(9)["forwards"] == 18 and "at most" in audit.main.checks.lines(9)[0]


def test_an_interrupted_run_gives_the_same_bytes(asked, tmp_path):
    _, whole = asked(Asking(([],)))
    folder = whole.writer.folder
    names = sorted(of_evidence(folder))
    assert len(names) > 6  # .json and .safetensors
    part = tmp_path / "part"
    shutil.copytree(folder, part)
    for name in (*names[4:], "verdicts.json", "verdicts.safetensors"):
        (part / name).unlink(missing_ok=True)
    asked(Asking(([],)), "part")
    assert of_evidence(part) == of_evidence(folder)


def test_a_check_that_fails_while_it_asks_is_untested(asked):
    _, m = asked(Asking(([],), fails_in=1))
    (verdict,) = json.loads((m.writer.folder / "verdicts.json").read_bytes())["records"]
    assert verdict["status"] == "untested" and "no more" in verdict["sentence"]
    assert m.writer.cost()["check_forwards"] == 9  # what it had asked for before was answered


def test_too_little_memory_halves_the_batches_and_changes_no_answer(asked, monkeypatch):
    whole, halved = Asking(([],)), Asking(([],))
    _, plain = asked(whole)
    score = OnePass.score
    refused = []

    def scarce(self, pixels):
        if len(pixels) > 1 and self.plan is not None and self.slots == PREDICTED:
            refused.append(len(pixels))
            raise torch.OutOfMemoryError("too little")
        return score(self, pixels)

    monkeypatch.setattr(OnePass, "score", scarce)
    _, m = asked(halved, "scarce")
    assert refused and m.engine.batch_size == 1
    expected, found = (check.seen[0][-1].sample.outcomes for check in (whole, halved))
    assert {key: each.answer for key, each in found.items()} == {
        key: each.answer for key, each in expected.items()
    }
    assert m.writer.cost()["check_forwards"] == plain.writer.cost()["check_forwards"]
