"""Both models' evidence -> what results.json says of the second one and of the two together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reportgen.audit import answer_changes, map_similarity
from reportgen.evidence import Evidence

IMAGE_KEYS = ("id", "status", "reason", "correct", "loss", "answered", "predictions", "findings")
WHOLE = ("model", "findings", "metrics", "trust", "cost")  # as for the main model


def beside(evidence: Evidence, second: Mapping[str, Any]) -> dict[str, Any]:
    """`beside` of results.json, given what the `second` model's evidence says by itself."""
    other = evidence.beside
    assert other is not None  # there are results of it
    mine, theirs = evidence.records(), other.records()
    paths = {record["id"]: (record["path"], record["label"]) for record in mine}
    held = other.manifest["visualizations"]
    alike = map_similarity.of_images(evidence, other)
    named = evidence.manifest["beside"]
    return {
        "name": named["name"],
        "main": named["main"],
        **{key: second[key] for key in WHOLE},
        "left_out": {v["name"]: v["reason"] for v in held if not v["applicable"]},
        "images": [
            {key: image[key] for key in IMAGE_KEYS} | {"maps": alike.get(image["id"], {})}
            for image in second["images"]
        ],
        "changed": [
            {"id": one["id"], "path": paths[one["id"]][0], "label": paths[one["id"]][1]} | one
            for one in answer_changes.changed(mine, theirs)
        ],
        "tests": answer_changes.counts(mine, theirs),
        "maps": map_similarity.summary(alike, [v["name"] for v in held]),
    }
