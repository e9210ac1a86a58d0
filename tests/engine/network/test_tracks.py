"""Where elements lie, followed through what networks do to their maps: each kind by itself, by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reportgen.engine.network.layout import Layout
from reportgen.engine.network.rules import is_pointwise
from reportgen.engine.network.trace import trace
from reportgen.errors import UnknownName
from reportgen.findings import NotApplicable


class Op(nn.Module):
    """A layer that does one thing."""

    def __init__(self, do: Callable[..., Tensor]) -> None:
        super().__init__()
        self.do = do

    def forward(self, *x: Tensor) -> Tensor:
        return self.do(*x)


class Net(nn.Module):
    """A patch embedding (N, 6, 4, 6), layers one behind the other, and a mean of what the last gives."""

    def __init__(self, *does: Callable[..., Tensor]) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 6, 4, 4)
        self.does = nn.ModuleList(Op(do) for do in does)
        self.head = nn.LazyLinear(3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        for do in self.does:
            x = do(x)
        x = x[:1]  # of windows, which are no images
        return self.head(x.flatten(2).mean(2) if x.ndim == 4 else x.mean(1))


def layouts(*does: Callable[..., Tensor]) -> list[Layout]:
    net = Net(*does)
    with torch.no_grad():
        net(torch.zeros(1, 3, 16, 24))
    facts = trace(net.eval(), (3, 16, 24))
    return [facts.layer(f"does.{n}").layout for n in range(len(does))]


def tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


def windows(x: Tensor) -> Tensor:
    """(N, h, w, C) in windows of 2×2, as Swin does it."""
    n, h, w, c = x.shape
    return x.view(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, c)


def whole(x: Tensor) -> Tensor:
    return x.view(-1, 2, 3, 2, 2, x.shape[-1]).permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, 6, x.shape[-1])


def merge(x: Tensor) -> Tensor:
    """Four neighbours (N, h, w, C) behind each other, as Swin does it."""
    return torch.cat([x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)], -1)


def attend(x: Tensor) -> Tensor:
    q, k, v = (y.unflatten(2, (2, -1)).transpose(1, 2) for y in (x, 2 * x, x + 1))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def _written(x: Tensor) -> Tensor:
    y = torch.zeros_like(x)
    y[:, :, :, 1:] = x[:, :, :, :-1]
    return y


MAPS, LAST = Layout("maps", (4, 6)), Layout("maps last", (4, 6))
TOKENS, FIRST, NONE = Layout("tokens", (4, 6)), Layout("tokens first", (4, 6)), Layout("none")
LAST_OF: dict[str, tuple[list[Callable[..., Tensor]], Layout]] = {
    "as it is": ([lambda x: x * 2], MAPS),
    "channels last": ([lambda x: x.permute(0, 2, 3, 1)], LAST),
    "height and width exchanged": ([lambda x: x.transpose(2, 3) * 1], NONE),
    "tokens": ([tokens], TOKENS),
    "class token before": (
        [tokens, lambda x: torch.cat((torch.zeros(1, 1, 6), x), 1)],
        Layout("tokens", (4, 6), 1),
    ),
    "class token behind": (
        [tokens, lambda x: torch.cat((x, torch.zeros(1, 1, 6)), 1)],
        Layout("tokens", (4, 6), 0, tuple(range(24))),
    ),
    "column by column": (
        [lambda x: x.transpose(2, 3).flatten(2).transpose(1, 2)],
        Layout("tokens", (4, 6), 0, tuple(c * 4 + r for r in range(4) for c in range(6))),
    ),
    "windows": ([lambda x: windows(x.permute(0, 2, 3, 1))], NONE),
    "windows and back": ([lambda x: whole(attend(windows(x.permute(0, 2, 3, 1))))], LAST),
    "rolled": ([lambda x: x.roll((1, 1), (2, 3))], NONE),
    "rolled and back": ([lambda x: (x.roll((1, 1), (2, 3)) * 2).roll((-1, -1), (2, 3))], MAPS),
    "padded": ([lambda x: F.pad(x, (0, 2, 0, 2))], Layout("maps", (6, 8))),
    "padded and cut": ([lambda x: F.pad(x, (0, 2, 0, 2))[:, :, :4, :6] * 1], MAPS),
    "patches merged": (
        [lambda x: x.permute(0, 2, 3, 1), merge],
        Layout("maps last", (2, 3)),
    ),
    "pixels unshuffled": ([lambda x: F.pixel_unshuffle(x, 2)], Layout("maps", (2, 3))),
    "pixels shuffled": ([lambda x: F.pixel_shuffle(x.repeat(1, 2, 1, 1), 2)], Layout("maps", (8, 12))),
    "enlarged": ([lambda x: F.interpolate(x, scale_factor=2, mode="bilinear")], Layout("maps", (8, 12))),
    "enlarged, nearest": ([lambda x: F.interpolate(x, scale_factor=3)], Layout("maps", (12, 18))),
    "split and stacked": ([lambda x: torch.stack(x.split(2, 1), 1).flatten(1, 2)], MAPS),
    "linear on the last axis": ([tokens, lambda x: F.linear(x, torch.ones(9, 6))], TOKENS),
    "attention": ([tokens, attend], TOKENS),
    "attention by hand": ([tokens, lambda x: (x @ x.transpose(1, 2)).softmax(2) @ x], TOKENS),
    "weights of attention": ([lambda x: (tokens(x) @ x.flatten(2)).softmax(2)], NONE),
    "heads": ([lambda x: tokens(x).unflatten(2, (2, 3)).transpose(1, 2)], NONE),
    "rows": ([lambda x: x.permute(0, 2, 1, 3).flatten(2)], NONE),
    "channels first": ([lambda x: x.flatten(2)], FIRST),
    "channels first again": ([tokens, lambda x: x.transpose(1, 2)], FIRST),
    "channels first, a convolution of one tap": (
        [lambda x: F.conv1d(x.flatten(2), torch.ones(9, 6, 1))],
        FIRST,
    ),
    "channels first, class token before": (
        [lambda x: torch.cat((torch.zeros(1, 6, 1), x.flatten(2)), 2)],
        Layout("tokens first", (4, 6), 1),
    ),
    "channels first, column by column": (
        [lambda x: x.transpose(2, 3).flatten(2)],
        Layout("tokens first", (4, 6), 0, tuple(c * 4 + r for r in range(4) for c in range(6))),
    ),
    "one of each row, channels first": ([lambda x: x.flatten(2)[:, :, ::6]], Layout("tokens first", (4, 1))),
    "channels that attend": (
        [lambda x: (F.normalize(x.flatten(2)) @ F.normalize(x.flatten(2)).transpose(1, 2)).softmax(2)],
        NONE,
    ),
    "channels that attend, applied": (
        [lambda x: tokens(((x.flatten(2) @ tokens(x)).softmax(2) @ x.flatten(2)).view_as(x))],
        TOKENS,
    ),
    "mixed over places": ([lambda x: F.linear(x.flatten(2), torch.ones(24, 24)).transpose(1, 2)], NONE),
    "mixed over places, added": (
        [tokens, lambda x: x + F.linear(x.transpose(1, 2), torch.ones(24, 24)).transpose(1, 2)],
        TOKENS,
    ),
    "a table of weights": ([lambda x: torch.ones(1, 24, 6)], NONE),
    "a gate": ([lambda x: x * x.mean((2, 3), keepdim=True).sigmoid()], MAPS),
    "Fourier of both axes": ([lambda x: torch.fft.fft2(x).real], NONE),
    "sorted by value": ([lambda x: tokens(x).sort(1).values], NONE),
    "sums so far": ([lambda x: x.cumsum(2)], NONE),
    "written into nothing": ([lambda x: _written(x)], NONE),
    "Fourier and back": ([lambda x: torch.fft.irfft2(torch.fft.rfft2(x), s=(4, 6))], NONE),
}


@pytest.mark.parametrize("name", LAST_OF)
def test_where_the_axes_are(name):
    does, right = LAST_OF[name]
    assert layouts(*does)[-1] == right


@pytest.mark.parametrize("name", [name for name, (_, right) in LAST_OF.items() if right.kind != "none"])
def test_a_place_of_the_maps_is_the_place_on_the_image(name):
    """One bright patch of the input: it lies where the maps say, whatever the layout."""
    does, layout = LAST_OF[name]
    net = Net(*does)
    nn.init.ones_(net.embed.weight)
    nn.init.zeros_(net.embed.bias)
    x = torch.zeros(1, 3, 16, 24)
    x[:, :, 12:16, 4:8] = 1  # row 3 of 4, column 1 of 6
    y = net.embed(x)
    for do in net.does:
        y = do(y)
    maps = layout.maps(y)
    assert maps.shape[2:] == layout.grid
    alone = ("a gate", "as it is", "channels last", "rolled and back", "windows and back", "column by column")
    alone += tuple(each for each in LAST_OF if each.startswith("channels first"))
    if name in alone or "token" in name:
        row, column = divmod(int(maps.sum(1).argmax()), layout.grid[1])
        assert (row, column) == (3, 1)
        row, column = divmod(int(maps.amax(1).argmax()), layout.grid[1])
        assert (row, column) == (3, 1)


class Pooled(nn.Module):
    """A block of attention on a class token and 4×4 patches; which tokens answer is `pool`."""

    def __init__(self, pool: str) -> None:
        super().__init__()
        self.pool = pool
        self.embed = nn.Conv2d(3, 8, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.norm1, self.norm2, self.norm = nn.LayerNorm(8), nn.LayerNorm(8), nn.LayerNorm(8)
        self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.mlp = nn.Linear(8, 8)
        self.head = nn.Linear(8, 3)
        self.beside = nn.Conv2d(8, 3, 1)  # a segmentation beside, which ends last

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        maps = x
        x = torch.cat((self.token.expand(len(x), -1, -1), tokens(x)), 1)
        y = self.norm1(x)
        x = x + F.scaled_dot_product_attention(self.q(y), self.k(y), self.v(y))
        x = self.norm(x + self.mlp(self.norm2(x)))
        logits = self.head(x[:, 0] if self.pool == "class" else x[:, 1:].mean(1))
        self.beside(maps)
        return logits


@pytest.mark.parametrize(("pool", "auto"), [("class", "norm1"), ("mean", "norm")])
def test_auto_is_the_last_layer_whose_patches_the_logits_depend_on(pool, auto):
    network = Pooled(pool)
    facts = trace(network, (3, 16, 16))
    assert facts.spatial_layer("auto").name == auto
    assert facts.layer("beside").layout == Layout("maps", (4, 4))  # it may be named
    x = torch.randn(1, 3, 16, 16)
    ends = {}
    for name in ("norm1", "norm"):
        network.get_submodule(name).register_forward_hook(lambda _m, _i, out, n=name: ends.update({n: out}))
    score = network(x)[0, 0]
    for name in ("norm1", "norm"):  # what was followed is what autograd says
        (gradient,) = torch.autograd.grad(score, ends[name], retain_graph=True)
        assert bool(gradient[:, 1:].any()) == (pool == "mean" or name == "norm1")


class Flat(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.head = nn.Linear(48, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.one(x.flatten(1)))


def test_where_no_layer_has_places_words_say_so():
    with pytest.raises(NotApplicable, match="no layer"):
        trace(Flat(), (3, 4, 4)).spatial_layer("auto")
    with pytest.raises(UnknownName):
        trace(Pooled("class"), (3, 16, 16)).spatial_layer("head")


class Lent(nn.Module):
    """A layer's weights used by function, as Swin and BEiT do it."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.qkv, self.head = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 24), nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = tokens(self.embed(x))
        return self.head(F.linear(x, self.qkv.weight, self.qkv.bias).mean(1))


def test_weights_used_by_function_are_a_layer_with_multiply_adds():
    facts = trace(Lent(), (3, 16, 16))
    assert facts.layer("qkv").macs == 16 * 8 * 24
    assert facts.macs == sum(layer.macs for layer in facts.leaves())
    assert [layer.name for layer in facts.leaves()] == ["embed", "qkv", "head"]


class Fields(nn.Module):
    """What is local, what sees its window and what sees all."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 4, 4)
        self.local, self.norm = nn.Linear(8, 8), nn.LayerNorm(8)
        self.window, self.all = Op(lambda x: whole(attend(windows(x)))), nn.GroupNorm(2, 8)
        self.merged = nn.Linear(32, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.local(self.embed(x).permute(0, 2, 3, 1)))
        x = self.window(x)
        self.all(x.permute(0, 3, 1, 2))
        x = self.merged(merge(x))
        return self.head(x.mean((1, 2)))


def test_fields_of_what_transformers_are_made_of():
    facts = trace(Fields(), (3, 16, 24))
    seen = {layer.name: layer.receptive for layer in facts.leaves()}
    for name in ("embed", "local", "norm"):
        assert seen[name].size == (4, 4) and seen[name].stride == (4, 4)
        assert seen[name].box(2, 3) == (8, 12, 12, 16)
    assert seen["window"].size == (8, 8) and seen["window"].stride == (4, 4)
    assert seen["window"].box(1, 1) == (0, 0, 8, 8) and seen["window"].box(2, 5) == (8, 16, 16, 24)
    assert seen["all"].box(0, 0) == seen["all"].box(3, 5) == (0, 0, 16, 24)
    assert seen["merged"].size == (8, 8) and seen["merged"].stride == (8, 8)
    assert seen["merged"].box(1, 2) == (8, 16, 16, 24)
    assert seen["head"].size == (16, 24)


class Fused(nn.Module):
    """A fine branch and a coarse one, which is enlarged and added, as high-resolution networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv2d(3, 6, 3, 2, 1)
        self.coarse = nn.Sequential(*(nn.Conv2d(6, 6, 3, 2, 1) for _ in range(3)))
        self.up = nn.Upsample(scale_factor=8, mode="nearest")
        self.after = nn.Conv2d(6, 6, 3, 1, 1)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.fine(x)
        return self.head(self.after(fine + self.up(self.coarse(fine))).mean((2, 3)))


def test_coarse_maps_that_were_enlarged_join_the_fine_ones():
    facts = trace(Fused(), (3, 64, 64))
    assert facts.layer("after").layout == Layout("maps", (32, 32))
    assert facts.auto == "after"


def test_patches_side_by_side_are_columns_and_maps_again():
    unfolded = F.unfold(torch.randn(1, 6, 4, 6), (2, 3), stride=(2, 3))
    assert unfolded.shape == (1, 36, 4)

    def there_and_back(x: Tensor) -> Tensor:
        columns = F.unfold(x, (2, 3), stride=(2, 3)).unflatten(1, (6, 6))
        return F.fold((columns * 2).flatten(1, 2), (4, 6), (2, 3), stride=(2, 3))

    class Folds(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Conv2d(3, 6, 4, 4)
            self.folds = Op(there_and_back)
            self.head = nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.folds(self.embed(x)).mean((2, 3)))

    facts = trace(Folds(), (3, 16, 24))
    assert facts.layer("folds").layout == Layout("maps", (4, 6))
    assert facts.layer("folds").receptive_field_px == 4
    assert facts.auto == "folds"


IN_PLACE = {
    "abs": torch.Tensor.abs_,
    "clamp": lambda x: x.clamp_(-1, 1),
    "sigmoid": torch.Tensor.sigmoid_,
    "divided": lambda x: x.true_divide_(torch.ones(())),
    "compared": lambda x: x.gt_(0.5),
    "gelu": torch.ops.aten.gelu_,
    **{
        name: partial(getattr(nn.functional, name), inplace=True)
        for name in ("relu", "relu6", "leaky_relu", "elu", "celu", "selu", "hardsigmoid", "hardswish", "mish")
    },
    "threshold": lambda x: nn.functional.threshold(x, 0.1, 0.0, inplace=True),
    "rrelu": lambda x: nn.functional.rrelu(x, inplace=True),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_what_is_written_in_place_number_by_number_keeps_its_places(name):
    """PyTorch marks some of them, and others in each release."""
    assert layouts(lambda x: IN_PLACE[name](x.clone()), lambda x: x + 0) == [Layout("maps", (4, 6))] * 2


def test_an_operation_that_mixes_places_is_not_taken_for_one_number_by_number():
    ops = torch.ops.aten
    assert not any(
        is_pointwise(each)
        for each in (
            ops.cumsum_.default,
            ops.softmax.int,
            ops.addmm_.default,
            ops.index_put_.default,
            ops.mm.default,
        )
    )
    assert all(
        is_pointwise(each) for each in (ops.hardtanh_.default, ops.leaky_relu_.default, ops.abs_.default)
    )
