"""What keeps a place and what has none where networks add, pick and pad, and what `auto` takes then."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reportgen.engine.network.layout import Layout
from reportgen.engine.network.trace import trace

SIDES = (32, 48)  # of the image; 8×12 patches


class Taken(nn.Module):
    """Patches, one step that is named `step`, and a mean of what it gives."""

    def __init__(self, step: nn.Module) -> None:
        super().__init__()
        self.embed, self.step, self.head = nn.Conv2d(3, 8, 4, 4), step, nn.LazyLinear(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.step(self.embed(x)).mean(1))


class Coordinates(nn.Module):
    """Tokens with what says where they are, as further channels."""

    def forward(self, x: Tensor) -> Tensor:
        where = torch.linspace(-1, 1, x.shape[2] * x.shape[3]).view(1, -1, 1).expand(len(x), -1, 2)
        return torch.cat((x.flatten(2).transpose(1, 2), where.to(x)), 2)


class Padded(nn.Module):
    """Tokens behind a constant, to which a class token is added."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, 8))

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2).transpose(1, 2)
        beside = torch.cat((self.token.expand(len(x), -1, -1), x), 1)
        return beside + F.pad(x, (0, 0, 1, 0))


class Picked(nn.Module):
    """Channels in another order, which only a list says."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2).transpose(1, 2)
        return 2 * x[:, :, [7, 0, 6, 1, 5, 2, 4, 3]]


class FromElsewhere(nn.Module):
    """Windows of 2×2 patches whose queries are of the whole image, beside a residual, as in GCViT."""

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        query = F.adaptive_avg_pool2d(x, 2).flatten(2).transpose(1, 2)  # (N, 4, C)
        parts = x.view(n, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 3, 5, 1).reshape(-1, 4, c)
        query = query.repeat_interleave(len(parts) // n, 0)
        told = (query @ parts.transpose(1, 2)).softmax(-1) @ parts
        back = told.view(n, h // 2, w // 2, 2, 2, c).permute(0, 5, 1, 3, 2, 4).reshape(n, c, h, w)
        return (x + back).flatten(2).transpose(1, 2)


@pytest.mark.parametrize(
    ("step", "prefix"), [(Coordinates(), 0), (Padded(), 1), (Picked(), 0), (FromElsewhere(), 0)]
)
def test_places_are_kept(step, prefix):
    network = Taken(step)
    with torch.no_grad():
        network(torch.zeros(1, 3, *SIDES))
    facts = trace(network.eval(), (3, *SIDES))
    assert facts.layer("step").layout == Layout("tokens", (8, 12), prefix)
    assert facts.auto == "step"


class Linear(nn.Module):
    """A class token and attention whose keys meet their values before the queries; what is said of
    patches only (CoAT's position encoding) is padded for the class token."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.token = nn.Conv2d(3, 8, 4, 4), nn.Parameter(torch.randn(1, 1, 8))
        self.norm, self.qkv, self.near = nn.LayerNorm(8), nn.Linear(8, 24), nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        sides = x.shape[2:]
        x = torch.cat((self.token.expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)), 1)
        q, k, v = self.qkv(self.norm(x)).chunk(3, 2)
        told = q @ (k.softmax(1).transpose(1, 2) @ v)
        near = self.near(v[:, 1:].transpose(1, 2).unflatten(2, sides)).flatten(2).transpose(1, 2)
        return self.head((x + told + F.pad(near, (0, 0, 1, 0)))[:, 0])


def test_auto_is_before_linear_attention_and_no_encoding_that_the_class_token_does_not_see():
    network = Linear()
    facts = trace(network.eval(), (3, *SIDES))
    assert facts.layer("near").layout == Layout("maps", (8, 12))
    assert facts.auto == "norm"
    kept = []
    network.near.register_forward_hook(lambda _m, _i, out: kept.append(out))
    score = network(torch.randn(1, 3, *SIDES))[0, 0]
    (gradient,) = torch.autograd.grad(score, kept, allow_unused=True)
    assert gradient is None or not gradient.any()  # what was followed is what autograd says


class Beside(nn.Module):
    """A class token's answer, and the strongest of what every patch says (VOLO); or the patches' alone."""

    def __init__(self, both: bool) -> None:
        super().__init__()
        self.both = both
        self.embed, self.norm = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8)
        self.head, self.each = nn.Linear(8, 3), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.embed(x).flatten(2).transpose(1, 2))
        patches = self.each(x).max(1).values
        return self.head(x.mean(1)) + patches / 2 if self.both else patches


@pytest.mark.parametrize(("both", "auto"), [(True, "norm"), (False, "each")])
def test_a_head_beside_the_main_one_is_no_layer_of_auto(both, auto):
    facts = trace(Beside(both).eval(), (3, *SIDES))
    assert facts.auto == auto
    assert facts.layer("each").layout == Layout("tokens", (8, 12))  # it may be named
