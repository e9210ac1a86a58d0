"""The class contrast: what gradients are of, against plain autograd; twice the logits, more than twice."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from reportgen.engine.needs import Gradient, MeanGradient, Noisy, Normalisation, score_of
from reportgen.engine.network.trace import trace
from reportgen.engine.onepass import OnePass, frozen
from reportgen.engine.plan import Plan
from reportgen.engine.targets import Slot
from reportgen.errors import RecipeError
from reportgen.recipe import Recipe


def network():
    torch.manual_seed(3)
    layers = nn.Conv2d(2, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(20, 4)
    return nn.Sequential(*layers).eval()


def engine(net, score, needs):
    from dataclasses import replace

    facts = replace(trace(net, (2, 9, 9)), score=score)
    scale = Normalisation((0.0,) * 2, (1.0,) * 2)
    return OnePass(net, Plan(needs, facts, 1), (Slot("named", 2),), scale, torch.device("cpu"), 8)


def test_it_is_the_logit_less_the_log_of_the_others_exponentials():
    z = torch.tensor([[1.0, 2.0, -1.0], [300.0, 0.0, 299.0]], dtype=torch.float64)
    k = torch.tensor([1, 0])
    assert torch.equal(score_of(z, k, "logit"), torch.tensor([2.0, 300.0], dtype=torch.float64))
    expected = [2 - torch.log(torch.tensor(1.0).exp() + torch.tensor(-1.0).exp()).item(), 1.0]
    assert torch.allclose(score_of(z, k, "contrast"), torch.tensor(expected, dtype=torch.float64), atol=1e-6)
    p = z.softmax(1)[0, 1]
    assert score_of(z, k, "contrast")[0].item() == pytest.approx(torch.log(p / (1 - p)).item())
    # a constant that is added to every logit of an image changes the logit, and not the contrast
    assert torch.allclose(score_of(z + 7, k, "contrast"), score_of(z, k, "contrast"))


@pytest.mark.parametrize("score", ["logit", "contrast"])
def test_gradients_are_those_of_plain_autograd(score):
    net = network()
    x = torch.randn(3, 2, 9, 9, generator=torch.Generator().manual_seed(0))
    with frozen(net):
        one = engine(net, score, (Gradient(), Gradient("0"), MeanGradient(Noisy(3, 0.0))))
        (tape,) = one.run(x, torch.full((3,), -1))
        leaf = x.clone().requires_grad_()
        kept = net[0](leaf)
        z = net[1:](kept)
        others = torch.stack([z[:, 0], z[:, 1], z[:, 3]], 1)
        s = z[:, 2] if score == "logit" else z[:, 2] - others.exp().sum(1).log()
        by_pixel, by_layer = torch.autograd.grad(s.sum(), [leaf, kept])
    assert torch.allclose(tape[Gradient()], by_pixel, atol=1e-6)
    assert torch.allclose(tape[Gradient("0")], by_layer, atol=1e-6)
    assert torch.allclose(tape[MeanGradient(Noisy(3, 0.0))], by_pixel, atol=1e-6)  # noise of nothing


def test_a_score_that_is_none_is_refused():
    with pytest.raises(ValueError, match="logit"):
        Recipe.model_validate({"score": "probability"})


def test_contrast_asks_for_one_class_of_several(digits_of_labels):
    with pytest.raises(RecipeError, match="one class of several"):
        digits_of_labels("contrast")
    digits_of_labels("logit")


@pytest.fixture
def digits_of_labels():
    """Facts of a network whose outputs are labels each by itself, as the recipe's score is tried on."""
    from dataclasses import replace

    from reportgen.engine.network.head import Head
    from reportgen.measure.models import _refuse_contrast

    facts = replace(trace(network(), (2, 9, 9)), head=Head(kind="labels", form="logits"))

    def tried(score):
        _refuse_contrast(Recipe.model_validate({"score": score}), facts)

    return tried
