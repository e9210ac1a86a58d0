"""The JSON Schema of results.json: what scripts may rely on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
SHA256: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
SHAPE: Schema = {"type": "array", "items": COUNT}
FREE: Schema = {"type": "object"}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _object(
    properties: Mapping[str, Schema],
    *,
    optional: Mapping[str, Schema] | None = None,
    closed: bool = True,
) -> Schema:
    """An object with all of these keys, and others only where they are optional or it is not closed."""
    return {
        "type": "object",
        "properties": {**properties, **(optional or {})},
        "required": list(properties),
        "additionalProperties": not closed,
    }


LAYER = _object(
    {
        "name": TEXT,
        # the parameters and MACs of those of kind "layer" add up to the model's; null in older evidence
        "kind": {"enum": ["layer", "container", "part", None]},
        "type": TEXT,
        "number": COUNT,
        "output_shape": _or_null(SHAPE),
        "parameters": COUNT,
        "trainable_parameters": COUNT,
        "macs": COUNT,
        "receptive_field_px": _or_null(COUNT),
        "receptive_stride_px": _or_null(COUNT),
        "layout": _or_null(TEXT),  # null in older evidence
    }
)
MODEL = _object(
    {
        "source": TEXT,
        "checkpoint": TEXT,
        "checkpoint_sha256": SHA256,
        "parameters": COUNT,
        "trainable_parameters": COUNT,
        "macs": COUNT,
        "class_count": COUNT,
        "layers": _list(LAYER),
    }
)
PREDICTION = _object(
    {
        "class_index": COUNT,
        "class_name": TEXT,
        "logit": _or_null(NUMBER),
        "probability": _or_null(SHARE),
    }
)
ROW = _list(_or_null(NUMBER))
CURVE = _object(
    {
        "x_label": TEXT,
        "y_label": TEXT,
        "x": _list(NUMBER),
        "lines": {"type": "object", "additionalProperties": ROW},
        "band": _or_null(_list(ROW)),  # the lower and the upper limit of the last line
    }
)
TABLE = _object(
    {"title": TEXT, "columns": _list(TEXT), "rows": _list(_list({"type": ["string", "number", "null"]}))}
)
COMPARISON = _object(
    {
        "title": TEXT,
        "quantity": TEXT,
        "rows": {
            "type": "object",
            "additionalProperties": _object({"value": _or_null(NUMBER), "reference": ROW}),
        },
    }
)
# scalars by name; where a visualization has a target, `target`, and `targets` for further ones
FINDINGS: Schema = {
    "type": "object",
    "properties": {
        "flags": _list(TEXT),
        "curves": {"type": "object", "additionalProperties": CURVE},
        "comparisons": {"type": "object", "additionalProperties": COMPARISON},
        "tables": {"type": "object", "additionalProperties": TABLE},
        "target": TEXT,
        "targets": _list(FREE),
    },
    "required": ["flags"],
    "additionalProperties": _or_null(NUMBER),
}
IMAGE = _object(
    {
        "id": {"type": "string", "pattern": "^[0-9]{6,}$"},
        "path": TEXT,
        "sha256": _or_null(SHA256),
        "status": {"enum": ["ok", "rejected"]},
        "reason": _or_null(TEXT),
        "label": _or_null(TEXT),
        "label_index": _or_null(COUNT),
        "correct": _or_null({"type": "boolean"}),
        "loss": _or_null(NUMBER),
        "answered": _or_null({"type": "boolean"}),  # false: the output is not finite; `reason` says how
        "predictions": _list(PREDICTION),
        "findings": {"type": "object", "additionalProperties": FINDINGS},
    },
    # of every class, in the model's order: of shown images, for few classes or where it was asked for
    optional={"probabilities": _list(_or_null(SHARE))},
)
CLASS = _object(
    {
        "class_index": COUNT,
        "class_name": TEXT,
        "count": COUNT,
        "correct": COUNT,
        "accuracy": SHARE,
        "low": SHARE,
        "high": SHARE,
    }
)
CONFUSION: Schema = {
    "anyOf": [
        _object({"classes": _list(TEXT), "counts": _list(_list(COUNT))}),  # rows by label
        _object({"pairs": _list(_object({"label": TEXT, "answer": TEXT, "count": COUNT, "images": COUNT}))}),
    ]
}
BIN = _object(
    {
        "low": SHARE,
        "high": SHARE,
        "count": COUNT,
        "confidence": _or_null(SHARE),
        "accuracy": _or_null(SHARE),
    }
)
METRICS = _object(
    {
        "images": COUNT,
        "rejected": COUNT,
        "unanswered": COUNT,  # the model's output is not finite: neither right nor wrong
        "unanswered_labelled": COUNT,
        "labelled": COUNT,  # answered images with a label
        "right": COUNT,
        "accuracy": _or_null(SHARE),
        "accuracy_low": _or_null(SHARE),
        "accuracy_high": _or_null(SHARE),
        "lowest_class_accuracy": _or_null(SHARE),
        "per_class": _or_null(_list(CLASS)),
        "confusion": _or_null(CONFUSION),
        "ece": _or_null(SHARE),
        "calibration": _or_null(_list(BIN)),
        "loss": _or_null(NUMBER),
        "mean_confidence": _or_null(SHARE),
        "unsure": COUNT,
    }
)
GATE = _object(
    {
        "name": TEXT,
        "metric": TEXT,
        "value": _or_null(NUMBER),
        "limit": NUMBER,
        "outcome": {"enum": ["passed", "failed", "cannot be judged"]},
        "passed": {"type": "boolean"},
        "reason": TEXT,
    }
)
RHO: Schema = {"type": "number", "minimum": -1.000001, "maximum": 1.000001}  # but for rounding
INTERVAL = _or_null({"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2})
TRUTH = _or_null({"type": "boolean"})
TESTED = _object(
    {
        "judged": COUNT,
        "faithfulness": _or_null(NUMBER),
        "random_faithfulness": _or_null(NUMBER),
        "advantage": _or_null(NUMBER),
        "interval": INTERVAL,
        "beats_random_sd": _or_null(NUMBER),
        "randomised": _object(dict.fromkeys(("head", "half", "all"), _or_null(RHO))),
        "randomised_interval": INTERVAL,
        "stability": _or_null(RHO),
        "responds": TRUTH,
        "beats_random": TRUTH,
        "relies": TRUTH,
        "verdict": TEXT,
    }
)
TRUST = _object(
    {
        "images": COUNT,
        "stage": {"enum": ["head", "half", "all"]},  # which correlation the verdicts and gates are about
        "limits": _object({"randomised": SHARE, "beats_random_sd": NUMBER}),
        "methods": {"type": "object", "additionalProperties": TESTED},
        "agreement": _object({"methods": _list(TEXT), "rho": _list(_list(_or_null(RHO)))}),
    }
)
SECONDS = ("decode", "compute", "encode", "total")
COST = _object(
    {
        "forwards": COUNT,
        "backwards": COUNT,
        "occlusion_forwards": COUNT,
        "seconds": _object(
            dict.fromkeys(SECONDS, NUMBER) | {"render": _or_null(NUMBER)}, optional={"trust": NUMBER}
        ),
        "peak_memory_bytes": _or_null(COUNT),
        "device": TEXT,
    },
    optional=dict.fromkeys(
        (
            *("trust_forwards", "trust_backwards", "ascent_forwards", "ascent_backwards"),
            *("projection_forwards", "projection_backwards", "snapshot_forwards"),
        ),
        COUNT,
    ),
)
# a model beside the main one; `changed` and `tests` are from it to the main one
LIKENESS = _object({"rho": RHO, "same_class": {"type": "boolean"}})
BESIDE = _object(
    {
        "name": TEXT,
        "main": TEXT,  # what the main model is called beside it
        "model": MODEL,
        "findings": {"type": "object", "additionalProperties": FINDINGS},
        "metrics": METRICS,
        "trust": _or_null(TRUST),
        "cost": COST,
        "left_out": {"type": "object", "additionalProperties": TEXT},  # visualizations, and why
        "images": _list(
            _object(
                {
                    **{
                        key: IMAGE["properties"][key]
                        for key in (
                            *("id", "status", "reason", "correct", "loss"),
                            *("answered", "predictions", "findings"),
                        )
                    },
                    "maps": {"type": "object", "additionalProperties": LIKENESS},
                }
            )
        ),
        "changed": _list(
            _object(
                {
                    "id": TEXT,
                    "path": TEXT,
                    "label": _or_null(TEXT),
                    "kind": {"enum": ["broken", "mended", "both wrong", "no label"]},
                    # the main model's, then the other's
                    "answers": {"type": "array", "items": PREDICTION, "minItems": 2, "maxItems": 2},
                }
            )
        ),
        "tests": _object(
            {
                **dict.fromkeys(("compared", "labelled", "changed"), COUNT),
                **dict.fromkeys(("unanswered", "unanswered_labelled"), COUNT),  # by either of the two
                **dict.fromkeys(("mended", "broken"), _or_null(COUNT)),  # null without labels
                **dict.fromkeys(("changed_both_wrong", "changed_unlabelled"), COUNT),
                **dict.fromkeys(("both_right", "both_wrong"), COUNT),
                "accuracy_change": _or_null({"type": "number", "minimum": -1, "maximum": 1}),
                "mcnemar_p": _or_null(SHARE),
            }
        ),
        # the mean rank correlation of the two models' maps, by visualization
        "maps": {"type": "object", "additionalProperties": _object({"images": COUNT, "rho": RHO})},
    }
)
ENVIRONMENT = _object(
    {
        **dict.fromkeys(("reportgen", "python", "torch", "torchvision", "precision"), TEXT),
        "seed": COUNT,
        "deterministic": {"type": "boolean"},
    },
    closed=False,
)


def results_schema() -> Schema:
    """The schema of results.json, JSON Schema draft 2020-12."""
    whole = _object(
        {
            "schema": {"const": "reportgen.results/1"},
            "created": TEXT,
            "title": TEXT,
            "model": MODEL,
            "findings": {"type": "object", "additionalProperties": FINDINGS},
            "images": _list(IMAGE),
            "metrics": METRICS,
            "trust": _or_null(TRUST),
            "gates": _list(GATE),
            "cost": COST,
            "environment": ENVIRONMENT,
            "recipe": FREE,
        },
        optional={"beside": _or_null(BESIDE)},
    )
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "results.json", **whole}
