"""Evidence -> files for programs: results.json, junit.xml, maps/<id>.npz."""

from __future__ import annotations

import io
import json
import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from reportgen.audit.gates import evaluate
from reportgen.audit.trust import summary
from reportgen.audit.verify import seal
from reportgen.evidence import BESIDE, Evidence, Record, write_whole
from reportgen.findings import (
    Array,
    Comparison,
    Curve,
    Distribution,
    Finding,
    Flag,
    Heatmap,
    Scalar,
    Table,
    faults,
)
from reportgen.report.beside import beside
from reportgen.report.metrics import metrics

SCHEMA = "reportgen.results/1"
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
LAYER_KEYS = (
    *("name", "type", "number", "output_shape", "parameters", "trainable_parameters", "macs"),
    *("receptive_field_px", "receptive_stride_px", "layout"),
)


def write(folder: Path) -> None:
    """Writes the exports beside `folder`/evidence, maps only if the run was asked to save them."""
    evidence = Evidence(folder / "evidence")
    found = results(evidence)
    write_whole(folder / "results.json", _json(found))
    write_whole(folder / "junit.xml", junit(found, evidence.manifest))
    if evidence.manifest["save_maps"]:
        _write_maps(evidence, folder / "maps")
        if evidence.beside is not None:
            _write_maps(evidence.beside, folder / "maps" / BESIDE)


def _write_maps(evidence: Evidence, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for record in evidence.records():
        if record["measured"]:
            data = io.BytesIO()
            # numpy dates the members of an archive 1980: equal maps give equal bytes
            np.savez_compressed(data, **maps(evidence, record))  # type: ignore[arg-type]
            write_whole(folder / f"{record['id']}.npz", data.getvalue())


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


def results(evidence: Evidence) -> dict[str, Any]:
    """results.json as the contract has it; a number that is not finite is null."""
    manifest, timing, records = evidence.manifest, evidence.timing, evidence.records()
    model = manifest["model"]
    totals, trust = metrics(records, model["classes"]), summary(evidence)
    other = beside(evidence, results(evidence.beside)) if evidence.beside else None
    found = {
        "schema": SCHEMA,
        "created": manifest["created"],
        "title": manifest["title"],
        "model": {
            "source": model["source"],
            "checkpoint": manifest["checkpoint"]["name"],
            "checkpoint_sha256": manifest["checkpoint"]["sha256"],
            **{key: model[key] for key in ("parameters", "trainable_parameters", "macs")},
            "class_count": model["class_count"],
            "layers": [{key: row[key] for key in LAYER_KEYS if key in row} for row in model["layers"]],
        },
        "findings": {
            method: _numbers(slots[0]) for method, slots in evidence.model_findings().items()
        },
        "images": [_image(evidence, record) for record in records],
        "metrics": totals,
        "trust": trust,
        "beside": other,
        "gates": evaluate(manifest["recipe"]["gates"], totals, trust, other),
        # rendering comes after this: `close` fills its time in
        "cost": {**manifest["cost"], **timing, "seconds": {"render": None, **timing["seconds"]}},
        "environment": manifest["environment"],
        "recipe": manifest["recipe"],
    }
    return dict(_finite(found))


def _image(evidence: Evidence, record: Record) -> dict[str, Any]:
    keys = ("id", "path", "sha256", "status", "reason", "label", "label_index", "correct", "loss")
    per_target = {shown["name"] for shown in evidence.manifest["visualizations"] if shown["per_target"]}
    targets = [target["class_name"] for target in record["targets"]]
    found = {}
    vectors: list[list[float]] = []
    for name, slots in evidence.findings(record).items():
        vectors += [f.values.tolist() for f in slots[0] if isinstance(f, Distribution) and f.listed]
        rows = [
            ({"target": targets[slot]} if name in per_target else {}) | _numbers(findings)
            for slot, findings in enumerate(slots)
        ]
        found[name] = rows[0] | ({"targets": rows[1:]} if rows[1:] else {})
    return {
        **{key: record[key] for key in keys},
        "predictions": record["predictions"],
        **({"probabilities": vectors[0]} if vectors else {}),
        "findings": found,
    }


def _numbers(findings: tuple[Finding, ...]) -> dict[str, Any]:
    """The scalars by name, `curves`, `comparisons` and `tables` where there are any, and under `flags` the
    sentences that a reader must see."""
    numbers: dict[str, Any] = {}
    flags = []
    curves = {held.name: _curve(held) for held in findings if isinstance(held, Curve)}
    if curves:
        numbers["curves"] = curves
    compared = {held.name: _comparison(held) for held in findings if isinstance(held, Comparison)}
    if compared:
        numbers["comparisons"] = compared
    tables = {held.name: _table(held) for held in findings if isinstance(held, Table)}
    if tables:
        numbers["tables"] = tables
    for finding in findings:
        if isinstance(finding, Scalar):
            numbers[finding.name] = float(finding.values)
        elif isinstance(finding, Flag) and bool(finding.values):
            flags.append(finding.text)
        elif isinstance(finding, Heatmap) and (fault := faults(finding.values)):
            flags.append(f"{finding.name}: {fault}")
    return numbers | {"flags": flags}


def _curve(held: Curve) -> dict[str, Any]:
    """A curve's axes, its lines by label, and the band of the last one where it has one."""
    return {
        "x_label": held.x_label,
        "y_label": held.y_label,
        "x": held.x.tolist(),
        "lines": {label: line.tolist() for label, line in zip(held.labels, held.values, strict=True)},
        "band": held.band.tolist() if np.ndim(held.band) else None,
    }


def _table(held: Table) -> dict[str, Any]:
    """A table's heads and rows, as they are in the report but for the printing of numbers."""
    return {"title": held.title, "columns": list(held.columns), "rows": [list(row) for row in held.rows]}


def _comparison(held: Comparison) -> dict[str, Any]:
    """The rows by label: the number, and its reference's low, middle and high end."""
    rows = zip(held.labels, held.values.tolist(), held.reference.tolist(), strict=True)
    return {
        "title": held.title,
        "quantity": held.quantity,
        "rows": {label: {"value": value, "reference": reference} for label, value, reference in rows},
    }


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: null."""
    if isinstance(value, dict):
        return {key: _finite(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(held) for held in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


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


def junit(found: dict[str, Any], manifest: dict[str, Any]) -> bytes:
    """Gates, images and visualizations as test cases; what could not be done is skipped, and says why."""
    cases: list[tuple[str, str, str, str | None]] = []  # (class, name, outcome, why)
    for gate in found["gates"]:
        cases.append(("gates", gate["name"], "failure", gate["reason"]))
    for image in found["images"]:
        if image["status"] == "rejected":
            cases.append(("images", f"{image['id']} {image['path']}", "skipped", image["reason"]))
    for shown in manifest["visualizations"]:
        cases.append(("visualizations", shown["name"], "skipped", shown["reason"]))
    counts = {
        "tests": len(cases),
        "failures": sum(bool(why) for *_, outcome, why in cases if outcome == "failure"),
        "errors": 0,
        "skipped": sum(bool(why) for *_, outcome, why in cases if outcome == "skipped"),
    }
    attributes = {"name": _text(found["title"])} | {key: str(value) for key, value in counts.items()}
    suites = ElementTree.Element("testsuites", attributes)
    suite = ElementTree.SubElement(suites, "testsuite", attributes | {"timestamp": found["created"]})
    for room, name, outcome, why in cases:
        case = ElementTree.SubElement(suite, "testcase", classname=f"reportgen.{room}", name=_text(name))
        if why:
            ElementTree.SubElement(case, outcome, message=_text(why))
    ElementTree.indent(suites)
    return bytes(ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)) + b"\n"


def _text(words: str) -> str:
    """Text without the characters that XML 1.0 cannot hold."""
    return NOT_XML.sub("\ufffd", words)
