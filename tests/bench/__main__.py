"""`python -m bench [--out DIR] [--only PART …]`: what README says of speed, measured on this machine.

bundle  seven maps of gradients and layers from one pass, against captum and grad-cam one by one
occlusion  windows of 32 px every 16, against captum
demo    the demo, everything on, HTML and PDF
run     a whole run of so many photographs with nine visualizations, all else as it comes
cards   a report of a thousand cards, written again from its evidence
page    a report of so many images in Chromium: time to open, memory
start   `reportgen --help`
scaling  time and memory for ten times as many images, and ten times that
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from bench import browser, bundle, occlusion, runs
from bench.networks import KNOWN
from bench.parts import Command, Part, each
from bench.runs import BASIC, Audited
from bench.sheet import Sheet
from bench.timing import REPEATS, Times

QUICKER = "trust: false\nchecks: false\n"
EVERY_CARD = "images: {show: {at_most: 100000}}\noutput: {html: {at_most_mb: 100000}}\n"
WIDE = "occlusion: {window_px: 64, stride_px: 64}"  # few windows: the card is what is measured


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    timed: tuple[str, ...] = ("ResNet-50", "EfficientNet-Lite0", "VGG-16")
    bundled_images: int = 4
    occluded_images: int = 1
    window: tuple[int, int] = (32, 16)
    at_once: tuple[int, ...] = (1, 8, 32)
    demo: bool = True
    audited: str = "EfficientNet-Lite0"
    run_images: int = 200
    small: str = "tiny, 224 px"
    cards: int = 1000
    grown: tuple[int, ...] = (10, 100, 1000)
    rows: tuple[int, ...] = (200, 1000, 5000)
    options: tuple[str, ...] = ()


QUICK = Sizes(("tiny",), 2, 2, (8, 4), (1, 4), False, "tiny", 2, "tiny", 2, (1, 2), (2,), ("--no-pdf",))


def _bundle(sheet: Sheet, device: torch.device, sizes: Sizes, _folder: Path) -> None:
    sheet.table("Seven maps of gradients and layers: median (least to most)", *bundle.HEADS)
    count = sizes.bundled_images
    each(sheet, "bundle", sizes.timed, lambda known: bundle.compare(sheet, known, device, count))


def _occlusion(sheet: Sheet, device: torch.device, sizes: Sizes, _folder: Path) -> None:
    sheet.table(f"Occlusion, windows of {sizes.window[0]} px every {sizes.window[1]}", *occlusion.HEADS)
    count, at_once = sizes.occluded_images, sizes.at_once
    each(
        sheet,
        "occlusion",
        sizes.timed,
        lambda known: occlusion.compare(sheet, known, device, count, *sizes.window, at_once),
    )


RUN_HEADS = (
    "report",
    "images",
    "seconds",
    "images a second",
    "seconds by stage",
    "resident, MiB",
    "evidence",
)


def _row(sheet: Sheet, what: str, images: int, ran: runs.Ran) -> None:
    evidence = f"{ran.evidence_bytes / images / 2**20:.2f} MiB an image"
    speed, resident = f"{images / ran.seconds:.2f}", f"{ran.spent.resident_bytes / 2**20:.0f}"
    sheet.row(what, images, f"{ran.seconds:.1f}", speed, ran.stages_in_words, resident, evidence)


def _demo(sheet: Sheet, device: torch.device, sizes: Sizes, folder: Path) -> None:
    sheet.table("`reportgen demo`, HTML and PDF, once", *RUN_HEADS)
    report = folder / "report"
    if sizes.demo:
        spent = runs.command("demo", "--out", str(report), "--device", str(device), "--quiet")
        _row(sheet, "demo", 9, runs.ran(spent, report))
    else:
        audited = _audited(folder, sizes.small, sizes.cards)
        _row(sheet, sizes.small, sizes.cards, audited.run(str(device), sizes.cards, *sizes.options))


def _run(sheet: Sheet, device: torch.device, sizes: Sizes, folder: Path) -> None:
    sheet.table("`reportgen run`, nine visualizations, all else as it comes, HTML and PDF, once", *RUN_HEADS)
    audited = _audited(folder, sizes.audited, sizes.run_images)
    _row(sheet, sizes.audited, sizes.run_images, audited.run(str(device), sizes.run_images, *sizes.options))


def _cards(sheet: Sheet, device: torch.device, sizes: Sizes, folder: Path) -> None:
    heads = ("network", "cards", "seconds", "cards a second", "resident, MiB", "page")
    sheet.table("`reportgen render --no-pdf`, every card, once", *heads)
    names = [WIDE if name == "occlusion" else name for name in BASIC]
    audited = _audited(folder, sizes.small, sizes.cards, names, QUICKER + EVERY_CARD)
    report = audited.run(str(device), sizes.cards, "--no-pdf").report
    spent = runs.command("render", str(report), "--no-pdf")
    page = f"{(report / 'report.html').stat().st_size / 1e6:.1f} MB"
    speed, resident = f"{sizes.cards / spent.seconds:.1f}", f"{spent.resident_bytes / 2**20:.0f}"
    sheet.row(sizes.small, sizes.cards, f"{spent.seconds:.1f}", speed, resident, page)


def _page(sheet: Sheet, device: torch.device, sizes: Sizes, folder: Path) -> None:
    heads = ("images", "cards", "page", "elements", "seconds to open: median (least to most)", "memory, MiB")
    sheet.table("A page in Chromium: rows of so many images, cards of 200 at most", *heads)
    names = ["predictions", "saliency", "grad-cam"]
    for count in sizes.rows:
        ran = _audited(folder, sizes.small, count, names, QUICKER).run(str(device), count, "--no-pdf")
        page = (ran.report / "report.html").stat().st_size
        seen = browser.opened(ran.report)
        megabytes, memory = f"{page / 1e6:.1f} MB", f"{seen.resident_bytes / 2**20:.0f}"
        sheet.row(count, min(count, 200), megabytes, f"{seen.elements:,}", seen.seconds, memory)


def _start(sheet: Sheet, _device: torch.device, _sizes: Sizes, _folder: Path) -> None:
    sheet.table("Start", "command", "seconds: median (least to most)", "resident, MiB")
    spent = [runs.command("--help") for _ in range(1 + REPEATS)][1:]
    resident = max(each.resident_bytes for each in spent) / 2**20
    sheet.row("`reportgen --help`", Times(tuple(each.seconds for each in spent)), f"{resident:.0f}")


def _scaling(sheet: Sheet, device: torch.device, sizes: Sizes, folder: Path) -> None:
    heads = ("network", "images", "seconds", "resident, MiB", "evidence, MiB")
    sheet.table("Growth: `reportgen run --no-pdf`, figures of 200 images at most", *heads)
    names = ["predictions", "saliency", "grad-cam"]
    found = []
    for count in sizes.grown:
        ran = _audited(folder, sizes.small, count, names, QUICKER).run(str(device), count, "--no-pdf")
        found.append((count, ran.seconds, ran.spent.resident_bytes / 2**20))
        evidence = f"{ran.evidence_bytes / 2**20:.1f}"
        sheet.row(sizes.small, count, f"{ran.seconds:.1f}", f"{found[-1][2]:.0f}", evidence)
    for rows, of in ((found, "all"), (found[-2:], "the last two")):
        time, memory = (exponent([r[0] for r in rows], [r[place] for r in rows]) for place in (1, 2))
        sheet.row(f"power of the number of images, {of}", "–", f"{time:.2f}", f"{memory:.2f}", "–")


def exponent(counts: Sequence[float], values: Sequence[float]) -> float:
    """The power of the count that the values grow with: the slope of their logarithms, least squares."""
    return float(np.polyfit(np.log(counts), np.log(values), 1)[0])


def _audited(
    folder: Path, name: str, images: int, visualizations: Sequence[str] = BASIC, more: str = ""
) -> Audited:
    audited = Audited(folder, KNOWN[name])
    audited.prepare(images, visualizations, more)
    return audited


COMMAND = Command(
    "bench",
    __doc__ or "",
    {
        "start": Part(_start),
        "bundle": Part(_bundle),
        "occlusion": Part(_occlusion),
        "demo": Part(_demo),
        "run": Part(_run),
        "cards": Part(_cards),
        "page": Part(_page),
        "scaling": Part(_scaling),
    },
    Sizes(),
    QUICK,
)

if __name__ == "__main__":
    sys.exit(COMMAND.run())
