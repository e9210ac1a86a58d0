"""Images of two audits are matched by the hash of the file; the old answers are judged by the new labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reportgen.audit.compare.matching import class_indices, matched
from reportgen.audit.compare.sides import Side


def record(number: int, content: str | None, answer: int | None = 0, label: int | None = 0) -> dict[str, Any]:
    """An image of some content; None could not be read."""
    known = answer is not None and label is not None
    said = (
        []
        if answer is None
        else [{"class_index": answer, "class_name": f"class {answer}", "probability": 0.5}]
    )
    return {
        "number": number,
        "id": f"{number:06d}",
        "path": f"{number}.png",
        "sha256": content,
        "label": None if label is None else f"class {label}",
        "label_index": label,
        "predictions": said,
        "correct": answer == label if known else None,
    }


def named(names: Iterable[str]) -> dict[int, str]:
    """Classes by index."""
    return dict(enumerate(names))


CONTENTS = st.lists(st.sampled_from("abcdef"), max_size=12)


@given(CONTENTS, CONTENTS)
def test_as_many_of_each_content_are_matched_as_both_have(new: list[str], old: list[str]) -> None:
    found = matched([record(n, c) for n, c in enumerate(new)], [record(n, c) for n, c in enumerate(old)])
    pairs = Counter(pair.new["sha256"] for pair in found.pairs)
    assert pairs == Counter(new) & Counter(old)
    assert all(pair.new["sha256"] == pair.old["sha256"] for pair in found.pairs)
    assert Counter(one["sha256"] for one in found.only_new) == Counter(new) - Counter(old)
    assert Counter(one["sha256"] for one in found.only_old) == Counter(old) - Counter(new)
    numbers = [pair.new["number"] for pair in found.pairs]
    assert numbers == sorted(set(numbers))
    assert len({pair.old["number"] for pair in found.pairs}) == len(found.pairs)


def test_of_equal_files_those_of_one_path_are_matched() -> None:
    new, old = [record(n, "same") for n in range(3)], [record(n, "same") for n in (2, 0, 1)]
    found = matched(new, old)
    assert [pair.old["path"] for pair in found.pairs] == ["0.png", "1.png", "2.png"]


def test_a_renamed_file_is_the_same_image_and_keeps_the_new_id() -> None:
    found = matched([record(7, "x")], [record(2, "x", answer=1)])
    (pair,) = found.pairs
    assert (pair.as_new["id"], pair.as_new["path"], pair.old["id"]) == ("000007", "7.png", "000002")
    assert pair.as_new["correct"] is False


def test_files_that_could_not_be_read_are_matched_by_path_alone() -> None:
    found = matched([record(1, None, None), record(2, None, None)], [record(2, None, None)])
    assert [pair.new["path"] for pair in found.pairs] == ["2.png"]


def test_an_old_answer_is_judged_by_the_new_label() -> None:
    found = matched([record(0, "x", answer=2, label=2)], [record(0, "x", answer=1, label=1)])
    (pair,) = found.pairs
    assert pair.relabelled
    assert (pair.old["correct"], pair.as_new["correct"]) == (True, False)


@given(st.permutations(range(4)), st.integers(0, 3))
def test_classes_in_another_order_are_matched_by_name(order: list[int], answer: int) -> None:
    names = ["a", "b", "c", "d"]
    old = [names[n] for n in order]
    indices = class_indices(named(names), named(old))
    found = matched([record(0, "x", answer, 0)], [record(0, "x", old.index(names[answer]), 0)], indices)
    assert found.pairs[0].as_new["predictions"][0]["class_index"] == answer


def test_a_class_that_the_new_model_does_not_have_is_none_of_its_own() -> None:
    indices = class_indices(named("ab"), named("bcd"))
    assert indices is not None
    assert indices[0] == 1
    assert max(indices[1], indices[2]) < 0
    assert indices[1] != indices[2]
    assert class_indices(named("a"), named("a")) is None
    assert class_indices(named("aa"), named("ba")) is None  # names that stand twice say nothing


KNOWN = st.frozensets(st.integers(0, 3), min_size=1)


@given(st.permutations(range(4)), KNOWN, KNOWN)
def test_of_classes_that_are_known_in_part_equal_indices_are_equal_names(
    order: list[int], new: frozenset[int], old: frozenset[int]
) -> None:
    names = "abcd"
    mine = {index: names[index] for index in new}
    theirs = {index: names[order[index]] for index in old}
    classes = class_indices(mine, theirs) or {index: index for index in theirs}
    for index, name in theirs.items():
        assert all((classes[index] == other) == (name == mine[other]) for other in mine)


def test_an_audit_of_which_results_alone_are_left_is_matched_by_the_names_it_answered() -> None:
    def side(names: str, answers: list[int]) -> Side:
        images = [
            {**record(n, f"{n}", answer), "predictions": [said(answer, names[answer])]}
            for n, answer in enumerate(answers)
        ]
        return Side("one", {"images": images}, None)

    new, old = side("abc", [0, 1, 1]), side("cba", [2, 1, 0])  # a b b, and a b c
    found = matched(new.records, old.records, class_indices(new.names, old.names))
    answers = [(pair.new["predictions"][0], pair.as_new["predictions"][0]) for pair in found.pairs]
    same = [new["class_index"] == old["class_index"] for new, old in answers]
    assert same == [True, True, False]


def said(index: int, name: str) -> dict[str, Any]:
    return {"class_index": index, "class_name": name, "probability": 0.5}
