"""Which images the maps are put to the test on."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reportgen.measure.maps.sample import drawn


def record(number: int, correct: bool | None = None, p: float | None = 0.5, measured: bool = True) -> Any:
    return {"number": number, "measured": measured, "correct": correct, "predictions": [{"probability": p}]}


@given(
    st.lists(st.tuples(st.sampled_from([True, False, None]), st.floats(0, 1)), max_size=30),
    st.integers(0, 25),
    st.integers(0, 3),
)
def test_half_are_doubtful_as_far_as_there_are_any(
    images: list[tuple[Any, float]], count: int, seed: int
) -> None:
    records = [record(n, correct, p) for n, (correct, p) in enumerate(images)]
    found = drawn(records, count, seed)
    assert found == drawn(list(reversed(records)), count, seed)
    numbers = [number for number, _ in found]
    assert len(set(numbers)) == len(numbers) == min(count, len(records))
    wrong = {n for n, (correct, _) in enumerate(images) if correct is False}
    doubtful = {number for number, doubt in found if doubt}
    assert wrong & set(numbers) <= doubtful
    assert len(doubtful) >= min(count // 2, len(wrong))
    if len(records) >= 2 * count and len(wrong) >= count:
        assert len(doubtful) >= count // 2


def test_the_first_few_are_a_sample_of_the_same_kind() -> None:
    records = [record(n, n >= 10, 0.9) for n in range(40)]
    found = drawn(records, 20, 0)
    assert [doubt for _, doubt in found] == [False, True] * 10
    assert {n for n, _ in found} != {n for n, _ in drawn(records, 20, 1)}


def test_only_what_has_figures_is_drawn() -> None:
    assert drawn([record(0, measured=False), record(1)], 5, 0) == [(1, False)]
