"""Verdicts of the evidence -> what results.json says of the checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from typing_extensions import TypedDict

from reportgen.audit.quantities import Count, ImageId
from reportgen.evidence import Evidence
from reportgen.findings import Status, Verdict


class ShownChannel(TypedDict):
    """A channel that shows a verdict."""

    layer: str
    channel: Count


class ShownBy(TypedDict):
    """What shows a verdict: images, layers, channels, keys of the recipe, names of figures."""

    images: list[ImageId]
    layers: list[str]
    channels: list[ShownChannel]
    settings: list[str]
    figures: list[str]


class CheckNumber(TypedDict):
    """A number of a verdict that a gate may be on; where it is not decided, the ends that it lies between."""

    value: float | None
    low: float | None
    high: float | None


class CheckResult(TypedDict):
    """What a check found: the size of the harm with its 95 % interval over images, and its limit."""

    name: str
    group: str
    title: str
    question: str
    status: Status
    effect: float | None
    low: float | None
    high: float | None
    unit: str
    limit: float | None
    limit_reason: str
    n: Annotated[Count | None, "images that it rests on"]
    sample: Annotated[Count | None, "how many were drawn, where not all were asked"]
    sentence: str
    remedy: str
    exhibits: ShownBy
    numbers: Annotated[dict[str, CheckNumber], "by the names that gates have for them, after the check's"]
    explains: Annotated[list[str], "checks that follow from this one, and stand under it"]
    explained_by: Annotated[str | None, "the check that this one follows from"]
    otherwise: Annotated[str | None, "the sentence as it would be without that cause"]
    error: Annotated[str | None, "why the check itself failed"]


def checked(evidence: Evidence) -> list[CheckResult]:
    """The verdicts in the report's order; none in older evidence."""
    words = {asked["name"]: asked for asked in evidence.manifest.get("checks", ())}
    verdicts = evidence.verdicts()
    under = {name: verdict.explained_by for name, verdict in verdicts.items() if verdict.explained_by}
    return [
        _result(words[name], verdict, [other for other, cause in under.items() if cause == name])
        for name, verdict in verdicts.items()
    ]


def _result(words: Any, verdict: Verdict, explains: Sequence[str]) -> CheckResult:
    shown = verdict.exhibits
    return {
        "name": words["name"],
        "group": words["group"],
        "title": words["title"],
        "question": words["question"],
        "status": verdict.status,
        "effect": verdict.effect,
        "low": verdict.low,
        "high": verdict.high,
        "unit": verdict.unit,
        "limit": verdict.limit,
        "limit_reason": verdict.limit_reason,
        "n": verdict.n,
        "sample": verdict.sample,
        "sentence": verdict.sentence,
        "remedy": verdict.remedy,
        "exhibits": {
            "images": [f"{number:06d}" for number in shown.images],
            "layers": list(shown.layers),
            "channels": [{"layer": layer, "channel": number} for layer, number in shown.channels],
            "settings": list(shown.settings),
            "figures": [figure.name for figure in verdict.figures],
        },
        "numbers": {
            name: {"value": number.value, "low": number.low, "high": number.high}
            for name, number in verdict.numbers.items()
        },
        "explains": list(explains),
        "explained_by": verdict.explained_by or None,
        "otherwise": verdict.otherwise or None,
        "error": verdict.error or None,
    }
