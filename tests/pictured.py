"""Cases of pictures without any network or file: what a check of pictures judges, made in an instant."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from reportgen.checks.case import Answers, Case, Pictures, Sources
from reportgen.inputs.images.facts import FIELDS, Facts, facts_of


class Shown(Sources):
    """The small grey pictures of the set and of the training."""

    def __init__(self, own: Sequence[Facts], training: Sequence[Facts]) -> None:
        self.parts = own, training

    def greys(self, numbers: Sequence[int], training: bool = False) -> Mapping[int, Any]:
        return {number: self.parts[training][number].grey for number in numbers}


def case_of_pictures(
    pictures: Sequence[Any],
    right: Any = None,
    training: Sequence[Any] | None = None,
    labels: Any = None,
    classes: int = 10,
    seed: int = 0,
) -> Case:
    """A case with these pictures, arrays (h, w) or (h, w, 3) uint8, PIL pictures, or (picture, bytes of its
    file); those that `right` (N,) does not name are answered by the next class."""
    own, learned = ([facts(picture) for picture in part] for part in (pictures, training or ()))
    n = len(own)
    labels = np.arange(n) % classes if labels is None else np.asarray(labels)
    right = np.ones(n, dtype=bool) if right is None else np.asarray(right, dtype=bool)
    answers = Answers(
        numbers=np.arange(n),
        paths=tuple(f"{k}.png" for k in range(n)),
        hashes=_hashes(n, f"own {seed}"),
        labels=labels,
        answers=np.where(right, labels, (labels + 1) % classes),
        confidence=np.full(n, 0.9),
        label_probability=np.where(right, 0.9, 0.05),
    )
    return Case(
        answers=answers,
        classes=tuple(f"class {k}" for k in range(classes)),
        model=None,
        pictures=table(own, answers.hashes, answers.paths),
        training=None if training is None else table(learned, _hashes(len(learned), "training")),
        seed=seed,
        sources=Shown(own, learned),
    )


def facts(picture: Any) -> Facts:
    """The facts of a picture in one of the forms that `case_of_pictures` takes."""
    data = b""
    if isinstance(picture, tuple):
        picture, data = picture
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    return facts_of(picture.convert("RGB"), data)


def table(of: Sequence[Facts], hashes: Sequence[str], paths: Sequence[str] = ()) -> Pictures:
    """The facts of pictures as a check gets them."""
    return Pictures(
        FIELDS,
        np.array([f.values for f in of]).reshape(-1, len(FIELDS)),
        np.array([f.pixels for f in of], dtype=np.uint8).reshape(-1, 16),
        np.array([f.perceptual for f in of], dtype=np.uint64).reshape(-1, 2),
        tuple(hashes),
        tuple(paths) or tuple(f"{k}.png" for k in range(len(of))),
    )


def with_column(case: Case, name: str, values: Any) -> Case:
    """The case with one fact of its pictures replaced (N,)."""
    assert case.pictures is not None
    own = case.pictures.values.copy()
    own[:, case.pictures.fields.index(name)] = values
    return replace(case, pictures=replace(case.pictures, values=own))


def photograph(draw: np.random.Generator, height: int = 64, width: int = 64) -> Any:
    """A picture (h, w, 3) with the spectrum of a photograph, its amplitude falling with the frequency."""
    y, x = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)
    falling = 1 / np.maximum(np.hypot(y, x), 1 / max(height, width))
    noise = draw.normal(size=(4, height, width))
    fields = np.fft.ifft2(np.fft.fft2(noise) * falling).real  # (4, h, w)
    fields /= fields.std((1, 2), keepdims=True)
    colours = fields[3] + 0.5 * fields[:3]
    return np.clip(128 + 45 * colours, 0, 255).astype(np.uint8).transpose(1, 2, 0)


def _hashes(n: int, word: str) -> tuple[str, ...]:
    return tuple(hashlib.sha256(f"{word} {k}".encode()).hexdigest() for k in range(n))
