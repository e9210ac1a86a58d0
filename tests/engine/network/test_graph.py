"""The graph against what is known of networks, and on small ones whose every edge is known."""

from __future__ import annotations

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from reportgen.engine.network.facts import Graph
from reportgen.engine.network.trace import trace


def graph_of(network: nn.Module, side: int = 32, channels: int = 3) -> Graph:
    return trace(network, (channels, side, side)).graph


def built(name: str, side: int = 224) -> Graph:
    options = {"init_weights": False} if name in ("inception_v3", "googlenet") else {}
    with torch.device("meta"):
        return graph_of(torchvision.models.get_model(name, weights=None, **options), side)


def makers(graph: Graph, at: int) -> list[int]:
    return [a for a, b in graph.edges if b == at]


def told(graph: Graph) -> list[tuple[str, list[int]]]:
    """Each box's words and the numbers of the boxes whose values it reads."""
    return [(held.words, makers(graph, at)) for at, held in enumerate(graph.operations)]


def of_kind(graph: Graph, kind: str) -> list[int]:
    return [at for at, held in enumerate(graph.operations) if held.kind == kind]


def steps_between(graph: Graph, start: int, end: int) -> set[int]:
    """The lengths of all ways from one box to another, in edges."""
    found = set()
    for a in makers(graph, end):
        if a == start:
            found.add(1)
        elif a > start:
            found |= {1 + length for length in steps_between(graph, start, a)}
    return found


def test_resnet18_has_eight_additions_and_the_skips_of_he_et_al():
    """Identity: conv, bn, relu, conv, bn, + on one way and nothing on the other. At the first block of
    layers 2 to 4 there is a convolution and its bn on the other."""
    graph = built("resnet18")
    adds = of_kind(graph, "add")
    assert len(adds) == 8
    for number, at in enumerate(adds):
        branches = makers(graph, at)
        assert len(branches) == 2
        start = max(set(_before(graph, branches[0])) & set(_before(graph, branches[1])))
        projected = number in (2, 4, 6)
        assert steps_between(graph, start, at) == ({6, 3} if projected else {6, 1})


def _before(graph: Graph, at: int) -> list[int]:
    found = {at}
    for b in range(at, -1, -1):
        if b in found:
            found |= set(makers(graph, b))
    return sorted(found)


@pytest.mark.parametrize(("name", "side", "count"), [("googlenet", 224, 9), ("inception_v3", 299, 11)])
def test_concatenations_of_inception_join_four_branches_or_three_or_two(name, side, count):
    """Szegedy et al.: four branches a block; v3 has three in its reductions, and pairs in its last two."""
    graph = built(name, side)
    joined = [len(makers(graph, at)) for at in of_kind(graph, "concatenate")]
    if name == "googlenet":
        assert joined == [4] * count
    else:
        assert joined == [4, 4, 4, 3, 4, 4, 4, 4, 3, 2, 2, 4, 2, 2, 4]


def test_densenet121_reads_all_earlier_maps_of_a_block_again():
    """Huang et al. 2017: layer l of a block has l inputs; the block's end has all. One input is no join."""
    graph = built("densenet121")
    joined = [len(makers(graph, at)) for at in of_kind(graph, "concatenate")]
    expected = [inputs for layers in (6, 12, 24, 16) for inputs in range(2, layers + 2)]
    assert joined == expected


def test_shufflenet_joins_the_half_that_is_passed_on_with_the_half_that_is_convolved():
    graph = built("shufflenet_v2_x1_0")
    first, second = (makers(graph, at) for at in of_kind(graph, "concatenate")[:2])
    assert len(first) == 2 and len(second) == 2
    assert of_kind(graph, "concatenate")[0] in second  # chunk and shuffle are views of it


def test_squeeze_and_excitation_multiplies_a_value_by_its_gate():
    graph = built("efficientnet_b0")
    for at in of_kind(graph, "multiply"):
        value, gate = sorted(makers(graph, at))
        assert graph.operations[gate].words == "sigmoid"
        assert steps_between(graph, value, gate) == {5}  # pool, conv, silu, conv, sigmoid


def test_every_edge_of_the_awkward_network(awkward):
    assert told(graph_of(awkward)) == [
        ("input", []),
        ("conv 3×3/2, 8", [0]),
        ("bn", [1]),
        ("relu", [2]),  # in place
        ("conv 3×3, 8", [3]),
        ("relu", [4]),  # the same module
        ("+", [5, 3]),
        ("conv 1×1, 8", [3]),
        ("relu", [7]),  # a function
        ("concat", [6, 8]),
        ("relu6", [9]),  # after a multiplication by a number
        ("conv 3×3, 12", [10]),
        ("relu", [11]),  # in place, of a tensor that the layer returned
        ("global avg-pool", [12]),
        ("linear 5", [13]),
        ("output", [14]),
    ]


def test_boxes_know_their_layers_their_modules_and_their_shapes():
    graph = built("resnet18")
    add = graph.operations[of_kind(graph, "add")[0]]
    assert (add.layer, add.within, add.shape) == ("", "layer1.0", (64, 56, 56))
    conv = graph.operations[1]
    assert (conv.layer, conv.within, conv.shape) == ("conv1", "", (64, 112, 112))
    assert graph.operations[0].shape == (3, 224, 224)
    assert graph.operations[-1].shape == (1000,)


class Planted(nn.Module):
    """Makes a network of a function of an image and three layers."""

    def __init__(self, function) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.nothing = nn.Identity()
        self.flat = nn.Flatten()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def planted(function) -> list[tuple[str, list[int]]]:
    return told(graph_of(Planted(function), side=4))


A, B, MEAN = "conv 3×3, 3", "conv 1×1, 3", "global avg-pool"


def pooled(x: Tensor) -> Tensor:
    return x.mean((2, 3))


def test_a_module_that_is_called_twice_is_two_boxes():
    found = planted(lambda net, x: pooled(net.a(net.a(x))))
    assert found == [("input", []), (A, [0]), (A, [1]), (MEAN, [2]), ("output", [3])]


def test_addition_in_place_reads_both_its_values():
    def function(net: Planted, x: Tensor) -> Tensor:
        y = net.a(x)
        y += x
        return pooled(net.relu(y))

    assert planted(function)[2:4] == [("+", [1, 0]), ("relu", [2])]


def test_a_rectifier_in_place_makes_a_new_value_for_whoever_reads_the_old_tensor():
    def function(net: Planted, x: Tensor) -> Tensor:
        y = net.a(x)
        net.relu(y)  # the result is dropped: y is rewritten
        return pooled(y + x)

    assert planted(function)[2:4] == [("relu", [1]), ("+", [2, 0])]


def test_a_rectifier_in_place_on_a_view_rewrites_what_it_is_a_view_of():
    def function(net: Planted, x: Tensor) -> Tensor:
        y = net.a(x)
        y.view(1, -1).relu_()
        return pooled(net.b(y))

    assert planted(function)[1:4] == [(A, [0]), ("relu", [1]), (B, [2])]


def test_dropout_identity_flatten_views_copies_and_scaling_have_no_box():
    def function(net: Planted, x: Tensor) -> Tensor:
        y = net.nothing(net.drop(net.a(x)))
        y = (y.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2) * 2 + 1).clone()
        return net.flat(pooled(y)[:, :, None, None])

    assert planted(function) == [("input", []), (A, [0]), (MEAN, [1]), ("output", [2])]


def test_an_identity_shortcut_leads_from_where_it_began():
    assert planted(lambda net, x: pooled(net.a(x) + net.nothing(x)))[2] == ("+", [1, 0])


def test_a_value_that_is_joined_with_itself_is_read_twice():
    assert planted(lambda net, x: pooled(torch.cat([x, x], 1)))[1] == ("concat", [0, 0])


def test_functions_have_boxes_as_layers_have():
    def function(net: Planted, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(F.conv2d(x, net.a.weight, stride=2)), 1)
        return F.linear(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1), torch.ones(2, 3, device=x.device))

    assert [words for words, _ in planted(function)] == [
        *("input", "conv 3×3/2, 3", "relu", "max-pool 1×1", "global avg-pool", "linear 2", "output")
    ]


def test_convolutions_say_their_window_stride_groups_and_dilation():
    layers = (
        nn.Conv2d(3, 6, (1, 3), stride=(1, 2)),
        nn.Conv2d(6, 12, 3, groups=2, padding=1),
        nn.Conv2d(12, 24, 3, groups=12, padding=2, dilation=2),
        nn.ConvTranspose2d(24, 4, 2, stride=2),
        nn.Conv2d(4, 4, 1, groups=4),
    )
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert [held.words for held in graph_of(network, 9).operations[1:6]] == [
        "conv 1×3/1×2, 6",
        "2-group conv 3×3, 12",
        "depthwise 3×3, 24, dilated 2",
        "deconv 2×2/2, 4",
        "depthwise 1×1, 4",
    ]


def test_what_is_made_and_never_read_ends_there():
    def function(net: Planted, x: Tensor) -> Tensor:
        net.b(x)
        return pooled(net.a(x))

    assert planted(function) == [("input", []), (B, [0]), (A, [0]), (MEAN, [2]), ("output", [3])]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()), min_size=1, max_size=6))
def test_a_random_net_of_additions_is_read_back(picks: list[tuple[int, int, bool]]):
    """Each step adds two earlier values, or convolves one; the reference keeps its own record."""
    expected: list[tuple[str, list[int]]] = [("input", [])]

    def function(net: Planted, x: Tensor) -> Tensor:
        values = [x]
        expected[1:] = []
        for first, second, joins in picks:
            a, b = first % len(values), second % len(values)
            values.append(values[a] + values[b] if joins else net.a(values[a]))
            expected.append(("+", [a, b]) if joins else (A, [a]))
        expected.append((MEAN, [len(values) - 1]))
        expected.append(("output", [len(values)]))
        return pooled(values[-1])

    found = planted(function)
    assert [(words, sorted(read)) for words, read in found] == [(w, sorted(r)) for w, r in expected]


def test_an_own_layer_of_many_operations_is_one_box_by_its_type():
    class Gate(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.conv2d(x, torch.ones(3, 3, 1, 1, device=x.device)) * x.mean((2, 3), keepdim=True)

    network = nn.Sequential(Gate(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert told(graph_of(network, 4)) == [("input", []), ("Gate", [0]), (MEAN, [1]), ("output", [2])]


def test_a_max_pool_that_returns_indices_too_gives_its_maps():
    class Switched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool = nn.MaxPool2d(2, return_indices=True)

        def forward(self, x: Tensor) -> Tensor:
            maps, _ = self.pool(x)
            return pooled(maps)

    facts = trace(Switched(), (3, 8, 8))
    assert told(facts.graph) == [("input", []), ("max-pool 2×2/2", [0]), (MEAN, [1]), ("output", [2])]
    pool = facts.layer("pool")
    assert (pool.output_shape, pool.receptive_field_px, pool.formula_holds) == ((3, 4, 4), 2, True)
    assert pool.output_bytes == 3 * 4 * 4 * 4


def test_control_flow_by_value_has_its_graph_too():
    class Looks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3)

        def forward(self, x: Tensor) -> Tensor:
            y = pooled(self.conv(x))
            return y if y.sum().item() > -1e9 else -y

    assert [words for words, _ in told(graph_of(Looks(), 8))][:3] == ["input", A, MEAN]
