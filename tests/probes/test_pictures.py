"""Hypercolumns, feature maps, filters, predictions and architecture against arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from reportgen.engine.network.trace import trace
from reportgen.errors import UnknownName
from reportgen.findings import NotApplicable
from reportgen.probes.architecture import COLUMNS, Architecture
from reportgen.probes.feature_maps import FeatureMaps
from reportgen.probes.filters import Filters
from reportgen.probes.hypercolumns import ROUNDS, TRIES, Hypercolumns, k_means, principal
from reportgen.probes.predictions import Predictions


def test_hypercolumn_mean_is_the_mean_over_all_resampled_channels(awkward, measured):
    pixels = torch.randn(2, 3, 32, 32)
    probe = Hypercolumns(layers=("stem", 3))
    found = measured(awkward, pixels, probe).findings(probe)
    with torch.no_grad():
        stem = awkward.stem(pixels)
        left = awkward.left(torch.relu(awkward.norm(stem)))
    stack = torch.cat(
        [interpolate(a, (32, 32), mode="bilinear", align_corners=False) for a in (stem, left)], 1
    )
    assert np.allclose(found["map"].values, stack.mean(1).numpy(), atol=1e-5)
    assert found["layers"].text == "16 channels of stem, left"


def test_components_are_those_of_a_singular_value_decomposition(awkward, measured):
    pixels = torch.randn(1, 3, 32, 32)
    probe = Hypercolumns(layers=("stem",))
    found = measured(awkward, pixels, probe).findings(probe)
    with torch.no_grad():
        stem = interpolate(awkward.stem(pixels), (32, 32), mode="bilinear")[0].flatten(1).numpy()
    centred = stem - stem.mean(1, keepdims=True)
    _, singular, components = np.linalg.svd(centred, full_matrices=False)
    share = 100 * (singular[:3] ** 2).sum() / (singular**2).sum()
    assert found["explained-variance"].values[0] == pytest.approx(share, rel=1e-4)
    for number in range(3):
        drawn = found["pca"].values[0, number].ravel()
        r = np.corrcoef(drawn, components[number])[0, 1]
        assert abs(r) > 0.99  # up to sign, and to the clipped tails


def test_layers_of_any_size_weigh_alike_in_the_components(awkward, measured):
    """An SVD of the centred stack, each layer divided by the root of its total variance."""
    pixels = torch.randn(1, 3, 32, 32)
    probe = Hypercolumns(layers=("stem", "last"))
    found = measured(awkward, pixels, probe).findings(probe)
    kept = []
    handles = [
        module.register_forward_hook(lambda _m, _args, out: kept.append(out.clone()))
        for module in (awkward.stem, awkward.last)
    ]
    with torch.no_grad():
        awkward(pixels)
    for handle in handles:
        handle.remove()
    parts = [interpolate(a, (32, 32), mode="bilinear")[0].flatten(1).double().numpy() for a in kept]
    centred = [part - part.mean(1, keepdims=True) for part in parts]
    scaled = np.concatenate([part / np.sqrt((part**2).sum()) for part in centred])
    _, singular, components = np.linalg.svd(scaled, full_matrices=False)
    share = 100 * (singular[:3] ** 2).sum() / (singular**2).sum()
    assert found["explained-variance"].values[0] == pytest.approx(share, rel=1e-4)
    for number in range(3):
        low, high = np.quantile(components[number], (0.01, 0.99))
        expected = np.clip((components[number] - low) / (high - low), 0, 1)
        drawn = found["pca"].values[0, number].ravel()
        error = min(abs(drawn - expected).max(), abs(1 - drawn - expected).max())  # up to sign
        assert error < 0.01


def test_several_stacks_are_each_what_they_are_alone(awkward, measured):
    pixels = torch.randn(2, 3, 32, 32)
    stacks = (("stem", 3), ("last",))
    both = Hypercolumns(layers=stacks)
    found = measured(awkward, pixels, both).findings(both)
    for number, layers in enumerate(stacks):
        alone = Hypercolumns(layers=layers)
        expected = measured(awkward, pixels, alone).findings(alone)
        ending = "-2" if number else ""
        names = {name: f"{name}{ending}" for name in ("map", "pca", "segments")}
        names["explained-variance"] = "pca-2-explained-variance" if number else "explained-variance"
        for name, mine in names.items():
            assert np.array_equal(found[mine].values, expected[name].values)
        assert found[names["map"]].quantity == f"mean activation of {expected['layers'].text}"
    assert len(found) == 8
    titles = [finding.title for name, finding in found.items() if name.startswith("map")]
    assert titles == ["Hypercolumns 1, mean", "Hypercolumns 2, mean"]


def test_segments_are_as_tight_as_scikit_learns():
    """The within-cluster sum of squares of regions that overlap, against KMeans with ten starts."""
    from sklearn.cluster import KMeans

    torch.manual_seed(2)
    points = torch.cat([torch.randn(400, 3) * 0.8 + centre for centre in torch.randn(5, 3) * 2])
    (labels,) = k_means(points.T[None], 5)
    spread = sum(float((points[labels == k] - points[labels == k].mean(0)).square().sum()) for k in range(5))
    best = KMeans(5, n_init=10, random_state=0).fit(points.numpy()).inertia_
    assert spread <= 1.01 * best
    counts = torch.bincount(labels).tolist()
    assert counts == sorted(counts, reverse=True)


def test_segments_find_planted_regions():
    torch.manual_seed(0)
    truth = torch.arange(3).repeat_interleave(torch.tensor([500, 300, 200]))
    centres = torch.tensor([[0.0, 0], [9, 0], [0, 9]])
    points = (centres[truth] + torch.randn(1000, 2)).T
    (labels,) = k_means(points[None], 3)
    assert torch.equal(labels, truth), "regions are numbered by falling size"
    assert torch.equal(labels, k_means(points[None], 3)[0])


def slowly(points, k):
    """k-means of one image's points (P, D) as it is written down: three tries, one after the other."""
    generator, found = torch.Generator().manual_seed(0), []
    for _ in range(TRIES):
        centres = points.new_empty(0, points.shape[1])
        weights = torch.ones(len(points), dtype=torch.float64)
        for _ in range(k):
            drawn = int(torch.multinomial(weights, 1, generator=generator))
            centres = torch.cat([centres, points[drawn : drawn + 1]])
            weights = torch.cdist(points, centres).amin(1).square().double().clamp(min=1e-12)
        for _ in range(ROUNDS):
            labels = torch.cdist(points, centres).argmin(1)
            means = [points[labels == n].mean(0) if (labels == n).any() else centres[n] for n in range(k)]
            centres = torch.stack(means)
        distances = torch.cdist(points, centres)
        found.append((float(distances.amin(1).square().sum()), distances.argmin(1)))
    labels = min(found, key=lambda pair: pair[0])[1]
    order = torch.bincount(labels, minlength=k).argsort(descending=True, stable=True)
    return order.argsort()[labels]


@pytest.mark.parametrize("k", [2, 5, 9])
def test_segments_of_a_batch_are_those_of_each_image_alone_worked_out_slowly(k):
    torch.manual_seed(k)
    centres = torch.randn(4, 6, 7, 1) * 3  # images, of six clusters in seven dimensions
    points = (centres + torch.randn(4, 6, 7, 90)).transpose(1, 2).flatten(2)  # (4, 7, 540)
    points[3] = points[3].round()  # many equal points
    together = k_means(points, k)
    for labels, own in zip(together, points, strict=True):
        assert float((labels == slowly(own.T, k)).float().mean()) > 0.99  # a tie may round either way
        assert torch.equal(labels, k_means(own[None], k)[0])


def test_segments_of_one_colour_are_one_segment():
    assert k_means(torch.ones(1, 3, 50), 4).unique().tolist() == [0]


@pytest.mark.parametrize(
    "sides", [((8, 8), (4, 4)), ((5, 9), (3, 2), (1, 1)), ((40, 31),), ((24, 20), (6, 5))]
)
def test_components_without_resampling_are_those_of_the_resampled_maps(sides):
    """Of grids smaller and larger than the input's, with channels far from zero."""
    torch.manual_seed(len(sides))
    maps = [torch.randn(2, 3 + n, *side) * 3 + 20 for n, side in enumerate(sides)]
    found, share = principal(maps, torch.Size((24, 20)), 2)
    for image in range(2):
        parts = [interpolate(m[[image]].double(), (24, 20), mode="bilinear")[0].flatten(1) for m in maps]
        parts = [part - part.mean(1, keepdim=True) for part in parts]
        stack = torch.cat([p / (p.square().sum() / (24 * 20 - 1)).sqrt().clamp(min=1e-12) for p in parts])
        _, singular, components = torch.linalg.svd(stack, full_matrices=False)
        held = singular[:3].square().sum() / singular.square().sum()
        assert float(share[image]) == pytest.approx(float(held), rel=1e-5)
        for number in range(2):
            expected = components[number] * singular[number]
            mine = found[image, number].flatten().double()
            error = min((mine - expected).abs().max(), (mine + expected).abs().max())  # up to sign
            assert error < 2e-4 * expected.abs().max()


def test_an_image_whose_maps_are_not_finite_leaves_the_others_as_they_are(awkward, measured):
    pixels = torch.randn(3, 3, 32, 32)
    probe = Hypercolumns(layers=("stem", 3))
    sound = measured(awkward, pixels[[0, 2]], probe).findings(probe)
    pixels[1, 0, 4, 4] = torch.nan
    found = measured(awkward, pixels, probe).findings(probe)
    for name in ("pca", "segments", "explained-variance"):
        assert np.allclose(found[name].values[[0, 2]], sound[name].values, atol=1e-4)
    assert np.isnan(found["pca"].values[1]).all() and not found["segments"].values[1].any()


def test_hypercolumn_presets_shrink_to_what_a_small_network_has(awkward, measured):
    pixels = torch.randn(1, 3, 32, 32)
    probe = Hypercolumns(layers=(1, 4, 7, 10, 11, 14, 17))
    assert measured(awkward, pixels, probe).findings(probe)["layers"].text.endswith("stem, relu, last")


class Planted(nn.Module):
    """Four channels: constant and strong, flat zero, a wide ramp, a narrow ramp."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv2d(1, 4, 1)
        with torch.no_grad():
            self.maps.weight.copy_(torch.tensor([0.0, 0, 3, 1]).view(4, 1, 1, 1))
            self.maps.bias.copy_(torch.tensor([50.0, 0, 0, 0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.maps(x).mean((2, 3))


@pytest.mark.parametrize(
    ("choose", "numbers"), [("varied", [2, 3]), ("strongest", [0, 2]), ("first", [0, 1])]
)
def test_feature_maps_choose_the_planted_channels(measured, choose, numbers):
    pixels = torch.arange(16.0).view(1, 1, 4, 4)
    probe = FeatureMaps(layers=("maps",), maps=2, choose=choose)
    gallery = measured(Planted(), pixels, probe).findings(probe)["maps"]
    assert gallery.numbers.tolist() == [numbers]
    with torch.no_grad():
        expected = Planted().maps(pixels)[:, numbers].numpy()
    assert np.allclose(gallery.values, expected)


def test_feature_maps_show_the_channels_that_the_recipe_names(measured):
    pixels = torch.stack([torch.arange(16.0).view(1, 4, 4), torch.ones(1, 4, 4)])
    probe = FeatureMaps(layers=("maps",), choose=(3, 0))
    gallery = measured(Planted(), pixels, probe).findings(probe)["maps"]
    assert gallery.numbers.tolist() == [[3, 0]] * 2
    with torch.no_grad():
        assert np.allclose(gallery.values, Planted().maps(pixels)[:, [3, 0]].numpy())


def test_a_channel_that_is_not_there_is_named():
    facts = trace(Planted(), (1, 4, 4))
    with pytest.raises(UnknownName, match="unknown channel of maps 4"):
        FeatureMaps(layers=("maps",), choose=(0, 4)).needs(facts)


def test_each_scale_passes_over_layers_that_only_pad(measured):
    network = nn.Sequential(
        nn.ZeroPad2d(1), nn.Conv2d(1, 2, 3), nn.ReflectionPad2d(2), nn.MaxPool2d(2), nn.Flatten()
    )
    probe = FeatureMaps(layers="each-scale")
    found = measured(network, torch.randn(1, 1, 8, 8), probe).findings(probe)
    assert sorted(found) == ["1", "3"]


def test_first_15_takes_layers_with_maps_in_call_order(awkward, measured):
    probe = FeatureMaps()
    found = measured(awkward, torch.randn(1, 3, 32, 32), probe).findings(probe)
    assert list(found) == ["stem", "norm", "left", "relu", "right", "clip", "last"]
    assert found["stem"].values.shape == (1, 3, 16, 16)
    scale = FeatureMaps(layers="each-scale", maps=1)
    assert list(measured(awkward, torch.randn(1, 3, 32, 32), scale).findings(scale)) == ["last"]


def test_filters_are_the_weights(weights_of):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 5, 7), nn.MaxPool2d(2), nn.Conv2d(5, 4, 3), nn.Flatten(), nn.LazyLinear(2)
    )
    network(torch.zeros(1, 3, 20, 20))
    shape = (3, 20, 20)
    colour = weights_of(network, shape, Filters())["0"]
    assert np.array_equal(colour.values, network[0].weight.detach().numpy())
    assert not colour.signed
    first = weights_of(network, shape, Filters(layers=("2",)))["2"]
    assert np.array_equal(first.values, network[2].weight.detach().numpy()[:, 0])
    every = weights_of(network, shape, Filters(layers=(3,), slices="every-slice"))["2"]
    assert np.array_equal(every.values[7], network[2].weight.detach().numpy()[1, 2])
    assert len(every.values) == 20 and every.together == 5
    blocks = weights_of(network, shape, Filters(layers="block-firsts"))
    assert [len(blocks[name].values) for name in ("0", "2")] == [1, 1]
    cut = weights_of(network, shape, Filters(at_most=2))["0"]
    assert len(cut.values) == 2 and cut.quantity.endswith("2 of 5 shown")
    assert "shown" not in every.quantity and "5 a filter" in every.quantity
    for scale, words in (("each", "its own range"), ("grid", "the range of the whole grid")):
        found = weights_of(network, shape, Filters(scale=scale))
        assert found["0"].scale == scale
        assert words in found["scale"].text


def test_one_weight_alone_is_not_taken_for_a_block(weights_of):
    """MobileNets begin most resolutions with windows of one pixel: the first wider one stands for it."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 1),
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 1),
        nn.Conv2d(6, 6, 5, padding=2),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 6, 1),
        nn.Flatten(),
        nn.Linear(24, 2),
    )
    found = weights_of(network, (3, 8, 8), Filters(layers="block-firsts"))
    assert [name for name in found if name != "scale"] == ["1", "4", "6"]
    assert np.array_equal(found["4"].values, network[4].weight.detach().numpy()[:1, 0])
    assert "the first filter" in found["4"].quantity
    slices = weights_of(network, (3, 8, 8), Filters(layers="block-firsts", slices="every-slice"))
    assert np.array_equal(slices["4"].values, network[4].weight.detach().numpy()[0])
    assert "1" in weights_of(network, (3, 8, 8), Filters()), "auto takes it too"


def test_filters_need_a_convolution(weights_of):
    with pytest.raises(NotApplicable):
        weights_of(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), (3, 2, 2), Filters())


class Says(nn.Module):
    """Answers with the given probabilities."""

    def __init__(self, *rows: list[float]) -> None:
        super().__init__()
        self.rows = torch.tensor(rows)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rows[: len(x)].log() + x.mean() * 0


def test_margin_and_entropy(measured):
    network = Says([0.5, 0.25, 0.25], [0.98, 0.01, 0.01])
    found = measured(network, torch.zeros(2, 3, 4, 4), Predictions()).findings(Predictions())
    assert found["margin"].values == pytest.approx([0.25, 0.97], abs=1e-5)
    assert found["entropy"].values[0] == pytest.approx(1.5, abs=1e-5)
    assert 0 < found["entropy"].values[1] < math.log2(3)


def test_the_whole_vector_is_kept_and_results_list_it_for_few_classes(measured):
    torch.manual_seed(0)
    logits = torch.randn(3, 21) * 4
    for count, listed in ((20, True), (21, False)):
        p = (logits[:, :count].double().exp() / logits[:, :count].double().exp().sum(1, True)).tolist()
        found = measured(Says(*p), torch.zeros(3, 3, 4, 4), Predictions()).findings(Predictions())
        assert found["probabilities"].values == pytest.approx(np.array(p), abs=1e-6)
        assert found["probabilities"].listed is listed
    for wish, listed in (("always", True), ("never", False)):
        probe = Predictions(vector_in_results=wish)
        found = measured(Says(*p), torch.zeros(3, 3, 4, 4), probe).findings(probe)
        assert found["probabilities"].listed is listed


@pytest.mark.parametrize(
    ("row", "count"),
    [([0.95, 0.05, 0.0001], 1), ([0.5, 0.25, 0.25], 3), ([0.6, 0.31, 0.09], 2), ([0.4, 0.4, 0.2], 3)],
)
def test_classes_that_hold_nine_tenths(measured, row, count):
    found = measured(Says(row), torch.zeros(1, 3, 4, 4), Predictions()).findings(Predictions())
    assert found["classes-90"].values.tolist() == [count]


def test_no_class_holds_anything_where_the_answer_is_not_finite(measured):
    pixels = torch.zeros(2, 3, 4, 4)
    pixels[0] = torch.nan
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 6))
    found = measured(network, pixels, Predictions()).findings(Predictions())
    assert found["classes-90"].values[0] == 0 < found["classes-90"].values[1]


def test_architecture_lists_every_layer_with_its_numbers(awkward, weights_of):
    found = weights_of(awkward, (3, 32, 32), Architecture())
    table = found["layers"]
    rows = {row[1].split()[0]: dict(zip(COLUMNS, row, strict=True)) for row in table.rows}
    assert rows["stem"]["output"] == "8×16×16"
    assert rows["stem"]["parameters"] == 8 * 3 * 9 + 8
    assert rows["stem"]["MACs"] == 8 * 16 * 16 * 27
    assert rows["last"]["field, px"] == 3 + 2 * 2 + 2 * 2  # stem, left, last
    assert rows["last"]["step, px"] == 2
    assert rows["stem"]["formula"] == "holds"
    assert "relu (called 2 times)" in [row[1] for row in table.rows]
    parameters = sum(p.numel() for p in awkward.parameters())
    assert found["parameters"].values == parameters == table.total[8]
    assert sum(row[8] or 0 for row in table.rows) == parameters
    assert rows["stem"]["trainable"] == "all" and rows["relu"]["trainable"] == ""


def test_architecture_says_what_training_may_change(awkward, weights_of):
    awkward.stem.requires_grad_(False)
    awkward.last.bias.requires_grad_(False)
    found = weights_of(awkward, (3, 32, 32), Architecture())
    rows = {row[1].split()[0]: dict(zip(COLUMNS, row, strict=True)) for row in found["layers"].rows}
    told = {name: rows[name]["trainable"] for name in ("stem", "last", "head")}
    assert told == {"stem": "none", "last": f"{12 * 16 * 9:,}", "head": "all"}
    trainable = sum(p.numel() for p in awkward.parameters() if p.requires_grad)
    assert found["trainable"].values == trainable
    assert dict(zip(COLUMNS, found["layers"].total, strict=True))["trainable"] == f"{trainable:,}"


def test_architecture_has_the_graph_of_the_trace(awkward, weights_of):
    found = weights_of(awkward, (3, 32, 32), Architecture())
    assert found["joins"].values == 2
    graph = found["graph"]
    assert graph.boxes[6] == ("add", "+", "", "", (8, 16, 16))
    assert graph.boxes[1] == ("conv", "conv 3×3/2, 8", "stem", "", (8, 16, 16))
    assert [a for a, b in graph.edges if b == 6] == [5, 3]
