"""`reportgen inspect`: a network's layers as the report shows them, without measuring an image."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reportgen.engine.needs import ModelFacts
from reportgen.engine.network.head import Head
from reportgen.engine.network.trace import trace
from reportgen.engine.recognise import described, recognised
from reportgen.engine.tape import ModelTape
from reportgen.errors import InputError
from reportgen.inputs import load_subject
from reportgen.measure.models import region_of
from reportgen.probes import methods
from reportgen.recipe import Recipe
from reportgen.report.cards.blocks import of_model
from reportgen.report.values.card import Block


@dataclass(frozen=True)
class Inspected:
    """A network that was traced, and where it came from."""

    source: str
    facts: ModelFacts
    head: str  # what its outputs are and how that is known, in words

    def as_json(self) -> dict[str, Any]:
        """Everything that is known of it, as JSON values."""
        return {"source": self.source, "head_words": self.head, **dataclasses.asdict(self.facts)}

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
    wish, target = recipe.model, recipe.model.target
    region = None if target is None else region_of(target, shape, len(subject.classes or ()))
    facts = trace(subject.network, shape, subject.classes, Head(output=wish.output, region=region))
    try:
        known = recognised(subject.network, facts, subject.preprocessing.normalisation, wish.head)
    except InputError as error:  # the layers can be listed whatever the outputs are
        return Inspected(subject.source, facts, f"not known: {error.cause}; {error.remedy}")
    return Inspected(subject.source, known, described(known))
