"""Gates: the limits on metrics that the recipe sets, and whether each is met."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Annotated, Any, Literal, TypeAlias, get_args

from typing_extensions import NotRequired, TypedDict

from reportgen.audit.answer_changes import AnswerCounts
from reportgen.audit.maps import Tested
from reportgen.audit.metrics import Metrics
from reportgen.audit.quantities import Gated, gated

Outcome: TypeAlias = Literal["passed", "failed", "cannot be judged"]
# the worst verdict of a check that a gate lets pass, from the strictest on
AtWorst: TypeAlias = Literal["clear", "undecided", "warning"]
SEVERITY = ("clear", "undecided", "warning", "fault")
PASSED, FAILED, UNJUDGED = get_args(Outcome)
# the numbers that a gate may name: of the set, of two models (`beside.NUMBER`), of a method's maps
# (`trust.METHOD.NUMBER`)
OF_SET, OF_TWO, OF_MAPS = gated(Metrics), gated(AnswerCounts), gated(Tested)


ABSENT = {
    "loss": "the loss of a labelled image is infinite: its label has the probability 0",
    "top_5_accuracy": "there are no more than five classes, or none",
    "roc_auc": "it is known of models of two classes, and where both occur among the labels",
    "average_precision": "it is known of models of two classes, and where class 1 occurs among the labels",
}
OTHER_HEAD = "the network's head is of another kind (model.head)"


class Judged(TypedDict):
    """One limit of a gate, and whether it is met."""

    name: str
    metric: Annotated[str, "or check.NAME, whose value and limit are severities: 0 is clear, 3 a fault"]
    check: NotRequired[str]
    value: float | None
    limit: float
    outcome: Outcome
    passed: bool
    reason: str


@dataclass(frozen=True)
class Known:
    """What is known of a metric: its value, and why it cannot be judged, or "" where it can."""

    value: float | None
    obstacle: str = ""
    low: float | None = None  # the ends that the value lies between, where it is not decided
    high: float | None = None


def evaluate(
    gates: Iterable[Mapping[str, Any]],
    metrics: Mapping[str, Any],
    trust: Mapping[str, Any] | None = None,
    tests: Mapping[str, Any] | None = None,
    checks: Sequence[Mapping[str, Any]] = (),
) -> list[Judged]:
    """One row a limit: name, metric, value, limit, outcome, passed, and the reason in words.

    `gates` are the recipe's {metric, min, max}; `trust` is the summary of the maps' tests, which
    `trust.METHOD.NUMBER` names, `tests` what two models' answers give together, which `beside.NUMBER` names;
    `checks` are the verdicts that {check, at_worst} name, and whose numbers `CHECK.NUMBER` does.
    What is not known, or rests on a set of which an image has no answer, cannot be judged: it has not
    passed.
    """
    rows: list[Judged] = []
    by_name = {verdict["name"]: verdict for verdict in checks}
    for gate in gates:
        if named := gate.get("check"):
            rows.append(_of_check(named, gate.get("at_worst") or "warning", by_name.get(named)))
            continue
        for bound, sign in (("min", "≥"), ("max", "≤")):
            limit = gate.get(bound)
            if limit is not None:
                known = _known(gate["metric"], metrics, trust, tests, by_name)
                rows.append(_row(gate["metric"], sign, limit, known))
    return rows


def _of_check(name: str, at_worst: AtWorst, verdict: Mapping[str, Any] | None) -> Judged:
    """The row of a gate on a check: its verdict must be no worse than `at_worst`. What was not tested, or is
    undecided where only `clear` would do, cannot be judged."""
    status = verdict["status"] if verdict else "untested"
    passed = status in SEVERITY and SEVERITY.index(status) <= SEVERITY.index(at_worst)
    open_ = status not in SEVERITY or status == "undecided"
    sentence = verdict["sentence"].rstrip(".") if verdict else "it was not asked"
    return {
        "name": f"check {name}" + (f", {at_worst} at worst" if at_worst != "warning" else ""),
        "metric": f"check.{name}",
        "check": name,
        "value": float(SEVERITY.index(status)) if status in SEVERITY else None,
        "limit": float(SEVERITY.index(at_worst)),
        "outcome": PASSED if passed else UNJUDGED if open_ else FAILED,
        "passed": passed,
        "reason": f"{name} is {status}: {sentence}",
    }


def _known(
    metric: str,
    metrics: Mapping[str, Any],
    trust: Mapping[str, Any] | None,
    tests: Mapping[str, Any] | None,
    checks: Mapping[str, Mapping[str, Any]],
) -> Known:
    if check := check_of(metric):
        return _of_verdict(check, metric.removeprefix(f"{check}."), checks.get(check))
    if metric.startswith("beside."):
        return _of_two(metric.partition(".")[2], tests)
    if metric.startswith("trust."):
        return _of_maps(metric, trust)
    return _of_answers(metric, metrics)


def _of_answers(metric: str, metrics: Mapping[str, Any]) -> Known:
    """A number over the set; of a set that is not answered to the last image only the counts hold."""
    value = metrics[metric]
    if OF_SET[metric].rests_on == "counted":
        return Known(value)
    labelled = OF_SET[metric].rests_on == "labelled"
    broken = metrics["unanswered_labelled" if labelled else "unanswered"]
    if broken:
        return Known(value, _unanswered(broken, "labelled image" if labelled else "image"))
    if value is not None:
        return Known(value)
    if labelled and metrics["labelled"]:
        return Known(None, ABSENT.get(metric, OTHER_HEAD))
    return Known(None, "no image has a label" if labelled else "no image has an answer")


def check_of(metric: str) -> str | None:
    """The check whose number a metric is (`CHECK.NUMBER`), or None for one of another kind."""
    room, dot, _ = metric.partition(".")
    return room if dot and room not in ("beside", "trust") else None


def _of_verdict(check: str, number: str, verdict: Mapping[str, Any] | None) -> Known:
    """A number of a check's verdict, with the ends that it lies between where that is not decided."""
    if verdict is None:
        return Known(None, f"the check {check} was not asked")
    found = verdict["numbers"].get(number)
    if found is None or found["value"] is None:
        return Known(None, f"{check} does not give it here: {verdict['sentence'].rstrip('.')}")
    return Known(found["value"], low=found["low"], high=found["high"])


def _of_two(number: str, tests: Mapping[str, Any] | None) -> Known:
    if tests is None:
        return Known(None, "no second model was measured")
    labelled = OF_TWO[number].rests_on == "labelled"
    broken = tests["unanswered_labelled" if labelled else "unanswered"]
    if broken:
        return Known(tests[number], _unanswered(broken, "image", " by one of the models"))
    missing = "no image that both models answered has a label"
    return Known(tests[number], missing if tests[number] is None else "")


def _of_maps(metric: str, trust: Mapping[str, Any] | None) -> Known:
    _, method, number = metric.split(".")
    tested = trust["methods"].get(method) if trust else None
    if trust is None or tested is None:
        return Known(None, f"no map of {method} was put to the test")
    value = tested[number][trust["stage"]] if number == "randomised" else tested[number]
    why = f"no map of {method} gave this number" if tested["judged"] else tested["verdict"]
    return Known(value, why if value is None else "")


def _unanswered(count: int, noun: str, by: str = "") -> str:
    """Why a set that is not answered throughout is not judged."""
    images = f"1 {noun} has" if count == 1 else f"{count:,} {noun}s have"
    return f"{images} no answer{by}, as the output there is not finite"


def _row(metric: str, sign: str, limit: float, known: Known) -> Judged:
    outcome, reason = _judged(metric, sign, limit, known)
    return {
        "name": f"{metric} {sign} {_exact(metric, limit)}",
        "metric": metric,
        "value": known.value,
        "limit": limit,
        "outcome": outcome,
        "passed": outcome == PASSED,
        "reason": reason,
    }


def _judged(metric: str, sign: str, limit: float, known: Known) -> tuple[Outcome, str]:
    """The outcome, and the sentence that says why, without its full stop."""
    if known.obstacle or known.value is None:
        return UNJUDGED, f"{metric} is not known: {known.obstacle}"
    least = sign == "≥"
    if known.low is not None and known.high is not None:
        # where both ends say the same it is decided, whatever lies between them
        agreed = {end >= limit if least else end <= limit for end in (known.low, known.high)}
        if len(agreed) > 1:
            ends = f"{_exact(metric, known.low)} and {_exact(metric, known.high)}"
            return UNJUDGED, f"{metric} is not decided: it lies between {ends}"
    passed = known.value >= limit if least else known.value <= limit
    words = ("at least" if least else "at most") if passed else ("below" if least else "above")
    value = _apart(metric, known.value, limit)
    return PASSED if passed else FAILED, f"{metric} is {value}, {words} {_exact(metric, limit)}"


def _apart(metric: str, value: float, limit: float) -> str:
    """A value in four digits, or in as many as it takes to tell it from its limit: 0.89996 must not
    read as 0.9."""
    exact, bound = _scaled(metric, value), _scaled(metric, limit)
    shown = exact
    for digits in range(4, 18):
        shown = Context(prec=digits).plus(exact)
        if shown.compare(bound) == exact.compare(bound):
            break
    return _printed(shown) + _unit(metric)


def _exact(metric: str, value: float) -> str:
    return _printed(_scaled(metric, value)) + _unit(metric)


def _scaled(metric: str, value: float) -> Decimal:
    """The number as it is printed, by its shortest digits: 0.07 is 7 %, and not 7.000000000000001 %."""
    return Decimal(repr(value)) * (100 if _unit(metric) else 1)


def _unit(metric: str) -> str:
    """What a metric is told in; "" where it is a bare number."""
    room, _, number = metric.rpartition(".")
    if check_of(metric):
        return ""
    known: Mapping[str, Gated] = OF_SET if not room else OF_TWO if room == "beside" else OF_MAPS
    return known[number].unit


def _printed(value: Decimal) -> str:
    plain = value.normalize() + 0  # zero has no sign
    text = f"{plain:f}" if -5 <= plain.adjusted() < 16 else f"{plain:e}"
    return text.replace("-", "−")
