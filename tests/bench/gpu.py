"""`python -m bench.gpu [--out DIR] [--only PART …]`: CUDA against the CPU, in some minutes, part by part.

maps    every visualization of an image on both, in float32 and in float64
bundle  seven maps from one pass, against captum and grad-cam one by one
occlusion  windows of 32 px every 16, against captum
memory  a card with too little of it: batches are halved, the maps stay
run     a whole run of so many photographs on both

Exits with 1 where a part fails or a number lies past its limit.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from bench import bundle, maps, memory, occlusion
from bench.networks import KNOWN, Known
from bench.runs import Audited
from bench.sheet import Sheet, machine
from reportgen.engine.device import choose


@dataclass(frozen=True)
class Sizes:
    """How much is measured; `quick` sizes try every line on a small machine and measure nothing."""

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
    64,
    100,
    7,
)
QUICK = Sizes(("tiny",), ("tiny",), "tiny", None, 2, 2, 2, (8, 4), (4, 16), 8, 3, 5)
SECONDS = {"maps": 90, "bundle": 35, "occlusion": 40, "memory": 35, "run": 160}  # six minutes in all


def main() -> int:
    """Measures the parts that are named, and gives the exit code."""
    arguments = argparse.ArgumentParser(
        prog="bench.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu to try the script")
    arguments.add_argument("--out", type=Path, help="a folder for bench.md and bench.json")
    arguments.add_argument("--only", nargs="+", choices=SECONDS, default=list(SECONDS), metavar="PART")
    arguments.add_argument("--quick", action="store_true", help="tiny networks and sizes")
    chosen = arguments.parse_args()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS is first used
    device = choose(chosen.device)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    sheet = Sheet(machine(device), chosen.out)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        sizes = QUICK if chosen.quick else FULL
        for name in chosen.only:
            seconds = SECONDS[name] * (10 if chosen.quick else 1)  # a small machine may be a slow one
            sheet.part(name, seconds, PARTS[name], device, sizes, Path(folder) / name)
            print(f"({name}: done {time.perf_counter() - begun:.0f} s after the start)", flush=True)
    print(f"\n{len(sheet.faults)} faults")
    return 1 if sheet.faults else 0


def _each(sheet: Sheet, part: str, names: tuple[str, ...], work: Callable[[Known], None]) -> None:
    """Does it for every network; one that fails leaves the others theirs."""
    for name in names:
        try:
            work(KNOWN[name])
        except Exception as error:
            sheet.failed(f"{part}, {name}", error)


def _maps(sheet: Sheet, device: torch.device, sizes: Sizes, _folder: Path) -> None:
    sheet.table(
        f"Every map on {device} against the processor, {sizes.compared_images} photographs", *maps.HEADS
    )
    _each(
        sheet,
        "maps",
        sizes.compared,
        lambda known: maps.compare(sheet, known, device, sizes.compared_images, sizes.names),
    )


def _bundle(sheet: Sheet, device: torch.device, sizes: Sizes, _folder: Path) -> None:
    sheet.table("Seven maps of gradients and layers: median (least to most)", *bundle.HEADS)
    _each(
        sheet,
        "bundle",
        sizes.timed,
        lambda known: bundle.compare(sheet, known, device, sizes.bundled_images, sizes.repeats),
    )


def _occlusion(sheet: Sheet, device: torch.device, sizes: Sizes, _folder: Path) -> None:
    sheet.table(f"Occlusion, windows of {sizes.window[0]} px every {sizes.window[1]}", *occlusion.HEADS)
    size, each = sizes.occluded_images, sizes.at_once
    _each(
        sheet,
        "occlusion",
        sizes.timed,
        lambda known: occlusion.compare(
            sheet, known, device, size, *sizes.window, each, max(each), sizes.repeats
        ),
    )


def _memory(sheet: Sheet, device: torch.device, sizes: Sizes, folder: Path) -> None:
    sheet.table("Too little memory: batches are halved", *memory.HEADS)
    memory.compare(sheet, KNOWN[sizes.audited], device, sizes.limited_images, folder)


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


PARTS = {"maps": _maps, "bundle": _bundle, "occlusion": _occlusion, "memory": _memory, "run": _run}

if __name__ == "__main__":
    sys.exit(main())
