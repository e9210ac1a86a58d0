"""The recipe: what to measure and how to show it. YAML -> frozen values, every error with its place."""

from reportgen.recipe.parts import (
    Gate,
    Html,
    ImagesRecipe,
    ModelRecipe,
    Output,
    PreprocessingRecipe,
    Run,
    Show,
    Visualization,
)
from reportgen.recipe.recipe import Recipe, load
from reportgen.recipe.starter import schema, starter

__all__ = [
    "Gate",
    "Html",
    "ImagesRecipe",
    "ModelRecipe",
    "Output",
    "PreprocessingRecipe",
    "Recipe",
    "Run",
    "Show",
    "Visualization",
    "load",
    "schema",
    "starter",
]
