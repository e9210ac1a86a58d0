"""The recipe: what to measure and how to show it. YAML -> frozen values, every error with its place."""

from reportgen.recipe.beside import BesideRecipe
from reportgen.recipe.judging import Gate, TrustLimits, TrustRecipe
from reportgen.recipe.parts import (
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
    "BesideRecipe",
    "Gate",
    "Html",
    "ImagesRecipe",
    "ModelRecipe",
    "Output",
    "PreprocessingRecipe",
    "Recipe",
    "Run",
    "Show",
    "TrustLimits",
    "TrustRecipe",
    "Visualization",
    "load",
    "schema",
    "starter",
]
