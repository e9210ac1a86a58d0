"""Responses against scipy's correlation, and against kernels whose effect is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate
from torch import nn

from reportgen.findings import NotApplicable
from reportgen.probes.filter_responses import FilterResponses, correlated


@pytest.mark.parametrize("size", [(3, 3), (5, 3), (2, 4), (1, 7)])
def test_equals_scipys_correlation_with_a_mirrored_border(size):
    rng = np.random.default_rng(0)
    image, kernel = rng.normal(size=(12, 15)), rng.normal(size=size)
    got = correlated(torch.tensor(image)[None, None], torch.tensor(kernel)[None, None])[0, 0]
    # the centre of an even window is its upper half's first place, as it is for scipy
    assert np.allclose(got.numpy(), correlate(image, kernel, mode="mirror"))


def test_planted_kernels_do_what_they_are_known_for(measured):
    network = nn.Sequential(nn.Conv2d(3, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with torch.no_grad():
        network[0].weight.zero_()
        network[0].weight[0, 0, 1, 1] = 1  # leaves the image as it is
        network[0].weight[1, 0, 1] = torch.tensor([-1.0, 0, 1])  # rises to the right
        network[0].weight[2, 1] = 5  # nothing in the first slice
    pixels = torch.zeros(2, 3, 8, 8)
    pixels[:, :, :, 4:] = 1  # normalised: mean 0.5, std 0.25
    probe = FilterResponses()
    found = measured(network, pixels, probe).findings(probe)
    kernels, responses = found["0-kernels"], found["0-responses"]
    assert np.array_equal(kernels.values[1], network[0].weight[:, 0].detach().numpy())
    assert np.allclose(responses.values[0, 0], 0.5 + 0.25 * pixels[0, 0].numpy())
    edge = np.zeros((8, 8))
    edge[:, 3:5] = 0.25
    assert np.allclose(responses.values[1, 1], edge, atol=1e-6)
    assert not responses.values[:, 2].any()
    assert responses.numbers.tolist() == [[0, 1, 2]] * 2


def test_layers_by_name_and_networks_without_a_window(awkward, measured):
    probe = FilterResponses(layers=("left", "right"), filters=2)
    found = measured(awkward, torch.randn(1, 3, 32, 32), probe).findings(probe)
    assert list(found) == ["left-kernels", "left-responses", "right-kernels", "right-responses"]
    assert found["left-responses"].values.shape == (1, 2, 32, 32)


def test_a_network_without_a_window_is_refused():
    from reportgen.engine.network.trace import trace

    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(NotApplicable, match="window"):
        FilterResponses().needs(trace(network, (3, 8, 8)))
