"""Tensors that are written into keep what they have places of: a frame that images are copied into."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from reportgen.engine.network.trace import trace


class Framed(nn.Module):
    """Copies each image into a frame of zeros, as torchvision's detection networks do, and looks at that."""

    def __init__(self, memory: torch.memory_format) -> None:
        super().__init__()
        self.conv, self.fc, self.memory = nn.Conv2d(3, 4, 3, 2, 1), nn.Linear(4, 3), memory

    def forward(self, x: Tensor) -> Tensor:
        frame = x.new_zeros(len(x), 3, 16, 16).contiguous(memory_format=self.memory)
        for n, image in enumerate(x):
            frame[n, :, : image.shape[1], : image.shape[2]].copy_(image)
        logits: Tensor = self.fc(self.conv(frame).relu().mean((2, 3)))
        return logits


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_images_in_a_frame_of_their_size_keep_their_places(memory: torch.memory_format) -> None:
    facts = trace(Framed(memory).eval(), (3, 16, 16))
    layer = facts.layer("conv")
    assert facts.auto == "conv" and layer.layout.kind == "maps" and layer.layout.grid == (8, 8)
    assert layer.receptive_field_px == 3 and layer.receptive_stride_px == 2


class Rows(nn.Module):
    """Writes patches into a row of tokens behind a learned one."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.own = nn.Conv2d(3, 4, 4, 4), nn.Parameter(torch.rand(4))
        self.mix, self.fc = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patches(x).flatten(2).transpose(1, 2)
        tokens = x.new_zeros(len(x), 1 + patches.shape[1], 4)
        tokens[:, 0] = self.own
        tokens[:, 1:] = patches
        logits: Tensor = self.fc(self.mix(tokens).mean(1))
        return logits


def test_tokens_that_are_written_into_a_row_lie_behind_the_one_that_is_none() -> None:
    layer = trace(Rows().eval(), (3, 8, 12)).layer("mix")
    assert (layer.layout.kind, layer.layout.prefix, layer.layout.grid) == ("tokens", 1, (2, 3))
