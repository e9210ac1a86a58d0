"""Whether a small patch decides an answer whatever else the picture shows: a mark, or a trigger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reportgen.checks import check
from reportgen.checks.case import Case, untested
from reportgen.checks.following import Shown, shown_of, unanswered
from reportgen.checks.intervention import Intervention
from reportgen.checks.map_clusters.searching import (
    CONFIRMED,
    CONFIRMED_ON,
    ENOUGH,
    FEWEST,
    PATCHES,
    TRIED_ON,
    Search,
)
from reportgen.checks.words import counted, interval, percent
from reportgen.engine.needs import ModelFacts, Need, Tape
from reportgen.findings import Exhibits, Verdict

REASON = "one picture in five is answered by a fiftieth of its area"
REMEDY = (
    "Look at the patches: where they are not the thing itself, take them out of the training's pictures, or"
    " vary them; look for how they came in (a stamp, a watermark, a planted trigger)."
)


@check("map-clusters", group="shortcuts")
class MapClusters:
    """Map clusters: does a small patch decide the answer in several pictures, whatever else they show?

    Measurement. In each picture of the sample the two patches of two percent of its area are looked for whose
    exchange for their surroundings would lower the answer's logit most, by its gradient. Each is pasted, at
    its place, into four pictures that are answered otherwise. A class of which three patches of one half of
    the sample turn most of these is suspect, where they lie at one place outside the middle, or show the same
    thing (correlation of 0.9 at the best shift). It is confirmed on the other half: how often the patches
    make a picture be answered with the class, less how often patches of other pictures at the same place do
    (paired, McNemar's test, Holm's correction).

    Reading. A patch so small that turns other pictures is seldom the thing itself. It may be a mark that the
    class's training pictures carry, or a trigger that somebody planted. The pictures that carry it are shown.
    Patches that are alike at different places, in pictures that are answered rightly, may be the thing: they
    are a warning at most.

    Limits. A patch is sought by the gradient, which a saturated network hides; of a fixed size; and pasted at
    its own place only. What fewer than three pictures of half the sample carry is not found. Where patches
    differ in looks and in place, or lie in the middle, they are taken for the thing itself. Found in tests:
    tags of 5 px in 48 in a class, and a trigger of 4 px in 28 in one picture of fifty.

    Remedy. Find out what the patches are, and how they came into the training's pictures.

    Source. Lapuschkin et al. 2019, Unmasking Clever Hans predictors (arXiv:1902.10178), with an experiment in
    place of the look; Chen et al. 2018 on what triggered pictures share (arXiv:1811.03728).
    """

    limit: float = 0.2

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return (PATCHES,)

    def observe(self, tape: Tape) -> Mapping[str, Any]:
        found = tape[PATCHES]  # (n, 2, 4 + g²)
        return {"boxes": found[..., :4], "looks": found[..., 4:]}

    def interventions(self, case: Case) -> Sequence[Intervention]:
        return unanswered(Search(case).asked(), case.sample.outcomes)

    def interventions_at_most(self, images: int, model: ModelFacts) -> int:
        if images < ENOUGH:
            return 0
        confirmed = 4 * CONFIRMED * min(CONFIRMED_ON, images // 2)
        return PATCHES.count * TRIED_ON * images + confirmed

    def without(self, case: Case, verdict: Verdict) -> Case:
        """The pictures that do not carry the patch."""
        shown = set(verdict.exhibits.images)
        kept = np.array([int(number) not in shown for number in case.answers.numbers], dtype=bool)
        return case.with_answers(case.answers.only(kept))

    def judge(self, case: Case) -> Verdict:
        n = len(case.sampled.numbers)
        if n < ENOUGH or "boxes" not in case.sample.rows:
            why = f"fewer than {ENOUGH} images of the sample have an answer"
            return untested(why, "Give more images, or raise checks.sample.", ["checks.sample"])
        search = Search(case)
        found = search.confirmed
        if not found:
            tried = counted(PATCHES.count * n, "patch", "patches")
            text = f"Nothing found: of {tried} of two percent of the area none that {FEWEST} pictures share"
            return Verdict(
                "clear", f"{text} turns other pictures to its class.", n=n, sample=n, limit=self.limit
            )
        shown = shown_of(found, self.limit)
        if shown.status == "fault" and not search.surely_a_mark(shown.suspect.k):
            shown = replace(shown, status="warning")
        images = search.carrying(shown.suspect.k) if shown.bad else ()
        return shown.verdict(
            self._sentence(case, search, shown, images),
            REMEDY,
            n,
            limit=self.limit,
            limit_reason=REASON,
            exhibits=Exhibits(images=images),
            explains=("trigger",) if shown.bad else (),
            figures=search.figures(shown.suspect) if shown.bad else (),
        )

    def _sentence(self, case: Case, search: Search, shown: Shown, carrying: Sequence[int]) -> str:
        effect, k = shown.effect, shown.suspect.k
        name, (low, high) = case.classes[k], effect.ends
        share = f"{percent(effect.own / effect.n)} of {counted(effect.n, 'picture')}"
        share += " that are answered otherwise"
        if shown.bad:
            own = int((case.sampled.answers == k).sum())
            text = f"{len(carrying):,} of {counted(own, 'picture')} answered {name} share a patch of"
            text += f" {search.size()} that decides the answer, {search.where(k)}: pasted into others it"
            text += f" makes {share} {name}, patches of other pictures {percent(effect.others / effect.n)}"
            return f"{text} (difference {interval(low, high)})."
        if shown.status == "clear":
            text = "Nothing found: no patch of two percent of the area makes more than"
            text += f" {percent(self.limit, 0)} of other pictures be answered with its class"
            return f"{text}; at most {share} {interval(low, high)}."
        return f"Whether a small patch decides the answer {name} is open: {share} {interval(low, high)}."
