"""The pictures of the sample, decoded when an experiment needs them, with the things that they show."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from reportgen.inputs import ImageFile, stream
from reportgen.inputs.images.loading import Decoded
from reportgen.measure.measurement import Measurement
from reportgen.measure.selection import sample

KEPT_BYTES = 1 << 28  # of decoded pictures, so that those which several experiments need are decoded once


def drawn_files(m: Measurement) -> list[ImageFile]:
    """The files of the sample, in order of number."""
    count = m.model.checks.drawn(m.audit.readable)
    drawn = set(sample(m.audit.files, count, m.model.recipe.run.seed))
    return [file for file in m.audit.files if file.number in drawn]


@dataclass
class Pictures:
    """The decoded pictures (C, H, W) of some files by number, as many as the memory for it holds. `things`
    are the places of what they show, bool (H, W), of those that were decoded and have one in view."""

    m: Measurement
    files: Sequence[ImageFile]
    decoded: OrderedDict[int, Tensor] = field(default_factory=OrderedDict)
    things: dict[int, Tensor] = field(default_factory=dict)
    bytes: int = 0

    def of(self, numbers: Sequence[int]) -> dict[int, Tensor]:
        """Those that can be decoded of some numbers."""
        wanted = set(numbers)
        found = {number: self.decoded[number] for number in wanted if number in self.decoded}
        missing = [file for file in self.files if file.number in wanted - set(found)]
        with self.m.watch.on("decode"):
            for image in stream(missing, self.m.model.subject.preprocessing):
                if isinstance(image, Decoded):
                    found[image.file.number] = self._keep(image)
        return found

    def mean(self) -> Tensor:
        """The mean (C,) of the pixels of some of the sample, normalised."""
        some = self.of([file.number for file in self.files[:: max(1, len(self.files) // 64)]])
        means = [some[number].mean((1, 2)) for number in sorted(some)]
        return torch.stack(means).mean(0) if means else torch.zeros(self.m.model.facts.input_shape[0])

    def _keep(self, image: Decoded) -> Tensor:
        picture = torch.from_numpy(image.pixels)
        number = image.file.number
        if (thing := thing_of(image)) is not None:
            self.things[number] = thing
        self.decoded[number] = picture
        self.bytes += image.pixels.nbytes
        while self.bytes > KEPT_BYTES and len(self.decoded) > 1:
            self.bytes -= self.decoded.popitem(last=False)[1].nbytes
        return picture


def thing_of(image: Decoded) -> Tensor | None:
    """Where the thing is that an image shows, bool (H, W): its mask, or what its boxes cover together. None
    where it is not in view, or nothing else is."""
    if image.mask is not None:
        thing = torch.from_numpy(image.mask)
    else:
        thing = torch.zeros(image.pixels.shape[1:], dtype=torch.bool)
        for top, left, bottom, right in image.boxes.tolist():
            thing[top:bottom, left:right] = True
    return thing if bool(thing.any()) and not bool(thing.all()) else None
