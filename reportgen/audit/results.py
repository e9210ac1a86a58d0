"""Evidence -> results: the numbers that the page, the PDF, JSON, JUnit and gates all take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from typing_extensions import NotRequired

from reportgen.audit.checks import checked
from reportgen.audit.compare.comparison import Comparison
from reportgen.audit.compare.kept import kept_comparison, kept_history
from reportgen.audit.findings import PICTURED, numbers
from reportgen.audit.gates import Judged, evaluate
from reportgen.audit.history import History
from reportgen.audit.identity import Identity, identity
from reportgen.audit.maps import summary
from reportgen.audit.metrics import metrics
from reportgen.audit.second_model import Beside, ModelResults, beside
from reportgen.audit.types import (
    Cost,
    Environment,
    HeadFacts,
    Image,
    Layer,
    Model,
    Seconds,
    SignatureFound,
)
from reportgen.evidence import Evidence, Manifest, Record, Timing, best
from reportgen.evidence.records import SignatureFacts
from reportgen.findings import Distribution
from reportgen.shown import visible_json
from reportgen.stats import finite

OF_HEADS = ("label_indices", "answered_indices", "truth")  # of an image, by some heads


class Results(ModelResults):
    """All that was found, in numbers and words."""

    schema: Literal["reportgen.results/1"]
    created: str
    title: str
    images: list[Image]
    beside: NotRequired[Beside | None]
    baseline: NotRequired[Annotated[Comparison | None, "what changed from the baseline to this audit"]]
    history: NotRequired[Annotated[History | None, "of the audits in the recipe's `history`"]]
    gates: list[Judged]
    identity: Identity
    environment: Environment
    recipe: dict[str, Any]


def results(evidence: Evidence) -> Results:
    """All that is known of complete evidence but the time of rendering (`rendered_in` fills it in); a number
    that is not finite is None, as JSON has none."""
    manifest, records = evidence.manifest, evidence.records()
    own, other = _of_model(evidence), None
    before, past = kept_comparison(evidence), kept_history(evidence)
    if evidence.beside:
        theirs = [_image(evidence.beside, record) for record in evidence.beside.records()]
        other = beside(evidence, own, _of_model(evidence.beside), theirs)
    draft: Results = {
        "schema": "reportgen.results/1",
        "created": manifest["created"],
        "title": manifest["title"],
        "model": own["model"],
        "findings": own["findings"],
        "images": [_image(evidence, record) for record in records],
        "metrics": own["metrics"],
        "checks": own["checks"],
        "trust": own["trust"],
        "beside": other,
        "baseline": before,
        "history": past,
        "gates": [
            *evaluate(
                manifest["recipe"]["gates"],
                own["metrics"],
                own["trust"],
                other["tests"] if other else None,
                own["checks"],
            ),
            *(before["gates"] if before else ()),
        ],
        "identity": identity(records, manifest["recipe"], manifest["model"].get("code_sha256")),
        "cost": own["cost"],
        "environment": dict(manifest["environment"]),
        "recipe": dict(manifest["recipe"]),
    }
    whole: Results = _finite(draft)
    return whole


def rendered_in(results: Results, render_s: float) -> Results:
    """The results with the time of rendering, in seconds, which is known when all else is written."""
    seconds = results["cost"]["seconds"].copy()
    seconds.update({"render": render_s, "total": seconds["total"] + render_s})
    cost = results["cost"].copy()
    cost["seconds"] = seconds
    timed = results.copy()
    timed["cost"] = cost
    return timed


def without_clock(results: Mapping[str, Any]) -> dict[str, Any]:
    """The results without what a clock or a memory gauge measured, of the model beside, too. Which stages
    took time is not said either: a run that was resumed has had fewer."""
    still = {"seconds": dict.fromkeys(Seconds.__annotations__), "peak_memory_bytes": None}
    told = {**results, "cost": {**results["cost"], **still}}
    if beside := results["beside"]:
        told["beside"] = {**beside, "cost": {**beside["cost"], **still}}
    return told


def as_json(results: Results) -> str:
    """The text of results.json."""
    return visible_json(json.dumps(results, ensure_ascii=False, allow_nan=False, indent=1)) + "\n"


def _of_model(evidence: Evidence) -> ModelResults:
    """What one model's evidence says of it, and over the whole set."""
    manifest = evidence.manifest
    return {
        "model": _model(manifest),
        "findings": {method: numbers(slots[0]) for method, slots in evidence.model_findings().items()},
        "metrics": metrics(
            evidence.records(), manifest["model"]["classes"], head_of(manifest)["kind"], evidence.logits
        ),
        "checks": checked(evidence),
        "trust": summary(evidence),
        "cost": _cost(manifest["cost"], evidence.timing),
    }


def _model(manifest: Manifest) -> Model:
    model = manifest["model"]
    layers: list[Any] = [{key: row.get(key) for key in Layer.__annotations__} for row in model["layers"]]
    return {
        "source": model["source"],
        "checkpoint": manifest["checkpoint"]["name"],
        "checkpoint_sha256": manifest["checkpoint"]["sha256"],
        "signature": _signature(manifest["checkpoint"].get("signature")),
        "parameters": model["parameters"],
        "trainable_parameters": model["trainable_parameters"],
        "macs": model["macs"],
        "class_count": model["class_count"],
        "head": head_of(manifest),
        "layers": layers,
    }


def _signature(found: SignatureFacts | None) -> SignatureFound | None:
    whole: Any = found
    kept: SignatureFound | None = whole
    return kept


def head_of(manifest: Manifest) -> HeadFacts:
    """What the model's outputs mean; of older evidence classes by softmax."""
    head: Any = manifest["model"].get("head") or {}
    usual: HeadFacts = {
        "kind": "classes",
        "form": "logits",
        "asked": "auto",
        "output": None,
        "reading": "",
        "warning": "",
        "region": None,
    }
    if region := head.get("region"):
        head = {**head, "region": {"masked": False, **region}}  # older evidence knows boxes only
    whole: HeadFacts = {**usual, **head}
    return whole


def _cost(counted: Mapping[str, Any], timing: Timing) -> Cost:
    cost: Any = {**counted, **timing, "seconds": {"render": None, **timing["seconds"]}}
    whole: Cost = cost
    return whole


def _image(evidence: Evidence, record: Record) -> Image:
    per_target = {shown["name"] for shown in evidence.manifest["visualizations"] if shown["per_target"]}
    targets = [target["class_name"] for target in record["targets"]]
    by_method = {}
    vectors: list[list[float]] = []
    for name, slots in evidence.findings(record, without=PICTURED).items():
        vectors += [f.values.tolist() for f in slots[0] if isinstance(f, Distribution) and f.listed]
        rows = [
            ({"target": targets[slot]} if name in per_target else {}) | numbers(findings)
            for slot, findings in enumerate(slots)
        ]
        by_method[name] = rows[0] | ({"targets": rows[1:]} if rows[1:] else {})
    image: Any = {
        "id": record["id"],
        "path": record["path"],
        "sha256": record["sha256"],
        "status": record["status"],
        "reason": record["reason"],
        "label": record["label"],
        "label_index": record["label_index"],
        "correct": record["correct"],
        "loss": record["loss"],
        "answered": best(record) is not None if record["status"] == "ok" else None,
        "predictions": record["predictions"],
        **{key: record.get(key) for key in OF_HEADS if key in record},
        **({"probabilities": vectors[0]} if vectors else {}),
        "findings": by_method,
    }
    whole: Image = image
    return whole


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: None."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return finite(value) if isinstance(value, float) else value
