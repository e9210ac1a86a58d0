"""What was answered to the same images before, by an earlier audit or by the model beside: images whose
answer changed get figures first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from reportgen.evidence import Record, best

Answers: TypeAlias = Mapping[str, str]  # by the SHA-256 of an image's bytes: what was said, as `said` has it


def said(record: Record) -> str | None:
    """The answer to an image by the names of its classes; None where there is none, or values are given, of
    which no two are the same."""
    answer = best(record)
    if answer is None or "truth" in record:
        return None
    if "answered_indices" in record:
        return " ".join(map(str, record["answered_indices"]))
    return answer["class_name"]


def answers(records: Iterable[Record]) -> dict[str, str]:
    """The answers of an audit by image."""
    known = ((record["sha256"], said(record)) for record in records)
    return {sha256: answer for sha256, answer in known if sha256 is not None and answer is not None}


def changed(records: Sequence[Record], before: Sequence[Answers]) -> list[int]:
    """The numbers of images that are answered otherwise than by one of these, wrong and sure ones first."""
    others = [
        record
        for record in records
        if (now := said(record)) is not None
        and any(each.get(record["sha256"] or "", now) != now for each in before)
    ]
    return [record["number"] for record in sorted(others, key=_worst_first)]


def _worst_first(record: Record) -> tuple[bool, float, int]:
    return record["correct"] is not False, -(record["predictions"][0]["probability"] or 0), record["number"]
