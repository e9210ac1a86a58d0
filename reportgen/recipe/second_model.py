"""The keys of a recipe below `beside`: a second model, to be shown beside the first on the same images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field, StrictStr, model_validator

from reportgen.recipe.fields import ModelRecipe, Part, at
from reportgen.recipe.source import KeyPath, Place, Source

OWN: KeyPath = ("beside", "model")


class BesideRecipe(Part):
    """Another checkpoint or another network. What its `model` leaves out is the main model's."""

    checkpoint: StrictStr = Field(
        min_length=1, description="the path of a checkpoint, relative to the recipe"
    )
    name: StrictStr | None = Field(
        default=None, min_length=1, description="what the second model is called, such as epoch 1"
    )
    main: StrictStr | None = Field(
        default=None, min_length=1, description="what the main model is called beside it, such as epoch 10"
    )
    model: ModelRecipe = Field(
        default=ModelRecipe(), description="a mapping with source, arguments, classes, preprocessing, output"
    )

    @model_validator(mode="after")
    def _names_differ(self) -> BesideRecipe:
        if self.name is not None and self.name == self.main:
            raise at(("name",), f"both models are called {self.name!r}")
        return self


def merged(main: ModelRecipe, own: ModelRecipe) -> ModelRecipe:
    """The second model: what it says itself, and the rest as the main model has it.

    Which of its outputs the logits are is another network's own matter.
    """
    theirs = main.model_dump(exclude_unset=True)
    theirs.pop("signed_by", None)  # of that checkpoint
    if own.source is not None and own.source != main.source:
        theirs.pop("output", None)
    return ModelRecipe.model_validate(theirs | own.model_dump(exclude_unset=True))


def as_main(source: Source) -> Source:
    """The file as the second model's recipe: what stands under `beside.model` stands under `model`."""
    model, own = source.data.get("model"), (source.data.get("beside") or {}).get("model")
    data: dict[str, Any] = {**source.data, "model": {**(model or {}), **(own or {})}}
    return replace(source, data=data, values=_moved(source.values), keys=_moved(source.keys))


def _moved(places: Mapping[KeyPath, Place]) -> dict[KeyPath, Place]:
    own = {("model", *path[2:]): place for path, place in places.items() if path[:2] == OWN and path[2:]}
    return {**places, **own}
