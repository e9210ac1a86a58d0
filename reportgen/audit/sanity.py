"""Sanity checks of the maps: what was tested image by image -> numbers and a verdict for each method."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev, variance
from typing import Annotated, Any

from typing_extensions import TypedDict

from reportgen.audit.quantities import Count, Gated, Interval, Rho, Share
from reportgen.evidence import JUDGED, STAGES, Evidence, Stage
from reportgen.stats import finite, t_95

# how the stages of shuffling are called, from the output down
CASCADE: dict[Stage, str] = {"head": "last layer", "half": "upper half", "all": "whole network"}
WARNING = "do not rely on this map"


class AgainstRandom(TypedDict):
    """How a method's maps order the pixels, beside random orders: means over the images."""

    faithfulness: Annotated[float | None, Gated("maps")]
    random_faithfulness: float | None
    advantage: Annotated[float | None, Gated("maps")]
    interval: Interval | None
    beats_random_sd: Annotated[float | None, Gated("maps")]


class Tested(AgainstRandom):
    """What the tests say of one method's maps; null where it is not known.

    A number that is marked as `Gated` may be named by a gate, as `trust.METHOD.` and its key.
    """

    judged: Count
    randomised: Annotated[dict[Stage, Rho | None], Gated("maps")]
    randomised_interval: Interval | None
    stability: Annotated[Rho | None, Gated("maps")]
    responds: bool | None
    beats_random: bool | None
    relies: bool | None
    verdict: str


class Limits(TypedDict):
    """From where on a map is not to be relied on."""

    randomised: Share
    beats_random_sd: float


class Agreement(TypedDict):
    """The mean rank correlation of every two methods' maps."""

    methods: list[str]
    rho: list[list[Rho | None]]


class Trust(TypedDict):
    """What the tests say of the maps of all methods."""

    images: Count
    stage: Annotated[Stage, "which correlation the verdicts and gates are about"]
    limits: Limits
    methods: dict[str, Tested]
    agreement: Agreement


def summary(evidence: Evidence) -> Trust | None:
    """What the report says of its maps' trust, or None where no map was put to the test."""
    records = evidence.trust()
    if not records:
        return None
    manifest = evidence.manifest
    names = [shown["name"] for shown in manifest["visualizations"] if shown["explains"]]
    return summarise(records, manifest["recipe"]["trust"]["limits"], names)


def summarise(records: Sequence[Mapping[str, Any]], limits: Limits, methods: Iterable[str]) -> Trust | None:
    """Means over the images, 95 % intervals and verdicts; None without records.

    `methods` gives the order; those of which no map was tested are left out. A map with a flag
    (all zero, not finite) is counted in `images` but not in `judged`, nor in any number.
    """
    if not records:
        return None
    names = [name for name in methods if any(name in record["methods"] for record in records)]
    return {
        "images": len(records),
        "limits": limits.copy(),
        "stage": JUDGED,
        "methods": {name: _method(records, name, limits) for name in names},
        "agreement": {
            "methods": names,
            "rho": [[_mean(_agreements(records, a, b)) for b in names] for a in names],
        },
    }


def _method(records: Sequence[Mapping[str, Any]], name: str, limits: Limits) -> Tested:
    tried = [(record["methods"][name], record["random"]) for record in records if name in record["methods"]]
    judged = [(own, random) for own, random in tried if own["flag"] is None]
    flags = [own["flag"] for own, _ in tried if own["flag"] is not None]
    numbers = _against_random(judged)
    cascade = {stage: [own["randomised"].get(stage) for own, _ in judged] for stage in STAGES}
    rho = {stage: _mean(values) for stage, values in cascade.items()}
    kept = rho[JUDGED]
    responds = None if kept is None else abs(kept) <= limits["randomised"]
    ahead = numbers["beats_random_sd"]
    beats = None if ahead is None else ahead >= limits["beats_random_sd"]
    known = (responds, beats)
    return {
        "judged": len(judged),
        **numbers,
        "randomised": rho,
        "randomised_interval": _interval(cascade[JUDGED], -1, 1),
        "stability": _mean([own["stability"] for own, _ in judged]),
        "responds": responds,
        "beats_random": beats,
        "relies": False if False in known else None if None in known else True,
        "verdict": _verdict(responds, beats, kept, ahead, flags)
        + (f"; {len(flags)} of {len(tried)} maps could not be judged" if flags and judged else ""),
    }


def _against_random(judged: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> AgainstRandom:
    """Faithfulness beside that of random orders, over the images where both are finite.

    `beats_random_sd` is the mean advantage in standard deviations of the mean of one random order an
    image: with three images and eight orders, an order that says nothing is past 2 once in 30 times.
    """
    rows = [
        (float(own["faithfulness"]), [float(value) for value in random["faithfulness"]])
        for own, random in judged
        if None not in [*map(finite, (own["faithfulness"], *random["faithfulness"]))]
    ]
    advantages = [own - fmean(random) for own, random in rows]
    spread = math.sqrt(fmean(variance(random) for _, random in rows) / len(rows)) if rows else 0.0
    return {
        "faithfulness": _mean([own for own, _ in rows]),
        "random_faithfulness": _mean([fmean(random) for _, random in rows]),
        "advantage": _mean(advantages),
        "interval": _interval(advantages, -2, 2),
        "beats_random_sd": fmean(advantages) / spread if spread > 0 else None,
    }


def _verdict(
    responds: bool | None,
    beats: bool | None,
    rho: float | None,
    ahead: float | None,
    flags: Sequence[str],
) -> str:
    """One sentence, without its subject and its full stop."""
    failed = []
    if responds is False:
        without = "with a network whose upper half is shuffled"
        failed.append(f"does not respond to the weights (rank correlation {rho:.2f} {without})")
    if beats is False:
        apart = f"{ahead:.1f}".replace("-", "−")
        failed.append(f"does not beat random order ({apart} standard deviations from its mean)")
    if failed:
        return f"{' and '.join(failed)}: {WARNING}"
    if responds and beats:
        return "responds to the weights and beats random order"
    if responds:
        return "responds to the weights; whether it beats random order could not be judged"
    if beats:
        return "beats random order; whether it responds to the weights could not be judged"
    reasons = list(dict.fromkeys(flags)) or ["the numbers that it needs are not finite or do not vary"]
    return f"could not be judged: {'; '.join(reasons)}"


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
