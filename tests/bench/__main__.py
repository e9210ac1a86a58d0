"""`python -m bench [--out DIR] [--only PART …]`: what README says of speed, measured on this machine, at its
end beside what was wanted. On two cores with nothing beside it some 20 minutes.

bundle  seven maps of gradients and layers from one pass, against captum and grad-cam one by one
occlusion  windows of 32 px every 16, against captum
nine    the maps of the nine basic visualizations, against captum and grad-cam one by one
demo    the demo, everything on, HTML and PDF
cards   reports of so many cards, written again from their evidence
page    a report of so many images in Chromium: time to open, memory
start   `reportgen --help`
scaling  time and memory for ten times as many images, and ten times that
run     a whole run of 200 photographs with nine visualizations, all else as it comes (only where it is named)
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from bench import browser, bundle, nine, occlusion, runs, wanted
from bench.cards import repeated
from bench.networks import KNOWN
from bench.parts import Command, Part, each
from bench.runs import BASIC, Audited
from bench.sheet import Sheet
from bench.timing import REPEATS, Times

QUICKER = "trust: false\nchecks: false\n"
EVERY_CARD = "images: {show: {at_most: 100000}}\noutput: {html: {at_most_mb: 2000}}\n"
WIDE = "occlusion: {window_px: 64, stride_px: 64}"  # few windows: the card is what is measured


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    timed: tuple[str, ...] = ("ResNet-50", "EfficientNet-Lite0", "VGG-16")
    bundled_images: int = 4
    occluded_images: int = 1
    window: tuple[int, int] = (32, 16)
    at_once: tuple[int, ...] = (1, 8, 32)
    of_nine: tuple[str, ...] = ("EfficientNet-Lite0",)
    nine_images: int = 2
    demo: bool = True
    audited: str = "EfficientNet-Lite0"
    run_images: int = 200
    small: str = "tiny, 224 px"
    cards: tuple[int, ...] = (100, 300, 1000)  # multiples of the first, which is measured
    grown: tuple[int, ...] = (10, 100, 1000)
    rows: tuple[int, ...] = (200, 1000, 5000)
    options: tuple[str, ...] = ()


QUICK = Sizes(
    timed=("tiny",),
    bundled_images=2,
    occluded_images=2,
    window=(8, 4),
    at_once=(1, 4),
    of_nine=("tiny",),
    nine_images=2,
    demo=False,
    audited="tiny",
    run_images=2,
    small="tiny",
    cards=(2, 4),
    grown=(1, 2),
    rows=(2,),
    options=("--no-pdf",),
)


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


def _nine(sheet: Sheet, device: torch.device, sizes: Sizes, _folder: Path) -> None:
    sheet.table("Nine visualizations: what they show of photographs, median (least to most)", *nine.HEADS)
    count, at_once = sizes.nine_images, sizes.at_once
    each(sheet, "nine", sizes.of_nine, lambda known: nine.compare(sheet, known, device, count, at_once))


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
        images, ran = 9, runs.ran(spent, report)
    else:
        images = sizes.run_images
        ran = _audited(folder, sizes.small, images).run(str(device), images, *sizes.options)
    _row(sheet, "demo" if sizes.demo else sizes.small, images, ran)
    sheet.aim(wanted.DEMO.row(ran.seconds))
    sheet.aim(wanted.EVIDENCE.row(ran.image_bytes / images / 1e6))


def _run(sheet: Sheet, device: torch.device, sizes: Sizes, folder: Path) -> None:
    sheet.table("`reportgen run`, nine visualizations, all else as it comes, HTML and PDF, once", *RUN_HEADS)
    audited = _audited(folder, sizes.audited, sizes.run_images)
    _row(sheet, sizes.audited, sizes.run_images, audited.run(str(device), sizes.run_images, *sizes.options))


def _cards(sheet: Sheet, _device: torch.device, sizes: Sizes, folder: Path) -> None:
    heads = ("network", "cards", "seconds", "cards a second", "resident, MiB", "page")
    sheet.table("`reportgen render --no-pdf`, every card, once", *heads)
    names = [WIDE if name == "occlusion" else name for name in BASIC]
    measured = sizes.cards[0]
    audited = _audited(folder, sizes.small, measured, names, QUICKER + EVERY_CARD)
    evidence = audited.run("cpu", measured, "--no-pdf").report / "evidence"
    found = []
    for count in sizes.cards:
        report = folder / f"cards-{count}"
        repeated(evidence, report / "evidence", count // measured)
        spent = runs.command("render", str(report), "--no-pdf")
        found.append((count, spent.seconds, spent.resident_bytes))
        page = f"{(report / 'report.html').stat().st_size / 1e6:.1f} MB"
        speed, resident = f"{count / spent.seconds:.1f}", f"{spent.resident_bytes / 2**20:.0f}"
        sheet.row(sizes.small, count, f"{spent.seconds:.1f}", speed, resident, page)
    count, seconds, resident_bytes = found[-1]
    sheet.aim(wanted.CARDS.row(seconds * 1000 / count, f"{seconds:.1f} s for {count}"))
    sheet.aim(wanted.CARDS_RESIDENT.row(resident_bytes / 1e9))
    sheet.aim(wanted.CARDS_POWER.row(exponent(*zip(*[each[:2] for each in found], strict=True))))


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
    taken = Times(tuple(each.seconds for each in spent))
    sheet.row("`reportgen --help`", taken, f"{resident:.0f}")
    sheet.aim(wanted.START.row(taken.median, str(taken)))


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
    sheet.aim(wanted.TIME_POWER.row(time))
    sheet.aim(wanted.MEMORY_POWER.row(memory))


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
        "nine": Part(_nine),
        "cards": Part(_cards),
        "page": Part(_page),
        "scaling": Part(_scaling),
        "demo": Part(_demo),
        "run": Part(_run, named=True),
    },
    Sizes(),
    QUICK,
)

if __name__ == "__main__":
    sys.exit(COMMAND.run())
