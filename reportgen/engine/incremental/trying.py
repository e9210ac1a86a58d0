"""Trying a network patch by patch on a picture of noise, before its answers are relied on.

What depends on it has to be the same whenever an audit is resumed: the picture is always the same one, and
nothing is timed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from reportgen.engine.incremental import pieces
from reportgen.engine.incremental.boxes import Boxes, Ints
from reportgen.engine.incremental.patched import Forward, Patched, dense_of
from reportgen.engine.incremental.steps import CALLED, CALLED_ON_GPU, MOVED, Program
from reportgen.engine.network.uncompiled import spare_compiler

log = logging.getLogger("reportgen")
IMAGES = 2  # of one, what differs from image to image looks like what does not
TRIED = 6  # boxes that are answered in both ways
OF_EFFECT = 1e-3  # of the largest change of a logit that a box makes: what a wrong rule errs by is far more
OF_LOGITS = 1e-5  # of the largest logit: what another order of summation makes of a float32

Answer = Callable[[Tensor], Tensor]  # the logits (K, classes) of a batch (K, C, H, W), patched or not


class Counted(TorchDispatchMode):
    """Counts what is done on plain tensors while it is entered, into a program; patched ones write theirs."""

    def __init__(self, program: Program) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.program = program

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        leaves = tree_leaves((args, kwargs, result))
        if any(isinstance(x, Patched) for x in leaves):
            return result
        made = [x for x in tree_leaves(result) if isinstance(x, Tensor)]
        if func.overloadpacket in flop_registry:
            macs = flop_registry[func.overloadpacket](*args, **kwargs, out_val=result) // 2 // IMAGES
            self.program.tail_macs += macs
            self.program.tail += macs
            self.program.tail_weights += sum(_weights(x) for x in tree_leaves((args, kwargs)))
        numbers = 0 if func.is_view else max((x.numel() // IMAGES for x in made), default=0)
        self.program.tail += MOVED * numbers
        self.program.tail_numbers = max(self.program.tail_numbers, numbers)
        return result


def _weights(value: Any) -> int:
    """How many numbers a value is, where it is a parameter's matrix, or a view of one."""
    if not isinstance(value, Tensor) or value.ndim < 2:
        return 0
    return value.numel() if isinstance(value if value._base is None else value._base, nn.Parameter) else 0


def start(forward: Forward, image: Tensor, inside: Tensor, boxes: Ints) -> Patched:
    """The image (1, C, H, W) with what stands `inside` (1, C, H, W) in the place of its own in boxes (K, 4),
    one an image."""
    at = Boxes.of(boxes, image.shape[-2:])
    top, left, bottom, right = torch.from_numpy(boxes).to(image.device)[:, :, None].unbind(1)  # (K, 1)
    rows = torch.from_numpy(at.rows.start).to(image.device)[:, None] + torch.arange(
        at.rows.length, device=image.device
    )
    columns = torch.from_numpy(at.columns.start).to(image.device)[:, None] + torch.arange(
        at.columns.length, device=image.device
    )
    covered = ((rows >= top) & (rows < bottom))[:, :, None] & ((columns >= left) & (columns < right))[:, None]
    patches = torch.where(covered[:, None], pieces.cut(inside, at), pieces.cut(image, at))
    return forward.start(image, patches, at)


def in_full(image: Tensor, inside: Tensor, boxes: Ints) -> Tensor:
    """The same images in full, (K, C, H, W): by masks, so that patches that are set in wrongly are told."""
    rows, columns = (torch.arange(side, device=image.device) for side in image.shape[-2:])
    top, left, bottom, right = torch.from_numpy(boxes).to(image.device)[:, :, None].unbind(1)  # (K, 1)
    down, across = (rows >= top) & (rows < bottom), (columns >= left) & (columns < right)
    return torch.where((down[:, :, None] & across[:, None])[:, None], inside, image)


def program_of(answer: Answer, image: Tensor) -> Program:
    """What the network does to a patch of one place."""
    spare_compiler()  # a dispatch mode would import it
    program = Program(called=CALLED if image.device.type == "cpu" else CALLED_ON_GPU)
    height, width = image.shape[-2:]
    middle = np.array([[height // 2, width // 2, height // 2 + 1, width // 2 + 1]] * IMAGES)
    # a patch that holds all of its map goes on as a patch, so that every step is seen
    with Counted(program):
        answer(start(Forward(2.0, program=program), image, torch.zeros_like(image), middle))
    return program


def agrees(answer: Answer, image: Tensor, boxes: Ints, dense_from: float) -> bool:
    """Whether some of the boxes (V, 4) are answered alike patch by patch and in full."""
    inside = torch.zeros_like(image)
    few = boxes[np.unique(np.linspace(0, len(boxes) - 1, TRIED).astype(np.int64))]
    expected = answer(in_full(image, inside, few)).double()
    clean = answer(image.clone()).double()
    # twice, as groups come: the second one reads what the first has kept
    known: dict[Any, Any] = {}
    halves = [half for half in np.array_split(few, 2) if len(half)]
    parts = [
        dense_of(answer(start(Forward(dense_from, known), image, inside, half))).double() for half in halves
    ]
    off = (torch.cat(parts) - expected).abs().max()
    effect, size = (expected - clean).abs().max(), expected.abs().max()
    if not bool(torch.isfinite(expected).all()):
        return False
    precision = max(OF_LOGITS, 64 * torch.finfo(image.dtype).eps)
    fits = bool(off <= OF_EFFECT * effect + precision * size)
    log.debug("patch by patch: off by %.1e, logits up to %.1e, changed by %.1e", off, size, effect)
    return fits
