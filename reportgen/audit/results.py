"""Evidence -> results: the numbers that the page, the PDF, JSON, JUnit and gates all take."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from typing_extensions import assert_never

from reportgen.audit.gates import evaluate
from reportgen.audit.metrics import metrics
from reportgen.audit.sanity import summary
from reportgen.audit.second_model import beside
from reportgen.evidence import Evidence, Record, best
from reportgen.findings import (
    ClassMap,
    Comparison,
    Curve,
    Distribution,
    Finding,
    Flag,
    Gallery,
    Graph,
    Heatmap,
    Mask,
    Picture,
    Remark,
    Scalar,
    Segments,
    Table,
    faults,
)

SCHEMA = "reportgen.results/1"
# findings that are in results.json elsewhere, or only in the report and the evidence
Pictured = Picture | Mask | Segments | ClassMap | Gallery
Elsewhere = Pictured | Distribution | Curve | Comparison | Remark | Table | Graph
LAYER_KEYS = (
    *("name", "kind", "type", "number", "output_shape", "parameters", "trainable_parameters", "macs"),
    *("receptive_field_px", "receptive_stride_px", "layout"),
)


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
            "layers": [{key: row.get(key) for key in LAYER_KEYS} for row in model["layers"]],
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
        "answered": best(record) is not None if record["status"] == "ok" else None,
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
        elif not isinstance(finding, Elsewhere | Flag | Heatmap):
            assert_never(finding)
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
