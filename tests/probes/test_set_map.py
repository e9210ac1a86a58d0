"""The map of the set is made of what the last layer is given."""

from __future__ import annotations

import numpy as np
from torch import nn

from reportgen.probes.set_map import SetMap


def probes(network):
    """What is measured on each of the nine networks of tests/oracles.py."""
    return {"set-map": SetMap()}


def test_it_is_what_a_hook_on_the_last_layer_sees(case):
    given = []
    layers = [m for m in case.network.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    hooks = [
        layer.register_forward_pre_hook(lambda module, args: given.append((module, args[0].detach())))
        for layer in layers
    ]
    case.network(case.pixels)
    for hook in hooks:
        hook.remove()
    layer, seen = given[-1]  # the last that was called
    expected = seen.mean((2, 3)) if seen.ndim == 4 else seen  # (N, F)
    (found,) = case.found("set-map").values()
    assert found.values.shape == (len(case.pixels), layer.weight.shape[1])
    np.testing.assert_allclose(found.values, expected.numpy(), atol=1e-5 * expected.abs().max().item())
