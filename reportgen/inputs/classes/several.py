"""Labels that are no single class: several of them at once, or numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from reportgen.engine.network.head import Head
from reportgen.errors import InputError, did_you_mean, nearest
from reportgen.inputs.classes.known import Known
from reportgen.inputs.classes.labels import Labelling, label_index
from reportgen.inputs.images.listing import ImageFile

MARKS = ("|", ";", ",", " ")  # what may stand between labels, the surest first
NONE_OF_THEM = ("|", "[]")
NO_FINDING = ("no finding", "no findings", "nofinding", "none of them", "normal")  # where it is no class
COMMA = re.compile(r"[+-]?\d+,\d+([|;\s]+[+-]?\d+,\d+)*")
HINT = "; where the network gives a value and no class, set model.head: scores"


@dataclass(frozen=True)
class Labelled:
    """The files with their labels, the head by which those were read, and notes."""

    files: list[ImageFile]
    head: Head
    notes: tuple[str, ...] = ()


def labelled(files: Sequence[ImageFile], labelling: Labelling, known: Known, head: Head) -> Labelled:
    """The files with the labels that the labelling says, by what the head gives: a class an image, several
    labels each by itself, or values.

    Under `auto` a head of classes is one of labels where labels name several classes an image. Raises
    InputError saying where a label stands that cannot be read.
    """
    said = [(file, *labelling(file)) for file in files]
    if head.kind == "values":
        return Labelled([_valued(*one, len(known.classes)) for one in said], head)
    if head.kind != "labels" and (first := _first_of_several(said, known)):
        head = _of_labels(head, *first)
    if head.kind == "labels":
        notes = (*_empty(said), *_findings(said, known))
        return Labelled([_of_several(*one, known) for one in said], head, notes)
    return Labelled([_of_one(*one, known, HINT if head.kind == "binary" else "") for one in said], head)


def parts_of(text: str, known: Known) -> list[str] | None:
    """The labels that a text names: several where it splits into classes, one where it is a class, none
    for `|` alone; None where it cannot be read so."""
    if text in NONE_OF_THEM:
        return []
    if known.index(text) is not None:
        return [text]
    if text.strip().replace("_", " ").casefold() in NO_FINDING:
        return []
    bare = text.strip("[](){}")
    for mark in MARKS:
        parts = [part.strip().strip("'\"") for part in bare.split(mark)]
        parts = [part for part in parts if part]
        if mark in bare and parts and all(known.index(part) is not None for part in parts):
            return parts
    alone = bare.strip().strip("'\"")
    return [alone] if alone != text and known.index(alone) is not None else None


def _first_of_several(
    said: Iterable[tuple[ImageFile, str | int | None, str]], known: Known
) -> tuple[str, str] | None:
    """The first label that names two classes or more, and where it stands."""
    for _, label, place in said:
        parts = parts_of(label, known) or () if isinstance(label, str) else ()
        if len(parts) > 1:
            if len({known.index(part) for part in parts}) < len(parts):
                raise InputError(
                    f"{place}: '{label}' names a class twice: as labels of one image it cannot be read",
                    "where these are several columns, give a CSV whose first line names them, `path,label,…`",
                )
            return str(label), place
    return None


def _of_labels(head: Head, label: str, place: str) -> Head:
    """The head read as one of labels. Raises InputError where it cannot be one."""
    several = f"{place}: '{label}' names several labels of one image (multi-label)"
    if head.asked != "auto" or head.kind == "binary":
        why = "the network has one logit" if head.kind == "binary" else f"model.head is {head.asked}"
        raise InputError(
            f"{several}, but {why}, one class an image",
            "set model.head: sigmoid, with an output for every label, or give each image one label",
        )
    if head.form != "logits":
        raise InputError(
            f"{several}, but the network's probabilities add up to one: it names one class an image",
            "give each image one label, or audit a network whose outputs are labels, each by itself",
        )
    reading = (
        f"Labels name several classes of one image, such as '{label}': the outputs are read as logits of"
        " labels, each by itself, by sigmoid, as model.head: sigmoid would say."
    )
    words = f"{head.reading} {reading}".strip()
    return replace(head, kind="labels", reading=words)


def _of_one(file: ImageFile, label: str | int | None, place: str, known: Known, hint: str) -> ImageFile:
    """The file with its one label."""
    if label is None or label == "":
        return file
    try:
        index = label_index(label, place, known)
    except InputError as error:
        raise InputError(error.cause, f"{error.remedy}{hint}") from error
    return file if index is None else replace(file, label=known.classes[index], label_index=index)


def _of_several(file: ImageFile, label: str | int | None, place: str, known: Known) -> ImageFile:
    """The file with all of its labels."""
    if label is None or label == "":
        return file
    read = None if isinstance(label, int) else parts_of(label, known)
    parts: Sequence[str | int] = _refused(label, place, known) if read is None else read
    found = (label_index(part, place, known) for part in parts)
    indices = tuple(sorted({index for index in found if index is not None}))
    if parts and not indices:  # a word for nothing
        return file
    text = " | ".join(known.classes[index] for index in indices) or "none of them"
    return replace(file, label=text, labels=indices, label_index=indices[0] if indices else None)


def _refused(label: str | int, place: str, known: Known) -> list[str | int]:
    """An index, or a word for nothing, as a list of one. Raises InputError naming the label that is none."""
    text = str(label)
    parts = [part.strip() for part in re.split(r"[|;]", text) if part.strip()]
    for part in parts:
        if known.index(part) is None and len(parts) > 1:
            raise InputError(
                f"{place}: unknown label '{part}'{did_you_mean(nearest(part, known.classes))} in '{text}'",
                f"labels are names or indices of the model's {len(known.classes)} labels "
                f"({', '.join(known.classes[:3])}, …), with | between several",
            )
    return [label]


def _empty(said: Sequence[tuple[ImageFile, str | int | None, str]]) -> tuple[str, ...]:
    """What is said of empty labels, which could mean that none holds."""
    empty = sum(label == "" for _, label, _ in said)
    if not empty:
        return ()
    have = "1 image has" if empty == 1 else f"{empty} images have"
    return (f"{have} an empty label, read as not labelled; `|` alone says that no label holds.",)


def _findings(said: Sequence[tuple[ImageFile, str | int | None, str]], known: Known) -> tuple[str, ...]:
    """What is said of words that mean no label of all."""
    words = [label for _, label, _ in said if isinstance(label, str) and label not in ("", *NONE_OF_THEM)]
    found = [word for word in words if parts_of(word, known) == []]
    return (f"{len(found)} labels such as '{found[0]}' are read as none of the labels.",) if found else ()


def _valued(file: ImageFile, label: str | int | None, place: str, count: int) -> ImageFile:
    """The file with the values that the network should give."""
    if label is None or str(label) == "":
        return file
    parts = [part.strip() for part in re.split(r"[|;\s]+", str(label).strip("[]() ")) if part.strip()]
    try:
        values = tuple(float(part) for part in parts)
    except ValueError:
        values = ()
    if len(values) != count or not all(map(math.isfinite, values)):
        if COMMA.fullmatch(str(label).strip()):
            raise InputError(
                f"{place}: '{label}' has a comma in a number", "write numbers with a point, as 1.5"
            )
        wanted = "a number" if count == 1 else f"{count} numbers with | between them"
        raise InputError(
            f"{place}: '{label}' is not {wanted}, and model.head is scores: the network gives "
            f"{'a value' if count == 1 else f'{count} values'}",
            "give numbers as labels, or set model.head: auto, softmax or sigmoid where labels are classes",
        )
    return replace(file, label=str(label), values=values)
