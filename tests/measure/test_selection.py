"""Which images get figures: as many as are asked for, first choice first, the same every time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reportgen.measure.selection import choose


def image(number: int, p: float, correct: bool | None, status: str = "ok") -> dict:
    return {"number": number, "status": status, "correct": correct, "predictions": [{"probability": p}]}


SET = [
    image(n, p / 100, c)
    for n, (p, c) in enumerate([(90, False), (20, True), (99, True), (60, False), (30, None), (80, True)])
]


def test_all_are_shown_where_they_fit():
    assert choose(SET, 6, ["wrong"], 0) == ([0, 1, 2, 3, 4, 5], "All 6 are shown.")
    assert choose([*SET, image(9, 0, None, "rejected")], 6, ["wrong"], 0)[0] == [0, 1, 2, 3, 4, 5]


def test_an_image_without_an_answer_is_not_shown():
    silent = {"number": 6, "status": "ok", "correct": None, "predictions": []}
    numbers, words = choose([*SET, silent], 7, ["wrong"], 0)
    assert numbers == [0, 1, 2, 3, 4, 5]
    assert words == "All 6 that have an answer are shown. 1 image has no answer, and so no figures."
    for wish in ("wrong", "unsure", "random"):
        assert 6 not in choose([silent, *SET], 5, [wish], 0)[0]
    assert choose([silent], 5, ["unsure"], 0)[0] == []


def test_confident_mistakes_and_unsure_answers_come_first():
    assert choose(SET, 1, ["wrong"], 0)[0] == [0]
    assert choose(SET, 2, ["unsure"], 0)[0] == [1, 4]
    numbers, words = choose(SET, 2, ["wrong", "unsure"], 0)
    assert numbers == [0, 1]
    assert words == "2 of 6 are shown: 1 wrong answers, 1 least sure answers (seed 0)."


@given(
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from([True, False, None])), min_size=1, max_size=40),
    st.integers(1, 30),
    st.permutations(["wrong", "unsure", "random"]),
    st.integers(0, 5),
)
def test_never_more_than_asked_never_twice_and_repeatable(answers, at_most, wishes, seed):
    records = [image(n, p, c) for n, (p, c) in enumerate(answers)]
    numbers, _ = choose(records, at_most, wishes, seed)
    assert len(numbers) == len(set(numbers)) == min(at_most, len(records))
    only_wrong, _ = choose(records, at_most, ["wrong"], seed)
    assert len(records) <= at_most or all(records[n]["correct"] is False for n in only_wrong)
    assert numbers == sorted(numbers)
    assert choose(records, at_most, wishes, seed)[0] == numbers
