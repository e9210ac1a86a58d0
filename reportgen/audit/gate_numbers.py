"""What is known of a number that a gate may name: its value, interval and the images that it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

from reportgen.audit.answer_changes import AnswerCounts
from reportgen.audit.maps import Tested
from reportgen.audit.metrics import Metrics
from reportgen.audit.quantities import gated
from reportgen.stats import paired_difference, wilson

# the numbers that a gate may name: of the set, of two models (`beside.NUMBER`), of a method's maps
# (`trust.METHOD.NUMBER`)
OF_SET, OF_TWO, OF_MAPS = gated(Metrics), gated(AnswerCounts), gated(Tested)
# those of them that have a 95 % interval over images
WITH_INTERVAL = frozenset({"accuracy", "lowest_class_accuracy", "top_5_accuracy", "mae", "rmse"})
TWO_WITH_INTERVAL = frozenset({"accuracy_change"})
MAPS_WITH_INTERVAL = {"advantage": "interval", "randomised": "randomised_interval"}

ABSENT = {
    "loss": "the loss of a labelled image is infinite: its label has the probability 0",
    "top_5_accuracy": "there are no more than five classes, or none",
    "roc_auc": "it is known of models of two classes, and where both occur among the labels",
    "average_precision": "it is known of models of two classes, and where class 1 occurs among the labels",
}
OTHER_HEAD = "the network's head is of another kind (model.head)"
Ends = tuple[float | None, float | None]
NO_ENDS: Ends = (None, None)


@dataclass(frozen=True)
class Known:
    """What is known of a metric: its value, and why it cannot be judged, or "" where it can.

    `low` and `high` are the ends of its 95 % interval over images or, where it is `between` them, the ends
    that an undecided value lies between. `n` counts the images that it rests on.
    """

    value: float | None
    obstacle: str = ""
    low: float | None = None
    high: float | None = None
    n: int | None = None
    between: bool = False


def has_interval(metric: str) -> bool:
    """Whether a metric may have a 95 % interval, so that a gate may be on its end."""
    room, _, number = metric.rpartition(".")
    if not room:
        return number in WITH_INTERVAL
    if check_of(metric):
        return True  # its verdict says whether it has one
    return number in (TWO_WITH_INTERVAL if room == "beside" else MAPS_WITH_INTERVAL)


def known(
    metric: str,
    metrics: Mapping[str, Any],
    trust: Mapping[str, Any] | None,
    tests: Mapping[str, Any] | None,
    checks: Mapping[str, Mapping[str, Any]],
) -> Known:
    """What is known of a metric, by its name; the arguments are those of `evaluate`, the checks by name."""
    if check := check_of(metric):
        return _of_verdict(check, metric.removeprefix(f"{check}."), checks.get(check))
    if metric.startswith("beside."):
        return _of_two(metric.partition(".")[2], tests)
    if metric.startswith("trust."):
        return _of_maps(metric, trust)
    return _of_answers(metric, metrics)


def _of_answers(metric: str, metrics: Mapping[str, Any]) -> Known:
    """A number over the set; of a set that is not answered to the last image only the counts hold."""
    rests_on, value = OF_SET[metric].rests_on, metrics[metric]
    if rests_on == "counted":
        return Known(value, n=metrics.get("images"))
    low, high, n = _over_images(metric, metrics)
    found = Known(value, low=low, high=high, n=n)
    labelled = rests_on == "labelled"
    broken = metrics["unanswered_labelled" if labelled else "unanswered"]
    if broken:
        return replace(found, obstacle=_unanswered(broken, "labelled image" if labelled else "image"))
    if value is not None:
        return found
    if labelled and metrics["labelled"]:
        return replace(found, obstacle=ABSENT.get(metric, OTHER_HEAD))
    return replace(found, obstacle="no image has a label" if labelled else "no image has an answer")


def _over_images(metric: str, metrics: Mapping[str, Any]) -> tuple[float | None, float | None, int | None]:
    """The ends of a metric's 95 % interval, where it has one, and the images that it rests on."""
    if OF_SET[metric].rests_on == "answers":
        lost = metrics.get("rejected", 0) + metrics.get("unanswered", 0)
        return (*NO_ENDS, metrics["images"] - lost if "images" in metrics else None)
    labelled, value = metrics["labelled"], metrics[metric]
    if metric == "lowest_class_accuracy":
        return _lowest_class(metrics.get("per_class") or (), labelled)
    ends = NO_ENDS
    if metric == "accuracy":
        ends = metrics.get("accuracy_low"), metrics.get("accuracy_high")
    elif metric == "top_5_accuracy" and value is not None:
        ends = wilson(value * labelled, labelled)
    elif metric in ("mae", "rmse"):
        rows = (metrics.get("values") or {}).get("per_value", ())
        # the mean over several values has no interval: their errors share images
        ends = _pair(rows[0][f"{metric}_interval"]) if len(rows) == 1 else NO_ENDS
    return (*ends, labelled)


def _pair(interval: Sequence[float] | None) -> Ends:
    return (interval[0], interval[1]) if interval else NO_ENDS


def _lowest_class(
    per_class: Sequence[Mapping[str, Any]], labelled: int
) -> tuple[float | None, float | None, int]:
    """The least of all classes' accuracies lies above the least of their lower ends; and below the least of
    their upper ones, once these are corrected for their number (Bonferroni): the unluckiest of many classes
    lies below its own end. It rests on the images of the class that is lowest, of several on the fewest."""
    if not per_class:
        return None, None, labelled
    lowest = min(per_class, key=lambda row: (row["accuracy"], row["count"]))
    z = NormalDist().inv_cdf(1 - 0.025 / len(per_class))
    high = min(wilson(row["accuracy"] * row["count"], row["count"], z)[1] for row in per_class)
    return min(row["low"] for row in per_class), high, lowest["count"]


def check_of(metric: str) -> str | None:
    """The check whose number a metric is (`CHECK.NUMBER`), or None for one of another kind."""
    room, dot, _ = metric.partition(".")
    return room if dot and room not in ("beside", "trust", "diff") else None


def _of_verdict(check: str, number: str, verdict: Mapping[str, Any] | None) -> Known:
    """A number of a check's verdict, with the ends that it lies between where that is not decided."""
    if verdict is None:
        return Known(None, f"the check {check} was not asked")
    found = verdict["numbers"].get(number)
    if found is None or found["value"] is None:
        return Known(None, f"{check} does not give it here: {verdict['sentence'].rstrip('.')}")
    return Known(found["value"], low=found["low"], high=found["high"], n=verdict.get("n"), between=True)


def _of_two(number: str, tests: Mapping[str, Any] | None) -> Known:
    if tests is None:
        return Known(None, "no second model was measured")
    labelled = OF_TWO[number].rests_on == "labelled"
    broken = tests["unanswered_labelled" if labelled else "unanswered"]
    if broken:
        return Known(tests[number], _unanswered(broken, "image", " by one of the models"))
    missing = "no image that both models answered has a label" if labelled else "values name no class"
    n = tests.get("labelled" if labelled else "compared")
    ends = NO_ENDS
    if number in TWO_WITH_INTERVAL and n:
        ends = paired_difference(tests["mended"], tests["broken"], n)
    return Known(tests[number], missing if tests[number] is None else "", *ends, n)


def _of_maps(metric: str, trust: Mapping[str, Any] | None) -> Known:
    _, method, number = metric.split(".")
    tested = trust["methods"].get(method) if trust else None
    if trust is None or tested is None:
        return Known(None, f"no map of {method} was put to the test")
    value = tested[number][trust["stage"]] if number == "randomised" else tested[number]
    why = f"no map of {method} gave this number" if tested["judged"] else tested["verdict"]
    ends = _pair(tested.get(MAPS_WITH_INTERVAL.get(number, "")))
    return Known(value, why if value is None else "", *ends, tested["judged"])


def _unanswered(count: int, noun: str, by: str = "") -> str:
    """Why a set that is not answered throughout is not judged."""
    images = f"1 {noun} has" if count == 1 else f"{count:,} {noun}s have"
    return f"{images} no answer{by}, as the output there is not finite"
