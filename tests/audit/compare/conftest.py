"""Three nights of a small network: as it was, with a filter zeroed, and as it was again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from reportgen.pipeline import run

GATES = """gates:
  - {diff: answers_changed, max: 0.9}
  - {diff: filters_zeroed, max: 0}
  - {metric: loss, within: 100}
"""
VISUALIZATIONS = """visualizations:
  - filters
  - channel-health
  - saliency
  - occlusion: {window_px: 12, stride_px: 8}
"""


@dataclass(frozen=True)
class Nights:
    """The folder of the reports, and what the nights were made of."""

    folder: Path
    images: Path
    recipe: Any
    good: Path
    bad: Path

    def report(self, name: str) -> Path:
        return self.folder / name

    def again(self, checkpoint: Path, out: str, **options: Any) -> Any:
        return run(self.recipe, checkpoint, self.images, self.folder / out, **options)


@pytest.fixture(scope="session")
def nights(tmp_path_factory: pytest.TempPathFactory, two_at: Any) -> Iterator[Nights]:
    """The first night without a baseline, the second with the first as its baseline."""
    folder = tmp_path_factory.mktemp("nights")
    two = two_at(folder)

    def edit(text: str) -> str:
        head, _, _ = text.partition("visualizations:\n")
        head = head.replace("trust: {images: 1, steps: 2, random_orders: 2}", "trust: false")
        head = head.replace("checks: false", "checks: [weights]")
        return f"{head}{VISUALIZATIONS}{GATES}history: .\noutput: {{pdf: false}}\n"

    recipe = two.recipe(at_most=5, own="", edit=edit)
    state = load_file(folder / "main.safetensors")
    state["conv.weight"][1] = 0
    state["conv.bias"][1] = 0
    save_file(state, folder / "bad.safetensors")
    made = Nights(folder, two.images, recipe, folder / "main.safetensors", folder / "bad.safetensors")
    made.again(made.good, "first")
    made.again(made.bad, "second", baseline=made.report("first"))
    yield made
