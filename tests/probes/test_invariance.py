"""Invariance against networks that cannot tell, a network that can, and a slow loop over changed images."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.nn import functional as F

from reportgen.engine.network.trace import trace
from reportgen.errors import UnknownName
from reportgen.findings import Curve, NotApplicable, Tally, at
from reportgen.probes.invariance import Invariance, interval

SIDE = 24


class Circular(nn.Module):
    """Circular convolutions and a mean over all places: a circular shift changes nothing after the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular")
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.pool(F.relu(self.first(x))).flatten(1))


def framed(n: int = 3) -> torch.Tensor:
    """Noise in the middle of an even frame, which a shift of the whole does not push out of view."""
    x = torch.full((n, 3, SIDE, SIDE), 0.3)
    x[..., 8:16, 8:16] = torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    return x


def curves(done, probe, slot: int = 0) -> dict[str, np.ndarray]:
    """The one line of every curve, (N, V), by name."""
    found = done.findings(probe, slot)
    return {name: held.values[:, 0] for name, held in found.items() if isinstance(held, Curve)}


def test_a_network_that_is_blind_to_shifts_has_flat_curves_where_it_is(measured):
    torch.manual_seed(0)
    found = curves(measured(Circular(), framed(), probe := Invariance(translation_px=6, steps=7)), probe)
    scale = found["distance-2-scale"].max()
    assert found["distance-2-translation"].max() < 1e-4 * scale, "after the mean over all places"
    assert np.ptp(found["probability-translation"], axis=1).max() < 1e-5
    moved = found["distance-translation"]  # the first layer moves with the image
    assert moved[:, 3].max() < 1e-4 and moved[:, [0, 1, 2, 4, 5, 6]].min() > 0.1


def test_a_picture_that_looks_the_same_turned_has_no_distance_at_quarter_turns(measured):
    torch.manual_seed(0)
    half = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(5))
    x = sum(torch.rot90(half, k, (2, 3)) for k in range(4))
    probe = Invariance(rotation_deg=360, steps=9)  # every 45 degrees
    found = curves(measured(Circular(), x, probe), probe)["distance-rotation"]
    assert found[:, ::2].max() < 1e-3 * found[:, 1::2].min()


def test_distances_and_probabilities_are_those_of_a_slow_loop(awkward, measured):
    x = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    labels = torch.tensor([2, -1, 4])
    probe = Invariance(translation_px=4, steps=3, layers=("last", "stem"))
    found = curves(measured(awkward, x, probe, labels=labels), probe)
    kept = {}
    for name in ("last", "stem"):
        awkward.get_submodule(name).register_forward_hook(
            lambda _m, _a, out, name=name: kept.__setitem__(name, out.clone())
        )
    with torch.no_grad():
        for n in range(3):
            clean_logits = awkward(x[n : n + 1])
            clean = dict(kept)
            chosen = int(labels[n]) if labels[n] >= 0 else int(clean_logits.argmax())
            for v, shift in enumerate((-4, 0, 4)):
                rows = (torch.arange(32) - shift).clamp(0, 31)
                p = awkward(x[n : n + 1, :, rows]).softmax(1)[0, chosen]
                assert found["probability-translation"][n, v] == pytest.approx(float(p), abs=1e-5)
                for row, name in (("distance", "last"), ("distance-2", "stem")):
                    expected = float((kept[name] - clean[name]).double().pow(2).sum().sqrt())
                    assert found[f"{row}-translation"][n, v] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_the_share_of_answers_that_stay(measured):
    class Upper(nn.Module):
        """Class 1 where the upper half is bright, else class 0."""

        def __init__(self) -> None:
            super().__init__()
            self.same = nn.Conv2d(1, 1, 1, bias=False)
            self.head = nn.Linear(1, 2, bias=False)
            nn.init.ones_(self.same.weight)
            with torch.no_grad():
                self.head.weight.copy_(torch.tensor([[-1.0], [1.0]]))

        def forward(self, x):
            return self.head(self.same(x)[..., :8, :].mean((2, 3)))

    x = torch.full((1, 1, 16, 16), -1.0)
    x[..., :8, :] = 1
    probe = Invariance(translation_px=6, steps=13, rotation_deg=180, scale=1.5, border="black")
    found = measured(Upper(), x, probe).findings(probe)
    # moved up by k, k of eight bright rows are -1: bright for k < 4. Moved down, they are black, which is
    # -2 here: bright for k < 8/3. The curve and the share say so
    p = found["probability-translation"]
    assert p.x[p.values[0, 0] > 0.5].tolist() == [-3, -2, -1, 0, 1, 2]
    # 0 px, which is the image itself, is none of the 12 changed images; nor are ×1, and 0° of 0 … 180°
    kept = found["probability-translation-kept"]
    assert (kept.values[0], kept.unit) == (5, "of 12")
    assert {found[f"probability-{change}-kept"].unit for change in ("scale", "rotation")} == {"of 12"}
    assert found["probability-rotation-kept"].values[0] <= 6
    assert p.x.tolist() == list(range(-6, 7))


class Exact(nn.Module):
    """Class 1 for one very picture, class 0 for all others: no changed copy keeps its answer."""

    def __init__(self, picture) -> None:
        super().__init__()
        self.register_buffer("picture", picture)
        self.same, self.head = nn.Conv2d(1, 1, 1, bias=False), nn.Linear(1, 2)
        with torch.no_grad():
            self.same.weight.fill_(1)
            self.head.weight.copy_(torch.tensor([[1000.0], [0]]))
            self.head.bias.copy_(torch.tensor([0.0, 1]))

    def forward(self, x):
        return self.head((self.same(x) - self.picture).abs().mean((2, 3)))


def test_the_untouched_image_is_no_success(measured):
    """0 of 12, where counting the identity gave 7.69 %; a whole turn is the image itself too."""
    picture = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    probe = Invariance(translation_px=6)
    done = measured(Exact(picture), picture, probe)
    found = done.findings(probe)
    whole = {f.name: f for f in probe.conclude(probe.tally(done.tapes[0]), done.facts)}
    for change, changed in (("translation", 12), ("scale", 12), ("rotation", 11)):
        one, of_set = found[f"probability-{change}-kept"], whole[f"answer-{change}-kept"]
        assert (int(one.values[0]), one.unit) == (0, f"of {changed}"), change
        assert (int(of_set.values), of_set.unit) == (0, f"of {changed}")
        assert float(whole[f"answer-{change}-kept-share"].values) == 0


def test_the_probability_of_the_label_and_of_the_answer_are_never_one_line(awkward, measured):
    x = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    labels = torch.tensor([1, -1, 1, -1, 1])
    probe = Invariance(steps=3)
    done = measured(awkward, x, probe, labels=labels)
    each = done.findings(probe)["probability-scale"]
    label, answer = "probability of the label", "probability of the answer"
    assert [at(each, n).y_label for n in range(5)] == [label, answer, label, answer, label]
    whole = {f.name: f for f in probe.conclude(probe.tally(done.tapes[0]), done.facts)}
    for name, quantity, rows in (("probability", label, labels >= 0), ("answer", answer, labels < 0)):
        mean = each.values[rows.numpy(), 0].mean(0)
        np.testing.assert_allclose(whole[f"{name}-scale"].values[0], mean, 1e-5)
        assert whole[f"{name}-scale"].y_label == quantity


def test_defaults_follow_the_article_scaled_to_the_input(awkward):
    probe = Invariance()
    moved, scaled, turned = (change.perturbed for change in probe._changes(trace(awkward, (3, 224, 224))))
    assert moved.values == tuple(range(-60, 61, 10))
    assert (scaled.values[0], scaled.values[-1]) == (1, 1.8)
    assert turned.values == tuple(range(0, 361, 30))
    small = probe._changes(trace(awkward, (3, 28, 28)))[0].perturbed.values
    assert (small[0], small[-1]) == (-8, 8) and all(value.is_integer() for value in small)


def test_layers_are_the_first_and_the_last_features_unless_named(awkward):
    facts = trace(awkward, (3, 32, 32))
    named = [row.layer.name for row in Invariance()._rows(facts) if row.layer]
    assert named == ["stem", "last"]
    assert [row.line for row in Invariance(layers=("left",))._rows(facts)] == ["left", "probability"]
    with pytest.raises(UnknownName):
        Invariance(layers=("nowhere",)).needs(facts)


def test_a_network_of_one_layer_has_no_features():
    facts = trace(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), (3, 2, 2))
    with pytest.raises(NotApplicable, match="no layer before"):
        Invariance().needs(facts)


def tallies(measured, network, parts, probe):
    runs = [measured(network, part, probe) for part in parts]
    return [probe.tally(run.tapes[0]) for run in runs], runs[0].facts


def test_the_mean_and_its_interval_are_students_whatever_the_batches(awkward, measured):
    x = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    probe = Invariance(steps=3)
    held, facts = tallies(measured, awkward, x.split(4), probe)
    found = {f.name: f for f in probe.conclude(reduce(Tally.merged, held), facts)}
    one = {f.name: f for f in probe.conclude(*tallies(measured, awkward, [x], probe)[0], facts)}
    values = curves(measured(awkward, x, probe), probe)
    values = {name.replace("probability", "answer"): each for name, each in values.items()}
    assert set(values) == {name for name, held in found.items() if isinstance(held, Curve)}
    for name, each in values.items():
        line, band = found[name].values[0], found[name].band
        np.testing.assert_allclose(line, each.mean(0), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(line, one[name].values[0], rtol=1e-5, atol=1e-5)
        sound = each.std(0) > 1e-4
        each = each[:, sound].astype(float)
        low, high = stats.t.interval(0.95, 5, each.mean(0), stats.sem(each, 0))
        top = 1 if name.startswith("answer") else np.inf
        np.testing.assert_allclose(band[:, sound], np.clip([low, high], 0, top), rtol=1e-3, atol=1e-4)
    each = measured(awkward, x, probe).findings(probe)["probability-scale-kept"].values
    kept = found["answer-scale-kept"]
    assert (int(kept.values), kept.unit) == (int(each.sum()), "of 12")
    assert float(found["answer-scale-kept-share"].values) == pytest.approx(100 * each.sum() / 12)
    assert "Measured on 6 readable images" in found["images"].text


def test_one_image_has_no_band_and_one_that_is_not_finite_no_part_in_the_mean(awkward, measured):
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    x[1, 0, 5, 5] = math.nan
    probe = Invariance(steps=3)
    held, facts = tallies(measured, awkward, [x], probe)
    found = {f.name: f for f in probe.conclude(held[0], facts)}
    first = curves(measured(awkward, x[:1], probe), probe)
    assert found["distance-scale"].band is None
    np.testing.assert_allclose(found["distance-scale"].values[0], first["distance-scale"][0], 1e-4, 1e-4)
    assert "Left out, as their values are not finite: 1." in found["images"].text
    alone, _ = tallies(measured, awkward, [x[1:]], probe)
    assert [f.name for f in probe.conclude(alone[0], facts)] == ["images"]


def test_an_interval_stays_where_it_can_be():
    low, high = interval(np.array([0.5, 0.9]), np.array([1, 1.64]), 2, 1)
    assert (low.tolist(), high.tolist()) == ([0, 0], [1, 1])


def test_a_probability_says_whose_it_is_and_labels_are_not_mixed_with_answers(awkward, measured):
    x = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    labels = torch.tensor([2, -1, 4, -1, 0])
    probe = Invariance(steps=3)
    done = measured(awkward, x, probe, labels=labels)
    each = done.findings(probe)
    with torch.no_grad():
        expected = torch.where(labels >= 0, labels, awkward(x).argmax(1))
    assert each["probability-scale"].explains.tolist() == expected.tolist()
    assert each["distance-scale"].explains is None, "a distance is of no class"
    found = {f.name: f for f in probe.conclude(probe.tally(done.tapes[0]), done.facts)}
    values, told = each["probability-scale"].values[:, 0], labels.numpy() >= 0
    for name, chosen in (("probability-scale", told), ("answer-scale", ~told)):
        np.testing.assert_allclose(found[name].values[0], values[chosen].mean(0), rtol=1e-5)
    assert found["probability-scale"].title == "Scaled: probability of the label"
    assert found["answer-scale"].labels == ("probability",)
    both = each["distance-scale"].values[:, 0]
    np.testing.assert_allclose(found["distance-scale"].values[0], both.mean(0), rtol=1e-5, atol=1e-5)
