"""Audits so many small images and prints how memory went while they were scored; exit 1 where it grew.

make soak SOAK="--images 20000"
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from reportgen.pipeline import run
from reportgen.recipe import load

MNIST = Path(__file__).resolve().parents[2] / "examples" / "mnist"
RECIPE = """
model: {source: network.py:DigitNet, preprocessing: {resize: null, crop: 28, mean: [0.1307], std: [0.3081]}}
images: {show: {at_most: 4}}
run: {device: cpu}
visualizations: [predictions, saliency]
trust: false
checks: false
output: {pdf: false}
"""
MOST_BYTES = 1000  # that an image may leave behind while the set is scored: its name, hash and number


def resident() -> int:
    """The bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> int:
    asked = argparse.ArgumentParser()
    asked.add_argument("--images", type=int, default=20_000)
    count = asked.parse_args().images
    seen: list[tuple[int, int]] = []

    def heard(stage: str, done: int, total: int, note: str = "") -> None:
        if stage == "score" and total:
            gc.collect()
            seen.append((done, resident()))

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "network.py").write_bytes((MNIST / "network.py").read_bytes())
        (place / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
        draw = np.random.default_rng(0)
        for number in range(count):
            below = place / "images" / f"{number // 1000:03}"
            below.mkdir(parents=True, exist_ok=True)
            pixels = draw.integers(0, 256, (28, 28), dtype=np.uint8)
            Image.fromarray(pixels).save(below / f"{number:06}.png", compress_level=1)
        run(load(place / "recipe.yaml"), MNIST / "checkpoints" / "epoch-10.safetensors", place / "images",
            place / "out", progress=heard)  # fmt: skip
    late = [(done, held) for done, held in seen if done >= count // 4]  # all is set up by then
    grown = float(np.polyfit([done for done, _ in late], [held for _, held in late], 1)[0])
    early, end = late[0][1] / 1e6, late[-1][1] / 1e6
    print(f"{count:,} images: {early:.0f} MB after a quarter, {end:.0f} MB after all")
    print(f"{grown:,.0f} bytes an image while they were scored (limit {MOST_BYTES:,})")
    return int(grown > MOST_BYTES)


if __name__ == "__main__":
    sys.exit(main())
