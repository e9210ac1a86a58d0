"""Checks that decide otherwise than before, requirements with their margins, and numbers of the whole set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from typing_extensions import TypedDict

from reportgen.audit.compare.sides import Side
from reportgen.findings import Status

# from the best verdict to the worst; what was not tested cannot have become better or worse
BADNESS = {"clear": 0, "undecided": 1, "warning": 2, "fault": 3}
# numbers of the whole set that are told beside one another, and whether more of it is better
NUMBERS: dict[str, bool | None] = {
    "accuracy": True,
    "balanced_accuracy": True,
    "lowest_class_accuracy": True,
    "top_5_accuracy": True,
    "macro_f1": True,
    "mean_average_precision": True,
    "micro_f1": True,
    "loss": False,
    "ece": False,
    "mae": False,
    "rmse": False,
    "mean_confidence": None,
    "unsure": False,
    "unanswered": False,
    "rejected": False,
}


class CheckChange(TypedDict):
    """A check whose verdict is another."""

    name: str
    title: str
    old: Status
    new: Status
    worse: Annotated[bool | None, "null where one of the two was not tested"]
    old_sentence: str
    sentence: str
    remedy: str


class RequirementChange(TypedDict):
    """A gate of the new audit, and what the same one gave before; null where the old recipe had none such."""

    name: str
    metric: str
    old: float | None
    new: float | None
    old_margin: float | None
    new_margin: float | None
    old_outcome: str | None
    new_outcome: str


class NumberChange(TypedDict):
    """A number of the whole set in both audits."""

    metric: str
    old: float | None
    new: float | None
    better: Annotated[bool | None, "null where it is the same, or more of it is neither better nor worse"]


def check_changes(new: Side, old: Side) -> list[CheckChange]:
    """Checks that both audits have, with another verdict; those that became worse first, by how much."""
    before = {check["name"]: check for check in old.results["checks"]}
    changes = [
        _check(check, before[check["name"]])
        for check in new.results["checks"]
        if check["name"] in before and check["status"] != before[check["name"]]["status"]
    ]
    return sorted(changes, key=_step)


def _step(change: CheckChange) -> tuple[int, str]:
    if change["worse"] is None:
        return 0, change["name"]
    return BADNESS[change["old"]] - BADNESS[change["new"]], change["name"]


def _check(new: Mapping[str, Any], old: Mapping[str, Any]) -> CheckChange:
    known = new["status"] in BADNESS and old["status"] in BADNESS
    return {
        "name": new["name"],
        "title": new["title"],
        "old": old["status"],
        "new": new["status"],
        "worse": BADNESS[new["status"]] > BADNESS[old["status"]] if known else None,
        "old_sentence": old["sentence"],
        "sentence": new["sentence"],
        "remedy": new["remedy"],
    }


def requirement_changes(new: Side, old: Side) -> list[RequirementChange]:
    """The new audit's requirements in their order, but for those on the comparison itself."""
    before = {_key(gate): gate for gate in old.results["gates"] if not gate.get("compares")}
    rows: list[RequirementChange] = []
    for gate in new.results["gates"]:
        if gate.get("compares"):
            continue
        was = before.get(_key(gate), {})
        rows.append(
            {
                "name": gate["name"],
                "metric": gate["metric"],
                "old": was.get("value"),
                "new": gate["value"],
                "old_margin": was.get("margin"),
                "new_margin": gate["margin"],
                "old_outcome": was.get("outcome"),
                "new_outcome": gate["outcome"],
            }
        )
    return rows


def _key(gate: Mapping[str, Any]) -> tuple[str, str]:
    """What a gate is on; its limit may have been set otherwise."""
    return gate["metric"], gate.get("bound", "")


def number_changes(new: Side, old: Side) -> Iterator[NumberChange]:
    """Numbers that at least one of the two audits has."""
    mine, theirs = new.results["metrics"], old.results["metrics"]
    for metric, more_is_better in NUMBERS.items():
        a, b = theirs.get(metric), mine.get(metric)
        if a is None and b is None:
            continue
        moved = a is not None and b is not None and a != b and more_is_better is not None
        yield {"metric": metric, "old": a, "new": b, "better": (b > a) == more_is_better if moved else None}
