"""Evidence -> files for programs: results.json, junit.xml, maps/<id>.npz."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reportgen.audit.results import results
from reportgen.audit.seal import seal
from reportgen.evidence import BESIDE, Evidence, Record, write_whole
from reportgen.findings import Array, Heatmap
from reportgen.ownership import MAPS, claim
from reportgen.report.render.junit import junit


def write(folder: Path) -> None:
    """Writes the exports beside `folder`/evidence, maps only if the run was asked to save them."""
    evidence = Evidence(folder / "evidence")
    found = results(evidence)
    claim(folder, ("results.json", "junit.xml"))
    write_whole(folder / "results.json", _json(found))
    write_whole(folder / "junit.xml", junit(found, evidence.manifest))
    if evidence.manifest["save_maps"]:
        _write_maps(evidence, folder, MAPS)
        if evidence.beside is not None:
            _write_maps(evidence.beside, folder, f"{MAPS}/{BESIDE}")


def _write_maps(evidence: Evidence, folder: Path, room: str) -> None:
    (folder / room).mkdir(exist_ok=True)
    measured = {f"{room}/{r['id']}.npz": r for r in evidence.records() if r["measured"]}
    claim(folder, measured)
    for name, record in measured.items():
        data = io.BytesIO()
        # numpy dates the members of an archive 1980: equal maps give equal bytes
        np.savez_compressed(data, **maps(evidence, record))  # type: ignore[arg-type]
        write_whole(folder / name, data.getvalue())


def close(folder: Path, render_s: float) -> None:
    """The last step of rendering: notes its duration in results.json and seals the folder."""
    file = folder / "results.json"
    found = json.loads(file.read_bytes())
    seconds = found["cost"]["seconds"]
    seconds |= {"render": render_s, "total": seconds["total"] + render_s}
    write_whole(file, _json(found))
    seal(folder)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1).encode() + b"\n"


def maps(evidence: Evidence, record: Record) -> dict[str, Array]:
    """One image's raw float32 maps, for the first target, by visualization, and input and logits.

    A visualization's own map is (H, W) in model-input pixels; its other maps stay on their grid.
    """
    _, height, width = evidence.manifest["model"]["input_shape"]
    found = {
        key: array
        for key in ("input", "logits")
        if (array := evidence.array(record, key)) is not None
    }
    for name, slots in evidence.findings(record).items():
        for finding in slots[0]:
            if isinstance(finding, Heatmap):
                whole = finding.name == "map"
                key = name if whole else f"{name}-{finding.name}"
                found[key] = upsampled(finding.values, height, width) if whole else finding.values
    return found


def upsampled(values: Array, height: int, width: int) -> Array:
    """A map (h, w) on the grid (height, width), bilinear with align_corners=False, float32."""
    picture = Image.fromarray(np.asarray(values, np.float32))
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))


