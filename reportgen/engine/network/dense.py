"""Networks that segment or detect: what is explained of them is what they answer in a box or under a mask, by
class."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from reportgen.errors import InputError


@dataclass(frozen=True)
class Region:
    """A box of the model's input, in pixels: (left, top, right, bottom), the whole of it where it is None.
    `side_px` is the input's (height, width).

    Where each image has a mask of its own, a batch is asked by what `over` gives; where no image is known
    yet, as when the network is traced, the whole input stands for the mask.
    """

    box: tuple[int, int, int, int] | None
    side_px: tuple[int, int]
    classes: int = 0  # how many there are: what a network detects in one image does not tell
    detects: bool = False  # whether it gives boxes rather than maps
    masked: bool = False  # whether each image has a mask of its own, and no box

    def __post_init__(self) -> None:
        left, top, right, bottom = self.box or (0, 0, self.side_px[1], self.side_px[0])
        if not (0 <= left < right <= self.side_px[1] and 0 <= top < bottom <= self.side_px[0]):
            height, width = self.side_px
            raise InputError(
                f"model.target: the box {list(self.box or ())} is not inside the model's input of"
                f" {width} × {height} px",
                "give [left, top, right, bottom] in pixels of the model's input, after resize and crop",
            )

    def over(self, masks: Tensor) -> Region:
        """The region of a batch whose images have these masks, bool (N, H, W), in pixels of the input."""
        return Masked(self.box, self.side_px, self.classes, self.detects, self.masked, masks)

    def of(self, images: Tensor) -> Region:
        """The region of a batch that holds these images of it, (B,), some of them several times."""
        return self

    def mean(self, maps: Tensor) -> Tensor:
        """The mean of maps (N, C, h, w) over the box, (N, C); a map's place counts as far as its middle
        lies in it, and at least one does."""
        rows = self._within(1, maps.shape[2], self.side_px[0])
        columns = self._within(0, maps.shape[3], self.side_px[1])
        return maps[:, :, rows, columns].mean((2, 3))

    def detected(self, several: list[dict[str, Tensor]]) -> Tensor:
        """What was detected in or about the box, (N, C): of each class the sum of the scores of its
        detections, each times its overlap with the box, intersection over union. Petsiuk et al. 2021,
        D-RISE, eq. 3, without its maximum, which has no gradient elsewhere."""
        if self.masked:
            raise InputError(
                "model.target has masks, but the network detects: its answers are boxes",
                "give model.target a box: [left, top, right, bottom], in pixels of the model's input",
            )
        if not self.classes:
            raise InputError(
                "model.target is set for a network that detects: how many classes it has is not known",
                "name them in model.classes, in the order of its labels, the background first if it has one",
            )
        return torch.stack([self._of_image(found) for found in several])

    def _of_image(self, found: dict[str, Tensor]) -> Tensor:
        scores = found["scores"] * self._overlap(found["boxes"])  # (D,)
        labels = found["labels"].clamp(0, self.classes - 1)
        return scores.new_zeros(self.classes).index_add(0, labels, scores)

    def _overlap(self, boxes: Tensor) -> Tensor:
        """The intersection over union of boxes (D, 4) with this one, (D,)."""
        own = boxes.new_tensor(self.box or (0, 0, self.side_px[1], self.side_px[0]))
        shared = (torch.minimum(boxes[:, 2:], own[2:]) - torch.maximum(boxes[:, :2], own[:2])).clamp(min=0)
        both = shared.prod(1)
        areas = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1) + (own[2:] - own[:2]).prod()
        return both / (areas - both)

    def _within(self, axis: int, places: int, side: int) -> slice:
        """The places of an axis (0 is across, 1 is down) whose middles the box holds."""
        first, last = (self.box[axis], self.box[axis + 2]) if self.box else (0, side)
        begin = min(round(first * places / side), places - 1)
        return slice(begin, max(begin + 1, round(last * places / side)))

    @property
    def reading(self) -> str:
        """What is explained, in words."""
        kind, right, what = "answers every pixel", "masks", "each class's mean logit over"
        if self.detects:
            what = "the sum of the scores of each class's detections, times their overlap with"
            kind, right = "detects", "boxes"
        return (
            f"The network {kind}: what is explained is {what} {self.words}. It is no classifier, and nothing"
            f" here measures how right its {right} are."
        )

    @property
    def words(self) -> str:
        """Where it is."""
        if self.masked:
            return "the mask of its image"
        return f"the box {list(self.box)} (left, top, right, bottom, px)" if self.box else "the whole image"


@dataclass(frozen=True, eq=False)
class Masked(Region):
    """The region of one batch: a mask an image, bool (N, H, W), in pixels of the model's input."""

    masks: Tensor = field(default_factory=lambda: torch.ones(1, 1, 1, dtype=torch.bool))

    def of(self, images: Tensor) -> Region:
        return self.over(self.masks[images.to(self.masks.device)])

    def mean(self, maps: Tensor) -> Tensor:
        """The mean of maps (N, C, h, w) under the masks, (N, C): each place counts as far as the mask covers
        it. Images past the last mask, which only fill a batch up, have that one."""
        lacking = len(maps) - len(self.masks)
        masks = torch.cat([self.masks, self.masks[-1:].expand(lacking, -1, -1)]) if lacking else self.masks
        share = adaptive_avg_pool2d(masks[:, None].to(maps), (maps.shape[2], maps.shape[3]))  # (N, 1, h, w)
        return (maps * share).sum((2, 3)) / share.sum((2, 3))


def is_detected(result: Any) -> bool:
    """Whether a network returned what it detected, an image each, as torchvision's do."""
    keys = {"boxes", "labels", "scores"}
    return (
        isinstance(result, list)
        and bool(result)
        and all(isinstance(found, dict) and keys <= found.keys() for found in result)
    )
