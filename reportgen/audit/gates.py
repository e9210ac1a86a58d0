"""Gates: the limits on metrics that the recipe sets, and whether each is met."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Context, Decimal
from typing import Annotated, Any, Literal, TypeAlias, get_args

from typing_extensions import NotRequired, TypedDict

from reportgen.audit.gate_numbers import OF_MAPS, OF_SET, OF_TWO, Known, check_of, known
from reportgen.audit.quantities import Count, Gated

Outcome: TypeAlias = Literal["passed", "failed", "cannot be judged"]
# the worst verdict of a check that a gate lets pass, from the strictest on
AtWorst: TypeAlias = Literal["clear", "undecided", "warning"]
# which number a limit is on: the value itself, or an end of its 95 % interval
Bound: TypeAlias = Literal["min", "max", "min_lower", "max_upper"]
BOUNDS: tuple[Bound, ...] = get_args(Bound)
SIGNS: dict[Bound, str] = {"min": "≥", "max": "≤", "min_lower": "≥", "max_upper": "≤"}
ENDS: dict[Bound, str] = {"min": "", "max": "", "min_lower": "lower", "max_upper": "upper"}
# numbers of a comparison (`diff.NUMBER`) that are told in hundredths; audit/compare/limits.py has them all
DIFF_UNITS = {
    "answers_changed": " %",
    "answers_broken": " %",
    "accuracy_fall": " percentage points",
    "probability_shift": " %",
}
SEVERITY = ("clear", "undecided", "warning", "fault")
PASSED, FAILED, UNJUDGED = get_args(Outcome)


class Judged(TypedDict):
    """One limit of a gate, and whether it is met."""

    name: str
    metric: Annotated[str, "or check.NAME, whose value and limit are severities: 0 is clear, 3 a fault"]
    check: NotRequired[str]
    compares: NotRequired[Annotated[bool, "true: it is on what changed from a baseline"]]
    baseline: NotRequired[Annotated[float, "what the baseline gave, where the limit is within so much of it"]]
    value: float | None
    low: Annotated[float | None, "the lower end of the 95 % interval; null where it has none"]
    high: Annotated[float | None, "its upper end"]
    n: Annotated[Count | None, "images that the value rests on"]
    bound: Annotated[
        Literal["min", "max", "min_lower", "max_upper", "at_worst"],
        "what is held against the limit: the value, an end of its interval, or a verdict",
    ]
    limit: float
    margin: Annotated[float | None, "what is held against the limit, less it: below 0 it is not met"]
    outcome: Outcome
    passed: bool
    reason: str


def evaluate(
    gates: Iterable[Mapping[str, Any]],
    metrics: Mapping[str, Any],
    trust: Mapping[str, Any] | None = None,
    tests: Mapping[str, Any] | None = None,
    checks: Sequence[Mapping[str, Any]] = (),
) -> list[Judged]:
    """One row a limit: name, metric, value with its interval, limit, outcome, and the reason in words.

    `gates` are the recipe's {metric, min, max, min_lower, max_upper, at_least}; `trust` is the summary of
    the maps' tests, which `trust.METHOD.NUMBER` names, `tests` what two models' answers give together,
    which `beside.NUMBER` names; `checks` are the verdicts that {check, at_worst, at_least} name, and whose
    numbers `CHECK.NUMBER` does.
    What is not known, rests on a set of which an image has no answer or on fewer than `at_least` images,
    cannot be judged: it has not passed.
    """
    rows: list[Judged] = []
    by_name = {verdict["name"]: verdict for verdict in checks}
    for gate in gates:
        least = gate.get("at_least")
        if named := gate.get("check"):
            rows.append(_of_check(named, gate.get("at_worst") or "warning", by_name.get(named), least))
            continue
        if gate.get("diff"):  # of a comparison, which has its own rows
            continue
        for bound in BOUNDS:
            limit = gate.get(bound)
            if limit is not None:
                found = known(gate["metric"], metrics, trust, tests, by_name)
                rows.append(row(gate["metric"], bound, limit, found, least))
    return rows


def _of_check(
    name: str, at_worst: AtWorst, verdict: Mapping[str, Any] | None, at_least: int | None
) -> Judged:
    """The row of a gate on a check: its verdict must be no worse than `at_worst`. What was not tested, or is
    undecided where only `clear` would do, cannot be judged."""
    status = verdict["status"] if verdict else "untested"
    passed = status in SEVERITY and SEVERITY.index(status) <= SEVERITY.index(at_worst)
    open_ = status not in SEVERITY or status == "undecided"
    n = verdict.get("n") if verdict else None
    few = _too_few(name, n, at_least) if verdict else ""
    sentence = verdict["sentence"].rstrip(".") if verdict else "it was not asked"
    return {
        "name": f"check {name}" + (f", {at_worst} at worst" if at_worst != "warning" else ""),
        "metric": f"check.{name}",
        "check": name,
        "value": float(SEVERITY.index(status)) if status in SEVERITY else None,
        "low": None,
        "high": None,
        "n": n,
        "bound": "at_worst",
        "limit": float(SEVERITY.index(at_worst)),
        "margin": None,
        "outcome": UNJUDGED if few else PASSED if passed else UNJUDGED if open_ else FAILED,
        "passed": passed and not few,
        "reason": few or f"{name} is {status}: {sentence}",
    }


def row(metric: str, bound: Bound, limit: float, found: Known, at_least: int | None) -> Judged:
    """One limit on a metric of which so much is known."""
    outcome, reason = _judged(metric, bound, limit, found, at_least)
    number = _bounded(found, bound)
    over = None if number is None else number - limit
    asked = f", {ENDS[bound]} end of its interval" if ENDS[bound] else ""
    return {
        "name": f"{metric}{asked} {SIGNS[bound]} {exact(metric, limit)}",
        "metric": metric,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "n": found.n,
        "bound": bound,
        "limit": limit,
        "margin": over if over is None or SIGNS[bound] == "≥" else -over,
        "outcome": outcome,
        "passed": outcome == PASSED,
        "reason": reason,
    }


def _bounded(found: Known, bound: Bound) -> float | None:
    """What is held against a limit: the value, or an end of its interval."""
    return {"min_lower": found.low, "max_upper": found.high}.get(bound, found.value)


def _too_few(metric: str, n: int | None, at_least: int | None) -> str:
    """Why a gate that asks for so many images is not judged, or ""."""
    if at_least is None or (n is not None and n >= at_least):
        return ""
    rests = "how many images it rests on is not known" if n is None else f"it rests on {_images(n)}"
    return f"{metric} is not judged: {rests}, and {_images(at_least)} are asked for"


def _images(n: int) -> str:
    return f"{n:,} image" if n == 1 else f"{n:,} images"


def _judged(
    metric: str, bound: Bound, limit: float, found: Known, at_least: int | None
) -> tuple[Outcome, str]:
    """The outcome, and the sentence that says why, without its full stop."""
    if found.obstacle or found.value is None:
        return UNJUDGED, f"{metric} is not known: {found.obstacle}"
    if few := _too_few(metric, found.n, at_least):
        return UNJUDGED, few
    least, end = SIGNS[bound] == "≥", ENDS[bound]
    if not end and found.between and found.low is not None and found.high is not None:
        # where both ends say the same it is decided, whatever lies between them
        agreed = {edge >= limit if least else edge <= limit for edge in (found.low, found.high)}
        if len(agreed) > 1:
            ends = f"{exact(metric, found.low)} and {exact(metric, found.high)}"
            return UNJUDGED, f"{metric} is not decided: it lies between {ends}"
    number = _bounded(found, bound)
    if number is None:
        return UNJUDGED, f"{metric} is {apart(metric, found.value, limit)} without an interval"
    passed = number >= limit if least else number <= limit
    words = ("at least" if least else "at most") if passed else ("below" if least else "above")
    whose = f"the {end} end of the 95 % interval of {metric}" if end else metric
    value = apart(metric, number, limit)
    return PASSED if passed else FAILED, f"{whose} is {value}, {words} {exact(metric, limit)}"


def apart(metric: str, value: float, limit: float) -> str:
    """A value in four digits, or in as many as it takes to tell it from its limit: 0.89996 must not
    read as 0.9."""
    exact, bound = _scaled(metric, value), _scaled(metric, limit)
    shown = exact
    for digits in range(4, 18):
        shown = Context(prec=digits).plus(exact)
        if shown.compare(bound) == exact.compare(bound):
            break
    return _printed(shown) + unit(metric)


def exact(metric: str, value: float) -> str:
    return _printed(_scaled(metric, value)) + unit(metric)


def _scaled(metric: str, value: float) -> Decimal:
    """The number as it is printed, by its shortest digits: 0.07 is 7 %, and not 7.000000000000001 %."""
    return Decimal(repr(value)) * (100 if unit(metric) else 1)


def unit(metric: str) -> str:
    """What a metric is told in; "" where it is a bare number."""
    room, _, number = metric.rpartition(".")
    if check_of(metric):
        return ""
    if room == "diff":
        return DIFF_UNITS.get(number, "")
    known: Mapping[str, Gated] = OF_SET if not room else OF_TWO if room == "beside" else OF_MAPS
    return known[number].unit


def _printed(value: Decimal) -> str:
    plain = value.normalize() + 0  # zero has no sign
    text = f"{plain:f}" if -5 <= plain.adjusted() < 16 else f"{plain:e}"
    return text.replace("-", "−")
