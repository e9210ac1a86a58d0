"""`reportgen inspect`: a network's layers as the report shows them, without measuring an image."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reportgen.engine.needs import ModelFacts
from reportgen.engine.network.trace import trace
from reportgen.engine.tape import ModelTape
from reportgen.inputs import load_subject
from reportgen.probes import methods
from reportgen.recipe import Recipe
from reportgen.report.cards.blocks import of_model
from reportgen.report.values.card import Block


@dataclass(frozen=True)
class Inspected:
    """A network that was traced, and where it came from."""

    source: str
    facts: ModelFacts

    def as_json(self) -> dict[str, Any]:
        """Everything that is known of it, as JSON values."""
        return {"source": self.source, **dataclasses.asdict(self.facts)}

    def block(self) -> Block:
        """What the report shows of it: the table of layers, the totals, the graph."""
        method = methods()["architecture"]
        findings = method.probe().measure(ModelTape(self.facts, {}))
        return of_model(method.words(), findings)

    def containers(self) -> list[str]:
        """The modules that hold others, which a recipe may name as layers too."""
        return [layer.name for layer in self.facts.layers if layer.calls and layer.kind == "container"]


def inspected(recipe: Recipe, checkpoint: Path, shape: tuple[int, int, int] | None) -> Inspected:
    """The recipe's network, traced with an input of `shape` (C, H, W), or as it is preprocessed.

    Raises RecipeError and InputError.
    """
    subject = load_subject(recipe, checkpoint)
    shape = shape or subject.preprocessing.input_shape
    return Inspected(subject.source, trace(subject.network, shape, subject.classes, recipe.model.output))
