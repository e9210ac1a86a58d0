"""What is kept of a network's tensors: norms and hashes by a loop, distances by the tensors themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reportgen.measure.tensors import AT_ONCE, BUCKETS, described, sketch


@given(st.integers(0, 2**32 - 1), st.integers(1, 3000), st.floats(-4, 4))
def test_a_sketch_is_linear(seed: int, size: int, factor: float) -> None:
    draw = np.random.default_rng(seed)
    a, b = draw.normal(size=(2, size))
    assert sketch(a + factor * b) == pytest.approx(sketch(a) + factor * sketch(b), abs=1e-9)


def test_the_distance_of_sketches_is_that_of_the_tensors() -> None:
    """Over many draws its square is right in the mean, and as exact as is said."""
    draw = np.random.default_rng(5)
    ratios = []
    for _ in range(200):
        moved = draw.normal(size=4000) * draw.choice([0.1, 1, 10], size=4000)
        ratios.append(np.sum(sketch(moved) ** 2) / np.sum(moved**2))
    assert np.mean(ratios) == pytest.approx(1, abs=0.03)
    assert np.std(ratios) < 1.3 * np.sqrt(2 / BUCKETS)


def test_a_long_tensor_is_sketched_part_by_part_as_a_whole() -> None:
    values = np.random.default_rng(1).normal(size=AT_ONCE + 17)
    head, tail = values.copy(), values.copy()
    head[AT_ONCE:], tail[:AT_ONCE] = 0, 0
    assert sketch(values) == pytest.approx(sketch(head) + sketch(tail), rel=1e-9)


def test_rows_have_their_norm_and_change_their_hash_alone() -> None:
    torch.manual_seed(0)
    weight, bias = torch.randn(5, 2, 3, 3), torch.randn(5)
    records, arrays = described({"conv.weight": weight, "conv.bias": bias})
    assert [record["name"] for record in records] == ["conv.weight", "conv.bias"]
    assert records[0]["rows"] == [0, 5]
    assert records[1]["rows"] == [5, 5]  # a vector has no filters
    for row in range(5):
        assert arrays["row_norm"][row] == pytest.approx(float(weight[row].norm()), rel=1e-6)
    other = weight.clone()
    other[3] = 0
    later, others = described({"conv.weight": other, "conv.bias": bias})
    assert np.flatnonzero(arrays["row_hash"] != others["row_hash"]).tolist() == [3]
    assert others["row_norm"][3] == 0
    assert later[0]["sha256"] != records[0]["sha256"]
    assert later[1]["sha256"] == records[1]["sha256"]


def test_half_precision_counters_and_what_is_not_finite_have_a_record() -> None:
    state = {
        "half": torch.ones(3, 4, dtype=torch.bfloat16),
        "count": torch.tensor(7),
        "bad": torch.tensor([[1.0, float("nan")], [2.0, 0.0]]),
    }
    records, arrays = described(state)
    assert [record["norm"] for record in records] == [pytest.approx(np.sqrt(12)), 7.0, None]
    assert np.isinf(arrays["row_norm"][records[2]["rows"][0]])
    assert np.isfinite(arrays["sketch"]).all()
