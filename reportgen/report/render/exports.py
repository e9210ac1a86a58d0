"""Evidence -> files for programs: results.json, maps/<id>.npz."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from reportgen.audit.results import Results, as_json
from reportgen.evidence import BESIDE, Evidence, Record, write_whole
from reportgen.findings import Array, Heatmap
from reportgen.formats import MAPS, Report
from reportgen.ownership import claim


def write_results(results: Results, folder: Path) -> None:
    """Writes results.json, or writes it again with the time of rendering."""
    claim(folder, ["results.json"])
    write_whole(folder / "results.json", as_json(results).encode())


def write_maps(report: Report, folder: Path) -> None:
    """Writes the maps of all images that have figures, if the run was asked to save them."""
    evidence = report.evidence
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


def maps(evidence: Evidence, record: Record) -> dict[str, Array]:
    """One image's raw float32 maps, for the first target, by visualization, and input and logits.

    A visualization's own map is (H, W) in model-input pixels; its other maps stay on their grid.
    """
    _, height, width = evidence.manifest["model"]["input_shape"]
    arrays = {key: array for key in ("input", "logits") if (array := evidence.array(record, key)) is not None}
    for name, slots in evidence.findings(record).items():
        for finding in slots[0]:
            if isinstance(finding, Heatmap):
                whole = finding.name == "map"
                key = name if whole else f"{name}-{finding.name}"
                arrays[key] = upsampled(finding.values, height, width) if whole else finding.values
    return arrays


def upsampled(values: Array, height: int, width: int) -> Array:
    """A map (h, w) on the grid (height, width), bilinear with align_corners=False, float32."""
    picture = Image.fromarray(np.asarray(values, np.float32))
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))
