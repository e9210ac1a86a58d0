"""Every visualization of an image on two devices, or in two layouts: how far the figures differ."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor, nn

from bench.networks import Known, in_double, photographs
from bench.passes import Pass, facts_of
from bench.sheet import Sheet
from reportgen.engine.feed import Feed
from reportgen.engine.needs import Probe
from reportgen.findings import Curve, Finding, Gallery, Heatmap, Picture
from reportgen.probes import methods

OF_THE_SET = ("occlusion-study",)  # it shows others of the set beside an image, and is not asked of a batch
# fewer of what is drawn at random or summed over: the same arithmetic
FEWER = {
    "smoothgrad": {"samples": 8},
    "integrated-gradients": {"steps": 8},
    "rise": {"masks": 32},
    "score-cam": {"channels": 16},
    "invariance": {"steps": 5},
}
DRAWN = (Heatmap, Picture, Gallery, Curve)

# In float64 nothing but the order of sums differs, and figures are kept in float32: 6e-8 of a value.
EXACT = 1e-5
# In float32 a rectifier whose input is all but zero may open on one device alone, and lets the whole gradient
# of its place pass: single pixels of a gradient's map move by a per cent or so, as they do between two
# layouts on one processor, and the order of the places stays.
ORDER, ALIKE = 0.99, 0.999
ROOM = 20  # times what the other layout changes on the processor itself, where that is more than
LEAST = 1e-3  # of the map's largest magnitude


@dataclass(frozen=True)
class Difference:
    """Of one visualization the worst image and figure: the largest error as a share of the figure's largest
    magnitude, the least rank correlation, the least cosine."""

    error: float = 0.0
    rank: float = 1.0
    cosine: float = 1.0

    def worse(self, other: Difference) -> Difference:
        return Difference(
            max(self.error, other.error), min(self.rank, other.rank), min(self.cosine, other.cosine)
        )


def image_probes(names: Iterable[str] | None = None) -> dict[str, Probe]:
    """Every visualization of single images by name, with options that are quick."""
    wanted = names or [n for n, m in methods().items() if m.scope == "image" and n not in OF_THE_SET]
    return {name: methods()[name].probe(**FEWER.get(name, {})) for name in wanted}


def between(found: Finding, expected: Finding) -> Difference:
    """How far a figure of a batch is from another one, over its images. A gallery of other tiles is as far as
    can be."""
    a, b = (np.asarray(finding.values, dtype=np.float64) for finding in (found, expected))
    numbers = [getattr(finding, "numbers", None) for finding in (found, expected)]
    if numbers[0] is not None and not np.array_equal(*numbers):
        return Difference(1.0, 0.0, 0.0)
    worst = Difference()
    for mine, other in zip(a.reshape(len(a), -1), b.reshape(len(b), -1), strict=True):
        worst = worst.worse(_of_image(mine, other))
    return worst


def _of_image(mine: np.ndarray, other: np.ndarray) -> Difference:
    if not np.array_equal(np.isfinite(mine), np.isfinite(other)):
        return Difference(1.0, 0.0, 0.0)
    mine, other = np.nan_to_num(mine, posinf=0, neginf=0), np.nan_to_num(other, posinf=0, neginf=0)
    largest = abs(other).max()
    if largest == 0 or np.ptp(other) == 0:  # says nothing, and neither may the other
        return Difference(float(abs(mine - other).max() / (largest or 1)))
    cosine = float(mine @ other / max(np.linalg.norm(mine) * np.linalg.norm(other), 1e-300))
    return Difference(float(abs(mine - other).max() / largest), spearman(mine, other), cosine)


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """The rank correlation of two arrays (n,). Places that differ by rounding alone are ties: what a map has
    left where it is zero has no order."""
    ranks = [rankdata(np.round(v / abs(b).max(), 4)) for v in (a, b)]
    if min(np.ptp(r) for r in ranks) == 0:
        return 1.0 if max(np.ptp(r) for r in ranks) == 0 else 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def differences(
    found: Mapping[str, tuple[Finding, ...]], expected: Mapping[str, tuple[Finding, ...]]
) -> dict[str, Difference]:
    """By visualization how far its drawn numbers differ."""
    told: dict[str, Difference] = {}
    for name, several in expected.items():
        others = {finding.name: finding for finding in found[name]}
        for finding in several:
            if isinstance(finding, DRAWN) and finding.values.dtype.kind == "f":
                known = told.get(name, Difference())
                told[name] = known.worse(between(others[finding.name], finding))
    return told


def changed_places(
    found: Mapping[str, tuple[Finding, ...]], expected: Mapping[str, tuple[Finding, ...]]
) -> float:
    """The largest share of places whose choice (a mask's, a class's, a segment's) differs."""
    shares = [0.0]
    for name, several in expected.items():
        others = {finding.name: finding for finding in found[name]}
        for finding in several:
            values = getattr(finding, "values", None)
            if isinstance(values, np.ndarray) and values.dtype.kind in "biu" and values.ndim > 2:
                shares.append(float((values != others[finding.name].values).mean()))
    return max(shares)


def compare(
    sheet: Sheet, known: Known, device: torch.device, images: int, names: Iterable[str] | None
) -> None:
    """A row a visualization: on the device against the processor, in float32 and in float64, with what the
    other layout changes on the processor alone."""
    network, pixels = known.make(), photographs(images, known.side_px)
    probes = image_probes(names)
    cpu = torch.device("cpu")
    expected = _run(network, known, probes, cpu, pixels)
    there = _run(network, known, probes, device, pixels)
    other = _run(network, known, probes, cpu, pixels, Feed(channels_last=False))
    double = in_double(network)
    exact, exact_there = (_run(double, known, probes, d, pixels.double()) for d in (cpu, device))
    rounding, in_layouts, twice = (
        differences(a, b) for a, b in ((there, expected), (other, expected), (exact_there, exact))
    )
    for name, far in rounding.items():
        limit = max(LEAST, ROOM * in_layouts[name].error)
        sheet.row(
            known.name,
            name,
            f"{far.error:.0e}",
            f"{far.rank:.5f}",
            f"{far.cosine:.6f}",
            f"{in_layouts[name].error:.0e}",
            f"{twice[name].error:.0e}",
        )
        if not (far.error <= limit and far.rank >= ORDER and far.cosine >= ALIKE):
            sheet.fault(f"maps: {known.name}, {name}: float32 differs by {far}, limit {limit:.0e}")
        if not twice[name].error <= EXACT:
            sheet.fault(f"maps: {known.name}, {name}: float64 differs by {twice[name]}")
    shares = (
        f"{100 * changed_places(there, expected):.2f} %, {100 * changed_places(exact_there, exact):.2f} %"
    )
    sheet.row(known.name, "masks, class maps, segments: places that differ", shares, "–", "–", "–", "–")


def _run(
    network: nn.Module,
    known: Known,
    probes: Mapping[str, Probe],
    device: torch.device,
    pixels: Tensor,
    feed: Feed | None = None,
) -> dict[str, tuple[Finding, ...]]:
    own = copy.deepcopy(network)
    facts = facts_of(own, known.side_px)
    engine = Pass(own, facts, probes, device, 64, feed)
    with engine.open():
        return engine.run(pixels)


HEADS = (
    "network",
    "visualization",
    "largest error, of the maximum",
    "rank correlation",
    "cosine",
    "error of the other layout on the processor",
    "error in float64",
)
