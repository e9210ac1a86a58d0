"""Occlusion maps against captum's, with what they differ by."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import captum.attr
import torch
from torch import Tensor, nn

from bench.networks import Known, photographs
from bench.passes import Pass, facts_of
from bench.sheet import Sheet
from bench.timing import REPEATS, in_turn, once, ratio, times
from bench.wanted import TIMES_NARROW, exact, narrow
from bench.wanted import occlusion as wanted
from reportgen.engine.feed import Feed
from reportgen.probes.occlusion import Occlusion

HEADS = (
    "network",
    "images",
    "windows",
    "reportgen",
    "captum `Occlusion`",
    "its best perturbations_per_eval and layout",
    "times faster",
    "largest difference, of the maximum",
    "multiply-adds, times fewer",
    "all windows in full at the network's pace",
)
PACED = 16  # images of a batch that tells a network's pace
UNITS = ("amx_bf16", "avx512_bf16")  # a processor's flags: matrix units, and vector instructions
FEW = 4  # times the stride: a sixteenth of the windows tells which way captum is fastest


def by_captum(
    network: nn.Module, x: Tensor, targets: Tensor, window: int, stride: int, at_once: int
) -> Tensor:
    """The map (N, H, W) on the processor; the baseline is the mean that images are normalised by."""
    attributed: Any = captum.attr.Occlusion(network).attribute(
        x,
        sliding_window_shapes=(x.shape[1], window, window),
        strides=(x.shape[1], stride, stride),
        baselines=0,
        target=targets,
        perturbations_per_eval=at_once,
    )
    return attributed[:, 0].cpu()


def layouts(
    network: nn.Module, pixels: Tensor, device: torch.device
) -> dict[Feed, tuple[nn.Module, Tensor]]:
    """A network and its pictures on a device, in each of the two layouts of memory; the plain one first."""
    return {
        feed: (feed.placed(copy.deepcopy(network), device), feed.laid(pixels.to(device)))
        for feed in (Feed(channels_last=False), Feed())
    }


def answered(laid: Mapping[Feed, tuple[nn.Module, Tensor]]) -> Tensor:
    """The classes (N,) that the pictures are answered with."""
    network, x = next(iter(laid.values()))
    with torch.no_grad():
        return network(x).argmax(1)


def fastest(
    laid: Mapping[Feed, tuple[nn.Module, Tensor]],
    targets: Tensor,
    windows: tuple[int, int],
    each: Sequence[int],
    device: torch.device,
) -> tuple[Feed, int]:
    """The layout, and how many windows at once, that captum's occlusion is fastest with: by fewer windows (of
    a side and a stride), and larger ones where they would else leave gaps."""
    side, few = windows[0], FEW * windows[1]

    def captums(feed: Feed, at_once: int) -> Tensor:
        with torch.no_grad():
            return by_captum(*laid[feed], targets, max(side, few), few, at_once)

    ways = [(feed, at_once) for feed in laid for at_once in each]
    tried = {way: once(device, partial(captums, *way)) for way in (*ways[:1], *ways)}
    return min(tried, key=tried.__getitem__)


def compare(
    sheet: Sheet,
    known: Known,
    device: torch.device,
    images: int,
    window: int = 32,
    stride: int = 16,
    each: Sequence[int] = (1, 8, 32),
    batch_size: int = 16,
    repeats: int = REPEATS,
) -> None:
    """A row: the maps of a batch by the engine's pass, and by captum where that is fastest."""
    network, pixels = known.make(), photographs(images, known.side_px)
    facts = facts_of(network, known.side_px)
    probe = Occlusion(window_px=window, stride_px=stride, baseline="mean")
    ours = Pass(network, facts, {"occlusion": probe}, device, batch_size)
    laid = layouts(network, pixels, device)
    targets = answered(laid)
    best = fastest(laid, targets, (window, stride), each, device)
    found: dict[str, Any] = {}

    def captums() -> Tensor:
        with torch.no_grad():
            return by_captum(*laid[best[0]], targets, window, stride, best[1])

    def run(name: str) -> None:
        found[name] = ours.run(pixels) if name == "ours" else captums()

    with ours.open():
        ways_of = {name: partial(run, name) for name in ("ours", "captum")}
        taken = in_turn(device, ways_of, repeats, warm=["captum"])  # it was tried in every way
        paced = pace(network, known, device)
    mine = torch.from_numpy({f.name: f for f in found["ours"]["occlusion"]}["map"].values)
    error = float((mine - found["captum"]).abs().max() / found["captum"].abs().max())
    windows = len(probe._windows(facts).boxes(known.side_px, known.side_px))
    own, theirs, in_full = taken["ours"], taken["captum"], paced * images * windows
    said, fewer = ratio(theirs, own), ours.fewer_macs()
    way, off, full = f"{best[1]}, {best[0]}", f"{error:.0e}", f"{in_full:.3g} s"
    sheet.row(known.name, images, windows, own, theirs, way, said, off, f"{fewer:.2f}×", full)
    sheet.aim(wanted(known.name).row(times(theirs, own), said, f"{in_full / fewer / own.median:.0%}"))
    sheet.aim(exact(known.name).row(error, off))
    if known.name in TIMES_NARROW:
        sheet.aim(narrow(known.name).unjudged(in_bfloat16(network, known, device)))


def pace(
    network: nn.Module, known: Known, device: torch.device, dtype: torch.dtype = torch.float32
) -> float:
    """The seconds an image of a plain forward, in the layout that we use: of several, the least."""
    feed = Feed()
    placed = feed.placed(copy.deepcopy(network), device).to(dtype)
    x = feed.laid(photographs(PACED, known.side_px).to(device, dtype))
    with torch.no_grad():
        taken = in_turn(device, {"forward": partial(placed, x)}, 3)["forward"]
    return min(taken.seconds) / PACED


def in_bfloat16(network: nn.Module, known: Known, device: torch.device) -> str:
    """Why nothing is measured in bfloat16, and what its forward would gain on this processor."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    has = [unit for unit in UNITS if unit in flags]
    why = "`run.precision` has float32 only"
    if not has:
        return f"{why}; this processor has no units for it"
    gain = pace(network, known, device) / pace(network, known, device, torch.bfloat16)
    return f"{why}; a forward in it is {gain:.1f}× as fast here ({has[0]})"
