"""The Gaussian blur against torchvision's, which sums over the whole window at once."""

from __future__ import annotations

import pytest
import torch
from torchvision.transforms import functional

from reportgen.engine.perturb.blur import gaussian_blur


@pytest.mark.parametrize(
    ("shape", "window_px", "sigma_px"),
    [((2, 3, 28, 28), 27, 3.5), ((1, 1, 9, 14), 9, 1.0), ((2, 4, 5, 4), 3, 0.4), ((1, 2, 6, 6), 1, 2.0)],
)
def test_it_is_torchvisions(shape: tuple[int, ...], window_px: int, sigma_px: float) -> None:
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = functional.gaussian_blur(x, [window_px, window_px], [sigma_px, sigma_px])
    assert torch.allclose(gaussian_blur(x, window_px, sigma_px), expected, rtol=0, atol=1e-12)


def test_a_constant_stays_what_it_is() -> None:
    x = torch.full((1, 2, 7, 8), 3.0)
    assert torch.allclose(gaussian_blur(x, 7, 2.0), x)
