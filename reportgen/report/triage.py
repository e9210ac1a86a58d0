"""In which order images are looked at, and which answers a person should look at: from the records, and from
what the check of the confidence found."""

from __future__ import annotations

from collections.abc import Iterable

from reportgen.evidence import Evidence, Record, best, is_unanswered

CHECK, THRESHOLD = "abstention", "threshold"  # the check that searches it, and its number


def refer_below(evidence: Evidence) -> float | None:
    """The probability below which an answer should be referred to a person: found by the check `abstention`
    on these images, where they show that confidence tells right answers from wrong ones. None elsewhere: no
    fixed number would mean the same for two classes and for a thousand."""
    verdict = evidence.verdicts().get(CHECK)
    if verdict is None or verdict.status != "clear" or THRESHOLD not in verdict.numbers:
        return None
    return verdict.numbers[THRESHOLD].value or None  # at 0 every answer may be given


def is_referred(record: Record, below: float | None) -> bool:
    """Whether an answer is too little sure to be given. A value has no probability, and labels are answered
    each by itself."""
    answer = best(record)
    if below is None or answer is None or answer["probability"] is None or "answered_indices" in record:
        return False
    return bool(answer["probability"] <= below)


def worst_first(records: Iterable[Record]) -> list[Record]:
    """No answer, wrong answers from the largest loss on, then the others from the least sure (of values from
    the largest loss) on; where nothing tells two apart, in the set's order."""
    return sorted(records, key=_place)


def _place(record: Record) -> tuple[int, float, int]:
    answer = best(record)
    if answer is None:
        return 0 if is_unanswered(record) else 3, 0.0, record["number"]
    loss, p = record["loss"] or 0.0, answer["probability"]
    if record["correct"] is False:
        return 1, -loss, record["number"]
    return 2, -loss if p is None else p, record["number"]
