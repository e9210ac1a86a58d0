"""Labels that are truths: a number for each class, 0 or 1, as `0 1 0`, which are no indices though they look
like some; and of two classes `True` and `False`, or 1 and -1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reportgen.engine.network.head import Head
from reportgen.inputs.classes.counting import BETWEEN
from reportgen.inputs.classes.known import NOTHING, Known
from reportgen.inputs.classes.labels import Labelling
from reportgen.inputs.images.listing import ImageFile

TRUTHS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}


class Hot(NamedTuple):
    """The labelling by the classes that have a 1, and notes."""

    labelling: Labelling
    notes: list[str]


def one_hot(files: Sequence[ImageFile], labelling: Labelling, known: Known, head: Head) -> Hot | None:
    """The labelling where each label is as many numbers as there are classes, all of them 0 or 1; None where
    one is not. Several 1s, or a head of labels, make each a label by itself."""
    rows: dict[int, tuple[bool, ...]] = {}
    example = ""
    for file in files:
        label, _ = labelling(file)
        if label is None or (isinstance(label, str) and (not label or label.casefold() in NOTHING)):
            continue
        row = None if isinstance(label, int) else _row(label, known)
        if row is None:
            return None
        rows[file.number], example = row, example or str(label)
    if not rows:
        return None
    several = head.kind == "labels" or any(sum(row) > 1 for row in rows.values())

    def hot(file: ImageFile) -> tuple[str | int | None, str]:
        label, place = labelling(file)
        if (own := rows.get(file.number)) is None:
            return label, place
        true = [index for index, holds in enumerate(own) if holds]
        if several:
            return "|".join(map(str, true)) or "|", place
        return (true[0] if true else None), place

    note = (
        f"Labels are {len(known.classes)} numbers of 0 and 1 an image, such as '{example[:40]}': one a class."
    )
    return Hot(hot, [note])


SIGNS = ({"true": 1, "false": 0}, {"1": 1, "-1": 0}, {"1.0": 1, "-1.0": 0}, {"+1": 1, "-1": 0})


def of_two(files: Sequence[ImageFile], labelling: Labelling, known: Known) -> Hot | None:
    """The labelling of two classes by `True` and `False`, or by 1 and -1, where all labels are those: the
    first is class 1. None elsewhere."""
    if len(known.classes) != 2:
        return None
    written = {label for file in files if isinstance(label := labelling(file)[0], str)}
    texts = {label.casefold() for label in written} - {"", *NOTHING}
    ways = [way for way in SIGNS if texts == way.keys()]
    if not ways or any(known.index(text, numbers=False) is not None for text in written):
        return None
    way = ways[0]

    def sign(file: ImageFile) -> tuple[str | int | None, str]:
        label, place = labelling(file)
        return (way.get(label.casefold(), label) if isinstance(label, str) else label), place

    one, other = way
    note = f"Labels are {one} and {other}: {one} is {known.classes[1]}, {other} is {known.classes[0]}."
    return Hot(sign, [note])


def _row(label: str, known: Known) -> tuple[bool, ...] | None:
    parts = [part for part in BETWEEN.split(label.strip("[](){}| ")) if part]
    if len(parts) != len(known.classes) or len(parts) < 2 or any(n.isdecimal() for n in known.classes):
        return None
    truths = [TRUTHS.get(part.casefold()) for part in parts]
    return None if None in truths else tuple(bool(truth) for truth in truths)
