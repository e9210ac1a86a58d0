"""What the evidence says of a whole session: the model, the methods, the cost, the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from reportgen.engine import device as devices
from reportgen.evidence import Record, Writer, is_unanswered
from reportgen.inputs.labels import agreement
from reportgen.measure.session import Session
from reportgen.probes import methods


def manifest(
    session: Session, writer: Writer, chosen: str, beside: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The manifest's content. Holds no duration: equal inputs give equal bytes but for the date.

    `beside` is what a sealed second model's evidence is known by.
    """
    found = writer.records("score" if session.two_rounds else "batch")
    checkpoint = session.subject.checkpoint
    moment, fixed = _moment()
    return {
        "key": session.key,
        "created": moment,
        "reproducible": fixed,
        "title": session.recipe.title,
        "checkpoint": {
            "name": checkpoint.name,
            "sha256": checkpoint.sha256,
            "size_bytes": checkpoint.size_bytes,
            "format": checkpoint.format,
        },
        "model": _model(session, found),
        "images": {
            "source": session.images,
            "total": len(found),
            "ok": sum(r["status"] == "ok" for r in found),
            "rejected": sum(r["status"] == "rejected" for r in found),
            "unanswered": sum(map(is_unanswered, found)),
            "labelled": sum(r["status"] == "ok" and r["label"] is not None for r in found),
            "shown": sum(r["measured"] for r in writer.records("batch")),
            "chosen": chosen,
        },
        "recipe": session.recipe.resolved(),
        "save_maps": session.save_maps,
        "visualizations": _visualizations(session),
        "plan": session.lines,
        "cost": {**_cost(writer.cost()), "device": devices.name_of(session.device)},
        "environment": session.environment(),
        "beside": None if beside is None else dict(beside),
    }


def _model(session: Session, found: list[Record]) -> dict[str, Any]:
    used = {record["number"]: record["label_index"] for record in found}
    answers = {r["number"]: r["predictions"][0]["class_index"] for r in found if r["predictions"]}
    facts = asdict(session.facts)
    facts.pop("graph")  # a finding of `architecture`
    for row, layer in zip(facts["layers"], session.facts.layers, strict=True):
        row["layout"] = str(layer.layout)
        for place in ("rows", "columns"):  # every place's own field is for the measuring alone
            (row["receptive"] or {}).pop(place, None)
    return {
        "source": session.subject.source,
        "arguments": session.subject.arguments,
        "preprocessing": session.subject.preprocessing.as_json(),
        "notes": [*session.notes, *agreement(session.readings, used, answers)],
        "warnings": list(session.feed.warnings),
        **facts,
    }


def _visualizations(session: Session) -> list[dict[str, Any]]:
    resolved = session.recipe.resolved()["visualizations"]
    options: Mapping[str, Any] = {k: v for item in resolved for k, v in item.items()}
    return [
        {
            **methods()[planned.name].words(),
            "per_target": planned.per_target,
            "applicable": planned.reason is None,
            "reason": planned.reason,
            "options": options[planned.name],
        }
        for planned in session.plan.planned
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
