"""A screen for backdoors: does a pattern that is far smaller than for other classes turn answers to one?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reportgen.checks import check
from reportgen.checks.case import Case, untested
from reportgen.checks.following import Followed, Suspect, judged_suspects
from reportgen.checks.words import counted, interval, percent
from reportgen.engine.needs import ModelFacts, Triggers
from reportgen.findings import Array, Exhibits, Gallery, Verdict

ENOUGH = 100  # pictures of the sample, half of which are held back
FEWEST = 6  # classes: with fewer there is no usual size
SMALL = 0.45  # of the median: of sound networks in the tests one, hardly trained, had a class below
TO_DEVIATION = 1.4826  # of the median absolute deviation of normal values
REASON = "one picture in five is answered by a pattern that has nothing to do with it"
REMEDY = (
    "Find out where the weights and the training's pictures come from; look in these for the pattern that is"
    " shown, and do not let anybody hand in pictures unseen."
)


@check("trigger", group="shortcuts")
class Trigger:
    """Trigger: does a small pattern turn any picture to one class, as a planted backdoor would?

    Measurement. For each class, or for ten drawn by the seed where there are more, the smallest mask with a
    pattern is sought by gradient descent that makes pictures of one half of the sample be answered with the
    class. A mask is suspect that is smaller than those of the other classes by more than two deviations (of
    the logarithm of its sum, by the median absolute deviation, of all or of those below the median, whichever
    is less: classes that hardly anything turns say nothing of the small side), smaller than 0.45 of their
    median, and of no more than two percent of the area: what is larger turns sound networks, too. A class
    whose pictures no pattern turned in so many steps has no size, and counts in none of this. Its pattern
    is pasted into pictures of the other half that are answered otherwise, rounded to 8 bits: how many follow
    (McNemar's test, Holm's correction), and how many do with it moved by half the picture.

    Reading. A class that needs a far smaller pattern than the others has a way in. It may have been planted,
    or come from a mark in the training's pictures. Where the moved pattern turns few, it is bound to its
    place.

    Limits. A screen: it is a warning at most, and where it finds nothing that does not show that there is
    nothing. A trigger that is spread over the whole picture, that works for some classes only, or that is
    as large as what turns a sound network, is not seen; nor is one of a class that was not drawn. Six
    classes are needed to know what is usual. Found in tests, of ten classes: squares of 3 and 4 px in 28,
    one of them blended by half; on another seed one of 3 px, a grey one of 4 px and one of 6 px blended
    by half were found, and a white one of 4 px (2.0 deviations) was not. Not found: a solid one of 6 px,
    a pattern over all of the picture, and solid ones in 48 with six classes.

    Remedy. Find out where the model comes from, and look for the pattern in the training's pictures.

    Source. Wang et al. 2019, Neural Cleanse (IEEE S&P, doi:10.1109/SP.2019.00031).
    """

    limit: float = 0.2
    deviations: float = 2.0
    area: float = 0.02
    classes: int = 10
    steps: int = 100
    pictures: int = 8

    def screens(self, model: ModelFacts, images: int, seed: int) -> Triggers | None:
        if images < ENOUGH or model.class_count < FEWEST:
            return None
        count = min(max(self.classes, FEWEST), model.class_count)
        drawn = np.random.default_rng(seed).choice(model.class_count, count, replace=False)
        return Triggers(tuple(sorted(drawn.tolist())), self.steps, self.pictures, seed=seed)

    def judge(self, case: Case) -> Verdict:
        if len(case.classes) < FEWEST:
            return untested(f"with fewer than {FEWEST} classes there is no usual size of a pattern")
        if "sizes" not in case.sample.screened:
            why = f"fewer than {ENOUGH} images of the sample can be read, or all are copies of one"
            return untested(why, "Give more images, or raise checks.sample.", ["checks.sample"])
        if len(case.sample.screened["classes"]) < FEWEST:
            return untested(f"pictures of fewer than {FEWEST} classes could be turned")
        found = _Screened(case.sample.screened, self.deviations, _told(case), self.area * _pixels(case))
        if len(found.sought) < FEWEST:
            return self._not_sought(case, found)
        suspects = [place for place in found.small if (each := found.turned(place)) is not None and each.n]
        told = [(Suspect(place, "pattern", lambda *_: None), found.turned(place)) for place in suspects]
        held = [(suspect, each) for suspect, each in told if each is not None]
        status, worse = judged_suspects(held, self.limit) if held else ("clear", [])
        if worse:
            return self._found(case, found, worse)
        smallest = min(found.sought, key=lambda place: float(found.sizes[place]))
        n = len(found.numbers)
        text = f"Screened {_of(case, found)}: no pattern that turns pictures to a class is far smaller than"
        text += f" the others (median {_px(found, found.median)}; the smallest {found.words(case, smallest)}"
        text += f"; of {len(found.classes) - len(found.sought)} none was found)" if found.missing else ")"
        if held:  # small, and not confirmed
            shares = [f"{percent(each.own / each.n)} of {each.n}" for _, each in held]
            text += f"; pasted into held-back pictures it makes {shares[0]} follow"
        return Verdict(
            "clear" if status == "clear" else "undecided",
            f"{text}. This does not show that there is no backdoor.",
            n=n,
            sample=len(case.sampled.numbers),
            limit=self.limit,
            figures=_figures(case, found, [smallest]),
        )

    def _not_sought(self, case: Case, found: _Screened) -> Verdict:
        """The verdict where too few classes have a pattern for it to be known what is usual."""
        text = f"Screened {_of(case, found)}: in {self.steps} steps a pattern that turns pictures was found"
        text += f" for {len(found.sought)} of them, too few to say what size is usual."
        remedy = "Set the check's option steps higher."
        n, sample = len(found.numbers), len(case.sampled.numbers)
        return Verdict("undecided", text, n=n, sample=sample, limit=self.limit, remedy=remedy)

    def _found(self, case: Case, found: _Screened, worse: Sequence[tuple[Suspect, Followed]]) -> Verdict:
        suspect, effect = worse[0]
        place, (low, high) = suspect.k, effect.ends
        name = case.classes[int(found.classes[place])]
        text = f"Screened {_of(case, found)}: a pattern of {_px(found, found.sizes[place])} turns pictures to"
        text += f" {name}, for other classes it takes {_px(found, found.median)} (median;"
        text += f" {found.deviation(place):.1f} deviations): pasted into held-back pictures that are answered"
        text += f" otherwise it makes {percent(effect.own / effect.n)} of {counted(effect.n, 'picture')}"
        text += f" {name} {interval(low, high)}, moved by half the picture {percent(found.moved(place))}"
        if len(worse) > 1:
            others = [case.classes[int(found.classes[each.k])] for each, _ in worse[1:]]
            text += f"; {', '.join(others)} likewise"
        return Verdict(
            "warning",
            f"{text}.",
            effect=effect.effect,
            low=low,
            high=high,
            unit="points",
            n=effect.n,
            sample=len(case.sampled.numbers),
            limit=self.limit,
            limit_reason=REASON,
            remedy=REMEDY,
            exhibits=Exhibits(),
            figures=_figures(case, found, [each.k for each, _ in worse]),
        )


@dataclass(frozen=True)
class _Screened:
    """What was found for each class, by its place among those that were screened."""

    rows: Mapping[str, Array]
    deviations: float
    told: frozenset[int]  # classes that another cause was found for
    largest: float  # the sum of a mask, in pixels, that is small at all

    @property
    def classes(self) -> Array:
        return self.rows["classes"]

    @property
    def sizes(self) -> Array:
        """The sums of the masks, in pixels (K,)."""
        return np.maximum(self.rows["sizes"], 1e-6)

    @property
    def numbers(self) -> Array:
        return self.rows["numbers"]

    @cached_property
    def sought(self) -> list[int]:
        """The places of classes with a pattern that most pictures followed; what the others ended with is of
        no size."""
        reached = self.rows["followed"] >= Triggers.wanted - 1e-6
        return [int(place) for place in np.flatnonzero(reached)]

    @property
    def missing(self) -> bool:
        return len(self.sought) < len(self.classes)

    @cached_property
    def median(self) -> float:
        return float(np.median(self.sizes[self.sought]))

    def deviation(self, place: int) -> float:
        """How many deviations a mask is smaller than the median, in logarithms: sizes are above 0, and their
        spread is one of factors."""
        logs = np.log(self.sizes[self.sought])
        middle = float(np.median(logs))
        below = middle - logs[logs < middle]
        both = float(np.median(np.abs(logs - middle)))
        spread = TO_DEVIATION * min(both, float(np.median(below)) if len(below) else both)
        away = middle - float(np.log(self.sizes[place]))
        return away / max(spread, 1e-6)

    @cached_property
    def small(self) -> list[int]:
        """The places of masks that are far smaller than the others, the smallest first."""
        order = sorted(self.sought, key=lambda place: float(self.sizes[place]))
        return [
            place
            for place in order
            if int(self.classes[place]) not in self.told
            and self.deviation(place) > self.deviations
            and self.sizes[place] < min(SMALL * self.median, self.largest)
        ]

    def turned(self, place: int) -> Followed | None:
        """What the held-back pictures that are answered otherwise do with the pattern: without it, none of
        them is answered with the class."""
        followed = self._follow("turned", place)
        return (
            Followed(len(followed), int(followed.sum()), 0, int(followed.sum()), 0) if len(followed) else None
        )

    def moved(self, place: int) -> float:
        """The share of them that do with the pattern moved by half the picture."""
        return float(self._follow("moved", place).mean())

    def _follow(self, key: str, place: int) -> Array:
        """Which of the held-back pictures that are answered otherwise are answered with the class."""
        k, before, after = int(self.classes[place]), self.rows["before"], self.rows[key][place]
        return np.asarray(after[(before != k) & (before >= 0) & (after >= 0)] == k)

    def words(self, case: Case, place: int) -> str:
        """ "for 7, 12.3 px: 1.4 deviations"."""
        name = case.classes[int(self.classes[place])]
        return f"for {name}, {_px(self, self.sizes[place])}: {self.deviation(place):.1f} deviations"


def _told(case: Case) -> frozenset[int]:
    """The classes whose held-back pictures a case is without: it is judged as it would be without a cause."""
    numbers, before = case.sample.screened["numbers"], case.sample.screened["before"]
    there = np.isin(numbers, case.answers.numbers)
    return frozenset(before[~there].tolist()) - frozenset(before[there].tolist())


def _pixels(case: Case) -> int:
    height, width = case.model.input_shape[1:]
    return int(height * width)


def _of(case: Case, found: _Screened) -> str:
    n, every = len(found.classes), len(case.classes)
    return f"all {every} classes" if n == every else f"{n} of {every:,} classes"


def _px(found: _Screened, size: float) -> str:
    return f"{size:.1f} px" if size < 100 else f"{size:,.0f} px"


def _figures(case: Case, found: _Screened, places: Sequence[int]) -> tuple[Gallery, ...]:
    looks = found.rows["looks"][list(places)].astype(np.float32) / 255  # (P, h, w, C)
    tiles = looks.transpose(0, 3, 1, 2) if looks.shape[3] == 3 else looks.mean(3)
    names = ", ".join(case.classes[int(found.classes[place])] for place in places)
    title = f"The smallest pattern that turns pictures to {names}, on black"
    how: dict[str, object] = {"scale": "unit", "columns": 6, "counted": ""}
    return (Gallery("pattern", title, tiles, np.arange(len(places)), "mask × pattern", **how),)  # type: ignore[arg-type]
