"""What was asked of single images' maps -> an answer a question and method, and the numbers beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Annotated, Any, Literal

from typing_extensions import TypedDict

from reportgen.audit.maps import amount, counts, of_class, on_object, picture, steady, weights
from reportgen.audit.maps.judging import Answer, Asked, answered
from reportgen.audit.maps.two_scores import TwoScores, two_scores
from reportgen.audit.quantities import Count, Gated, Interval, Rho, Share
from reportgen.evidence import JUDGED, QUESTIONS, STAGES, Evidence, Question, Stage
from reportgen.stats import finite, t_95

TITLES: dict[Question, str] = {
    "weights": weights.QUESTION,
    "counts": counts.QUESTION,
    "class": of_class.QUESTION,
    "picture": picture.QUESTION,
    "amount": amount.QUESTION,
    "steady": steady.QUESTION,
    "object": on_object.QUESTION,
}
WITHOUT_RECORDS = {
    "weights": weights,
    "class": of_class,
    "picture": picture,
    "amount": amount,
    "steady": steady,
    "object": on_object,
}
WARNING = "do not rely on this map"
# the questions that a map has to pass to be called one that passes, and those that it must not fail; what it
# fails of the others is said, for it is a use that it is not good for
REQUIRED: tuple[Question, ...] = ("weights", "counts")
DECISIVE: tuple[Question, ...] = (*REQUIRED, "class", "picture")


class AgainstRandom(TypedDict):
    """How a method's maps order the cells, beside random orders: means over the images, where cells are
    blurred.

    `faithfulness` is the symmetric relevance gain, and `gain` the same as a share of the greediest order's.
    """

    faithfulness: Annotated[float | None, Gated("maps")]
    random_faithfulness: float | None
    advantage: Annotated[float | None, Gated("maps")]
    interval: Interval | None
    beats_random_sd: Annotated[float | None, Gated("maps")]
    gain: Annotated[float | None, Gated("maps")]


class Tested(AgainstRandom):
    """What the tests say of one method's maps; null where it is not known.

    A number that is marked as `Gated` may be named by a gate, as `trust.METHOD.` and its key. `relies` is
    false where one of the decisive questions (weights, counts, class, picture) is answered with no; true
    where weights and counts are answered with yes, and none of them with no.
    """

    judged: Count
    randomised: Annotated[dict[Stage, Rho | None], Gated("maps")]
    randomised_interval: Interval | None
    stability: Annotated[Rho | None, Gated("maps")]
    answers: dict[Question, Answer]
    responds: Annotated[bool | None, "whether it depends on the weights"]
    beats_random: Annotated[bool | None, "whether it points at what counts"]
    relies: bool | None
    verdict: str


class Limits(TypedDict):
    """What a map has to reach."""

    randomised: Share
    beats_random_sd: float
    same_class: Share
    steady: Share


class Agreement(TypedDict):
    """The mean rank correlation of every two methods' maps."""

    methods: list[str]
    rho: list[list[Rho | None]]


class Passing(TypedDict):
    """How far the maps that pass agree with each other: the mean ρ of any two, and the two that agree
    least."""

    methods: list[str]
    rho: Rho | None
    least: Rho | None
    apart: Annotated[list[str], "the two that agree least; none where fewer than two pass"]


class Trust(TypedDict):
    """What the tests say of the maps of all methods."""

    images: Count
    doubtful: Annotated[Count, "of these, how many have a wrong answer or one of the least sure"]
    stage: Annotated[Stage, "which correlation the gates are about"]
    limits: Limits
    methods: dict[str, Tested]
    agreement: Agreement
    passing: Passing
    scores: Annotated[TwoScores | None, "the logit and the class contrast; null where they were not asked"]


def summary(evidence: Evidence) -> Trust | None:
    """What the report says of its maps' trust, or None where no map was put to the test."""
    records = evidence.trust()
    if not records:
        return None
    manifest = evidence.manifest
    names = [shown["name"] for shown in manifest["visualizations"] if shown["explains"]]
    recipe = manifest["recipe"]
    return summarise(records, recipe["trust"]["limits"], names, recipe.get("score", "logit"))


def summarise(
    records: Sequence[Mapping[str, Any]],
    limits: Limits,
    methods: Iterable[str],
    score: Literal["logit", "contrast"] = "logit",
) -> Trust | None:
    """Answers, means over the images and 95 % intervals; None without records.

    `methods` gives the order; those of which no map was tested are left out. A map with a flag
    (all zero, not finite) is counted in `images` but not in `judged`, nor in any number.
    """
    if not records:
        return None
    names = [name for name in methods if any(name in record["methods"] for record in records)]
    judged = {
        name: [r for r in records if name in r["methods"] and not r["methods"][name]["flag"]]
        for name in names
    }
    answers = _answers(judged, limits)
    tested = {name: _method(records, judged[name], name, answers[name]) for name in names}
    agreement: Agreement = {
        "methods": names,
        "rho": [[_mean(_agreements(records, a, b)) for b in names] for a in names],
    }
    return {
        "images": len(records),
        "doubtful": sum(record["doubtful"] for record in records),
        "limits": limits.copy(),
        "stage": JUDGED,
        "methods": tested,
        "agreement": agreement,
        "passing": _passing([name for name in names if tested[name]["relies"]], agreement),
        "scores": two_scores(records, names, score),
    }


def _answers(
    judged: Mapping[str, Sequence[Mapping[str, Any]]], limits: Limits
) -> dict[str, dict[Question, Answer]]:
    """By method and question."""
    found: dict[str, dict[Question, Answer]] = {name: {} for name in judged}
    for question in QUESTIONS:
        asked = {name: _asked(question, name, records, limits) for name, records in judged.items()}
        for name, answer in answered(asked).items():
            found[name][question] = answer
    return found


def _asked(
    question: Question, name: str, records: Sequence[Mapping[str, Any]], limits: Mapping[str, Any]
) -> Asked:
    """What a question found of one method's maps."""
    having = [record for record in records if question in record["methods"][name]["asked"]]
    rows = [record["methods"][name]["asked"][question] for record in having]
    if not records:
        return Asked(refused="none of its maps could be judged")
    if question == "counts":
        return counts.asked(rows, having, limits)
    found: Asked = WITHOUT_RECORDS[question].asked(rows, limits)
    return found


def _method(
    records: Sequence[Mapping[str, Any]],
    judged: Sequence[Mapping[str, Any]],
    name: str,
    answers: dict[Question, Answer],
) -> Tested:
    own = [record["methods"][name] for record in judged]
    tried = [record["methods"][name] for record in records if name in record["methods"]]
    flags = [each["flag"] for each in tried if each["flag"] is not None]
    shuffled = [each["asked"].get("weights", {}) for each in own]
    cascade: dict[Stage, list[float | None]] = {
        stage: [row.get(stage) for row in shuffled] for stage in STAGES
    }
    relies = _relies(answers)
    return {
        "judged": len(judged),
        **_against_random(judged, name),
        "randomised": {"head": None, **{stage: _mean(values) for stage, values in cascade.items()}},
        "randomised_interval": _interval(cascade[JUDGED], -1, 1),
        "stability": _mean([each["asked"].get("steady", {}).get("itself") for each in own]),
        "answers": answers,
        "responds": _as_bool(answers["weights"]),
        "beats_random": _as_bool(answers["counts"]),
        "relies": relies,
        "verdict": _verdict(answers, relies, flags if not judged else ())
        + (f"; {len(flags)} of {len(tried)} maps could not be judged" if flags and judged else ""),
    }


def _as_bool(answer: Answer) -> bool | None:
    return {"yes": True, "no": False}.get(answer["answer"])


def _relies(answers: Mapping[Question, Answer]) -> bool | None:
    if any(answers[question]["answer"] == "no" for question in DECISIVE):
        return False
    return True if all(answers[question]["answer"] == "yes" for question in REQUIRED) else None


def _verdict(answers: Mapping[Question, Answer], relies: bool | None, flags: Sequence[str]) -> str:
    """One sentence, without its subject and its full stop."""
    if flags:
        return f"could not be judged: {'; '.join(dict.fromkeys(flags))}"
    failed = [
        f"{FAILED[question]} ({answer['sentence']})"
        for question, answer in answers.items()
        if answer["answer"] == "no"
    ]
    if relies is False:
        return f"{'; '.join(failed)}: {WARNING}"
    passed = [PASSED[question] for question, answer in answers.items() if answer["answer"] == "yes"]
    open_ = [question for question in REQUIRED if answers[question]["answer"] != "yes"]
    said = "; ".join([", ".join(passed) if passed else "passes no question for sure", *failed])
    if relies:
        return said
    rest = " and ".join(
        f"whether it {PASSED[question]} ({answers[question]['sentence']})" for question in open_
    )
    return f"{said}; not decided is {rest}"


PASSED: dict[Question, str] = {
    "weights": "depends on the weights",
    "counts": "points at what counts",
    "class": "is about the class",
    "picture": "finds the right picture",
    "amount": "says how much",
    "steady": "is steady",
    "object": "is on the object",
}
FAILED: dict[Question, str] = {
    "weights": "does not depend on the weights",
    "counts": "does not point at what counts",
    "class": "is not about the class",
    "picture": "does not find the right picture",
    "amount": "does not say how much",
    "steady": "is not steady",
    "object": "is not on the object",
}


def _against_random(judged: Sequence[Mapping[str, Any]], name: str) -> AgainstRandom:
    """Faithfulness beside that of random orders, over the images where both are finite.

    `beats_random_sd` is the mean advantage in standard deviations of the mean of one random order an image.
    """
    rows = [
        (gain, random, record["greedy"]["blur"])
        for record in judged
        if (gain := finite(record["methods"][name]["asked"]["counts"]["blur"])) is not None
        and None not in (random := record["random"]["gain"]["blur"])
    ]
    advantages = [gain - fmean(random) for gain, random, _ in rows]
    spread = (
        counts.random_sd([r for r in judged if None not in r["random"]["gain"]["blur"]], "blur")
        if rows
        else 0.0
    )
    greedy = _mean([greedy for *_, greedy in rows])
    mean = _mean([gain for gain, *_ in rows])
    return {
        "faithfulness": mean,
        "random_faithfulness": _mean([fmean(random) for _, random, _ in rows]),
        "advantage": _mean(advantages),
        "interval": _interval(advantages, -2, 2),
        "beats_random_sd": fmean(advantages) / spread if spread > 0 else None,
        "gain": mean / greedy if mean is not None and greedy is not None and greedy > 0 else None,
    }


def _passing(names: list[str], agreement: Agreement) -> Passing:
    """How far the maps that pass agree."""
    places = [agreement["methods"].index(name) for name in names]
    pairs = [
        (rho, [agreement["methods"][a], agreement["methods"][b]])
        for number, a in enumerate(places)
        for b in places[number + 1 :]
        if (rho := agreement["rho"][a][b]) is not None
    ]
    least = min(pairs, default=None)
    return {
        "methods": names,
        "rho": _mean([rho for rho, _ in pairs]),
        "least": least[0] if least else None,
        "apart": least[1] if least else [],
    }


def _agreements(records: Sequence[Mapping[str, Any]], a: str, b: str) -> list[float | None]:
    rhos = []
    for record in records:
        names, rho = record["agreement"]["methods"], record["agreement"]["rho"]
        if a in names and b in names:
            rhos.append(rho[names.index(a)][names.index(b)])
    return rhos


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in map(finite, values) if value is not None]


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean of what is known, or None."""
    known = _known(values)
    return fmean(known) if known else None


def _interval(values: Iterable[float | None], lowest: float, highest: float) -> list[float] | None:
    """The 95 % interval of the mean of what is known, within what is possible; None for fewer than two.

    Student 1908, with the images as the sample.
    """
    known = _known(values)
    if len(known) < 2:
        return None
    middle = fmean(known)
    reach = t_95(len(known) - 1) * stdev(known) / math.sqrt(len(known))
    return [max(lowest, middle - reach), min(highest, middle + reach)]
