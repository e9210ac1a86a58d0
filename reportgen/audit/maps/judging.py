"""How a question to a kind of map is answered: yes, no or not decided, by an interval over images.

What a question measures is compared, image by image, with what it is to be better than; the mean difference
has a 95 % interval by Student's t. *Yes* is said where it surely lies above what the question asks for, *no*
where it surely lies below; of all methods that a question is put to, each of these words is corrected for by
Holm's procedure, so that any wrong one among them is rare.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Annotated, Literal, TypeAlias

from typing_extensions import TypedDict

from reportgen.audit.quantities import Count
from reportgen.stats import holm, t_95, t_beyond

Word: TypeAlias = Literal["yes", "no", "undecided", "not asked"]
LEAST = 3  # images; of fewer nothing is decided
LEVEL = 0.025  # one-sided
MANY = 1000  # images that nobody will look at
EQUAL = 1e-9  # differences that differ by no more than this are one value: rounding is no spread


@dataclass(frozen=True)
class Comparison:
    """Differences over images: it is yes where their mean is surely above `limit`, the least that matters,
    and no where it is surely below. One limit for both, or a mean between two of them were yes by one sample
    and no by another."""

    differences: tuple[float, ...]
    limit: float = 0.0
    where: str = ""  # which of several it is, in words: "where it is blurred"

    @property
    def mean(self) -> float:
        return fmean(self.differences)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean; Student 1908, with the images as the sample."""
        reach = t_95(len(self.differences) - 1) * self._error
        return self.mean - reach, self.mean + reach

    @property
    def _error(self) -> float:
        if len(self.differences) < 2:
            return math.inf  # one image has no spread that is known
        return stdev(self.differences) / math.sqrt(len(self.differences))

    def p_yes(self) -> float:
        """How likely so good a mean were, lay the truth at the limit."""
        return self._p(self.mean - self.limit)

    def p_no(self) -> float:
        """How likely so bad a mean were, lay the truth at the limit."""
        return self._p(self.limit - self.mean)

    def _p(self, distance: float) -> float:
        if self._error <= EQUAL:  # every image says the same
            return 0.0 if distance > EQUAL else 1.0
        return t_beyond(distance / self._error, max(1, len(self.differences) - 1))

    def needed(self) -> int | None:
        """About how many images would decide, were they like these; None for more than anybody has."""
        distance = abs(self.mean - self.limit)
        if distance == 0 or self._error == 0:
            return None
        count = math.ceil((2 * stdev(self.differences) / distance) ** 2)
        here = len(self.differences)  # too few, whatever their spread says: the number of maps is allowed for
        return (count if count > here else 2 * here) if count <= MANY else None


@dataclass(frozen=True)
class Asked:
    """What a question found of one method, over the images: all comparisons have to be won. `value` and
    `reference` are means, in the question's own unit; `words` say them. `refused` is why it was not asked."""

    comparisons: tuple[Comparison, ...] = ()
    value: float | None = None
    reference: float | None = None
    words: str = ""
    refused: str = ""

    @property
    def images(self) -> int:
        return min((len(c.differences) for c in self.comparisons), default=0)

    @property
    def able(self) -> bool:
        """Whether there are images enough."""
        return self.images >= LEAST

    @property
    def weakest(self) -> Comparison:
        """The comparison that is the least sure to be won."""
        return max(self.comparisons, key=lambda c: c.p_yes())


class Answer(TypedDict):
    """What one question found of one method's maps.

    `difference` is the mean that decides, more being better, with its 95 % interval over images: for what
    counts, the picture and steadiness the value itself, whose bar `reference` is; for weights, class, amount
    and object how far it lies on the good side.
    """

    answer: Word
    value: float | None
    reference: float | None
    difference: float | None
    low: float | None
    high: float | None
    images: Count
    needed: Annotated[Count | None, "about how many images would decide; null where that is not known"]
    sentence: str


def answered(by_method: Mapping[str, Asked]) -> dict[str, Answer]:
    """The answers of one question for every method that it was put to."""
    able = [name for name, asked in by_method.items() if not asked.refused and asked.able]
    # all comparisons have to be won, and one that is lost suffices
    yes = holm([max(c.p_yes() for c in by_method[name].comparisons) for name in able])
    no = holm([_any(c.p_no() for c in by_method[name].comparisons) for name in able])
    words: dict[str, Word] = {}
    for name, p_yes, p_no in zip(able, yes, no, strict=True):
        words[name] = "yes" if p_yes <= LEVEL else "no" if p_no <= LEVEL else "undecided"
    return {name: _answer(asked, words.get(name)) for name, asked in by_method.items()}


def _any(several: Iterable[float]) -> float:
    """The p of losing at least one of several comparisons, by Bonferroni."""
    p = list(several)
    return min(1.0, len(p) * min(p))


def _answer(asked: Asked, word: Word | None) -> Answer:
    if asked.refused or not asked.comparisons:
        return _nothing("not asked", 0, asked.refused or "no map of it could be asked")
    if word is None:
        few = f"{asked.images} of its maps could be asked, and of fewer than {LEAST} nothing is decided"
        return _nothing("undecided", asked.images, few, asked)
    decisive = asked.weakest if word != "no" else min(asked.comparisons, key=lambda c: c.p_no())
    low, high = decisive.interval
    needed = decisive.needed() if word == "undecided" else None
    decided = ""
    if word == "no" and decisive.where:
        ends = f"[{two(low)} to {two(high)}]"
        short = f"{two(decisive.mean)} {ends}, surely below {two(decisive.limit)}"
        decided = f"; decided {decisive.where}: {short}"
    return {
        "answer": word,
        "value": asked.value,
        "reference": asked.reference,
        "difference": decisive.mean,
        "low": low,
        "high": high,
        "images": asked.images,
        "needed": needed,
        "sentence": asked.words + (f"; {_more(needed)}" if word == "undecided" else decided),
    }


def _more(needed: int | None) -> str:
    return f"about {needed} images would decide" if needed else f"not even {MANY:,} images would decide it"


def _nothing(word: Word, images: int, why: str, asked: Asked | None = None) -> Answer:
    return {
        "answer": word,
        "value": asked.value if asked else None,
        "reference": asked.reference if asked else None,
        "difference": None,
        "low": None,
        "high": None,
        "images": images,
        "needed": None,
        "sentence": why,
    }


def known(rows: Sequence[Mapping[str, float | None]], *keys: str) -> list[tuple[float, ...]]:
    """The numbers under some keys, of the images where all of them are known and finite."""
    found = [tuple(row.get(key) for key in keys) for row in rows]
    return [
        tuple(float(value) for value in values if value is not None)
        for values in found
        if all(value is not None and math.isfinite(value) for value in values)
    ]


def two(value: float) -> str:
    """A number in two decimals, with a minus of its own and no negative zero."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")
