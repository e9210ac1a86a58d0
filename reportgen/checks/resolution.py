"""Whether pictures were enlarged, in their files or by the recipe, and whether they are answered worse."""

from __future__ import annotations

import numpy as np

from reportgen.checks import check
from reportgen.checks.case import Case, untested
from reportgen.checks.parts import Part, judged_parts, part_of
from reportgen.checks.words import counted, interval, listed, percent
from reportgen.findings import GRAVE, Array, Exhibits, Status, Table, Verdict
from reportgen.stats import wilson

FEWEST = 5  # images of a kind that are held against the rest
TIMES = 2.0  # by how much the recipe has to enlarge a picture for it to be one
WORSE = 0.1
FOLLOWS = ("accuracy", "calibration", "abstention", "odd-images", "properties", "slices", "groups")
REMEDY = "Take the pictures at their own size from where they came, or train with enlarged ones."
OF_RECIPE = "Look whether the training enlarged its pictures as much; ask for larger ones if it did not."


@check("resolution", group="the images")
class Resolution:
    """Resolution: are pictures enlarged ones, and are they answered worse?

    Measurement. In the middle 256 pixels of every picture, as it is in its file, traces of an enlargement are
    looked for along both axes: rows and columns that repeat the one before, and a period in the second
    differences that stands ten times out of its neighbours, as interpolated values are predicted by the
    others at regular places. How much the recipe's resize enlarges a picture is known from its size; by two
    or more counts. Such pictures are held against the rest: the difference in accuracy with Newcombe's
    interval, by Fisher's test.

    Reading. An enlarged picture holds no more than the small one did, and looks like nothing that the network
    was trained to see, if that was trained on larger ones. Answered as well as the rest it is a note.
    Where most pictures are so there is no rest to tell by, and it is a warning.

    Limits. Blurred pictures have no such trace, and are told by their sharpness (odd images). An enlargement
    by exactly two with bilinear or bicubic interpolation leaves none either, nor one of JPEG below quality 90
    or so in most pictures; of JPEGs the periods of their blocks (2, 4, 8) are not looked for, and PNGs that
    were coarse JPEGs once may be taken for enlarged by 4. Found in nine photographs: nearest neighbours by
    1.5 to 5 in all, other interpolations by 1.5, 3 and 5 in eight or nine of ten, by 4 in two of three;
    none of them at its own size, blurred, or at JPEG quality 75.

    Remedy. Take the pictures at their own size, or train with enlarged ones.

    Source. Gallagher 2005, Detection of Linear and Cubic Interpolation in JPEG Compressed Images; Mahdian &
    Saic 2008, Blind Authentication Using Periodic Properties of Interpolation; Newcombe 1998.
    """

    limit: float = 0.5

    def judge(self, case: Case) -> Verdict:
        pictures = case.pictures
        if pictures is None or not len(pictures) or "interpolated" not in pictures.fields:
            return untested("the facts of the pictures are not in the evidence")
        traced, times = pictures.column("interpolated") > 0, _times(case)
        enlarged = traced | (times >= TIMES)
        part = self._part(case, enlarged)
        status = self._status(enlarged, part)
        bad = status in GRAVE
        share = float(enlarged.mean())
        low, high = part.ends if part else wilson(int(enlarged.sum()), len(enlarged))
        by_recipe = bool((times >= TIMES).sum() > traced.sum())
        return Verdict(
            status=status,
            sentence=_sentence(case, enlarged, traced, times, part),
            effect=part.gap if part else share,
            low=low,
            high=high,
            unit="points" if part else "share",
            limit=WORSE if part else self.limit,
            limit_reason="one picture in ten more of that kind is answered wrong"
            if part
            else "where most are enlarged there is hardly another to tell by",
            n=len(enlarged),
            remedy=(OF_RECIPE if by_recipe else REMEDY) if bad else "",
            exhibits=Exhibits(
                images=tuple(case.answers.numbers[enlarged].tolist()) if bad else (),
                settings=("model.preprocessing.resize",) if bad and by_recipe else (),
            ),
            figures=(_table(case, traced, times),) if enlarged.any() else (),
            explains=FOLLOWS if bad and part and not enlarged.all() else (),
        )

    def without(self, case: Case, verdict: Verdict) -> Case:
        """The case without the enlarged pictures."""
        return case.with_answers(case.answers.only(~np.isin(case.answers.numbers, verdict.exhibits.images)))

    def _part(self, case: Case, enlarged: Array) -> Part | None:
        judged = case.answers.judged
        part = part_of("enlarged", case.answers.right[judged], enlarged[judged]) if judged.any() else None
        return part if part and min(part.count, part.others) >= FEWEST else None

    def _status(self, enlarged: Array, part: Part | None) -> Status:
        """By the answers where there are both kinds; where most are enlarged, by their share."""
        if part is not None:
            found = judged_parts([part], WORSE).status
            if found != "undecided":
                return found
        if enlarged.mean() > self.limit:
            return "warning"
        return "undecided" if part is not None else "clear"


def _times(case: Case) -> Array:
    """By how much the recipe's resize enlarges each picture, (N,): 1 where it resizes nothing."""
    assert case.pictures is not None
    width, height = case.pictures.column("width"), case.pictures.column("height")
    resize = case.preprocessing.get("resize")
    if isinstance(resize, list | tuple):
        return np.asarray(np.minimum(resize[0] / np.maximum(height, 1), resize[1] / np.maximum(width, 1)))
    if resize:
        return np.asarray(resize / np.maximum(np.minimum(width, height), 1))
    return np.ones(len(width))


def _sentence(case: Case, enlarged: Array, traced: Array, times: Array, part: Part | None) -> str:
    count, n = int(enlarged.sum()), len(enlarged)
    if not count:
        return f"None of {counted(n, 'picture')} has a trace of an enlargement, or is enlarged by the recipe."
    how = []
    if traced.any():
        names = listed([case.answers.paths[k] for k in np.flatnonzero(traced)], 3)
        how.append(f"{int(traced.sum()):,} by the traces that it leaves ({names})")
    if (times >= TIMES).any():
        most = float(np.median(times[times >= TIMES]))
        how.append(f"{int((times >= TIMES).sum()):,} by the recipe's resize, {most:.3g} times")
    share = f"{percent(count / n)} {interval(*wilson(count, n))}"
    text = f"{counted(count, 'picture is', 'pictures are')} enlarged, {share}: {listed(how)}"
    return f"{text}; {part.words()}." if part else f"{text}."


def _table(case: Case, traced: Array, times: Array) -> Table:
    kinds = {"with traces in the file": traced, "enlarged by the recipe": times >= TIMES}
    kinds["at their own size"] = ~(traced | (times >= TIMES))
    right, judged = case.answers.right, case.answers.judged
    rows = tuple(
        (name, int(kind.sum()), f"{int((kind & right).sum())} of {int((kind & judged).sum())}")
        for name, kind in kinds.items()
        if kind.any()
    )
    return Table("kinds", "Pictures by their resolution", ("kind", "images", "right"), rows)
