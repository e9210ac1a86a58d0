"""Both models' evidence -> what results.json says of the second one and of the two together."""

from __future__ import annotations

from typing import Annotated

from typing_extensions import TypedDict

from reportgen.audit import answer_changes, map_similarity
from reportgen.audit.checks import CheckResult
from reportgen.audit.findings import Numbers
from reportgen.audit.maps import Trust
from reportgen.audit.metrics import Metrics
from reportgen.audit.types import Answered, Cost, Image, Model
from reportgen.evidence import Evidence


class ModelResults(TypedDict):
    """What one model's evidence says of the model, and over the whole set."""

    model: Model
    findings: dict[str, Numbers]
    metrics: Metrics
    checks: list[CheckResult]
    trust: Trust | None
    cost: Cost


class SecondAnswered(Answered):
    """What the second model said to one image, and how much its maps are like the main model's."""

    maps: dict[str, map_similarity.Likeness]


class ChangedImage(answer_changes.Changed):
    """An image to which the two answer differently."""

    path: str
    label: str | None


class Beside(ModelResults):
    """A second model on the same images; `changed` and `tests` are from it to the main one."""

    name: str
    main: Annotated[str, "what the main model is called beside it"]
    left_out: Annotated[dict[str, str], "visualizations, and why"]
    images: list[SecondAnswered]
    changed: list[ChangedImage]
    tests: answer_changes.AnswerCounts
    maps: dict[str, map_similarity.MeanLikeness]


def beside(evidence: Evidence, second: ModelResults, images: list[Image]) -> Beside:
    """`beside` of results.json, given what the `second` model's evidence says by itself, and of
    single `images`."""
    other = evidence.beside
    assert other is not None  # there are results of it
    mine, theirs = evidence.records(), other.records()
    paths = {record["id"]: (record["path"], record["label"]) for record in mine}
    shown = other.manifest["visualizations"]
    alike = map_similarity.of_images(evidence, other)
    named = evidence.manifest["beside"]
    return {
        "name": named["name"],
        "main": named["main"],
        "model": second["model"],
        "findings": second["findings"],
        "metrics": second["metrics"],
        "checks": second["checks"],
        "trust": second["trust"],
        "cost": second["cost"],
        "left_out": {v["name"]: v["reason"] or "" for v in shown if not v["applicable"]},
        "images": [_image(image, alike.get(image["id"], {})) for image in images],
        "changed": [
            {
                "id": change["id"],
                "path": paths[change["id"]][0],
                "label": paths[change["id"]][1],
                "kind": change["kind"],
                "answers": change["answers"],
            }
            for change in answer_changes.changed(mine, theirs)
        ],
        "tests": answer_changes.counts(mine, theirs),
        "maps": map_similarity.summary(alike, [v["name"] for v in shown]),
    }


def _image(image: Image, maps: dict[str, map_similarity.Likeness]) -> SecondAnswered:
    """The second model's part of an image; the rest is in the main model's."""
    return {
        "id": image["id"],
        "status": image["status"],
        "reason": image["reason"],
        "correct": image["correct"],
        "loss": image["loss"],
        "answered": image["answered"],
        "predictions": image["predictions"],
        "findings": image["findings"],
        "maps": maps,
    }
