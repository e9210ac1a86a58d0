"""Whether answers follow a place at the edge of the picture instead of what is in its middle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.checks import check
from reportgen.checks.case import Case, untested
from reportgen.checks.following import (
    FEWEST,
    Followed,
    Pair,
    Shown,
    Suspect,
    answers_of,
    classes_tried,
    control_words,
    elsewhere,
    followed,
    hits,
    judged_suspects,
    pairs,
    share_of,
    shown_of,
    too_few,
    turned_first,
    unanswered,
)
from reportgen.checks.intervention import Box, Fill, Intervention
from reportgen.checks.showing import SHOWN, Step, experiment, outcome
from reportgen.checks.words import counted, interval, percent
from reportgen.engine.needs import ModelFacts
from reportgen.findings import Exhibits, Finding, Verdict

SEARCHED, CONFIRMED_ON = 24, 90  # pictures that are changed on half A for a place and a class, and on half B
CONFIRMED = 3  # the worst of half A
NARROWED = 2  # how often a place is halved
STAYS = 0.8  # what a narrower place has to keep of the effect
PARTS = 3  # a place is a third of the side
STARTS = 4  # along each side
BORDERS = (16, 8)  # the border's width, as a part of the side
FILLS: tuple[Fill, ...] = ("mean", "blur")
REASON = "one picture in five is answered by a place that the thing is seldom at"
REMEDY = (
    "Look at that place in the training's pictures of the class: a mark, a frame, a background. Remove or"
    " vary it, and train again; until then do not rely on answers of this class."
)


@dataclass(frozen=True)
class Place:
    """A part of the input, in words: a box, or (`outside`) all but a box."""

    words: str
    box: Box
    outside: bool = False

    def pasted(self, changed: int, by: int) -> Intervention:
        """A picture with this part of another one."""
        return Intervention(changed, self.box, self.outside, source=by)

    def covered(self, number: int, fill: Fill) -> Intervention:
        """A picture without this part."""
        return Intervention(number, self.box, self.outside, fill=fill)

    def narrower(self) -> list[Place]:
        """Places of half the side in it, nine that overlap; none of a border or of a place of few pixels."""
        top, left, bottom, right = self.box
        height, width = (bottom - top) // 2, (right - left) // 2
        if self.outside or min(height, width) < 3:
            return []
        starts = [
            (top + row * (bottom - top - height) // 2, left + column * (right - left - width) // 2)
            for row in range(3)
            for column in range(3)
        ]
        return [Place(self.words, (y, x, y + height, x + width)) for y, x in starts]

    def size(self) -> str:
        """ "9×9 px", or how wide a border is."""
        top, left, bottom, right = self.box
        return f"{top} px" if self.outside else f"{right - left}×{bottom - top} px"


def places(height: int, width: int) -> list[Place]:
    """Twelve places around the middle, and two widths of border."""
    tall, wide = max(1, height // PARTS), max(1, width // PARTS)
    found = []
    for row in range(STARTS):
        for column in range(STARTS):
            if row in (0, STARTS - 1) or column in (0, STARTS - 1):
                top = row * (height - tall) // (STARTS - 1)
                left = column * (width - wide) // (STARTS - 1)
                found.append(Place(_where(row, column), (top, left, top + tall, left + wide)))
    for part in BORDERS:
        deep = max(1, round(min(height, width) / part))
        if 2 * deep < min(height, width):
            found.append(Place("the border", (deep, deep, height - deep, width - deep), outside=True))
    return found


def _elsewhere(case: Case, place: Place, chosen: Sequence[Pair]) -> list[Intervention | None]:
    """Pairs whose picture gets an equal part of the other from elsewhere; nothing of a border."""
    height, width = case.model.input_shape[1:]
    return [None if place.outside else elsewhere(pair, place.box, height, width) for pair in chosen]


def _where(row: int, column: int) -> str:
    last = STARTS - 1
    vertical = {0: "upper", last: "lower"}.get(row)
    horizontal = {0: "left", last: "right"}.get(column)
    if vertical and horizontal:
        return f"the {vertical} {horizontal} corner"
    return f"the {vertical or horizontal} edge"


@check("place-shortcut", group="shortcuts")
class PlaceShortcut:
    """Place shortcut: do answers follow a corner, an edge or the border of the picture?

    Measurement. For each class that is often answered, twelve places around the middle, a third of the side
    each, and borders of a sixteenth and an eighth of the side are cut out of pictures of the class and pasted
    into pictures that are answered otherwise, at the same place. The three that most often make a picture be
    answered with the class, on one half of the sample, are confirmed on the other: how often it happens, less
    how often the same place of a third class does it (of two classes: of another picture that is answered
    otherwise; paired, McNemar's test, Holm's correction). What holds
    is narrowed down, and covered in the class's own pictures, with the sample's mean and with blur.

    Reading. A class that a corner decides was learned from what stands there: a tag, a stamp, a frame, the
    ground that its pictures were taken on. Where the thing itself reaches to the edge, that may be right:
    look at the pictures.

    Limits. A mark that moves, or stands in the middle, is not seen here, nor one in few of a class's
    pictures. Ten pictures of a class are needed in each half; ten classes are tried. Found in tests: a square
    of 5 px in 48, in all, nine and seven tenths of a class, and frames. Two classes on grounds of their own
    were left open.

    Remedy. Look at that place in the training's pictures; remove or vary what stands there, and train again.

    Source. Lapuschkin et al. 2019, Unmasking Clever Hans predictors (the experiment, arXiv:1902.10178); Xiao
    et al. 2021, Noise or Signal (arXiv:2006.09994).
    """

    limit: float = 0.2

    def interventions(self, case: Case) -> Sequence[Intervention]:
        return unanswered(self._asked(case), case.sample.outcomes)

    def interventions_at_most(self, images: int, model: ModelFacts) -> int:
        classes = min(10, model.class_count, images // (2 * FEWEST))
        if classes < 1:
            return 0
        searched = len(places(*model.input_shape[1:])) * classes * min(SEARCHED, images // 2)
        confirmed = 2 * CONFIRMED * min(CONFIRMED_ON, images // 2)
        narrowed = NARROWED * 9 * SEARCHED
        return searched + confirmed + narrowed + (1 + len(FILLS)) * min(CONFIRMED_ON, images // 2)

    def without(self, case: Case, verdict: Verdict) -> Case:
        """The pictures that are answered otherwise."""
        shown = set(verdict.exhibits.images)
        kept = np.array([int(number) not in shown for number in case.answers.numbers], dtype=bool)
        return case.with_answers(case.answers.only(kept))

    def judge(self, case: Case) -> Verdict:
        tried = classes_tried(case)
        if not tried:
            return too_few()
        found = self._confirmed(case)
        if not found:
            return untested("no picture could be changed and answered")
        shown = shown_of([(suspect, each) for _, suspect, each in found], self.limit)
        place = next(place for place, suspect, _ in found if suspect is shown.suspect)
        images = self._shown(case, shown.suspect.k) if shown.bad else ()
        return shown.verdict(
            self._sentence(case, shown, place, len(tried)),
            REMEDY,
            len(case.sampled.numbers),
            limit=self.limit,
            limit_reason=REASON,
            exhibits=Exhibits(images=images),
            explains=("map-clusters", "trigger") if shown.bad else (),
            figures=self._figures(case, shown.suspect, place) if shown.bad else (),
        )

    def _asked(self, case: Case) -> Iterator[Intervention | None]:
        """All that is asked, as far as what is answered allows."""
        known = case.sample.outcomes
        for suspect, chosen in self._searching(case):
            yield from suspect.of_class(chosen)
        if unanswered(self._searched(case), known):
            return
        confirmed = self._suspects(case)
        for _, suspect in confirmed:
            chosen = pairs(case, suspect.k, False, CONFIRMED_ON)
            yield from suspect.of_class(chosen)
            yield from suspect.of_others(chosen)
        found = self._confirmed(case)
        if len(found) < len(confirmed):
            return
        _, worse = judged_suspects([(suspect, each) for _, suspect, each in found], self.limit)
        for suspect, _ in worse[:1]:
            place = next(place for place, each, _ in found if each is suspect)
            yield from self._narrowing(case, place, suspect)
            yield from _elsewhere(case, place, pairs(case, suspect.k, False, CONFIRMED_ON))
            for fill in FILLS:
                yield from (place.covered(number, fill) for number in self._own(case, suspect.k))

    def _searched(self, case: Case) -> Iterator[Intervention | None]:
        for suspect, chosen in self._searching(case):
            yield from suspect.of_class(chosen)

    def _searching(self, case: Case) -> Iterator[tuple[Suspect, list[Pair]]]:
        height, width = case.model.input_shape[1:]
        for k in classes_tried(case):
            chosen = pairs(case, k, True, SEARCHED)
            for place in places(height, width):
                yield Suspect(k, place.words, place.pasted), chosen

    def _suspects(self, case: Case) -> list[tuple[Place, Suspect]]:
        """The places and classes that most often made a picture follow on half A."""
        known, found = case.sample.outcomes, []
        height, width = case.model.input_shape[1:]
        every = places(height, width)
        for number, (suspect, chosen) in enumerate(self._searching(case)):
            own, n = share_of(suspect.k, suspect.of_class(chosen), known)
            if n:
                found.append((own / n, number, every[number % len(every)], suspect))
        found.sort(key=lambda each: (-each[0], each[1]))
        return [(place, suspect) for _, _, place, suspect in found[:CONFIRMED]]

    def _confirmed(self, case: Case) -> list[tuple[Place, Suspect, Followed]]:
        """The suspects of half A with what half B says of them."""
        found = []
        for place, suspect in self._suspects(case):
            each = followed(suspect, pairs(case, suspect.k, False, CONFIRMED_ON), case.sample.outcomes)
            if each is not None:
                found.append((place, suspect, each))
        return found

    def _narrowing(self, case: Case, place: Place, suspect: Suspect) -> Iterator[Intervention | None]:
        """The narrower places of half A that are tried, as far as what is answered allows."""
        chosen = pairs(case, suspect.k, True, SEARCHED)
        for _ in range(NARROWED):
            for narrow in place.narrower():
                yield from (narrow.pasted(pair.changed, pair.by) for pair in chosen)
            nearer = self._halved(case, place, suspect.k, chosen)
            if nearer is None:
                return
            place = nearer

    def _narrowed(self, case: Case, place: Place, suspect: Suspect) -> Place:
        """The narrowest place that keeps the effect."""
        chosen = pairs(case, suspect.k, True, SEARCHED)
        for _ in range(NARROWED):
            nearer = self._halved(case, place, suspect.k, chosen)
            if nearer is None:
                break
            place = nearer
        return place

    def _halved(self, case: Case, place: Place, k: int, chosen: Sequence[Pair]) -> Place | None:
        """The best of the narrower places, where it keeps most of what the whole one does."""
        known = case.sample.outcomes

        def share(of: Place) -> float:
            own, n = share_of(k, [of.pasted(pair.changed, pair.by) for pair in chosen], known)
            return own / n if n else 0.0

        narrower = place.narrower()
        best = max(narrower, key=share, default=None)
        return best if best is not None and share(best) >= STAYS * max(share(place), 1e-9) else None

    def _own(self, case: Case, k: int) -> list[int]:
        return answers_of(case, False).get(k, [])[:CONFIRMED_ON]

    def _shown(self, case: Case, k: int) -> tuple[int, ...]:
        answers = case.sampled
        return tuple(answers.numbers[answers.answers == k].tolist())

    def _kept(self, case: Case, place: Place, k: int) -> tuple[int, int]:
        """Of the class's own pictures of half B, how many keep the answer under one fill or the other."""
        own, known = self._own(case, k), case.sample.outcomes
        kept = [hits(k, [place.covered(number, fill) for number in own], known) for fill in FILLS]
        return int(np.any(kept, axis=0).sum()), len(own)

    def _figures(self, case: Case, suspect: Suspect, place: Place) -> tuple[Finding, ...]:
        """The experiment: the class's pictures and what is left without the place; others, and these with
        the place of the class, with that of a third class, and with an equal part from elsewhere."""
        known, k, name = case.sample.outcomes, suspect.k, case.classes[suspect.k]
        every = pairs(case, k, False, CONFIRMED_ON)
        shown = turned_first(suspect, every, known)[:SHOWN]
        others = [place.covered(number, "mean") for number in self._own(case, k)]
        ways = (suspect.of_class, suspect.of_others, lambda of: _elsewhere(case, place, of))
        pasted, third, moved = (outcome(k, way(every), known) for way in ways)
        where = place.words
        steps = [
            Step("suspects", f"Answered {name}", [pair.by for pair in shown]),
            Step(
                "covered",
                f"With {where} covered: {outcome(k, others, known)} still answered {name}",
                [place.covered(pair.by, "mean") for pair in shown],
            ),
            Step("before", "Answered otherwise", [pair.changed for pair in shown]),
            Step("pasted", f"With {where} of {name}: {pasted} answered {name}", suspect.of_class(shown)),
            Step("control", f"With that of {control_words(every)}: {third}", suspect.of_others(shown)),
        ]
        if not place.outside:
            title = f"With an equal part of {name} from elsewhere: {moved}"
            steps.append(Step("elsewhere", title, _elsewhere(case, place, shown)))
        return experiment(case, steps)

    def _sentence(self, case: Case, shown: Shown, place: Place, tried: int) -> str:
        found, k = shown.effect, shown.suspect.k
        name, (low, high) = case.classes[k], found.ends
        if shown.bad:
            kept, of = self._kept(case, place, k)
            narrow = self._narrowed(case, place, shown.suspect)
            what = f"{place.words} ({place.size()}{' wide' if place.outside else ''}"
            what += f", most of it on {narrow.size()})" if narrow != place else ")"
            text = f"{name} rests on {what}: pasted into {counted(found.n, 'picture')} that are answered"
            text += f" otherwise, it makes {percent(found.own / found.n)} of them {name}"
            others = control_words(pairs(case, k, False, CONFIRMED_ON), several=True)
            text += f", that of {others} {percent(found.others / found.n)}"
            text += f" (difference {interval(low, high)})"
            return f"{text}; with it covered {kept} of {of} pictures of {name} are still answered so."
        what = "twelve places around the middle and the border"
        most = f"{percent(found.own / found.n)} {interval(low, high)} of {counted(found.n, 'picture')}"
        if shown.status == "clear":
            text = f"Nothing found: of {counted(tried, 'class', 'classes')} and {what} none makes other"
            text += f" pictures be answered with its class by more than {percent(self.limit, 0)}"
            return f"{text}; at most {most}."
        return f"Whether a place at the edge decides an answer is open: {name} by {place.words}, {most}."
