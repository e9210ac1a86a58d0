"""Whether answers get worse along a property of the pictures."""

from __future__ import annotations

import numpy as np

from reportgen.checks import check
from reportgen.checks.case import Case, Pictures, unjudged, untested
from reportgen.checks.parts import Part, halves, judged_parts, part_of
from reportgen.checks.words import counted, points, rounded_up
from reportgen.findings import GRAVE, Array, Curve, Exhibits, Verdict
from reportgen.stats import wilson

FEWEST = 25  # images of the worst fifth on the half that confirms
CONFIRMED = 3  # what is searched on one half and held against the other
FIFTHS = 5
REMEDY = "Train with more such pictures, or state that it is not meant for them."
PROPERTIES = {  # what a sentence calls the least and the most of it
    "luminance": ("darkest", "brightest"),
    "contrast": ("lowest in contrast", "highest in contrast"),
    "saturation": ("least saturated", "most saturated"),
    "sharpness": ("least sharp", "sharpest"),
    "area": ("smallest", "largest"),
    "aspect": ("narrowest", "widest"),
    "jpeg_quality": ("most compressed", "least compressed"),
}


@check("properties", group="the answers")
class Properties:
    """Properties: do answers get worse as pictures get darker, flatter, paler, less sharp or smaller?

    Measurement. The pictures are put in order of luminance, contrast, saturation, sharpness (variance of the
    Laplacian), area, aspect and JPEG quality. On one half of the labelled images the ends, a fifth each, are
    searched for those that are answered worst; the three worst are held against the rest on the other half:
    the difference with Newcombe's interval, by Fisher's exact test corrected for three (Holm).

    Reading. An end that is answered worse is a limit of use: dark pictures, say. The curve shows where it
    begins. The property need not be the cause: one class may be darker than the others, and weak.

    Limits. It sees what goes along with one property, not with two together. A gap of 25 points in the worst
    fifth of 600 images was found in nearly all draws, one of 15 points of 1,500 in most.

    Remedy. Train with more such pictures, or state that the model is not meant for them.

    Source. Newcombe 1998; Holm 1979; Pech-Pacheco et al. 2000 on the variance of the Laplacian.
    """

    limit: float = 0.1

    def judge(self, case: Case) -> Verdict:
        if case.pictures is None or not len(case.pictures):
            return untested("the facts of the pictures are not in the evidence")
        judged = case.answers.judged
        if not judged.any():
            return unjudged(case.answers)
        search, confirm = halves(case, judged)
        ends = _ends(case.pictures, judged)
        if not ends:
            return Verdict(
                "clear", "The pictures are alike in all properties that were looked at.", n=int(judged.sum())
            )
        found = self._confirmed(case, ends, search, confirm)
        if not found:
            few = counted(int(judged.sum()), "labelled image")
            text = f"{few} are too few to search on one half and confirm"
            more = f"Label more images: {2 * FIFTHS * FEWEST:,} at least."
            return Verdict("undecided", f"{text} on the other.", n=int(judged.sum()), remedy=more)
        return self._verdict(case, ends, found, len(ends), judged)

    def _confirmed(
        self, case: Case, ends: dict[tuple[str, str], Array], search: Array, confirm: Array
    ) -> dict[tuple[str, str], Part]:
        """The ends that are worst on one half, as parts of the other half."""
        right = case.answers.right
        on_a = {key: part_of("", right[search], member[search]) for key, member in ends.items()}
        order = sorted((key for key in on_a if on_a[key]), key=lambda key: -_gap(on_a[key]))
        found = {}
        for key in order[:CONFIRMED]:
            part = part_of(f"the {key[1]} fifth", right[confirm], ends[key][confirm])
            if part and part.count >= FEWEST and part.others >= FEWEST:
                found[key] = part
        return found

    def _verdict(
        self,
        case: Case,
        ends: dict[tuple[str, str], Array],
        parts: dict[tuple[str, str], Part],
        tried: int,
        judged: Array,
    ) -> Verdict:
        found = judged_parts(list(parts.values()), self.limit)
        worst, bad = found.largest, found.status in GRAVE
        key = next(key for key, part in parts.items() if part is worst)
        low, high = worst.ends
        wrong = ends[key] & judged & ~case.answers.right
        assert case.pictures is not None
        return Verdict(
            status=found.status,
            sentence=self._sentence(found.worse, worst, found.status, tried),
            effect=worst.gap,
            low=low,
            high=high,
            unit="points",
            limit=self.limit,
            limit_reason="one picture in ten more of that kind is answered wrong",
            n=worst.count + worst.others,
            remedy=REMEDY if bad else _more(worst, self.limit) if found.status == "undecided" else "",
            exhibits=Exhibits(images=tuple(case.answers.numbers[wrong].tolist()) if bad else ()),
            figures=(_curve(key[0], _columns(case.pictures)[key[0]][judged], case.answers.right[judged]),),
        )

    def _sentence(self, worse: tuple[Part, ...], worst: Part, status: str, tried: int) -> str:
        told_on = f"of the {worst.count + worst.others:,} images held back for this test"
        if worse:
            return f"Of {worst.name} of the pictures ({worst.count:,} {told_on}) {worst.words()}."
        what = f"{100 * self.limit:.0f} points worse than the rest"
        low, high = worst.ends
        ends = f"{worst.name} {points(worst.gap)} [{points(low)} to {points(high)}] {told_on}"
        if status == "clear":
            return (
                f"None of {tried} ends of brightness, contrast, sharpness and size is {what}: at most {ends}."
            )
        return f"Whether an end of brightness, contrast, sharpness or size is {what} is open: {ends}."


def _gap(part: Part | None) -> float:
    return part.gap if part else 0.0


def _columns(pictures: Pictures) -> dict[str, Array]:
    """The properties (N,) by name; NaN where a picture has none."""
    width, height = pictures.column("width"), pictures.column("height")
    quality = pictures.column("jpeg_quality")
    known = {name: pictures.column(name) for name in ("luminance", "contrast", "saturation", "sharpness")}
    return {
        **known,
        "area": width * height,
        "aspect": width / np.maximum(height, 1),
        "jpeg_quality": np.where(quality > 0, quality, np.nan),
    }


def _ends(pictures: Pictures, judged: Array) -> dict[tuple[str, str], Array]:
    """The lowest and the highest fifth of the judged images (N,) along each property, by (property, words);
    only of one that differs enough for a fifth to be told apart."""
    found: dict[tuple[str, str], Array] = {}
    for name, values in _columns(pictures).items():
        usable = judged & np.isfinite(values)
        if not usable.any():
            continue
        low, high = np.quantile(values[usable], [1 / FIFTHS, 1 - 1 / FIFTHS])
        for words, member in zip(PROPERTIES[name], (values <= low, values >= high), strict=True):
            member = member & usable
            if 0.1 <= member.sum() / judged.sum() <= 0.3:
                found[name, words] = member
    return found


def _more(worst: Part, limit: float) -> str:
    distance = max(0.02, abs(limit - worst.gap))
    times = max(1.5, ((worst.ends[1] - worst.gap) / distance) ** 2)
    n = rounded_up(2 * (worst.count + worst.others) * times)
    return f"Label more images: about {n:,} in all may decide it."


def _curve(name: str, values: Array, right: Array) -> Curve:
    """The share right over ten parts of equally many images along a property, with its interval."""
    known = np.isfinite(values)
    order = np.argsort(values[known], kind="stable")
    bins = np.array_split(order, min(10, len(order)))
    shares = [wilson(int(right[known][part].sum()), len(part)) for part in bins]
    mean = np.array([right[known][part].mean() for part in bins])
    return Curve(
        "along",
        f"Answers along {name.replace('_', ' ')}",
        mean[None],
        np.array([np.median(values[known][part]) for part in bins]),
        ("share right",),
        name.replace("_", " "),
        "share right",
        np.array(shares).T,
        (0.0, 1.0),
    )
