"""Presets: how much a report has where the recipe does not say it, from a first look to all there is."""

from __future__ import annotations

from reportgen.recipe.gates import tested_method
from reportgen.recipe.recipe import Recipe

# what asks for many answers an image, or climbs
COSTLY = (
    "smoothgrad",
    "integrated-gradients",
    "score-cam",
    "occlusion",
    "occlusion-class-map",
    "occlusion-study",
    "rise",
    "invariance",
    "activation-maximisation",
    "evolution",
)
QUICK = {"at_most": 20, "trust": 0, "sample": 100}
FULL = {"at_most": 500, "trust": 40, "sample": 1000}


def with_preset(recipe: Recipe) -> Recipe:
    """The recipe with what its preset says of the keys that it leaves out; what it says itself stays.

    `standard`, or none, is what an absent key means anyway. `quick` tests no map, asks the checks of 100
    images and makes no visualization that needs many answers an image; `full` shows and tests more. What a
    gate names is kept.
    """
    values = {"quick": QUICK, "full": FULL}.get(recipe.run.preset or "")
    if values is None:
        return recipe
    said, changes = recipe.model_fields_set, dict[str, object]()
    if "at_most" not in recipe.images.show.model_fields_set:
        show = recipe.images.show.model_copy(update={"at_most": values["at_most"]})
        changes["images"] = recipe.images.model_copy(update={"show": show})
    if "images" not in recipe.trust.model_fields_set and not (values["trust"] == 0 and needed_maps(recipe)):
        changes["trust"] = recipe.trust.model_copy(update={"images": values["trust"]})
    if "sample" not in recipe.checks.model_fields_set:
        changes["checks"] = recipe.checks.model_copy(update={"sample": values["sample"]})
    if "visualizations" not in said and values is QUICK:
        without = set(COSTLY) - needed_maps(recipe)
        changes["visualizations"] = tuple(v for v in recipe.visualizations if v.name not in without)
    return recipe.model_copy(update=changes)


def needed_maps(recipe: Recipe) -> set[str]:
    """The visualizations whose maps a gate asks to be tested."""
    named = (tested_method(gate.metric or "") for gate in recipe.gates)
    return {name for name in named if name}
