"""Whether the images reach the network as its training gave them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reportgen.checks import check
from reportgen.checks.answering import answered_instead
from reportgen.checks.case import OF_ANSWERS, Answers, Case, View, untested
from reportgen.checks.preprocessing.alternatives import alternatives
from reportgen.checks.preprocessing.telling import figures_of, sentence, surer_in_words
from reportgen.checks.preprocessing.trying import (
    Found,
    Tried,
    first_half,
    for_a_class,
    for_a_part,
    for_all,
    highest,
    open_ways,
    surer,
    tried,
)
from reportgen.checks.words import counted, rounded_up
from reportgen.engine.needs import ModelFacts
from reportgen.findings import Exhibits, Verdict

FOLLOWS = (*OF_ANSWERS, "input-statistics")
REASON = "two answers in a hundred would be right by another setting"
SURER = 0.05


@check("preprocessing", group="the preprocessing")
class Preprocessing:
    """Preprocessing: would the answers be better if the images were prepared in another way?

    Measurement. The sample is answered again under alternatives, one at a time: mean and deviation none,
    one half, one half and a quarter, ImageNet's, the images' own, values from 0 to 255; red and blue
    exchanged; inverted; turned by 90, 180 and 270 degrees; squashed, cropped, padded; other interpolations.
    On one half of the images the best is searched, on the other it is confirmed: the gain in accuracy with
    its 95 % interval for the same images (McNemar's test, Holm's correction). The same for each class by
    itself, and for the wrong answers, where only a part of the images is prepared in another way. What the
    first half excludes, or a hundred of its images, is not asked of more.

    Reading. A network that answers better by another setting was trained with that one: mend the recipe
    before anything else is read. A class that is right only when turned lies on its side.

    Limits. Two wrong settings at once are found only where mending one of them helps. Quarter turns are
    tried of square inputs, after the crop. Without labels only the confidence is compared, of ways that
    leave the scale: at most a warning. Found in tests of 200 to 300 digits: a class of 30 on its side among
    ten, a sixth of all images on their side, a crop that loses half of each image.

    Remedy. Set the keys of model.preprocessing as the training had them.

    Source. McNemar 1947; Holm 1979; Agresti & Min 2005 for the interval.
    """

    limit: float = 0.02
    class_limit: float = 0.1

    def views(self, model: ModelFacts) -> Sequence[View]:
        return [way.view for way in alternatives(model)]

    def promising(self, case: Case) -> frozenset[str]:
        """The names of the views that half A, or what is known of it, leaves open."""
        return open_ways(tried(case), case.sampled, first_half(case), self.limit)

    def judge(self, case: Case) -> Verdict:
        ways, answers = tried(case), case.sampled
        if not ways:
            return untested("no other preprocessing could be tried")
        if not answers.judged.any():
            return self._unlabelled(case, ways)
        found = self._found(case, ways)
        return self._none(ways, answers) if found is None else self._better(case, found, ways)

    def without(self, case: Case, verdict: Verdict) -> Case:
        """The sample as it is answered by the better way."""
        found = self._found(case, tried(case))
        if found is None:
            return case
        mended = answered_instead(case, case.sample.views[found.tried.way.view.name], found.where)
        return replace(mended, preprocessing={**case.preprocessing, "mended": found.tried.way.view.name})

    def _found(self, case: Case, ways: Sequence[Tried]) -> Found | None:
        answers, first = case.sampled, first_half(case)
        return (
            for_all(ways, answers, first, self.limit)
            or for_a_class(ways, answers, first, self.class_limit)
            or for_a_part(ways, answers, first, self.limit)
        )

    def _better(self, case: Case, found: Found, ways: Sequence[Tried]) -> Verdict:
        answers = case.sampled
        limit = self.class_limit if found.kind == "class" else self.limit
        better = found.where & ~answers.right & found.tried.right(answers.labels)
        return Verdict(
            status="fault" if found.low > limit else "warning",
            sentence=sentence(case, found),
            effect=found.gain,
            low=found.low,
            high=found.high,
            unit="points",
            limit=limit,
            limit_reason=REASON if found.kind != "class" else "a tenth of a class's images",
            n=found.n,
            sample=len(answers.numbers),
            remedy=found.tried.way.remedy,
            exhibits=Exhibits(images=tuple(answers.numbers[better].tolist()), settings=found.tried.way.keys),
            figures=figures_of(ways, answers),
            explains=FOLLOWS,
        )

    def _none(self, ways: Sequence[Tried], answers: Answers) -> Verdict:
        high, seen = highest(ways, answers)
        n = int(answers.judged.sum())
        clear = high <= self.limit
        tries = f"None of {len(ways)} other ways to prepare the images answers more of"
        tries += f" {counted(n, 'image')} right"
        text = f"{tries}: at most {100 * max(high, 0):.1f} points."
        if not clear:
            text = f"{tries} for sure, but up to {100 * high:.1f} points more are not excluded."
        more = ""
        if not clear and seen < self.limit:
            need = rounded_up(n * ((high - seen) / (self.limit - seen)) ** 2)
            more = f"About {need:,} labelled images would decide it: label more, or raise checks.sample."
        return Verdict(
            status="clear" if clear else "undecided",
            sentence=text,
            effect=seen,
            high=high,
            unit="points",
            limit=self.limit,
            limit_reason=REASON,
            n=n,
            sample=len(answers.numbers),
            remedy=more,
            figures=figures_of(ways, answers),
        )

    def _unlabelled(self, case: Case, ways: Sequence[Tried]) -> Verdict:
        answers = case.sampled
        found = surer(ways, answers, first_half(case), SURER)
        if found is None:
            return _open(len(ways), len(answers.numbers))
        return Verdict(
            status="warning",
            sentence=surer_in_words(answers, found),
            effect=found.gain,
            low=found.low,
            high=found.high,
            unit="confidence",
            limit=SURER,
            limit_reason="less than that is seen between settings that are as good",
            n=found.n,
            sample=len(answers.numbers),
            remedy=f"{found.tried.way.remedy} Label some of the images to be sure.",
            exhibits=Exhibits(settings=found.tried.way.keys),
        )


def _open(ways: int, n: int) -> Verdict:
    """The verdict without labels where nothing was seen."""
    text = f"Without labels: none of {ways} other ways makes the answers much surer, which decides little."
    remedy = "Label some of the images: 100 may decide it."
    shown = Exhibits(settings=("images.labels",))
    return Verdict("undecided", text, n=n, sample=n, remedy=remedy, exhibits=shown)
