"""What is asked for is priced before it runs: more than any report needs is refused, with the figure.

A recipe may come from anyone. Each limit is far beyond what a method's authors used, so that whoever meets
one has written a wrong number, or means to keep the machine busy.
"""

from __future__ import annotations

from collections.abc import Iterable

from reportgen.engine.needs import ModelFacts, Scores
from reportgen.engine.needs.perturbations import RandomMasks
from reportgen.engine.plan import Plan
from reportgen.errors import RecipeError
from reportgen.measure.visualizations import Visualization
from reportgen.recipe import Recipe

# RISE was published with 8,000 masks; a window of 1/28 of the side at every second pixel is 12,000
AN_IMAGE = 20_000  # answers and gradients for one image, of one visualization
ONCE = 2_000_000  # answers for the model itself, such as steps of an ascent: a hundred maps of 20,000 steps
MASK_BYTES = 1 << 32  # random masks are kept for the whole run


def refuse_endless(every: Iterable[Visualization], facts: ModelFacts, targets: int, recipe: Recipe) -> None:
    """Raises RecipeError for a visualization that asks for more than any report needs."""
    for number, one in enumerate(every):
        plan = Plan(one.needs, facts, targets if one.per_target else 1)
        cost = plan.cost(1)
        asked = {
            (cost["perturbed_forwards"] + plan.each.parts_forwards, AN_IMAGE): "answers for every image",
            (cost["backwards"], AN_IMAGE): "gradients for every image",
            (sum(plan.once.values()), ONCE): "answers for the model itself",
            (_mask_bytes(plan, facts), MASK_BYTES): "bytes of random masks",
        }
        for (wanted, most), what in asked.items():
            if wanted > most:
                place = recipe.place("visualizations", number)
                raise RecipeError(
                    f"{place}{one.name} asks for {wanted:,} {what}; at most {most:,} are made",
                    "ask for fewer samples, steps, masks, channels or targets, or larger windows and strides",
                )


def _mask_bytes(plan: Plan, facts: ModelFacts) -> int:
    """What the masks of a plan take, as float32 and while they are made."""
    masks = [need.perturbations for need in plan.of(Scores)]
    height, width = facts.input_shape[-2:]
    return sum(8 * m.count * height * width for m in masks if isinstance(m, RandomMasks))
