"""Whole runs of the command, each in a process of its own, on sets of so many photographs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from bench.networks import Known, crops

REPOSITORY = Path(__file__).resolve().parents[2]
BASIC = (
    "architecture",
    "filters",
    "predictions",
    "feature-maps",
    "hypercolumns",
    "saliency",
    "guided-backprop",
    "grad-cam",
    "occlusion",
)


@dataclass(frozen=True)
class Spent:
    """The seconds of a process, and the most memory that it had resident."""

    seconds: float
    resident_bytes: int


@dataclass(frozen=True)
class Ran:
    """A whole run: what its process took, the seconds of its stages, the most memory that the device (on a
    CPU the process, while it measured) held, and where its report is."""

    spent: Spent
    stages: dict[str, float]
    peak_bytes: int
    report: Path

    @property
    def seconds(self) -> float:
        return self.spent.seconds

    @property
    def stages_in_words(self) -> str:
        """The stages, longest first, and what is none of them: reading the model, loading the packages."""
        named = {name: s for name, s in self.stages.items() if name != "total"}
        parts = {
            **named,
            "other steps": self.stages["total"] - sum(named.values()),
            "start": self.seconds - self.stages["total"],
        }
        ordered = sorted(parts.items(), key=lambda part: -part[1])
        return ", ".join(f"{name} {s:.1f}" for name, s in ordered)

    @property
    def evidence_bytes(self) -> int:
        return _bytes(self.report / "evidence", "*")

    @property
    def image_bytes(self) -> int:
        """Evidence of images with figures; that of the network, of checks and of tests is not among it."""
        return _bytes(self.report / "evidence", "batch-*")


def _bytes(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())


@dataclass(frozen=True)
class Audited:
    """A checkpoint, photographs, and a recipe that names `visualizations`, in a folder."""

    folder: Path
    known: Known

    def prepare(self, images: int, visualizations: Sequence[str] = BASIC, more: str = "") -> None:
        """Writes all that a run reads."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {name: value.contiguous() for name, value in self.known.make().state_dict().items()}
        save_file(state, self.folder / "network.safetensors")
        photos = self.folder / f"photos-{images}"
        photos.mkdir(exist_ok=True)
        for number, crop in enumerate(crops(images)):
            crop.save(photos / f"{number:05d}.jpg", quality=90)
        side, source = self.known.side_px, self.known.source
        if source.startswith("oracles:"):
            source = str(REPOSITORY / "tests" / "oracles.py") + ":" + source.partition(":")[2]
        numbers = "mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]"
        listed = "".join(f"  - {name}\n" for name in visualizations)
        self.recipe.write_text(
            f"model:\n  source: {source}\n"
            f"  preprocessing: {{resize: {round(side * 8 / 7)}, crop: {side}, {numbers}}}\n"
            f"visualizations:\n{listed}{more}",
            encoding="utf-8",
        )

    @property
    def recipe(self) -> Path:
        return self.folder / "recipe.yaml"

    def run(self, device: str, images: int, *options: str) -> Ran:
        """One run. Raises RuntimeError with the last it said where it fails."""
        report = self.folder / f"report-{device.replace(':', '')}-{images}"
        photos = str(self.folder / f"photos-{images}")
        given = ["--recipe", str(self.recipe), "--device", device, "--out", str(report), "--quiet", *options]
        given += ["--allow-code", str(REPOSITORY / "tests" / "oracles.py")]
        spent = command("run", str(self.folder / "network.safetensors"), photos, *given)
        return ran(spent, report)


def ran(spent: Spent, report: Path) -> Ran:
    """What the report in a folder says of its run."""
    timing = json.loads((report / "evidence" / "timing.json").read_text(encoding="utf-8"))
    results: dict[str, Any] = json.loads((report / "results.json").read_text(encoding="utf-8"))
    return Ran(spent, results["cost"]["seconds"], int(timing["peak_memory_bytes"] or 0), report)


def command(*words: str) -> Spent:
    """What `reportgen …` takes as a process. Raises RuntimeError where it fails."""
    paths = [str(REPOSITORY), str(REPOSITORY / "tests"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "resident"
        given = [sys.executable, "-m", "bench.child", str(told), *words]
        begun = time.perf_counter()
        done = subprocess.run(given, env=environment, capture_output=True, text=True)
        seconds = time.perf_counter() - begun
        if done.returncode:
            raise RuntimeError(f"reportgen {words[0]} exited with {done.returncode}: {done.stderr[-600:]}")
        return Spent(seconds, int(told.read_text(encoding="utf-8")))
