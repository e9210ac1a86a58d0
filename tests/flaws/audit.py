"""Audits one planted set in this process and holds its verdicts against what was planted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from safetensors.torch import save_file

from flaws.planting import Flaw, Planted
from reportgen.measure import measure_main
from reportgen.measure.audit import prepare
from reportgen.recipe import Recipe

Outcome = Literal["found", "partly", "missed"]
GRAVE = ("fault", "warning")
PRECISION, RECALL = 0.8, 0.5  # of the images that a verdict shows, against those that were planted
NETWORK = Path(__file__).with_name("network.py")


@dataclass(frozen=True)
class Told:
    """What an audit said: every verdict by the check's name, with the paths of the images that it shows."""

    verdicts: dict[str, dict[str, Any]]
    shown: dict[str, frozenset[str]]

    @property
    def grave(self) -> list[str]:
        """The checks that a reader has to act on: faults and warnings that follow from no other."""
        return [
            name
            for name, verdict in self.verdicts.items()
            if verdict["status"] in GRAVE and not verdict["explained_by"]
        ]


def audited(planted: Planted, folder: Path, seed: int = 0, only: Any = "all") -> Told:
    """The verdicts of an audit with the checks alone."""
    for part, pictures in (("images", planted.pictures), ("training", planted.training)):
        for path, picture in pictures.items():
            file = folder / part / path
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(file)
    checkpoint = folder / "model.safetensors"
    save_file({key: value.contiguous() for key, value in planted.network.state_dict().items()}, checkpoint)
    audit = prepare(_recipe(planted, folder, seed, only), checkpoint, folder / "images", None, False)
    measurement = measure_main(audit, folder / "evidence", lambda *_: None)
    written = json.loads((measurement.writer.folder / "verdicts.json").read_bytes())["records"]
    paths = [file.shown for file in audit.files]
    verdicts = {record["name"]: record for record in written}
    shown = {
        name: frozenset(paths[number] for number in verdict["exhibits"]["images"])
        for name, verdict in verdicts.items()
    }
    return Told(verdicts, shown)


def _recipe(planted: Planted, folder: Path, seed: int, only: Any) -> Recipe:
    images: dict[str, Any] = {"labels": "folder", "show": {"at_most": 1}}
    if planted.training:
        images["training"] = str(folder / "training")
    return Recipe.model_validate(
        {
            "model": {
                "source": f"{NETWORK}:build",
                "arguments": dict(planted.arguments),
                "classes": list(planted.classes),
                **planted.recipe,
            },
            "images": images,
            "run": {"device": "cpu", "batch_size": 64, "seed": seed},
            "visualizations": ["channel-health"],
            "trust": False,
            "checks": {"only": only},
        }
    )


def outcome(flaw: Flaw, planted: Planted, told: Told) -> Outcome:
    """`found`: one of the flaw's checks is grave with the right words, numbers and images; `partly`: it is
    grave without them, or it says them and does not decide; `missed`: neither."""
    best: Outcome = "missed"
    for name in flaw.named_by:
        verdict = told.verdicts.get(name)
        if verdict is None:
            continue
        right = all(said.stands_in(verdict["sentence"]) for said in planted.says)
        right = right and names_images(planted.touched, told.shown[name])
        if name in told.grave:
            if right:
                return "found"
            best = "partly"
        elif verdict["status"] == "undecided" and right:
            best = "partly"
    return best


def names_images(planted: frozenset[str], shown: frozenset[str]) -> bool:
    """Whether most of the images shown are planted ones, and enough of these are shown."""
    if not planted:
        return True
    if not shown:
        return False
    both = len(planted & shown)
    return both >= PRECISION * len(shown) and both >= RECALL * len(planted)
