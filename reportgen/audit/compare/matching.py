"""Which image of one audit is which of another: by the hash of its bytes, and of equal ones by path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from reportgen.evidence import Record

UNKNOWN = -1  # a class that the other model does not have, and those below it


@dataclass(frozen=True)
class Match:
    """An image that both audits have. `as_new` is the old record under the new one's id and with the new
    model's indices of classes, judged by the new label."""

    new: Record
    old: Record
    as_new: Record
    relabelled: bool  # whether its label is another


@dataclass(frozen=True)
class Matching:
    """The images of two audits."""

    pairs: tuple[Match, ...]  # in the order of the new ones
    only_new: tuple[Record, ...]
    only_old: tuple[Record, ...]


def matched(
    new: Sequence[Record], old: Sequence[Record], classes: Mapping[int, int] | None = None
) -> Matching:
    """The images of the old audit beside those of the new one. `classes` are the new indices of the old
    classes, where the two orders differ. A file that could not be read has no hash: it is matched by path."""
    free: dict[str, list[Record]] = defaultdict(list)
    for record in old:
        free[_key(record)].append(record)
    pairs: dict[int, Match] = {}
    # files of equal bytes: those of one path first, then whoever is left
    for same_path in (True, False):
        for record in new:
            several = free[_key(record)] if record["number"] not in pairs else []
            found = next((one for one in several if not same_path or one["path"] == record["path"]), None)
            if found is not None:
                several.remove(found)
                pairs[record["number"]] = _match(record, found, classes)
    rest = sorted((one for several in free.values() for one in several), key=lambda one: one["number"])
    return Matching(
        tuple(pairs[record["number"]] for record in new if record["number"] in pairs),
        tuple(record for record in new if record["number"] not in pairs),
        tuple(rest),
    )


def class_indices(new: Mapping[int, str], old: Mapping[int, str]) -> dict[int, int] | None:
    """The new index of every old class, below zero where the new model has none of its name; None where no
    index has two names and no name two indices, or names stand twice and say nothing. The names of classes
    are given by index, as many as are known."""
    if in_one_order(new, old) or names_twice(new) or names_twice(old):
        return None
    places = {name: index for index, name in new.items()}
    return {index: places.get(name, UNKNOWN - index) for index, name in old.items()}


def in_one_order(new: Mapping[int, str], old: Mapping[int, str]) -> bool:
    """Whether every index and every name that both know means the same to both."""
    if any(new[index] != old[index] for index in new.keys() & old.keys()):
        return False
    places = {name: index for index, name in new.items()}
    # a name that stands twice in a full list may be known at one of its places only
    known = ((index, name) for index, name in old.items() if index not in new and name in places)
    return all(old.get(places[name]) == name for _, name in known)


def names_twice(names: Mapping[int, str]) -> bool:
    """Whether two classes have one name."""
    return len(set(names.values())) < len(names)


def _key(record: Record) -> str:
    return record["sha256"] or f"unread {record['path']}"


def _match(new: Record, old: Record, classes: Mapping[int, int] | None) -> Match:
    as_new: dict[str, Any] = {**old, "number": new["number"], "id": new["id"], "path": new["path"]}
    if classes is not None:
        as_new["predictions"] = [
            {**answer, "class_index": classes[answer["class_index"]]} for answer in old["predictions"]
        ]
        for key in ("label_indices", "answered_indices"):
            if old.get(key) is not None:
                indices = cast(list[int], cast(Any, old)[key])
                as_new[key] = sorted(classes.get(index, UNKNOWN - index) for index in indices)
    as_new["label"], as_new["label_index"] = new["label"], new["label_index"]
    as_new["correct"] = _correct(new, as_new)
    return Match(new, old, cast(Record, as_new), old["label"] != new["label"])


def _correct(new: Record, answered: Mapping[str, Any]) -> bool | None:
    """Whether an answer is right by the new label; None where it has none, or there is no answer."""
    if not answered["predictions"]:
        return None
    if "answered_indices" in answered:
        holds = new.get("label_indices")
        return None if holds is None else sorted(holds) == sorted(answered["answered_indices"])
    if new["label_index"] is None or new.get("truth") is not None:
        return None
    return bool(answered["predictions"][0]["class_index"] == new["label_index"])
