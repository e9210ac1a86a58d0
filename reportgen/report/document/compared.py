"""The numbers that two models have in common, and how they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from reportgen.evidence import Evidence
from reportgen.findings import Finding, Scalar
from reportgen.report.values.second_model import Compared
from reportgen.report.wording import NONE, count, number, shape, share

Results = Mapping[str, Any]


def numbers(evidence: Evidence, other: Evidence, results: Results, held: Results) -> Iterable[Compared]:
    """What both have, the network first, then the answers, then the channels."""
    mine, theirs = evidence.manifest, other.manifest
    for key, label in (("source", "network"), ("input_shape", "input")):
        words = [str(m["model"][key]) if key == "source" else shape(m["model"][key]) for m in (mine, theirs)]
        yield Compared(label, words[0], words[1], "" if words[0] != words[1] else "same")
    for key, label in (("parameters", "parameters"), ("macs", "multiply-adds an image")):
        yield _counted(label, mine["model"][key], theirs["model"][key])
    yield from _measured(results["metrics"], held["metrics"])
    yield from _scalars(evidence, other)


def _measured(mine: Results, theirs: Results) -> Iterable[Compared]:
    if mine["accuracy"] is not None and theirs["accuracy"] is not None:
        gap = 100 * (mine["accuracy"] - theirs["accuracy"])
        intervals = [f"{share(m['accuracy_low'])} to {share(m['accuracy_high'])}" for m in (mine, theirs)]
        yield Compared(
            "accuracy",
            share(mine["accuracy"]),
            share(theirs["accuracy"]),
            gained(gap),
            "of labelled images, 95 % Wilson interval",
            main_detail=intervals[0],
            other_detail=intervals[1],
        )
        low, other_s = (m["lowest_class_accuracy"] for m in (mine, theirs))
        yield Compared("lowest class", share(low), share(other_s), gained(100 * (low - other_s)))
    if mine["labelled"] and theirs["labelled"]:
        yield _plain("mean loss", mine["loss"], theirs["loss"], "cross entropy, nats")
        yield _plain("ECE", mine["ece"], theirs["ece"], "expected calibration error")
    yield _plain("mean confidence", mine["mean_confidence"], theirs["mean_confidence"], "of every answer")
    yield _counted("unsure answers", mine["unsure"], theirs["unsure"])
    if mine["unanswered"] or theirs["unanswered"]:
        yield _counted("images without an answer", mine["unanswered"], theirs["unanswered"], "not finite")


def _scalars(evidence: Evidence, other: Evidence) -> Iterable[Compared]:
    """The numbers of the visualizations of the model and of the set that both have."""
    mine, theirs = evidence.model_findings(), other.model_findings()
    titles = {held["name"]: held["title"] for held in evidence.manifest["visualizations"]}
    for name in mine:
        if name == "architecture" or name not in theirs:  # its numbers stand above
            continue
        known = {held.name: held for held in theirs[name][0] if isinstance(held, Scalar)}
        for held in _alone(mine[name][0]):
            if held.name in known:
                value, other_s = (np.asarray(one.values).reshape(-1)[0] for one in (held, known[held.name]))
                detail = ", ".join(part for part in (titles[name].lower(), held.unit) if part)
                whole = np.issubdtype(value.dtype, np.integer) and np.issubdtype(other_s.dtype, np.integer)
                row = _counted if whole else _plain
                yield row(held.title.lower(), value.item(), other_s.item(), detail)


def _alone(found: Sequence[Finding]) -> list[Scalar]:
    """The printed numbers that belong to the whole visualization and not to one of its figures."""
    owners = [held.name for held in found if not isinstance(held, Scalar)]
    return [
        held
        for held in found
        if isinstance(held, Scalar)
        and held.printed
        and held.name != "images"  # the same for both
        and not any(held.name.startswith(f"{owner}-") for owner in owners)
    ]


def _counted(label: str, mine: int, theirs: int, detail: str = "") -> Compared:
    if mine == theirs:
        return Compared(label, count(mine), count(theirs), "same", detail)
    sign = "+" if mine > theirs else "−"
    return Compared(label, count(mine), count(theirs), sign + count(abs(mine - theirs)), detail)


def _plain(label: str, mine: float | None, theirs: float | None, detail: str = "") -> Compared:
    if mine is None or theirs is None:
        return Compared(label, number(mine), number(theirs), NONE, detail)
    change = number(mine - theirs)
    return Compared(
        label, number(mine), number(theirs), change if change.startswith("−") else f"+{change}", detail
    )


def gained(points: float) -> str:
    """A difference of percentages, in percentage points."""
    rounded = round(points, 1) + 0.0
    return f"{rounded:+.1f} points".replace("-", "−") if rounded else "no difference"
