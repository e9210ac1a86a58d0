"""Both models' evidence -> what results.json says of the second one and of the two together."""

from __future__ import annotations

from typing import Annotated

from typing_extensions import TypedDict

from reportgen.audit import answer_changes, map_similarity
from reportgen.audit.checks import CheckResult
from reportgen.audit.compare.comparison import ChangedImage, Comparison, compare
from reportgen.audit.compare.sides import Side
from reportgen.audit.findings import Numbers
from reportgen.audit.identity import identity
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


class Beside(ModelResults):
    """A second model on the same images; `changed` and `tests` are from it to the main one."""

    name: str
    main: Annotated[str, "what the main model is called beside it"]
    left_out: Annotated[dict[str, str], "visualizations, and why"]
    images: list[SecondAnswered]
    changed: list[ChangedImage]
    tests: answer_changes.AnswerCounts
    maps: dict[str, map_similarity.MeanLikeness]
    comparison: Annotated[Comparison, "all that changed, from it to the main one; see diff.json"]


def beside(evidence: Evidence, own: ModelResults, second: ModelResults, images: list[Image]) -> Beside:
    """`beside` of results.json, given what the evidence of both models says by itself, and of the second
    one's single `images`."""
    other = evidence.beside
    assert other is not None  # there are results of it
    shown = other.manifest["visualizations"]
    alike = map_similarity.of_images(evidence, other)
    named = evidence.manifest["beside"]
    comparison = compare(_side(named["main"], evidence, own), _side(named["name"], other, second))
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
        "changed": comparison["changed"],
        "tests": comparison["answers"],
        "maps": map_similarity.summary(alike, [v["name"] for v in shown]),
        "comparison": comparison,
    }


def _side(name: str, evidence: Evidence, own: ModelResults) -> Side:
    """One of the two models as an audit of its own, without requirements."""
    manifest = evidence.manifest
    said = {
        "title": manifest["title"],
        "created": manifest["created"],
        "identity": identity(
            evidence.records(), manifest["recipe"], manifest["model"].get("code_sha256")
        ),
        "environment": manifest["environment"],
        "recipe": manifest["recipe"],
        "gates": [],
    }
    return Side(name, {**own, **said}, evidence)


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
