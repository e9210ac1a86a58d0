"""The recipe: what to measure and how to show it. YAML -> frozen values, every error with its place."""

from reportgen.recipe.checks import Check, ChecksRecipe, StatementRecipe
from reportgen.recipe.fields import (
    Html,
    ImagesRecipe,
    ModelRecipe,
    Output,
    PreprocessingRecipe,
    Run,
    Show,
    Visualization,
)
from reportgen.recipe.gates import Gate, TrustLimits, TrustRecipe
from reportgen.recipe.recipe import Recipe, load
from reportgen.recipe.second_model import BesideRecipe
from reportgen.recipe.starter import schema, starter

__all__ = [
    "BesideRecipe",
    "Check",
    "ChecksRecipe",
    "Gate",
    "Html",
    "ImagesRecipe",
    "ModelRecipe",
    "Output",
    "PreprocessingRecipe",
    "Recipe",
    "Run",
    "Show",
    "StatementRecipe",
    "TrustLimits",
    "TrustRecipe",
    "Visualization",
    "load",
    "schema",
    "starter",
]
