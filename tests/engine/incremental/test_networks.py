"""Patch by patch as in full: random networks, random boxes, and the architectures that people use."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from oracles import in_double
from torch import nn
from torch.nn import functional as F

from reportgen.engine.fusing.layers import Unservable
from reportgen.engine.incremental import layouts, rules  # noqa: F401  they register themselves
from reportgen.engine.incremental.boxes import Boxes
from reportgen.engine.incremental.cost import grouped, patched_cost, whole_cost
from reportgen.engine.incremental.patched import Forward, dense_of
from reportgen.engine.incremental.steps import MOVED
from reportgen.engine.incremental.trying import in_full, program_of, start


class ChannelNorm(nn.Module):
    """A layer norm over the channels of each place, and a linear layer, in the layout of ConvNeXt."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(width), nn.Linear(width, width)
        nn.init.normal_(self.norm.weight)

    def forward(self, x):
        return F.gelu(self.linear(self.norm(x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)


class Squeezed(nn.Module):
    """Squeeze and excitation, in place or not: from here on every place has changed."""

    def __init__(self, width: int, in_place: bool) -> None:
        super().__init__()
        self.point, self.in_place = nn.Conv2d(width, width, 1), in_place

    def forward(self, x):
        gate = torch.sigmoid(self.point(x.mean((2, 3), keepdim=True)))
        return x.mul_(gate) if self.in_place else x * gate


class Shuffled(nn.Module):
    """Two halves of the channels, one convolved, shuffled as in ShuffleNet."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width // 2, width // 2, 3, padding=1)

    def forward(self, x):
        left, right = x.chunk(2, dim=1)
        x = torch.cat([left, self.conv(right)], 1)
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


class Residual(nn.Module):
    def __init__(self, inner: nn.Module, in_place: bool) -> None:
        super().__init__()
        self.inner, self.in_place = inner, in_place

    def forward(self, x):
        y = self.inner(x)
        if self.in_place:
            y += x
            return F.relu_(y)
        return F.relu(y + x)


class Joined(nn.Module):
    """Branches of other windows, side by side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(width, 2, 1), nn.Conv2d(width, width - 2, (5, 3), padding=(2, 1))

    def forward(self, x):
        return torch.cat([self.one(x), self.two(F.pad(x, (0, 0)))], 1)


WIDTH = 8
KINDS = "conv odd norm pool average residual added joined channels shuffled squeezed pad act dense".split()


def layer(kind: str, pick) -> nn.Module:
    """A layer of one kind; `pick` draws one of several values."""
    if kind == "conv":
        kernel, dilation = pick(1, 2, 3, 5), pick(1, 2)
        return nn.Conv2d(
            WIDTH,
            WIDTH,
            kernel,
            pick(1, 2, 3),
            pick(0, 1, 2),
            dilation,
            pick(1, 2, WIDTH),
            pick(True, False),
            padding_mode=pick("zeros", "zeros", "reflect"),
        )
    if kind == "odd":
        return nn.Conv2d(WIDTH, WIDTH, (3, 1), (2, 1), (0, 1), (1, 2))
    if kind == "norm":
        norm = nn.BatchNorm2d(WIDTH)
        norm.running_mean.normal_(0, 0.2)
        norm.running_var.uniform_(0.5, 2)
        nn.init.normal_(norm.bias)
        return norm
    if kind == "pool":
        return nn.MaxPool2d(3, pick(1, 2), pick(0, 1), pick(1, 2), ceil_mode=pick(True, False))
    if kind == "average":
        return nn.AvgPool2d(
            pick(2, 3), pick(1, 2, 4), pick(0, 1), pick(True, False), count_include_pad=pick(True, False)
        )
    inner = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
    if kind in ("residual", "added"):
        return Residual(nn.Sequential(inner, nn.BatchNorm2d(WIDTH)), kind == "added")
    if kind == "pad":
        return nn.ZeroPad2d((pick(0, 2), 1, pick(0, 1), 3))
    if kind == "act":
        return pick(
            nn.ReLU(True), nn.ReLU6(), nn.SiLU(True), nn.GELU(), nn.Hardswish(), nn.Sigmoid(), nn.Dropout()
        )
    known = {
        "joined": Joined,
        "channels": ChannelNorm,
        "shuffled": Shuffled,
        "squeezed": lambda width: Squeezed(width, pick(True, False)),
        "dense": lambda width: nn.GroupNorm(2, width),
    }
    return known[kind](WIDTH)


def writes_in_place(network):
    return any(getattr(module, "in_place", False) for module in network.modules())


@settings(max_examples=30)
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=7),
    side=st.tuples(st.integers(17, 30), st.integers(17, 30)),
    seed=st.integers(0, 2**16),
    dense_from=st.sampled_from([0.3, 0.7, 1.0, 2.0]),
    count=st.integers(1, 5),
)
def test_random_networks_answer_alike(kinds, side, seed, dense_from, count):
    torch.manual_seed(seed)
    draws = np.random.default_rng(seed)

    def pick(*of):
        return of[draws.integers(len(of))]

    layers = [nn.Conv2d(3, WIDTH, 3, padding=1)]
    for kind in kinds:
        layers.append(layer(kind, pick))
        shape = nn.Sequential(*layers).eval()
        try:
            with torch.no_grad():
                small = min(shape(torch.zeros(1, 3, *side)).shape[2:]) < 3
        except RuntimeError:  # no place is left for it
            small = True
        if small:
            layers.pop()
    network = nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(4)).eval()
    network(torch.zeros(1, 3, *side))
    corners = draws.integers(0, [side[0], side[1]], (count, 2))
    boxes = np.concatenate([corners, np.minimum(corners + draws.integers(1, 9, (count, 2)), side)], 1)
    with torch.no_grad():
        image, inside = torch.randn(1, 3, *side), torch.randn(1, 3, *side)
        expected = network(in_full(image, inside, boxes))
        known = {}
        for _ in range(2):  # the second time from what was kept
            try:
                found = network(start(Forward(dense_from, known), image, inside, boxes))
            except Unservable:  # as a gate that is multiplied in place: the plain way is taken then
                assert writes_in_place(network)
                reject()
            torch.testing.assert_close(
                dense_of(found), expected, rtol=1e-5, atol=1e-5 * expected.abs().max().item()
            )


def test_the_images_in_full_are_those_of_the_boxes():
    image, inside = torch.zeros(1, 1, 6, 7), torch.ones(1, 1, 6, 7)
    boxes = np.array([[0, 0, 2, 2], [4, 5, 6, 7], [1, 2, 2, 6]])
    for found, (top, left, bottom, right) in zip(in_full(image, inside, boxes), boxes, strict=True):
        expected = torch.zeros(1, 6, 7)
        expected[:, top:bottom, left:right] = 1
        assert torch.equal(found, expected)


def prepared(name: str, side: int) -> nn.Module:
    torch.manual_seed(0)
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    network = torchvision.models.get_model(name, weights=None, **options)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        if norms:
            network.train()(torch.randn(3, 3, side, side))
    return network.eval().requires_grad_(False)


matrix = pytest.mark.matrix
# the side of the input, and how many operations go patch by patch at least: all but the last where nothing in
# the network makes every place change
NAMED = [
    ("squeezenet1_1", 64, 64),
    ("resnet18", 64, 66),
    ("mobilenet_v3_small", 64, 7),
    pytest.param("vgg16", 64, 30, marks=matrix),
    pytest.param("resnet50", 64, 172, marks=matrix),
    pytest.param("mobilenet_v2", 64, 149, marks=matrix),
    pytest.param("densenet121", 64, 425, marks=matrix),
    pytest.param("googlenet", 64, 190, marks=matrix),
    pytest.param("inception_v3", 299, 300, marks=matrix),
    pytest.param("shufflenet_v2_x0_5", 64, 240, marks=matrix),
    pytest.param("convnext_tiny", 64, 220, marks=matrix),
    pytest.param("efficientnet_b0", 64, 7, marks=matrix),
    pytest.param("vit_b_16", 224, 1, marks=matrix),
    pytest.param("swin_t", 64, 6, marks=matrix),
]


@pytest.mark.parametrize(("name", "side", "least"), NAMED)
def test_networks_go_patch_by_patch_as_far_as_they_can(name, side, least):
    network = in_double(prepared(name, side))  # no rounding hides a wrong rule
    image = torch.randn(1, 3, side, side).double()
    corners = np.array([[0, 0], [side // 2, 3], [side - 9, side - 9]])
    boxes = np.concatenate([corners, corners + 9], 1)
    with torch.no_grad():
        expected = network(in_full(image, torch.zeros_like(image), boxes))
        for dense_from in (0.7, 2.0):
            forward = Forward(dense_from)
            found = dense_of(network(start(forward, image, torch.zeros_like(image), boxes)))
            assert (found - expected).abs().max() <= 1e-9 * expected.abs().max()
    assert forward.patched >= least


def test_beside_a_gpu_a_step_costs_what_the_processor_takes_for_it():
    """`meta` stands for the GPU. Small layers go in full there, however many multiply-adds patches save."""
    network = nn.Sequential(
        *[layer for _ in range(6) for layer in (nn.LazyConv2d(32, 3, padding=1), nn.ReLU())],
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.LazyLinear(4),
    ).eval()
    image = torch.randn(1, 3, 64, 64)
    network(image)
    corners = np.array([[a, b] for a in range(0, 57, 8) for b in range(0, 57, 8)])
    boxes = np.concatenate([corners, corners + 8], 1)
    gains = []
    for device in ("cpu", "meta"):
        with torch.no_grad():
            program = program_of(network.to(device), image.to(device))
        gains.append(grouped(program, boxes, (64, 64), 64, False).gain)
    assert gains[0] > 1.5 and gains[1] < 1


def test_costs_are_counted_as_they_come():
    """Multiply-adds of a convolution of 5×5 places' worth of 3×3 windows, by hand."""
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 400, 4))
    program = program_of(network.eval(), torch.randn(1, 3, 20, 20))
    head = 8 * 400 * 4
    assert whole_cost(program).macs == 400 * 8 * 27 + head
    inner = Boxes.of(np.array([[4, 4, 7, 7], [8, 8, 11, 11]]), (20, 20))
    assert patched_cost(program, inner).macs == 2 * (25 * 8 * 27 + head)
    corner = Boxes.of(np.array([[0, 0, 3, 3]]), (20, 20))  # its patch is cut off by the edge
    assert patched_cost(program, corner).macs == 16 * 8 * 27 + head


def test_a_group_costs_its_weights_once_however_many_patches_it_has():
    """Two patches of one size in one group, and in two: what is more is the calls, and the weights read."""
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 400, 4))
    program = program_of(network.eval(), torch.randn(1, 3, 20, 20))
    assert program.weights == sum(p.numel() for p in network.parameters() if p.ndim > 1)
    both = np.array([[4, 4, 7, 7], [8, 8, 11, 11]])
    one, other, together = (patched_cost(program, Boxes.of(b, (20, 20))) for b in (both[:1], both[1:], both))
    calls = sum(not step.view for step in program.steps if step.kind != "start")
    more = one.total + other.total - together.total
    assert 0 <= more - MOVED * program.weights <= 2 * calls * program.called
    assert one.macs + other.macs == together.macs
