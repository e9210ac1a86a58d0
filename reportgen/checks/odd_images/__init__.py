"""Whether some pictures are unlike the rest, and whether they are answered worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reportgen.checks import check
from reportgen.checks.case import Case, untested
from reportgen.checks.odd_images.kinds import kinds_of
from reportgen.checks.parts import Part, Worst, judged_parts, part_of
from reportgen.checks.showing import pictures_of
from reportgen.checks.unlike import FEWEST as FEWEST_COMPARED
from reportgen.checks.unlike import unlike_the_rest
from reportgen.checks.words import counted, listed
from reportgen.engine.needs import Features, ModelFacts, Need, Tape
from reportgen.findings import GRAVE, Array, Exhibits, Gallery, Status, Table, Verdict

FEWEST = 5  # images of a kind that are held against the rest
NAMED = 3
FOLLOWS = (
    *("accuracy", "calibration", "label-noise", "abstention", "properties", "slices", "groups"),
    "duplicates",  # blank pictures are alike
)
SHOWN = 12
FAR_SHARE = 0.01  # of the sample, from which pictures unlike the rest are likely no accident
REMEDY = "Look at the named images: take out what is not meant for the model, or train with such pictures."
REMEDY_BLANK = "Take the blank pictures out, and look how they came about: no answer to them means anything."


@check("odd-images", group="the images", any_head=True)
class OddImages:
    """Odd images: are some pictures unlike the rest, and are they answered worse?

    Measurement. Blank pictures (one value in all pixels) are counted. Of format, mode, colour, EXIF
    orientation, standing or lying shape, size, luminance, contrast, saturation, sharpness (variance of the
    Laplacian) and JPEG quality a minority that differs, at most a fifth, is held against the rest: the
    difference in accuracy with Newcombe's interval, by Fisher's test corrected for all kinds (Holm). On the
    sample, pictures are named whose penultimate features lie far from all others', by the distance to the
    n/15-th nearest, so that a few strangers do not vouch for one another, or are as weak as no other's.

    Reading. A kind of picture that is answered as well as the rest is a note. One that is answered worse is a
    fault of the set, or a limit of the model. What lies far from the rest may not be of this task at all.

    Limits. A kind of fewer than 5 pictures is named and not judged. Features show what the network tells
    apart: pictures that it takes for usual ones are not found. Strangers that are more than a fifteenth of
    the sample vouch for one another. Of 500 digits, 5 % blank, blurred, darkened or replaced by photographs
    were a fault, and a single blank one a warning.

    Remedy. Take out pictures that are not meant for the model; train with those that are.

    Source. Sun et al. 2022, Out-of-Distribution Detection with Deep Nearest Neighbors (arXiv:2204.06507);
    Dhamija et al. 2018, Reducing Network Agnostophobia (arXiv:1811.04110); Newcombe 1998; Holm 1979.
    """

    limit: float = 0.1

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return (Features(),)

    def observe(self, tape: Tape) -> Mapping[str, Any]:
        return {"features": tape[Features()]}  # (n, F)

    def judge(self, case: Case) -> Verdict:
        pictures = case.pictures
        if pictures is None or not len(pictures):
            return untested("the facts of the pictures are not in the evidence")
        kinds = kinds_of(pictures)
        blank = kinds.pop("blank (one value in all pixels)", np.zeros(len(pictures), dtype=bool))
        far = self._far(case)
        asked = {"unlike the rest by their features": far, **kinds} if far.any() else kinds
        parts = self._parts(case, {"blank": blank, **asked})
        found = judged_parts(list(parts.values()), self.limit) if parts else None
        status = self._status(case, found, parts, blank, far)
        return self._verdict(case, status, found, parts, blank, asked)

    def _status(
        self, case: Case, found: Worst | None, parts: Mapping[str, Part], blank: Array, far: Array
    ) -> Status:
        """A blank picture is a warning unless such ones are answered as well as others; without labels so are
        pictures far from the rest where they are many."""
        if found and found.status in GRAVE:
            return found.status
        vouched = "blank" in parts and parts["blank"].gap <= 0 and parts["blank"].count >= FEWEST
        if blank.any() and not vouched:
            return "warning"
        if far.sum() > FAR_SHARE * max(1, len(case.sample.numbers)) and not case.answers.judged.any():
            return "warning"
        return found.status if found else "clear"

    def _parts(self, case: Case, kinds: Mapping[str, Array]) -> dict[str, Part]:
        """Each kind of at least a few judged pictures, against the rest."""
        judged, right = case.answers.judged, case.answers.right
        found = {}
        for name, member in kinds.items():
            part = part_of(name, right[judged], member[judged])
            if part and part.count >= FEWEST:
                found[name] = part
        return found

    def _far(self, case: Case) -> Array:
        """Which images (N,) of the sample have features far from all others."""
        rows = case.sample.rows.get("features")
        numbers = case.sample.numbers[unlike_the_rest(rows)] if rows is not None else case.sample.numbers[:0]
        return np.isin(case.answers.numbers, numbers)

    def _verdict(
        self,
        case: Case,
        status: Status,
        found: Worst | None,
        parts: Mapping[str, Part],
        blank: Array,
        kinds: Mapping[str, Array],
    ) -> Verdict:
        worse = found.worse if found and found.status in GRAVE else ()
        shown = np.zeros(len(blank), dtype=bool) | blank
        for part in worse:
            shown |= kinds.get(part.name, blank)
        if not worse and not blank.any():
            shown = kinds.get("unlike the rest by their features", shown)
        low, high = found.largest.ends if found else (None, None)
        images = tuple(case.answers.numbers[shown].tolist())
        bad = status in GRAVE
        return Verdict(
            status=status,
            sentence=self._sentence(case, found, worse, blank, kinds, parts),
            effect=found.largest.gap if found else None,
            low=low,
            high=high,
            unit="points",
            limit=self.limit,
            limit_reason="one picture in ten more of that kind is answered wrong",
            n=len(blank),
            sample=len(case.sample.numbers) or None,
            remedy=(REMEDY_BLANK if blank.any() and not worse[1:] else REMEDY) if bad else "",
            exhibits=Exhibits(images=images),
            figures=_figures(case, images, kinds, blank),
            explains=FOLLOWS if bad and images else (),
        )

    def without(self, case: Case, verdict: Verdict) -> Case:
        """The case without the pictures that are named."""
        return case.with_answers(case.answers.only(~np.isin(case.answers.numbers, verdict.exhibits.images)))

    def _sentence(
        self,
        case: Case,
        found: Worst | None,
        worse: Sequence[Part],
        blank: Array,
        kinds: Mapping[str, Array],
        parts: Mapping[str, Part],
    ) -> str:
        text: list[str] = []
        if blank.any():
            own = [part for part in worse if part.name == "blank"]
            how = own[0].words() if own else ""
            names = _names(case, blank)
            said = f"{counted(int(blank.sum()), 'picture is', 'pictures are')} blank, one value in all pixels"
            text.append(f"{said}: {names}{'; ' + how if how else ''}.")
        for part in [part for part in worse if part.name != "blank"]:
            member = kinds[part.name]
            text.append(
                f"{counted(int(member.sum()), 'picture is', 'pictures are')} {part.name}"
                f" ({_names(case, member)}): {part.words()}."
            )
        noted = [
            f"{int(member.sum()):,} {name}"
            for name, member in kinds.items()
            if name not in {p.name for p in worse} and member.sum() >= FEWEST
        ]
        if noted:
            text.append(f"{'Also noted' if text else 'Noted'}, {_how(found)}: {listed(noted, 4)}.")
        if text:
            return " ".join(text)
        if few := [f"{int(member.sum()):,} {name}" for name, member in kinds.items() if member.any()]:
            of = counted(len(blank), "picture")
            return f"No kind of odd picture has {FEWEST} of {of}: {listed(few, 4)}."
        none = f"None of {counted(len(blank), 'picture')} is blank or unlike the rest"
        compared = len(case.sample.rows.get("features", ())) >= FEWEST_COMPARED
        by = (
            ""
            if compared
            else f" by size, colours or sharpness; features are compared from {FEWEST_COMPARED}"
        )
        return f"{none}{by}{'' if compared else ' on'}."


def _how(found: Worst | None) -> str:
    if found is None:
        return "and not held against answers"
    return "not shown to be answered worse" if found.status != "clear" else "and not answered worse"


def _names(case: Case, member: Array) -> str:
    return listed([case.answers.paths[k] for k in np.flatnonzero(member)], NAMED)


def _figures(
    case: Case, images: Sequence[int], kinds: Mapping[str, Array], blank: Array
) -> tuple[Gallery | Table, ...]:
    """The first of the pictures, and the kinds with their answers."""
    rows = []
    right, judged = case.answers.right, case.answers.judged
    for name, member in {"blank": blank, **kinds}.items():
        if member.any():
            of = int((member & judged).sum())
            rows.append((name, int(member.sum()), f"{int((member & right).sum())} of {of}" if of else "–"))
    table = Table("kinds", "Pictures unlike the rest", ("kind", "images", "right"), tuple(rows))
    shown = pictures_of(case, images[:SHOWN], "odd", "Odd images")
    return (*shown, table) if shown or rows else ()
