"""Means over large windows in two steps, against one step."""

import pytest
import torch
from torch.nn.functional import avg_pool2d

from reportgen.engine.decisive import _box_means


@pytest.mark.parametrize(("height", "width", "window"), [(12, 31, 9), (7, 5, 5), (6, 6, 11), (4, 9, 1)])
def test_means_along_rows_and_columns_are_the_means_over_windows(height, width, window):
    x = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    expected = avg_pool2d(x, window, 1, window // 2, count_include_pad=False)
    assert torch.allclose(_box_means(x, window), expected, atol=1e-6)
