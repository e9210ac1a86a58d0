"""`python -m bench.gpu [--out DIR] [--only PART …]`: CUDA against the CPU, in some minutes, part by part.

maps    every visualization of an image on both, in float32 and in float64
bundle  seven maps from one pass, against captum and grad-cam one by one
occlusion  windows of 32 px every 16, against captum
memory  a card with too little of it: batches are halved, the maps stay
run     a whole run of so many photographs on both

Exits with 1 where a part fails or a number lies past its limit.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from bench import bundle, maps, memory, occlusion
from bench.networks import KNOWN
from bench.parts import Command, Part, each
from bench.runs import Audited
from bench.sheet import Sheet


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    compared: tuple[str, ...]
    timed: tuple[str, ...]
    audited: str
    names: tuple[str, ...] | None
    compared_images: int
    bundled_images: int
    occluded_images: int
    window: tuple[int, int]
    at_once: tuple[int, ...]
    limited_images: int
    limited_batch: int
    run_images: int
    repeats: int


FULL = Sizes(
    ("ResNet-18", "EfficientNet-Lite0", "ViT-Tiny", "VGG-11"),
    ("EfficientNet-Lite0", "ResNet-50", "VGG-16"),
    "EfficientNet-Lite0",
    None,
    2,
    32,
    4,
    (32, 16),
    (8, 32, 169),
    32,
    64,
    100,
    7,
)
QUICK = Sizes(("tiny",), ("tiny",), "tiny", None, 2, 2, 2, (8, 4), (4, 16), 6, 8, 3, 5)


def _maps(sheet: Sheet, device: torch.device, sizes: Sizes, _folder: Path) -> None:
    sheet.table(
        f"Every map on {device} against the processor, {sizes.compared_images} photographs", *maps.HEADS
    )
    each(
        sheet,
        "maps",
        sizes.compared,
        lambda known: maps.compare(sheet, known, device, sizes.compared_images, sizes.names),
    )


def _bundle(sheet: Sheet, device: torch.device, sizes: Sizes, _folder: Path) -> None:
    sheet.table("Seven maps of gradients and layers: median (least to most)", *bundle.HEADS)
    each(
        sheet,
        "bundle",
        sizes.timed,
        lambda known: bundle.compare(sheet, known, device, sizes.bundled_images, sizes.repeats),
    )


def _occlusion(sheet: Sheet, device: torch.device, sizes: Sizes, _folder: Path) -> None:
    sheet.table(f"Occlusion, windows of {sizes.window[0]} px every {sizes.window[1]}", *occlusion.HEADS)
    size, at_once = sizes.occluded_images, sizes.at_once
    each(
        sheet,
        "occlusion",
        sizes.timed,
        lambda known: occlusion.compare(
            sheet, known, device, size, *sizes.window, at_once, max(at_once), sizes.repeats
        ),
    )


def _memory(sheet: Sheet, device: torch.device, sizes: Sizes, folder: Path) -> None:
    sheet.table("Too little memory: batches are halved", *memory.HEADS)
    count, batch = sizes.limited_images, sizes.limited_batch
    memory.compare(sheet, KNOWN[sizes.audited], device, count, batch, folder)


def _run(sheet: Sheet, device: torch.device, sizes: Sizes, folder: Path) -> None:
    count = sizes.run_images
    heads = ("device", "seconds", "images a second", "seconds by stage", "peak memory")
    sheet.table(
        f"`reportgen run` of {count} photographs with {sizes.audited}, nine visualizations, HTML", *heads
    )
    audited = Audited(folder, KNOWN[sizes.audited])
    audited.prepare(count)
    for name in dict.fromkeys((str(device), "cpu")):
        ran = audited.run(name, count, "--no-pdf")
        peak = f"{ran.peak_bytes / 2**30:.2f} GiB"
        sheet.row(name, f"{ran.seconds:.1f}", f"{count / ran.seconds:.2f}", ran.stages_in_words, peak)


COMMAND = Command(
    "bench.gpu",
    __doc__ or "",
    {  # six minutes in all
        "maps": Part(_maps, 90),
        "bundle": Part(_bundle, 35),
        "occlusion": Part(_occlusion, 40),
        "memory": Part(_memory, 35),
        "run": Part(_run, 160),
    },
    FULL,
    QUICK,
    device="cuda",
)

if __name__ == "__main__":
    sys.exit(COMMAND.run())
