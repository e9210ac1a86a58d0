"""What the evidence says of a whole measurement: the model, the methods, the cost, the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any, cast

from reportgen.checks import questions
from reportgen.engine import device as devices
from reportgen.evidence import is_unanswered, sha256_of, shards
from reportgen.evidence.records import (
    BesideFacts,
    CheckWords,
    Chosen,
    ImagesFacts,
    ManifestBody,
    SignatureFacts,
    Words,
)
from reportgen.inputs.checkpoints.signature import Signature
from reportgen.inputs.classes.orders import agreement
from reportgen.measure.measurement import Measurement
from reportgen.measure.models import ModelUnderAudit
from reportgen.measure.read_files import read_files
from reportgen.probes import methods
from reportgen.recipe import Recipe
from reportgen.shown import NAME, PATH, bounded, named

NOTE, PROSE = 2_000, 20_000  # letters


def seal(m: Measurement, begun: float, second: Measurement | None = None) -> None:
    """Ends a measurement that begun at `begun`: writes its timing and, last, its manifest.

    `second` is a sealed measurement of the model beside.
    """
    m.writer.seal(manifest(m, second), m.timing(begun))


def manifest(m: Measurement, second: Measurement | None = None) -> ManifestBody:
    """The manifest's content. Holds no duration: equal inputs give equal bytes but for the date."""
    recipe, checkpoint = m.model.recipe, m.model.subject.checkpoint
    moment, fixed = _moment()
    return {
        "key": m.audit.key(m.model),
        "created": moment,
        "reproducible": fixed,
        "title": named(recipe.title),
        "checkpoint": {
            "name": named(checkpoint.name),
            "sha256": checkpoint.sha256,
            "size_bytes": checkpoint.size_bytes,
            "format": checkpoint.format,
            "signature": _signature(checkpoint.signature),
        },
        "model": _model(m),
        "images": _images(m),
        "recipe": _recipe(recipe),
        "files": read_files(m.audit.lists, m.model),
        "save_maps": m.audit.save_maps,
        "visualizations": _visualizations(m.model),
        "checks": _checks(m.model),
        "plan": m.audit.lines(m.model),
        "budget": m.audit.budget,
        "cost": {**_cost(m.writer.cost()), "device": devices.name_of(m.model.device)},
        "environment": m.model.environment(),
        "beside": None if second is None else _beside(m, second),
    }


def _signature(found: Signature | None) -> SignatureFacts | None:
    return None if found is None else cast(SignatureFacts, asdict(found))


def _recipe(recipe: Recipe) -> dict[str, Any]:
    """The resolved recipe, its names as they are shown: a title or a class may have no end."""
    told: dict[str, Any] = {
        key: bounded(value, PROSE if key == "statement" else PATH if key == "output" else NAME)
        for key, value in recipe.resolved().items()
    }
    return told


def _model(m: Measurement) -> dict[str, Any]:
    model = m.model
    facts = asdict(model.facts)
    facts.pop("graph")  # a finding of `architecture`
    for row, layer in zip(facts["layers"], model.facts.layers, strict=True):
        row["layout"] = str(layer.layout)
        for place in ("rows", "columns"):  # every place's own field is for the measuring alone
            (row["receptive"] or {}).pop(place, None)
    about_files = _about_files(m) if model is m.audit.main else ()
    return {
        "source": model.subject.source,
        "code": model.subject.code,
        "code_sha256": model.code_sha256(),
        "arguments": model.subject.arguments,
        "preprocessing": model.subject.preprocessing.as_json(),
        "notes": bounded([*model.notes, *m.notes, *about_files], NOTE),
        "warnings": bounded(model.warnings, NOTE),
        **facts,
    }


def _about_files(m: Measurement) -> list[str]:
    """Notes on the files, and on how else their folders could be read as labels."""
    records = m.writer.of_set()
    used = {record["number"]: record["label_index"] for record in records}
    answers = {r["number"]: r["predictions"][0]["class_index"] for r in records if r["predictions"]}
    return [*m.audit.notes, *agreement(m.audit.readings, used, answers)]


def _images(m: Measurement) -> ImagesFacts:
    records = m.writer.of_set()
    return {
        "source": named(m.audit.images),
        "total": len(records),
        "ok": sum(r["status"] == "ok" for r in records),
        "rejected": sum(r["status"] == "rejected" for r in records),
        "unanswered": sum(map(is_unanswered, records)),
        "labelled": sum(r["status"] == "ok" and r["label"] is not None for r in records),
        "shown": sum(r["measured"] for r in m.writer.records(shards.BATCH)),
        "chosen": m.chosen[1],
    }


def _beside(m: Measurement, second: Measurement) -> BesideFacts:
    """What the second model's sealed evidence is known by."""
    return {
        "name": second.model.name,
        "main": m.model.name,
        "manifest_sha256": sha256_of(second.writer.folder / "manifest.json"),
    }


def _visualizations(model: ModelUnderAudit) -> list[Chosen]:
    resolved = model.recipe.resolved()["visualizations"]
    options: Mapping[str, Any] = {k: v for item in resolved for k, v in item.items()}
    return [
        {
            **cast(Words, methods()[chosen.name].words()),
            "per_target": chosen.per_target,
            "applicable": chosen.applies,
            "reason": chosen.reason,
            "options": options[chosen.name],
        }
        for chosen in model.visualizations.every
    ]


def _checks(model: ModelUnderAudit) -> list[CheckWords]:
    """What each check asks, in words, and its options."""
    resolved = model.recipe.checks.resolved()["only"]
    options: Mapping[str, Any] = {name: given for item in resolved for name, given in item.items()}
    return [
        cast(
            CheckWords,
            {**asked.words(), "options": options[asked.name], "judges": list(asked.judges)},
        )
        for asked in (questions()[chosen.name] for chosen in model.checks.every)
    ]


def _cost(counted: dict[str, int]) -> dict[str, int]:
    keys = ("forwards", "backwards", "occlusion_forwards", "trust_forwards", "trust_backwards")
    # what ascents cost is there only where something was climbed
    return {**dict.fromkeys(keys, 0), **counted}


def _moment() -> tuple[str, bool]:
    """The date of the report, and whether SOURCE_DATE_EPOCH fixes it."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH", "")
    if fixed.isdigit():
        return datetime.fromtimestamp(int(fixed), timezone.utc).isoformat(), True
    return datetime.now(timezone.utc).isoformat(timespec="seconds"), False
