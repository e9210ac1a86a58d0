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
LEAST_PX = 64  # of a side: in a shorter one no traces are looked for
TIMES = 2.0  # by how much the recipe has to enlarge a picture for it to be one
FOLLOWS = ("accuracy", "calibration", "abstention", "odd-images", "properties", "slices", "groups")
REMEDY = "Take the pictures at their own size from where they came, or train with enlarged ones."
OF_RECIPE = "Look whether the training enlarged its pictures as much; ask for larger ones if it did not."
TO_TELL = "Label more pictures of both kinds: images.labels."


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
    Where all pictures are enlarged alike there is no rest to tell by, and many networks are trained so: that
    is said, as undecided, and never a warning. So it is where enlarged pictures have no labels.

    Limits. Blurred pictures have no such trace, and are told by their sharpness (odd images). An enlargement
    by exactly two with bilinear, bicubic or Lanczos interpolation leaves none either, nor one of JPEG below
    quality 90 or so in most pictures; of JPEGs the periods of their blocks (2, 4, 8) are not looked for, and
    PNGs that were coarse JPEGs once may be taken for enlarged by 4. Found in nine photographs, of those three
    interpolations: by 1.5 in all nine, by 2 in none, by 2.5 in seven or eight, by 3 in eight, by 4 and 5 in
    six to eight; of nearest neighbours by 1.5 to 5 in all nine. None of the nine is taken for enlarged at its
    own size, blurred, or as JPEG of quality 40, 75 or 95. In pictures of less than 64 px a
    side no traces are looked for.

    Remedy. Take the pictures at their own size, or train with enlarged ones.

    Source. Gallagher 2005, Detection of Linear and Cubic Interpolation in JPEG Compressed Images; Mahdian &
    Saic 2008, Blind Authentication Using Periodic Properties of Interpolation; Newcombe 1998.
    """

    limit: float = 0.1

    def judge(self, case: Case) -> Verdict:
        pictures = case.pictures
        if pictures is None or not len(pictures) or "interpolated" not in pictures.fields:
            return untested("the facts of the pictures are not in the evidence")
        traced, times = pictures.column("interpolated") > 0, _times(case)
        enlarged = traced | (times >= TIMES)
        small = np.minimum(pictures.column("width"), pictures.column("height")) < LEAST_PX
        if small.all() and not enlarged.any():
            return untested(f"in pictures of less than {LEAST_PX} px a side no traces are looked for")
        part = self._part(case, enlarged)
        status = self._status(enlarged, part)
        bad, by_recipe = status in GRAVE, bool((times >= TIMES).sum() > traced.sum())
        low, high = part.ends if part else wilson(int(enlarged.sum()), len(enlarged))
        return Verdict(
            status=status,
            sentence=_sentence(case, enlarged, traced, times, part) + _of_small(int(small.sum())),
            effect=part.gap if part else float(enlarged.mean()),
            low=low,
            high=high,
            unit="points" if part else "share",
            limit=self.limit if part else None,
            limit_reason="one picture in ten more of that kind is answered wrong" if part else "",
            n=len(enlarged),
            remedy=_remedy(status, by_recipe, enlarged),
            exhibits=Exhibits(
                images=tuple(case.answers.numbers[enlarged].tolist()) if bad else (),
                settings=("model.preprocessing.resize",) if bad and by_recipe else (),
            ),
            figures=(_table(case, traced, times),) if enlarged.any() else (),
            explains=FOLLOWS if bad else (),
        )

    def without(self, case: Case, verdict: Verdict) -> Case:
        """The case without the enlarged pictures."""
        return case.with_answers(case.answers.only(~np.isin(case.answers.numbers, verdict.exhibits.images)))

    def _part(self, case: Case, enlarged: Array) -> Part | None:
        judged = case.answers.judged
        part = part_of("enlarged", case.answers.right[judged], enlarged[judged]) if judged.any() else None
        return part if part and min(part.count, part.others) >= FEWEST else None

    def _status(self, enlarged: Array, part: Part | None) -> Status:
        """By the answers, where there are both kinds. Without them a few enlarged pictures cannot matter, and
        of many nothing is known: a network that was trained with such ones loses nothing by them."""
        if part is not None:
            return judged_parts([part], self.limit).status
        few = enlarged.sum() < FEWEST and enlarged.mean() <= self.limit
        return "clear" if few else "undecided"


def _remedy(status: Status, by_recipe: bool, enlarged: Array) -> str:
    if status == "clear":
        return ""
    if status == "undecided" and (~enlarged).sum() >= FEWEST:
        return TO_TELL
    return OF_RECIPE if by_recipe else REMEDY


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
    return f"{text}; {part.words() if part else _untold(n - count)}."


def _of_small(count: int) -> str:
    """What was not looked at."""
    if not count:
        return ""
    told = counted(count, "picture has", "pictures have")
    return f" {told} less than {LEAST_PX} px a side: no traces are looked for there."


def _untold(others: int) -> str:
    """Why nothing is told by the answers."""
    if others < FEWEST:
        return "there is hardly another to hold them against, and a network that was trained so loses nothing"
    return "too few with a label to tell whether they are answered worse"


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
