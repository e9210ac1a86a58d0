"""Experiments on the pictures of the sample: a part exchanged for another picture's, covered, or everything
toned; and what the network answers then. Plain values: the pixels are made in `measure`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

Box: TypeAlias = tuple[int, int, int, int]  # top, left, bottom, right in pixels of the model's input
Fill: TypeAlias = Literal["mean", "blur"]
Tone: TypeAlias = Literal["exposure", "contrast", "colour", "sharpness", "jpeg", "soft"]
BY_QUALITY = ("jpeg", "soft")  # tones that a number says, and no other picture


@dataclass(frozen=True)
class Intervention:
    """A picture, by its number in the set, with something changed in what the model sees.

    Either the pixels of `box` (with `outside` all but these) are exchanged: for those of another picture
    at the same place (`source`, a number), or for a `fill`: the mean of the sample's pixels, or the picture
    itself under a wide Gaussian. In place of a box stands the picture's own `thing`, where its mask or its
    boxes say what that is: covered by a fill (its `blur` is that of the pixels that stay, so that nothing of
    the others is in it), or, `outside`, put before the background of the source. Or all of it is toned: until
    its `exposure` (mean luminance), `contrast` (its deviation), `colour` (mean saturation) or `sharpness` (by
    a blur) is that of the `source`; or saved as `jpeg` of a quality, or `soft`: blurred until it is changed
    as much as by that.
    """

    number: int
    box: Box | None = None
    outside: bool = False
    source: int | None = None
    fill: Fill | None = None
    tone: Tone | None = None
    quality: int = 0
    thing: bool = False

    def __post_init__(self) -> None:
        ways = [self.source is not None, self.fill is not None, self.tone in BY_QUALITY]
        if sum(ways) != 1 or (self.tone in BY_QUALITY) != (self.quality > 0):
            raise ValueError("an intervention has a source, a fill or a JPEG's quality")
        if [self.box is not None, self.tone is not None, self.thing].count(True) != 1:
            raise ValueError("an intervention has a box, the picture's thing, or tones the whole picture")
        if self.thing and self.source is not None and not self.outside:
            raise ValueError("a thing is put before another background, and not exchanged for another thing")

    @cached_property
    def key(self) -> int:
        """What tells it from others in evidence, 64 bits, the same in every process."""
        own: tuple[Any, ...] = (self.number, self.box, self.outside, self.source, self.fill, self.tone)
        text = f"{own} {self.quality}{' thing' if self.thing else ''}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")

    @property
    def pictures(self) -> tuple[int, ...]:
        """The numbers of the pictures that it is made of."""
        return (self.number,) if self.source is None else (self.number, self.source)


@dataclass(frozen=True)
class Outcome:
    """What was answered to an intervention: the class, -1 for none, and its probability."""

    answer: int
    confidence: float
