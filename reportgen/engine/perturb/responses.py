"""What is kept of a layer's answers to perturbations, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from typing_extensions import assert_never

from reportgen.engine.needs import Responses
from reportgen.engine.perturb.makers import Maker


def kept(need: Responses, answers: Tensor, clean: Tensor, image: Tensor) -> Tensor:
    """Of a layer's answers (B, C, …) to perturbations of the images `image` (B,) what the need keeps, (B, …).

    `clean` (N, C, …) is what it answers to the images themselves.
    """
    if need.keep == "distance":
        difference: Tensor = (answers - clean[image]).flatten(1)
        return difference.square().sum(1).sqrt()
    if need.keep == "channel-sums":
        return answers.flatten(2).sum(2) if answers.ndim > 2 else answers
    if need.keep == "whole":
        return answers
    assert_never(need.keep)


def of_images(answers: Sequence[Tensor], images: int, maker: Maker) -> Tensor:
    """Answers to packed perturbations, as (images, V, …): NaN for an image that has none."""
    together = torch.cat(list(answers))  # (B, …)
    if maker.images is None:
        return together.view(images, maker.count, *together.shape[1:])
    whole = together.new_full((images, maker.count, *together.shape[1:]), torch.nan)
    whole[maker.images] = together.view(len(maker.images), maker.count, *together.shape[1:])
    return whole
