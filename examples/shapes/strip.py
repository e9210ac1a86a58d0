"""Measures how much of each network's maps lies in the shape's box, and draws two images' maps side by side.

    python examples/shapes/strip.py REPORTS --boxes examples/shapes/boxes.csv --out strip.png

REPORTS holds the folders that `reportgen run … --save-maps` wrote, one a network: resnet-report, ….
The share of a map is that of its positive values, over its positive values in all; a map without any
is left out of the mean and counted. Beside it stands the share of the image that the box is.
"""

from __future__ import annotations

import argparse
import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt

matplotlib.use("Agg")

Map: TypeAlias = npt.NDArray[np.float32]
Box: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom in pixels
NAMES = ("resnet", "convnext", "swin", "vit")
METHODS = ("grad-cam", "saliency", "occlusion", "attention", "legrad")
MEAN, STD = 0.5, 0.25  # of the recipes
SHOWN = ("images/red/", "images/blue/")  # the first image of each


@dataclass(frozen=True)
class Report:
    """A network's maps by image: `maps[path][method]` is (H, W) in pixels of the input."""

    name: str
    images: dict[str, npt.NDArray[np.uint8]]  # (H, W, 3)
    maps: dict[str, dict[str, Map]]


def read(folder: Path, name: str) -> Report:
    """What one run wrote; paths are those of boxes.csv."""
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    images, maps = {}, {}
    for image in results["images"]:
        path = f"images/{image['path']}"
        with np.load(folder / "maps" / f"{image['id']}.npz") as saved:
            pixels = saved["input"].transpose(1, 2, 0) * STD + MEAN
            images[path] = (pixels.clip(0, 1) * 255).round().astype(np.uint8)
            maps[path] = {method: saved[method] for method in METHODS if method in saved}
    return Report(name, images, maps)


def share(values: Map, box: Box) -> float | None:
    """How much of a map's positive values (H, W) lies in a box; None where it has none."""
    positive = values.clip(min=0)
    left, top, right, bottom = box
    total = float(positive.sum())
    return float(positive[top:bottom, left:right].sum()) / total if total > 0 else None


def boxes_of(table: Path) -> dict[str, Box]:
    with table.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    return {
        row["path"]: (int(row["left"]), int(row["top"]), int(row["right"]), int(row["bottom"]))
        for row in rows
    }


def shares(report: Report, boxes: dict[str, Box]) -> dict[str, tuple[float, int]]:
    """By method the mean share over the images, and how many have an empty map."""
    found = {}
    for method in METHODS:
        each = [share(maps[method], boxes[path]) for path, maps in report.maps.items() if method in maps]
        own = [value for value in each if value is not None]
        if each:
            found[method] = (float(np.mean(own)) if own else float("nan"), len(each) - len(own))
    return found


def table(reports: list[Report], boxes: dict[str, Box]) -> list[str]:
    """The lines of a Markdown table: the mean share in per cent, a row a network."""
    lines = [f"| network | {' | '.join(METHODS)} |", "|---" * (len(METHODS) + 1) + "|"]
    for report in reports:
        found = shares(report, boxes)
        cells = []
        for method in METHODS:
            value, empty = found.get(method, (0.0, 0))
            none = f" ({empty} empty)" if empty else ""
            cells.append(f"{value:.0%}{none}" if method in found else "–")
        lines.append(f"| {report.name} | {' | '.join(cells)} |")
    any_image = next(iter(reports[0].images.values()))
    side_h, side_w = any_image.shape[:2]
    area = [(b[2] - b[0]) * (b[3] - b[1]) / (side_h * side_w) for b in boxes.values()]
    return [*lines, f"The box is {np.mean(area):.0%} of the image, in the mean."]


def draw(reports: list[Report], boxes: dict[str, Box], file: Path) -> None:
    """A row a network; of each image the picture with its box, and its maps, each on a scale of its own:
    black is zero or less, white the largest value."""
    shown = [next(path for path in sorted(boxes) if path.startswith(start)) for start in SHOWN]
    across = 1 + len(METHODS)
    figure, axes = plt.subplots(len(reports), across * len(shown), figsize=(11, 3.9))
    for row, report in zip(axes, reports, strict=True):
        for number, path in enumerate(shown):
            cells = row[number * across : (number + 1) * across]
            _outlined(cells[0], report.images[path], boxes[path], "image" if report is reports[0] else "")
            for cell, method in zip(cells[1:], METHODS, strict=True):
                values = report.maps[path].get(method)
                _outlined(cell, values, boxes[path], method if report is reports[0] else "")
        row[0].set_ylabel(report.name, fontsize=9)
    figure.subplots_adjust(0.03, 0.01, 0.995, 0.94, wspace=0.05, hspace=0.05)
    figure.savefig(file, dpi=100)
    plt.close(figure)


def _outlined(cell: plt.Axes, values: npt.NDArray[np.generic] | None, box: Box, title: str) -> None:
    """A picture or a map with the box around the shape; an empty cell where there is no map."""
    cell.set_xticks([])
    cell.set_yticks([])
    cell.set_title(title, fontsize=9, pad=3)
    if values is None:
        cell.text(0.5, 0.5, "–", ha="center", va="center", transform=cell.transAxes)
        return
    if values.ndim == 2:
        cell.imshow(values.clip(min=0), cmap="gray", vmin=0)
    else:
        cell.imshow(values)
    left, top, right, bottom = box
    frame = plt.Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, ec="#ff3", lw=0.8)
    cell.add_patch(frame)


def main() -> None:
    parser = argparse.ArgumentParser(description="measure and draw the maps of the shapes example")
    parser.add_argument("reports", type=Path)
    parser.add_argument("--boxes", type=Path, default=Path(__file__).parent / "boxes.csv")
    parser.add_argument("--out", type=Path, default=Path("strip.png"))
    arguments = parser.parse_args()
    boxes = boxes_of(arguments.boxes)
    reports = [read(arguments.reports / f"{name}-report", name) for name in NAMES]
    print("\n".join(table(reports, boxes)))
    draw(reports, boxes, arguments.out)


if __name__ == "__main__":
    main()
