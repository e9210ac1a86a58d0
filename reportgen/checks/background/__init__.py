"""Whether answers rest on what lies around the thing instead of on the thing itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from reportgen.checks import check
from reportgen.checks.background.figures import figures_of
from reportgen.checks.background.searching import (
    ALL,
    CONFIRMED,
    CONFIRMED_ON,
    FILLS,
    SEARCHED,
    Search,
    kind_of,
)
from reportgen.checks.case import Case, untested
from reportgen.checks.following import FEWEST, MOST_CLASSES, Shown, unanswered
from reportgen.checks.intervention import Intervention
from reportgen.checks.words import counted, interval, percent
from reportgen.engine.needs import ModelFacts
from reportgen.findings import Exhibits, Number, Verdict
from reportgen.stats import wilson

KEYS = ["images.masks", "images.parts"]
REASON = "one picture in five is answered by what lies around the thing"
REMEDY = (
    "Train with the thing before other backgrounds: cut it out and paste it, or gather pictures of the class"
    " taken elsewhere; until then do not rely on answers to pictures from new places."
)


@check("background", group="shortcuts", things=True)
class Background:
    """Background: do answers rest on what lies around the thing instead of on the thing?

    Measurement. Where masks or boxes say where the thing is, things are put before the backgrounds of other
    pictures, where the place of their own thing is filled from what is around it. A class draws things in
    where those of other classes are answered with it before its backgrounds, less how often they are before
    the backgrounds of a third class. Its background is missed where its own things are answered rightly
    before another background of the class, and not before one of another class; over all classes this
    difference is the background gap. Classes are searched on one half of the sample, and the worst two of
    each kind, and the gap, confirmed on the other (paired, McNemar's test, Holm's correction). The pictures
    of a class that fails are answered from the thing alone and from the background alone, the rest filled
    with the sample's mean and with a blur of what is left: what is said holds for both fills.

    Reading. Things are cut out and pasted alike before all backgrounds, so the difference is what the kind of
    background does. A class that is told by its background fails where the thing stands elsewhere.

    Limits. A box holds a little background itself, which hides a part of the effect; parts that are not the
    whole thing, such as eyes, leave the rest of it in the background, so that by boxes alone a finding is a
    warning at most. Ten pictures of a class with a mask or
    a box are needed in each half. Without labels the classes are those that are answered, and a finding is a
    warning at most. Found in tests: two of six classes on grounds of their own, in all and in seven tenths of
    their pictures.

    Remedy. Train with the thing before other backgrounds.

    Source. Xiao et al. 2021, Noise or Signal (arXiv:2006.09994): mixed-same, mixed-rand, only-foreground and
    only-background, and the background gap.
    """

    limit: float = 0.2

    numbers: ClassVar[Mapping[str, str]] = {
        "gap": "share of things answered rightly before a background of their class, less before another one"
    }

    def interventions(self, case: Case) -> Sequence[Intervention]:
        return unanswered(Search(case, self.limit).asked(), case.sample.outcomes)

    def interventions_at_most(self, images: int, model: ModelFacts) -> int:
        half, classes = images // 2, min(MOST_CLASSES, model.class_count, images // (2 * FEWEST))
        if classes < 2:
            return 0
        searched = 3 * classes * min(SEARCHED, half)
        confirmed = 2 * (2 * CONFIRMED + 1) * min(CONFIRMED_ON, half)
        return searched + confirmed + 2 * len(FILLS) * min(CONFIRMED_ON, half)

    def judge(self, case: Case) -> Verdict:
        if not case.things:
            return untested(
                "nothing says where the thing is in the pictures",
                "Give a mask an image, images.masks: FOLDER, or boxes, images.parts: FILE.csv.",
                KEYS,
            )
        search = Search(case, self.limit)
        if not search.confirmed:
            why = f"no two classes have {FEWEST} images with a mask or a box in each half of the sample"
            return untested(why, "Give masks or boxes of more images, or raise checks.sample.", KEYS)
        shown = search.shown
        if shown.status == "fault" and not (search.labelled and case.outlined):
            shown = replace(shown, status="warning")
        images = search.failing(shown.suspect) if shown.bad else ()
        return shown.verdict(
            _sentence(case, search, shown, self.limit),
            REMEDY,
            len(case.sampled.numbers),
            limit=self.limit,
            limit_reason=REASON,
            exhibits=Exhibits(images=images),
            explains=("map-clusters",) if shown.status == "fault" else (),
            figures=figures_of(search, shown.suspect) if shown.bad else (),
            numbers=_numbers(search),
        )


def _numbers(search: Search) -> dict[str, Number]:
    """The background gap over all classes."""
    for suspect, effect in search.confirmed:
        if kind_of(suspect) == "gap":
            return {"gap": Number(effect.effect, *effect.ends)}
    return {}


def _sentence(case: Case, search: Search, shown: Shown, limit: float) -> str:
    what, k = _experiment(case, search, shown), shown.suspect.k
    name = "all classes" if k == ALL else case.classes[k]
    if shown.bad:
        text = f"{'Answers rest' if k == ALL else f'{name} rests'} on what lies around the thing: {what}"
        (thing, of), (ground, of_ground) = search.kept(k, True), search.kept(k, False)
        if of and of_ground:
            text += f"; of {'all' if k == ALL else name} itself {percent(ground / of_ground)}"
            text += f" {interval(*wilson(ground, of_ground))} are known by the background alone,"
            text += f" {percent(thing / of)} {interval(*wilson(thing, of))} by the thing alone"
        return f"{text}."
    if shown.status == "clear":
        text = f"Nothing found: in {counted(len(search.classes), 'class', 'classes')} the background decides"
        return f"{text} no more than {percent(limit, 0)} of the answers; at most: {what}."
    return f"Whether the background decides the answers of {name} is open: {what}."


def _experiment(case: Case, search: Search, shown: Shown) -> str:
    """The experiment that a suspect stands for, with its numbers."""
    effect, k = shown.effect, shown.suspect.k
    own, others, n = percent(effect.own / effect.n), percent(effect.others / effect.n), effect.n
    gap = f"(difference {interval(*effect.ends)})"
    if kind_of(shown.suspect) == "draws":
        name = case.classes[k]
        text = f"before backgrounds of {name} {own} of {counted(n, 'picture')} of other things are answered"
        return f"{text} {name}, before those of other classes {others} {gap}"
    right = "answered rightly" if search.labelled else "answered as before"
    whose = "their own class" if k == ALL else case.classes[k]
    things = "things" if k == ALL else f"things of {case.classes[k]}"
    text = f"before other backgrounds of {whose} {own} of {counted(n, 'picture')} of {things} are {right}"
    return f"{text}, before those of other classes {others} {gap}"
