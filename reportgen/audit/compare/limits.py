"""Limits on a comparison: gates such as {diff: answers_changed, max: 0.01}, and {metric: accuracy,
within: 0.02} of what the baseline gave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import isclose
from typing import Annotated, Any

from typing_extensions import TypedDict

from reportgen.audit.answer_changes import AnswerCounts
from reportgen.audit.compare.maps import MapsCompared
from reportgen.audit.compare.network import NetworkChange
from reportgen.audit.compare.shifts import Shifts
from reportgen.audit.compare.verdicts import NUMBERS, CheckChange
from reportgen.audit.gate_numbers import Known, known
from reportgen.audit.gates import BOUNDS, UNJUDGED, Judged, apart, exact, row
from reportgen.audit.quantities import Change, Count, Gated, Rho, Share, gated
from reportgen.stats import wilson

Numbers = Mapping[str, Any]
CLOSE = 1e-9  # relative: floats so near one another are one number
SHOWN = 6  # significant digits of a baseline's number, in words


class DiffNumbers(TypedDict):
    """What changed, in numbers that a gate may be on, as {diff: NAME}; null where it is not known."""

    answers_changed: Annotated[Share | None, Gated("answers", " %"), "of the images that both answered"]
    answers_broken: Annotated[Share | None, Gated("labelled", " %"), "newly wrong, of labelled images"]
    accuracy_fall: Annotated[
        Change | None, Gated("labelled", " percentage points"), "old less new, on the images that both have"
    ]
    probability_shift: Annotated[Share | None, Gated("answers", " %"), "its mean size"]
    logit_shift: Annotated[float | None, Gated("answers"), "its mean size"]
    map_rho: Annotated[Rho | None, Gated("maps"), "the mean rank correlation of the least alike kind of map"]
    map_shift_px: Annotated[float | None, Gated("maps"), "the mean shift of the centre, of the worst kind"]
    checks_worse: Annotated[Count, Gated("counted"), "verdicts that became worse"]
    channels_died: Annotated[Count | None, Gated("counted")]
    filters_zeroed: Annotated[Count | None, Gated("counted")]
    tensors_changed: Annotated[Count | None, Gated("counted")]


OF_DIFF = gated(DiffNumbers)
WITH_INTERVAL = frozenset({"answers_changed", "answers_broken", "accuracy_fall"})


def with_interval(name: str) -> bool:
    """Whether a number of a comparison has a 95 % interval over images, so that a gate may be on its end."""
    return name in WITH_INTERVAL


def diff_numbers(
    counts: AnswerCounts,
    moved: Shifts,
    checks: Sequence[CheckChange],
    network: NetworkChange,
    maps: Mapping[str, MapsCompared],
) -> DiffNumbers:
    """The numbers of a comparison."""
    compared, labelled, changed = counts["compared"], counts["labelled"], counts["changed"]
    change = counts["accuracy_change"]
    known_tensors = network["tensors"] is not None
    pixels = [row["shift_px"] for row in maps.values() if row["shift_px"] is not None]
    return {
        "answers_changed": changed / compared if compared and changed is not None else None,
        "answers_broken": (counts["broken"] or 0) / labelled if labelled else None,
        "accuracy_fall": None if change is None else -change + 0.0,
        "probability_shift": moved["probability"],
        "logit_shift": moved["logit"],
        "map_rho": min((row["rho"] for row in maps.values()), default=None),
        "map_shift_px": max(pixels, default=None),
        "checks_worse": sum(check["worse"] is True for check in checks),
        "channels_died": network["died_count"],
        "filters_zeroed": len(network["zeroed"]) if known_tensors else None,
        "tensors_changed": len(network["changed"]) if known_tensors else None,
    }


def judged(
    gates: Iterable[Numbers], numbers: DiffNumbers, counts: AnswerCounts, new: Numbers, old: Numbers
) -> list[Judged]:
    """A row a limit that is on the comparison, in the recipe's order; `new` and `old` are the results."""
    rows: list[Judged] = []
    for gate in gates:
        if gate.get("diff"):
            rows += _of_difference(gate, numbers, counts)
        elif gate.get("within") is not None:
            rows.append(_of_baseline(gate, new, old))
    return [{**one, "compares": True} for one in rows]


def compares(gate: Numbers) -> bool:
    """Whether a gate's limits need another audit: those that cannot be asked without a baseline."""
    return bool(gate.get("diff")) or gate.get("within") is not None


def _of_difference(gate: Numbers, numbers: Numbers, counts: AnswerCounts) -> Iterator[Judged]:
    name = gate["diff"]
    value = numbers[name]
    unknown = "the two audits do not say"
    if name == "answers_changed" and counts["compared"]:
        unknown = "values name no class that could change"
    found = Known(value, "" if value is not None else unknown, *_interval(name, counts))
    for bound in BOUNDS:
        if gate.get(bound) is not None:
            yield row(f"diff.{name}", bound, gate[bound], found, gate.get("at_least"))


def _interval(name: str, counts: AnswerCounts) -> tuple[float | None, float | None, int | None]:
    """The ends of the 95 % interval, where there is one, and the images that it rests on."""
    n, labelled = counts["compared"], counts["labelled"]
    if name == "answers_changed" and n and counts["changed"] is not None:
        return (*wilson(counts["changed"], n), n)
    if name == "answers_broken" and labelled:
        return (*wilson(counts["broken"] or 0, labelled), labelled)
    low, high = counts["accuracy_change_low"], counts["accuracy_change_high"]
    if name == "accuracy_fall" and low is not None and high is not None:
        return -high, -low, labelled
    return None, None, n


def _of_baseline(gate: Numbers, new: Numbers, old: Numbers) -> Judged:
    """A number that may not be worse than the baseline's by more than so much; one of which neither more nor
    less is better may not differ by more."""
    metric, within = gate["metric"], gate["within"]
    now, was = (_known(metric, results) for results in (new, old))
    better = NUMBERS.get(metric)
    if was.value is None or now.value is None:
        missing = was if was.value is None else now
        whose = "the baseline" if was.value is None else "this audit"
        now = Known(None, f"{whose} does not say it: {missing.obstacle}")
        judged_row = row(metric, "min", within, now, gate.get("at_least"))
        return {**judged_row, "limit": within, "name": _name(metric, within), "margin": None}
    least = better if better is not None else now.value < was.value
    limit = _rounded(was.value - within if least else was.value + within)
    # what differs from the limit by the rounding of a subtraction alone is at it
    close = isclose(now.value, limit, rel_tol=CLOSE, abs_tol=CLOSE * max(abs(was.value), within))
    judged_as = replace(now, value=limit) if close else now
    found = row(metric, "min" if least else "max", limit, judged_as, gate.get("at_least"))
    if found["outcome"] != UNJUDGED:
        how = "no more than" if found["passed"] else "more than"
        than = f"{exact(metric, within)} {'below' if least else 'above'} the baseline's"
        said = apart(metric, judged_as.value or 0.0, limit)
        found["reason"] = f"{metric} is {said}, {how} {than} {exact(metric, _rounded(was.value, SHOWN))}"
    return {**found, "name": _name(metric, within), "value": now.value, "baseline": was.value}


def _rounded(value: float, digits: int = 9) -> float:
    """In so many significant digits."""
    return float(f"{value:.{digits}g}")


def _name(metric: str, within: float) -> str:
    """Without the baseline's number: a history follows a limit by its name, from baseline to baseline."""
    return f"{metric} within {exact(metric, within)} of the baseline's"


def _known(metric: str, results: Numbers) -> Known:
    by_name = {check["name"]: check for check in results["checks"]}
    beside = results.get("beside")
    tests = beside["tests"] if beside else None
    return known(metric, results["metrics"], results["trust"], tests, by_name)
