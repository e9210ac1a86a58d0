"""`python -m flaws.twins [--seeds N]`: the same network trained with and without changed pictures, and one
more without; up to which severity of each axis each holds, and which of them the audit tells apart."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from flaws.audit import audited
from flaws.drawing import CLASSES, Pixels
from flaws.planting import clean_pictures
from flaws.training import Labelled, drawn, trained
from reportgen.audit.compare.curves import LEVEL, Holds, holds_of

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


def levels(world: str, seed: int, robust: bool, folder: Path) -> dict[str, tuple[float, float]]:
    """The ends of the severity that a network holds to, by axis, on the pictures of the world, the same for
    all; `seed` is the training's."""
    at = clean_pictures(world, 0).but(network=taught(world, seed, robust))
    told = audited(at, folder / f"{seed} {robust}", only=["corruptions"]).verdicts
    numbers = told["corruptions"]["numbers"]
    return {
        name.removesuffix(LEVEL): (number["low"], number["high"])
        for name, number in numbers.items()
        if name.endswith(LEVEL)
    }


def compared(world: str, seed: int, folder: Path) -> Iterator[tuple[str, dict[str, Holds]]]:
    """The robust twin against the fragile one, and another fragile one against it, by axis."""
    plain = levels(world, seed, False, folder)
    ways = ("with changed pictures", seed, True), ("without, another seed", seed + 50, False)
    for words, own, robust in ways:
        other = levels(world, own, robust, folder)
        both = {axis: holds_of(other[axis], plain[axis]) for axis in other if axis in plain}
        yield words, {axis: held for axis, held in both.items() if held}


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
                for words, found in compared(world, seed, Path(folder)):
                    cells = [", ".join(told(found, further)) or "–" for further in ("new", "old", None)]
                    print(f"| {world} | {seed} | {words} | {' | '.join(cells)} |", flush=True)


def told(found: Mapping[str, Holds], further: str | None) -> list[str]:
    """The axes of which one is further, or neither, with the ends of both."""
    return [
        f"{axis} ({_ends(held['new'])} for {_ends(held['old'])})"
        for axis, held in found.items()
        if held["further"] == further
    ]


def _ends(ends: list[float]) -> str:
    return "–".join(f"{end:g}" for end in dict.fromkeys(ends))


if __name__ == "__main__":
    main()
