"""`python -m flaws.twins [--seeds N]`: the same network trained with and without changed pictures, and one
more without; up to which severity of each axis each holds, and which of them the audit tells apart."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from flaws.audit import audited
from flaws.drawing import CLASSES, Pixels
from flaws.planting import clean_pictures
from flaws.training import Labelled, drawn, trained
from reportgen.audit.compare.curves import CurveChange, curve_changes
from reportgen.audit.compare.sides import Side
from reportgen.evidence import Evidence

EACH, EPOCHS = 300, 8
CHANGED = 0.7  # of the training's pictures


def changed(picture: Pixels, draw: np.random.Generator) -> Pixels:
    """A picture with a blur, another light, less contrast and noise, each by chance."""
    values = picture.astype(np.float64) / 255
    spread = (draw.uniform(0, 1.5),) * 2 + (0,) * (picture.ndim - 2)
    values = gaussian_filter(values, spread) * draw.uniform(0.4, 1.3)
    values = values.mean() + (values - values.mean()) * draw.uniform(0.4, 1.1)
    noisy = values + draw.normal(0, draw.uniform(0, 0.2), values.shape)
    return (noisy.clip(0, 1) * 255).astype(np.uint8)


def taught(world: str, seed: int, robust: bool) -> object:
    """The network after a training with changed pictures, or with the pictures as they are."""
    clean, draw = drawn(world, EACH, 8000 + seed), np.random.default_rng(seed)
    share = CHANGED if robust else 0
    pictures = [changed(each, draw) if draw.random() < share else each for each in clean.pictures]
    return trained(Labelled(pictures, clean.labels), len(CLASSES[world]), seed, EPOCHS)


def side(world: str, name: str, seed: int, robust: bool, folder: Path) -> Side:
    """The audit of a network on the pictures of the world, the same for all; `seed` is the training's."""
    at = clean_pictures(world, 0).but(network=taught(world, seed, robust))
    audited(at, folder / name, only=["corruptions"])
    return Side(name, {}, Evidence(folder / name / "evidence"))


def rows(world: str, seed: int, folder: Path) -> Iterator[tuple[str, list[CurveChange]]]:
    """The robust twin against the fragile one, and another fragile one against it."""
    plain = side(world, "fragile", seed, False, folder)
    yield "with changed pictures", curve_changes(side(world, "robust", seed, True, folder), plain)
    yield "without, another seed", curve_changes(side(world, "other", seed + 50, False, folder), plain)


def main() -> None:
    """Prints a row a comparison."""
    arguments = argparse.ArgumentParser(prog="flaws.twins", description=__doc__)
    arguments.add_argument("worlds", nargs="*", default=["digits", "shapes"])
    arguments.add_argument("--seeds", type=int, default=1)
    chosen = arguments.parse_args()
    print("| world | seed | trained | surely further than the one without | less far | not told apart |")
    print("|---|---|---|---|---|---|")
    for world in chosen.worlds:
        for seed in range(chosen.seeds):
            with tempfile.TemporaryDirectory() as folder:
                for words, found in rows(world, seed, Path(folder)):
                    cells = [", ".join(told(found, further)) or "–" for further in ("new", "old", None)]
                    print(f"| {world} | {seed} | {words} | {' | '.join(cells)} |", flush=True)


def told(found: list[CurveChange], further: str | None) -> list[str]:
    """The axes of which one is further, or neither, with the ends of both."""
    return [
        f"{row['title']} ({_ends(row['holds']['new'])} for {_ends(row['holds']['old'])})"
        for row in found
        if row["holds"] and row["holds"]["further"] == further
    ]


def _ends(ends: tuple[float, float]) -> str:
    return "–".join(f"{end:g}" for end in dict.fromkeys(ends))


if __name__ == "__main__":
    main()
