"""The trace against numbers that others have published or that arithmetic gives."""

from __future__ import annotations

from functools import cache

import pytest
import torch
import torchvision
from torch import nn

from reportgen.engine.needs import ModelFacts
from reportgen.engine.network.trace import trace
from reportgen.errors import InputError, UnknownName
from reportgen.findings import NotApplicable

# receptive fields: Araujo et al. 2019 (Distill), table of networks; parameters: torchvision's cards
KNOWN = [
    # name, parameters, receptive field of the last maps, rectifiers
    ("vgg16", 138_357_544, 212, 15),
    ("alexnet", 61_100_840, 195, 7),
    ("inception_v3", 27_161_264, 1311, 94),
    ("resnet18", 11_689_512, 435, 17),
    ("googlenet", 13_004_888, None, 57),
    ("mobilenet_v2", 3_504_872, 491, 35),
    ("densenet121", 7_978_856, None, 121),
    ("shufflenet_v2_x1_0", 2_278_604, None, 37),
]


def built(name: str) -> nn.Module:
    """A torchvision model with random weights; they do not matter here."""
    options = {"init_weights": False} if name in ("inception_v3", "googlenet") else {}
    with torch.device("meta"):
        return torchvision.models.get_model(name, weights=None, **options).eval()


@cache
def facts_of(name: str) -> ModelFacts:
    """What is traced of such a model at its usual size; several tests look at it."""
    side = 299 if name == "inception_v3" else 224
    return trace(built(name), (3, side, side))


@pytest.mark.parametrize(("name", "parameters", "field_px", "rectifiers"), KNOWN)
def test_known_networks(name, parameters, field_px, rectifiers):
    facts = facts_of(name)
    assert facts.parameters == parameters
    assert facts.rectifiers == rectifiers
    assert facts.class_count == 1000
    if field_px:
        assert facts.spatial_layer("auto").receptive_field_px == field_px


@pytest.mark.parametrize("name", ["vgg16", "resnet18", "googlenet"])
def test_every_window_obeys_the_formula(name):
    facts = facts_of(name)
    windows = [layer for layer in facts.leaves() if layer.kernel]
    assert windows
    assert all(layer.formula_holds for layer in windows)


def test_macs_of_vgg16_are_those_of_its_layers():
    facts = facts_of("vgg16")
    by_hand = 0
    for layer in facts.leaves():
        if layer.type == "Conv2d":
            k, _, h, w = layer.weight_shape[0], *layer.output_shape
            by_hand += k * layer.weight_shape[1] * 9 * h * w
        if layer.type == "Linear":
            by_hand += layer.weight_shape[0] * layer.weight_shape[1]
    assert facts.macs == by_hand == sum(layer.macs for layer in facts.leaves())


def test_auto_is_where_branches_have_joined():
    assert facts_of("inception_v3").spatial_layer("auto").output_shape == (2048, 8, 8)
    assert facts_of("resnet18").spatial_layer("auto").name == "layer4"


def test_numbers_count_leaves_in_the_order_of_their_last_calls_and_layers_resolve_both_ways(awkward):
    facts = trace(awkward, (3, 32, 32))
    names = [layer.name for layer in facts.leaves()]
    assert names == ["stem", "norm", "left", "relu", "right", "clip", "last", "head"]
    assert facts.layer(3).name == facts.layer("3").name == "left"
    assert facts.layer("relu").calls == 2


def test_counts_functional_in_place_and_reused_rectifiers(awkward):
    assert trace(awkward, (3, 32, 32)).rectifiers == 5


def test_names_the_nearest_layer(awkward):
    with pytest.raises(UnknownName, match=r"did you mean 'left'"):
        trace(awkward, (3, 32, 32)).layer("letf")


def test_leaves_the_network_alone(awkward):
    calls = []
    handle = awkward.register_forward_hook(lambda *_: calls.append(1))
    before = {k: v.clone() for k, v in awkward.state_dict().items()}
    awkward.train()
    trace(awkward, (3, 32, 32))
    handle.remove()
    assert not calls
    assert awkward.training
    assert all(torch.equal(v, before[k]) for k, v in awkward.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in awkward.modules())


class LooksAtValues(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x).mean((2, 3))
        return y if y.sum().item() > -1e9 else -y  # control flow that no shape can decide


def test_control_flow_by_value_is_traced_on_a_real_copy():
    facts = trace(LooksAtValues(), (1, 8, 8))
    assert facts.layer("conv").output_shape == (3, 6, 6)
    assert facts.macs == 3 * 9 * 36


def test_wrong_input_is_an_input_error():
    with pytest.raises(InputError, match="1x224x224"):
        trace(built("vgg16"), (1, 224, 224))


class Named(nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"scores": x.mean((2, 3)), "extra": x}


class Two(nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"scores": x.mean((2, 3)), "extra": x.amax((2, 3))}


def test_outputs_that_are_no_tensor_need_a_name_where_several_could_be_meant():
    with pytest.raises(InputError, match=r"dict with 'scores' of shape \(1, 3\), 'extra' of shape \(1, 3\)"):
        trace(Two(), (3, 8, 8))
    assert "'scores' is read" in trace(Named(), (3, 8, 8)).head.reading
    assert trace(Named(), (3, 8, 8), output="scores").class_count == 3
    with pytest.raises(InputError, match=r"model\.output is 'score'"):
        trace(Named(), (3, 8, 8), output="score")


def test_a_network_without_maps_says_so():
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(NotApplicable):
        trace(network, (3, 2, 2)).spatial_layer("auto")


class Tied(nn.Module):
    """Layers that are called twice, a weight that two layers share, a layer that never runs, and parameters
    and multiplications of the network's and of a block's own."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mix = nn.Linear(8, 8)
            self.scale = nn.Parameter(torch.ones(8))
            self.rotation = nn.Parameter(torch.eye(8), requires_grad=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.mix(x) * self.scale @ self.rotation  # (1, 4, 8)

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.stem = nn.Conv2d(3, 8, 2, 2)
        self.block = Tied.Block()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.second.weight = self.first.weight
        self.unused = nn.Linear(8, 3)
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).flatten(2).transpose(1, 2) + self.token  # (1, 4, 8)
        x = self.block(self.block(x))
        x = self.attention(x, x, x, need_weights=False)[0]
        x = self.second(self.first(x)) @ x.transpose(1, 2) @ x
        return self.head(x.mean(1))


def network_of(name: str) -> tuple[nn.Module, int]:
    if name == "tied":
        return Tied().eval(), 4
    if name == "bare":
        return nn.Sequential(nn.Flatten(), nn.Linear(48, 3)), 4
    return built(name), 299 if name == "inception_v3" else 224


@pytest.mark.parametrize(
    "name",
    [
        *("tied", "bare", "resnet18", "mobilenet_v2", "googlenet", "inception_v3"),
        *("vit_b_16", "swin_t", "convnext_tiny"),
    ],
)
def test_layers_that_hold_no_others_add_up_to_the_network(name: str) -> None:
    network, side = network_of(name)
    facts = trace(network, (3, side, side)) if side < 224 else facts_of(name)
    layers = [layer for layer in facts.layers if layer.kind == "layer"]
    for key in ("parameters", "trainable_parameters", "macs"):
        assert sum(getattr(layer, key) for layer in layers) == getattr(facts, key) > 0, key
    names = [layer.name for layer in facts.layers]
    assert len(set(names)) == len(names)
    by_name = dict(network.named_modules())
    for layer in facts.layers:
        if layer.kind == "container":
            inside = by_name[layer.name]
            assert layer.parameters == sum(p.numel() for p in inside.parameters()), "of all that is in it"
            assert any(inside.children())


def test_what_is_shared_is_counted_once_and_what_a_container_does_itself_is_a_layer() -> None:
    facts = trace(Tied().eval(), (3, 4, 4))
    found = {layer.name: layer for layer in facts.layers}
    assert (found["first"].parameters, found["second"].parameters) == (72, 8)
    assert found["second"].weighted
    assert found["block.mix"].parameters == 72
    assert found["block.mix"].macs == 2 * 4 * 8 * 8, "called twice"
    own = found["block:own"]
    assert (own.kind, own.parameters, own.trainable_parameters) == ("layer", 72, 8)
    assert own.macs == 2 * 4 * 8 * 8
    assert (found["network:own"].parameters, found["network:own"].macs) == (8, 4 * 4 * 8 * 2)
    assert (found["block"].kind, found["block"].parameters) == ("container", 144)
    assert found["block"].macs == found["block.mix"].macs + own.macs
    assert found["attention"].kind == "layer"
    assert found["attention.out_proj"].kind == "part", "counted in the attention"
    assert (found["unused"].kind, found["unused"].parameters, found["unused"].macs) == ("layer", 27, 0)
    with pytest.raises(UnknownName):
        facts.layer("block:own")
