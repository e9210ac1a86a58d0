"""Statistics in plain numpy: intervals of means and shares, McNemar's test, rank correlation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

Z_95 = 1.959963984540054  # the normal quantile of a two-sided 95 % interval


def finite(value: float | None) -> float | None:
    """The number; None where it is not known or not finite. JSON has no NaN and no infinity."""
    return None if value is None or not math.isfinite(value) else float(value)


def t_95(freedom: int) -> float:
    """The two-sided 95 % quantile of Student's t for whole degrees of freedom, by bisection.

    Abramowitz & Stegun 1964, 26.7.3 and 26.7.4, in the angle atan(t / sqrt(freedom)).
    """
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        low, high = (angle, high) if _inside(angle, freedom) < 0.95 else (low, angle)
    return math.sqrt(freedom) * math.tan((low + high) / 2)


def _inside(angle: float, freedom: int) -> float:
    """The probability that |t| stays below sqrt(freedom)·tan(angle)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for k in range(freedom // 2):
        total += term
        term *= cosine**2 * (2 * k + 1 + odd) / (2 * k + 2 + odd)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def t_beyond(t: float, freedom: int) -> float:
    """The one-sided p of Student's t: the probability of being above t, for whole degrees of freedom."""
    inside = _inside(math.atan(abs(t) / math.sqrt(freedom)), freedom)
    return max(0.0, 1 - inside) / 2 if t >= 0 else (1 + inside) / 2


def wilson(right: float, count: int, z: float = Z_95) -> tuple[float, float]:
    """The score interval of a share, or, wider than it need be, of a mean of shares; of 95 % unless another
    quantile of the normal distribution is given.

    Wilson 1927; count > 0.
    """
    share = right / count
    spread = z * math.sqrt(share * (1 - share) / count + (z / count) ** 2 / 4)
    middle, scale = share + z**2 / (2 * count), 1 + z**2 / count
    low, high = (middle - spread) / scale, (middle + spread) / scale
    return min(share, max(0.0, low)), max(share, min(1.0, high))  # whatever rounding did


def mcnemar(mended: int, broken: int) -> float:
    """The two-sided p of McNemar's exact test: were both kinds equally likely, how often would they
    be at least so unequal? McNemar 1947, with the binomial distribution itself.
    """
    pairs, fewer = mended + broken, min(mended, broken)
    ways = total = 1  # of choosing k of the pairs, for k from 0 to `fewer`
    for k in range(fewer):
        ways = ways * (pairs - k) // (k + 1)
        total += ways
    return min(1.0, float(2 * total / 2**pairs))


def spearman(a: Array, b: Array) -> float | None:
    """The rank correlation of two arrays of one shape, equal values sharing their mean rank.

    None where one of them is constant or not finite. Spearman 1904.
    """
    if a.shape != b.shape:
        return None
    x, y = unit_ranks(a.ravel()), unit_ranks(b.ravel())
    return None if x is None or y is None else float(x @ y)


def unit_ranks(values: Array) -> Array | None:
    """The ranks of values (n,) around their mean, as a vector of length 1: the product of two is their rank
    correlation. Equal values share their mean rank. None where all are equal or one is not finite."""
    if not np.isfinite(values).all():
        return None
    ranks = _mean_ranks(values)
    ranks = ranks - ranks.mean()
    length = float(np.sqrt(ranks @ ranks))
    return ranks / length if length > 0 else None


def _mean_ranks(values: Array) -> Array:
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    means: Array = (ends - (counts - 1) / 2)[which.ravel()]
    return means


def holm(p: Sequence[float]) -> list[float]:
    """The p-values of several hypotheses, adjusted so that any false one of them is rare. Holm 1979."""
    order = sorted(range(len(p)), key=lambda place: p[place])
    adjusted, highest = [0.0] * len(p), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - rank) * p[place]))
        adjusted[place] = highest
    return adjusted


def newcombe(right: int, count: int, others_right: int, others: int) -> tuple[float, float]:
    """The 95 % interval of the difference of two independent shares, the first less the second.

    Newcombe 1998, Interval estimation for the difference between independent proportions, method 10.
    """
    a, b = right / count, others_right / others
    (low, high), (other_low, other_high) = wilson(right, count), wilson(others_right, others)
    difference = a - b
    below = math.sqrt((a - low) ** 2 + (other_high - b) ** 2)
    above = math.sqrt((high - a) ** 2 + (b - other_low) ** 2)
    return difference - below, difference + above


def paired_difference(gained: int, lost: int, count: int) -> tuple[float, float]:
    """The 95 % interval of the difference of two shares of the same images: of `count`, `gained` are right
    by the first way only and `lost` by the second only.

    Agresti & Min 2005, Simple improved confidence intervals for comparing matched proportions: half an
    image is added to each of the four counts.
    """
    b, c, n = gained + 0.5, lost + 0.5, count + 2.0
    middle = (b - c) / n
    spread = Z_95 * math.sqrt(max(0.0, b + c - (b - c) ** 2 / n)) / n
    return max(-1.0, middle - spread), min(1.0, middle + spread)


def paired_beyond(gained: int, lost: int, count: int, margin: float) -> float:
    """The one-sided p of the difference of `paired_difference` being no larger than a margin: small where it
    surely is larger. By the normal distribution with that interval's middle and spread."""
    b, c, n = gained + 0.5, lost + 0.5, count + 2.0
    middle = (b - c) / n
    spread = math.sqrt(max(1e-12, b + c - (b - c) ** 2 / n)) / n
    return 0.5 * math.erfc((middle - margin) / spread / math.sqrt(2))


def auroc(positive: Array, negative: Array) -> float:
    """The chance that a score of the first kind (n,) is above one of the second (m,), ties counted half."""
    below = np.searchsorted(np.sort(negative), positive, side="left")
    up_to = np.searchsorted(np.sort(negative), positive, side="right")
    return float((below + up_to).sum() / (2 * len(positive) * len(negative)))


def auroc_interval(area: float, positives: int, negatives: int) -> tuple[float, float]:
    """The 95 % interval of an area under the ROC curve of so many scores of each kind.

    Newcombe 2006, Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part
    2, method 5: the areas whose own variance (Hanley & McNeil 1982, with one mean count for both kinds) does
    not exclude the one that was seen. It has a width where the kinds are told apart without a mistake, too.
    """
    mean = (positives + negatives) / 2 - 1

    def excludes(at: float) -> bool:
        spread = at * (1 - at) * (1 + mean * (1 - at) / (2 - at) + mean * at / (1 + at))
        return (at - area) ** 2 > Z_95**2 * spread / (positives * negatives)

    def end(outer: float) -> float:
        inner = area
        for _ in range(60):
            middle = (inner + outer) / 2
            inner, outer = (inner, middle) if excludes(middle) else (middle, outer)
        return inner

    return end(0.0), end(1.0)
