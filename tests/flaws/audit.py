"""Audits one planted set in this process and holds its verdicts against what was planted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image
from safetensors.torch import save_file

from flaws.judging import Outcome, Told, judged
from flaws.planting import Flaw, Planted
from reportgen.measure import measure_main
from reportgen.measure.audit import prepare
from reportgen.recipe import Recipe


def audited(planted: Planted, folder: Path, seed: int = 0, only: Any = "all") -> Told:
    """The verdicts of an audit with the checks alone, all or those that are named here or there."""
    folders = {"images": planted.pictures, "training": planted.training, "masks": planted.masks}
    for part, pictures in folders.items():
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
    if planted.masks:
        images["masks"] = str(folder / "masks")
    return Recipe.model_validate(
        {
            "model": {
                "source": planted.source,
                "arguments": dict(planted.arguments),
                "classes": list(planted.classes),
                **planted.recipe,
            },
            "images": images,
            "run": {"device": "cpu", "batch_size": 64, "seed": seed},
            "visualizations": ["channel-health"],
            "trust": False,
            "checks": {"only": list(planted.only) if planted.only and only == "all" else only},
        }
    )


def outcome(flaw: Flaw, planted: Planted, told: Told) -> Outcome:
    """What the audit's verdicts make of the flaw that was planted."""
    return judged(flaw.named_by, planted.says, planted.touched, told)
