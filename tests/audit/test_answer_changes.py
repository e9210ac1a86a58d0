"""Changed answers: counted by hand, and McNemar's test against scipy's binomial test."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from reportgen.audit.answer_changes import KINDS, changed, compared, counts
from reportgen.stats import mcnemar

CLASSES = 4


def record(
    number: int, answer: int | None, label: int | None, probability: float | None = 0.5
) -> dict[str, Any]:
    """A record as the evidence has it; without an answer the image was rejected."""
    best = {"class_index": answer, "class_name": str(answer), "logit": 0.0, "probability": probability}
    known = answer is not None and label is not None
    return {
        "number": number,
        "id": f"{number:06d}",
        "status": "rejected" if answer is None else "ok",
        "label_index": label,
        "predictions": [] if answer is None else [best],
        "correct": answer == label if known else None,
    }


@settings(deadline=None)  # a slow machine is no failure
@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_scipys_binomial_test_of_the_discordant_pairs(mended: int, broken: int) -> None:
    if mended + broken == 0:
        assert mcnemar(0, 0) == 1
    else:
        expected = binomtest(min(mended, broken), mended + broken, 0.5).pvalue
        assert mcnemar(mended, broken) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_of_many_images_stays_exact_and_finite() -> None:
    assert mcnemar(4000, 4000) == 1
    assert mcnemar(5000, 100) == 0 or mcnemar(5000, 100) < 1e-300
    assert mcnemar(2100, 1900) == pytest.approx(binomtest(1900, 4000).pvalue, rel=1e-9)


ANSWER = st.one_of(st.none(), st.integers(0, CLASSES - 1))


@settings(deadline=None)  # a slow machine is no failure
@given(st.lists(st.tuples(ANSWER, ANSWER, st.one_of(st.none(), st.integers(0, CLASSES - 1))), max_size=30))
def test_counts_are_those_of_a_plain_loop(images: list[tuple[int | None, int | None, int | None]]) -> None:
    main = [record(n, a, label) for n, (a, _, label) in enumerate(images)]
    beside = [record(n, b, label) for n, (_, b, label) in enumerate(images)]
    counted: Counter[str] = Counter()
    for a, b, label in images:
        if a is None or b is None:
            continue
        counted["compared"] += 1
        counted["labelled"] += label is not None
        counted["both_right"] += a == b == label
        counted["both_wrong"] += label is not None and a != label and b != label
        if a != b:
            counted["changed"] += 1
            counted["no label"] += label is None
            counted["mended"] += a == label
            counted["broken"] += b == label
            counted["both wrong"] += label not in (None, a, b)
    found = counts(main, beside)
    for key in ("compared", "labelled", "changed", "both_right", "both_wrong"):
        assert found[key] == counted[key]
    assert found["changed_both_wrong"] == counted["both wrong"]
    assert found["changed_unlabelled"] == counted["no label"]
    if counted["labelled"]:
        assert (found["mended"], found["broken"]) == (counted["mended"], counted["broken"])
        gained = (counted["mended"] - counted["broken"]) / counted["labelled"]
        assert found["accuracy_change"] == pytest.approx(gained)
    else:
        assert found["mended"] is found["broken"] is found["accuracy_change"] is found["mcnemar_p"] is None
    kinds = [one["kind"] for one in changed(main, beside)]
    assert Counter(kinds) == {kind: counted[kind] for kind in KINDS if counted[kind]}
    assert kinds == sorted(kinds, key=KINDS.index)
    swapped = counts(beside, main)
    assert (swapped["mended"], swapped["broken"]) == (found["broken"], found["mended"])


def test_an_answer_that_is_not_finite_is_compared_with_nothing() -> None:
    silent = {"status": "ok", "predictions": [], "correct": None}
    main = [record(0, 1, 1), record(1, 1, 1) | silent, record(2, 1, None) | silent, record(3, None, 1)]
    beside = [record(0, 2, 1) | silent, record(1, 1, 1), record(2, 1, None) | silent, record(3, None, 1)]
    assert list(compared(main, beside)) == []
    found = counts(main, beside)
    assert (found["compared"], found["changed"], found["labelled"]) == (0, 0, 0)
    assert (found["unanswered"], found["unanswered_labelled"]) == (3, 2)


def test_the_surest_of_a_kind_come_first() -> None:
    main = [record(n, 1, 0, probability) for n, probability in enumerate((0.4, 0.9, 0.6))]
    beside = [record(n, 0, 0) for n in range(3)]
    assert [one["id"] for one in changed(main, beside)] == ["000001", "000002", "000000"]
