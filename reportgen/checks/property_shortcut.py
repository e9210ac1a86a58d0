"""Whether answers follow one simple property of the picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from reportgen.checks import check
from reportgen.checks.case import Case, untested
from reportgen.checks.following import (
    FEWEST,
    MORE,
    Followed,
    Pair,
    Shown,
    Suspect,
    answers_of,
    classes_tried,
    control_words,
    followed,
    pairs,
    share_of,
    shown_of,
    too_few,
    turned_first,
    unanswered,
)
from reportgen.checks.intervention import Intervention, Tone
from reportgen.checks.showing import SHOWN, Step, experiment, outcome
from reportgen.checks.words import counted, interval, percent
from reportgen.engine.needs import ModelFacts
from reportgen.findings import Array, Exhibits, Finding, Verdict

SEARCHED, CONFIRMED_ON = (
    40,
    120,
)  # pictures that are toned on half A for a property and a class, and on half B
SUSPECTS = 12  # the properties and classes that go together most, of half A
CONFIRMED = 3
TELLING = 0.75  # the area under the ROC curve from which a property tells a class from the rest
REASON = "one picture in five is answered by a property that is not the thing itself"
REMEDY = (
    "Vary this property in training (augmentation), or balance it over the classes; until then state that the"
    " model holds only where it goes with the class."
)
QUALITY = 12  # of the JPEG that gives blocks


@dataclass(frozen=True)
class Way:
    """A fact of the pictures, how a picture is given another one's, and the words for the least and the most
    of it. `only` says where that is possible: for the `higher` or the `lower` value, or any."""

    fact: str
    tone: Tone
    least: str
    most: str
    done: str  # in words that follow "with"
    only: Literal["higher", "lower", "any"] = "any"

    @property
    def compared(self) -> bool:
        """Whether a third class's property is another change: blocks are the same whatever they are of."""
        return self.fact != "blocks"

    def change(self, values: Mapping[int, float], changed: int, by: int) -> Intervention | None:
        """A picture toned as another one is; None where it cannot be."""
        own, other = values[changed], values[by]
        if not (np.isfinite(own) and np.isfinite(other)):
            return None
        if (self.only == "lower" and other >= own) or (self.only == "higher" and other <= own):
            return None
        if self.tone != "jpeg":
            return Intervention(changed, source=by, tone=self.tone)
        return Intervention(changed, tone="jpeg", quality=int(other) if self.compared else QUALITY)

    def against(self, changed: int, _: int) -> Intervention:
        """What blocks are held against, as they are no other class's: a blur that changes as much. Pictures
        that are made worse fall to some class or other, and that is no shortcut."""
        return Intervention(changed, tone="soft", quality=QUALITY)

    def held_against(self, chosen: Sequence[Pair], several: bool = False) -> str:
        """That in words which follow "with"."""
        if not self.compared:
            return "a blur that changes as much"
        return f"that of {control_words(chosen, several)}"


PRESSED = "most compressed", "least compressed"
WAYS = (
    Way("luminance", "exposure", "darkest", "brightest", "their brightness"),
    Way("contrast", "contrast", "lowest in contrast", "highest in contrast", "their contrast"),
    Way("saturation", "colour", "least colourful", "most colourful", "their colourfulness"),
    Way("sharpness", "sharpness", "least sharp", "sharpest", "their blur", "lower"),
    Way("jpeg_quality", "jpeg", *PRESSED, "their JPEG quality", "lower"),
    Way("blocks", "jpeg", *PRESSED[::-1], f"a JPEG's blocks (quality {QUALITY})", "higher"),
)


@dataclass(frozen=True)
class Link:
    """A way and a class whose pictures have more, or less, of it than the rest: `area` (0.5 to 1) is that
    under the ROC curve, `low` whether they have less."""

    way: Way
    k: int
    area: float
    low: bool


@check("property-shortcut", group="shortcuts")
class PropertyShortcut:
    """Property shortcut: do answers follow brightness, contrast, colour, sharpness or compression alone?

    Measurement. For each class that is often answered, and each property that tells its pictures from the
    rest (area under the ROC curve of 0.75 on one half of the sample), pictures that are answered
    otherwise are given the property of a picture of the class: its brightness, contrast or colourfulness,
    a blur, JPEG compression. The three that most often make a picture be answered with the class are
    confirmed on the other half: how often it happens, less how often it does with the property of a third
    class (of two classes: of another picture that is answered otherwise; of a JPEG's blocks: with a blur
    that changes as much; paired, McNemar's test, Holm's correction).

    Reading. A property that goes with a class in the pictures is no fault by itself; one that decides the
    answer is: the network learned it instead of the thing, or beside it.

    Limits. Colour cannot be given to a grey picture, nor sharpness to a blurred one: of these only the other
    direction is tried. Two properties together are not. Ten pictures of a class are needed in each half.
    Found in tests: grey pictures of one class, JPEG's blocks in one class, an exposure that depends on the
    class.

    Remedy. Vary the property in training, or balance it over the classes.

    Source. Geirhos et al. 2020, Shortcut learning in deep neural networks (arXiv:2004.07780); Hanley & McNeil
    1982 on the area under the ROC curve.
    """

    limit: float = 0.2

    def interventions(self, case: Case) -> Sequence[Intervention]:
        return unanswered(self._asked(case), case.sample.outcomes)

    def interventions_at_most(self, images: int, model: ModelFacts) -> int:
        if images < 2 * FEWEST:
            return 0
        return SUSPECTS * min(SEARCHED, images // 2) + 2 * CONFIRMED * min(CONFIRMED_ON, images // 2)

    def without(self, case: Case, verdict: Verdict) -> Case:
        """The pictures answered with classes that the property does not tell."""
        worst = max(self._confirmed(case), key=lambda each: each[2].effect)[0]
        told = {link.k for link in self._links(case) if link.way.fact == worst.way.fact}
        kept = np.array([int(k) not in told for k in case.answers.answers], dtype=bool)
        return case.with_answers(case.answers.only(kept))

    def judge(self, case: Case) -> Verdict:
        if case.pictures is None or not len(case.pictures):
            return untested("the facts of the pictures are not in the evidence")
        tried = classes_tried(case)
        if not tried:
            return too_few()
        links, n = self._links(case), len(case.sampled.numbers)
        found = self._confirmed(case)
        if not found:
            return _none(len(tried), len(links), n)
        shown = shown_of([(suspect, each) for _, suspect, each in found], self.limit)
        link = next(link for link, suspect, _ in found if suspect is shown.suspect)
        images = self._changed(case, shown.suspect) if shown.bad else ()
        return shown.verdict(
            self._sentence(case, shown, link, len(links)),
            REMEDY,
            n,
            limit=self.limit,
            limit_reason=REASON,
            exhibits=Exhibits(images=images),
            explains=("place-shortcut", "map-clusters") if shown.bad else (),
            figures=self._figures(case, link, shown.suspect) if shown.bad else (),
        )

    def _figures(self, case: Case, link: Link, suspect: Suspect) -> tuple[Finding, ...]:
        """The experiment: the class's pictures; others, and these with the property of the class, and of a
        third class."""
        known, k, name = case.sample.outcomes, link.k, case.classes[link.k]
        every = pairs(case, k, False, CONFIRMED_ON)
        shown = turned_first(suspect, every, known)[:SHOWN]
        toned, third = (outcome(k, way(every), known) for way in (suspect.of_class, suspect.of_others))
        done = link.way.done
        steps = [
            Step("suspects", f"Answered {name}", [pair.by for pair in shown]),
            Step("before", "Answered otherwise", [pair.changed for pair in shown]),
            Step("toned", f"With {done}: {toned} answered {name}", suspect.of_class(shown)),
        ]
        title = f"With {link.way.held_against(every)}: {third}"
        steps.append(Step("control", title, suspect.of_others(shown)))
        return experiment(case, steps)

    def _asked(self, case: Case) -> Iterator[Intervention | None]:
        if case.pictures is None or not len(case.pictures):
            return
        searched = [(suspect, chosen) for _, suspect, chosen in self._searching(case)]
        for suspect, chosen in searched:
            yield from suspect.of_class(chosen)
        if unanswered((e for s, c in searched for e in s.of_class(c)), case.sample.outcomes):
            return
        for _, suspect in self._suspects(case):
            chosen = pairs(case, suspect.k, False, CONFIRMED_ON)
            yield from suspect.of_class(chosen)
            yield from suspect.of_others(chosen)

    def _links(self, case: Case) -> list[Link]:
        """The properties that tell a class of half A from the rest, the most telling first."""
        by_class, values = answers_of(case, True), _values(case)
        found = []
        for way in WAYS:
            for k in classes_tried(case):
                own = _known(values[way.fact], by_class[k])
                others = [number for c, numbers in by_class.items() if c != k for number in numbers]
                rest = _known(values[way.fact], others)
                if min(len(own), len(rest)) < FEWEST:
                    continue
                area = _area(own, rest)
                if max(area, 1 - area) >= TELLING:
                    found.append(Link(way, k, max(area, 1 - area), area < 0.5))
        found.sort(key=lambda link: -link.area)
        return found[:SUSPECTS]

    def _searching(self, case: Case) -> Iterator[tuple[Link, Suspect, list[Pair]]]:
        values = _values(case)
        for link in self._links(case):
            yield link, _suspect(link, values), pairs(case, link.k, True, SEARCHED)

    def _suspects(self, case: Case) -> list[tuple[Link, Suspect]]:
        """Those that most often made a picture follow on half A."""
        found = []
        for number, (link, suspect, chosen) in enumerate(self._searching(case)):
            own, n = share_of(link.k, suspect.of_class(chosen), case.sample.outcomes)
            if n >= FEWEST:
                found.append((-own / n, number, link, suspect))
        return [(link, suspect) for _, _, link, suspect in sorted(found, key=lambda e: e[:2])[:CONFIRMED]]

    def _confirmed(self, case: Case) -> list[tuple[Link, Suspect, Followed]]:
        found = []
        for link, suspect in self._suspects(case):
            each = followed(suspect, pairs(case, link.k, False, CONFIRMED_ON), case.sample.outcomes)
            if each is not None and each.n >= FEWEST:
                found.append((link, suspect, each))
        return found

    def _changed(self, case: Case, suspect: Suspect) -> tuple[int, ...]:
        """The pictures of half B that are answered with the class once they are toned."""
        known, chosen = case.sample.outcomes, pairs(case, suspect.k, False, CONFIRMED_ON)
        asked = suspect.of_class(chosen)
        return tuple(
            pair.changed
            for pair, each in zip(chosen, asked, strict=True)
            if each is not None and each.key in known and known[each.key].answer == suspect.k
        )

    def _sentence(self, case: Case, shown: Shown, link: Link, links: int) -> str:
        found = shown.effect
        name, (low, high) = case.classes[link.k], found.ends
        share = f"{percent(found.own / found.n)} of {counted(found.n, 'picture')} that are answered otherwise"
        if shown.bad:
            end = link.way.least if link.low else link.way.most
            text = (
                f"{name} can be told by a property alone: its pictures are the {end} (told from the rest in"
            )
            text += f" {percent(link.area, 0)} of pairs), and the answers follow it: with {link.way.done}"
            text += f" {share} are answered {name}"
            others = link.way.held_against(pairs(case, link.k, False, CONFIRMED_ON), several=True)
            text += f", with {others} {percent(found.others / found.n)}"
            return f"{text} (difference {interval(low, high)})."
        text = f"{counted(links, 'link')} of a property with a class"
        if shown.status == "clear":
            told = (
                f"Nothing found: of {text} none makes other pictures be answered with the class by more than"
            )
            told += f" {percent(self.limit, 0)}; at most {share}, {name} with {link.way.done}"
            return f"{told} {interval(low, high)}."
        ends = f"{share} {interval(low, high)}"
        return f"Whether one of {text} decides answers is open: {name} with {link.way.done}, {ends}."


def _none(classes: int, links: int, n: int) -> Verdict:
    """The verdict where nothing was confirmed: as no property goes with a class, or as of those that do too
    few pictures could be given it."""
    of = counted(classes, "class", "classes")
    if not links:
        text = f"Nothing found: no property that was looked at tells one of {of} from the rest of"
        return Verdict("clear", f"{text} {counted(n, 'image')}.", n=n, sample=n)
    text = f"Too few pictures could be given what tells one of {of} from the rest."
    return Verdict("undecided", text, n=n, sample=n, remedy=MORE)


def _suspect(link: Link, values: Mapping[str, Mapping[int, float]]) -> Suspect:
    known = values[link.way.fact]
    against = None if link.way.compared else link.way.against
    return Suspect(link.k, link.way.fact, partial(link.way.change, known), against)


def _values(case: Case) -> dict[str, dict[int, float]]:
    """The facts of all pictures by name and number; what is no JPEG has the best quality, where others are
    none of the best."""
    assert case.pictures is not None
    numbers = case.answers.numbers.tolist()
    found = {}
    for fact in dict.fromkeys(way.fact for way in WAYS):
        column = case.pictures.column(fact)
        column = np.where(column > 0, column, 100.0) if fact == "jpeg_quality" else column
        found[fact] = dict(zip(numbers, column.tolist(), strict=True))
    return found


def _known(values: Mapping[int, float], numbers: Sequence[int]) -> Array:
    own = np.array([values[number] for number in numbers], dtype=np.float64)
    return own[np.isfinite(own)]


def _area(own: Array, rest: Array) -> float:
    """The share of pairs in which the first has more, equal ones half: the area under the ROC curve."""
    order = np.sort(rest)
    below, upto = np.searchsorted(order, own, "left"), np.searchsorted(order, own, "right")
    return float((below + upto).mean() / (2 * len(rest)))
