"""Outputs in the shapes and types that people's networks give them: each is a row an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from reportgen.engine.feed import Feed
from reportgen.engine.network.output import first_tensor, logits_of, raw_of, with_first
from reportgen.engine.network.trace import trace
from reportgen.errors import InputError

Z = torch.arange(6.0).view(2, 3)


@pytest.mark.parametrize(
    ("given", "images", "expected"),
    [
        (Z, 2, Z),
        (Z[:, :, None, None], 2, Z),  # a fully convolutional classifier
        (Z[:, None], 2, Z),
        (Z[:, :1, None, None], 2, Z[:, :1]),
        (Z[:, 0], 2, Z[:, :1]),  # one logit, squeezed
        (Z[0], 1, Z[:1]),  # the one image's axis, squeezed away
        (Z[0, 0], 1, Z[:1, :1]),
        (Z[0, :, None, None], 1, Z[:1]),
        (Z[:1, 0], 1, Z[:1, :1]),
    ],
)
def test_a_row_an_image_comes_back(given: Tensor, images: int, expected: Tensor) -> None:
    assert torch.equal(logits_of(given, None, images), expected)


@pytest.mark.parametrize("given", [Z[:, :, None, None].expand(2, 3, 4, 4), Z.long(), Z[:, 0]])
def test_what_is_no_row_an_image_is_refused(given: Tensor) -> None:
    with pytest.raises(InputError, match="not \\(images, classes\\)"):
        logits_of(given, None, 5 if given.ndim == 1 else 2)


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        (Z.long(), "before topk, sort, max or argmax"),
        (Z.argmax(1), "before topk, sort, max or argmax"),
        (Z.topk(2), "before topk, sort, max or argmax"),
        (None, "return its logits as a tensor"),
        (Z.numpy(), "return its logits as a tensor"),
        ([0.1, 0.9], "return its logits as a tensor"),
        (Z[:, :, None, None].expand(2, 3, 4, 4), "set model.target"),
        ((Z, Z), "set model.output"),
    ],
)
def test_the_remedy_is_for_what_was_returned(given: Any, remedy: str) -> None:
    with pytest.raises(InputError) as refused:
        logits_of(given, None, 2)
    assert remedy in refused.value.remedy


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_floats_are_widened(dtype: torch.dtype) -> None:
    wide = logits_of(Z.to(dtype), None, 2)
    assert wide.dtype == torch.float32 and torch.equal(wide, Z)


@dataclass
class Answer:
    logits: Tensor
    hidden: Tensor


@pytest.mark.parametrize(
    ("several", "output"),
    [
        ({"logits": Z, "features": Z + 1}, "logits"),
        (Answer(Z, Z + 1), "logits"),
        ((Z, Z[:, :, None, None].expand(2, 3, 4, 4)), 0),
        ((None, Z), 1),
        ({"out": Z}, "out"),
    ],
)
def test_of_several_outputs_the_one_that_can_be_meant_is_read_and_said(several: Any, output: Any) -> None:
    raw = raw_of(several, None, 2)
    assert raw.output == output and torch.equal(raw.values, Z)
    assert f"{output!r} is read" in raw.words or several == {"out": Z}


@pytest.mark.parametrize("several", [(Z, Z + 1), [Z, Z], {"a": Z, "b": Z}])
def test_of_two_that_could_be_meant_neither_is_taken(several: Any) -> None:
    with pytest.raises(InputError, match=r"of shape \(2, 3\).*more than one") as error:
        raw_of(several, None, 2)
    assert "model.output" in error.value.remedy


class Squeezes(nn.Module):
    """Pools, squeezes every axis of one place, the batch's among them, and answers."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, classes)

    def forward(self, x: Tensor) -> Tensor:
        pooled = nn.functional.adaptive_avg_pool2d(torch.relu(self.conv(x)), 1).squeeze()
        y: Tensor = self.fc(pooled)
        return y.squeeze()


@pytest.mark.parametrize("classes", [1, 3])
def test_a_network_that_squeezes_the_batch_away_is_given_two(classes: int) -> None:
    network = Squeezes(classes).eval()
    facts = trace(network, (3, 8, 8))
    assert facts.squeezed and facts.batch == 2 and facts.class_count == classes
    assert facts.layer("fc").output_shape == (classes,)
    x = torch.rand(1, 3, 8, 8)
    alone, _ = Feed(images=2).ask(network, x)
    assert torch.allclose(alone, network(x.expand(2, -1, -1, -1)).view(2, classes)[:1])


@dataclass(frozen=True)
class Frozen:
    nothing: None
    maps: Tensor


@pytest.mark.parametrize(
    "several",
    [Answer(Z, Z + 1), Frozen(None, Z), {"maps": Z, "more": Z + 1}, (Z, None), [Z, Z + 1], Z],
    ids=["dataclass", "frozen dataclass", "dict", "tuple", "list", "tensor"],
)
def test_the_first_tensor_is_found_and_replaced_in_a_copy(several: Any) -> None:
    first = first_tensor(several)
    assert first is Z
    other = with_first(several, Z + 7)
    found = first_tensor(other)
    assert type(other) is type(several) and found is not None and torch.equal(found, Z + 7)
    assert first_tensor(several) is Z  # what a module returned is its own


@pytest.mark.parametrize("several", [([Z], Z), None, {"layers": [Z]}, (), {}])
def test_what_does_not_begin_with_a_tensor_gives_none(several: Any) -> None:
    assert first_tensor(several) is None


def test_what_transformers_returns_has_a_first_tensor() -> None:
    outputs = pytest.importorskip("transformers.modeling_outputs")
    several = outputs.BaseModelOutputWithPooling(last_hidden_state=Z, pooler_output=Z + 1)
    other = with_first(several, Z + 7)
    assert first_tensor(several) is Z
    assert torch.equal(other.last_hidden_state, Z + 7) and torch.equal(other[0], Z + 7)
    assert torch.equal(other.pooler_output, Z + 1)


class Encoder(nn.Module):
    """Maps by name, rectified outside of any module, or as the convolution gave them."""

    def __init__(self, bare: bool) -> None:
        super().__init__()
        self.conv, self.bare = nn.Conv2d(3, 4, 3, padding=1), bare

    def forward(self, x: Tensor) -> Answer:
        maps = self.conv(x)
        return Answer(maps if self.bare else maps.relu(), maps.mean((2, 3)))


class Named(nn.Module):
    def __init__(self, bare: bool) -> None:
        super().__init__()
        self.encoder, self.fc = Encoder(bare), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc(self.encoder(x).logits.mean((2, 3)))
        return y


@pytest.mark.parametrize(("bare", "auto"), [(True, "encoder.conv"), (False, "encoder")])
def test_a_module_that_returns_a_dataclass_has_a_shape_and_is_tapped(bare: bool, auto: str) -> None:
    network = Named(bare).eval()
    facts = trace(network, (3, 8, 6))
    assert facts.layer("encoder").map_shape == (4, 8, 6)
    assert facts.auto == auto  # where a layer inside gave the same tensor, its name says more
    x = torch.rand(2, 3, 8, 6)
    logits, kept = Feed(images=3).ask(network, x, None, ["encoder"])
    assert torch.allclose(kept["encoder"], network.encoder(x).logits, atol=1e-6)
    assert torch.allclose(logits, network(x), atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3, 16])
def test_a_network_that_returns_the_row_of_the_first_image_alone_is_given_one(classes: int) -> None:
    """A row of as many numbers as the batch has images is no column of one output each."""

    class First(Squeezes):
        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.fc(torch.relu(self.conv(x)).mean((2, 3)))[0]
            return y

    facts = trace(First(classes).eval(), (3, 8, 8))
    assert (facts.batch, facts.class_count) == (1, classes)
