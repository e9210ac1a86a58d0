"""What the test of the maps takes, counted before anything runs."""

from __future__ import annotations

from collections import Counter

from reportgen.engine.needs import ModelFacts
from reportgen.engine.perturb.deletion import CELLS, WINDOW, starts
from reportgen.engine.plan import Plan
from reportgen.evidence import STAGES
from reportgen.measure.maps.asking import QUICK, work_of
from reportgen.measure.maps.deletions import FILLS, GREEDY
from reportgen.measure.maps.mosaics import QUARTERS, two_scored
from reportgen.measure.maps.noise import LEVELS
from reportgen.measure.visualizations import Visualization, Visualizations, needs_of
from reportgen.probes import methods
from reportgen.recipe import TrustRecipe


def explaining(visualizations: Visualizations) -> tuple[Visualization, ...]:
    """The visualizations whose maps are put to the test."""
    return tuple(v for v in visualizations.of_scope("image") if methods()[v.name].explains)


def has_rivals(facts: ModelFacts) -> bool:
    """Whether an image has another class that is more than the mirror of the one that is explained."""
    return facts.head.kind in ("classes", "labels") and facts.class_count > 2


def has_mosaics(facts: ModelFacts) -> bool:
    """Whether answers are classes of whole pictures, so that four of them can stand in one."""
    return facts.head.exclusive and facts.head.region is None


def price(
    asked: tuple[Visualization, ...], facts: ModelFacts, trust: TrustRecipe, images: int
) -> dict[str, int]:
    """Forwards and backwards, in images, of `images` in the sample, where each of them has a mosaic."""
    quick = tuple(v for v in asked if work_of(v, facts) <= QUICK)
    dear = tuple(v for v in asked if work_of(v, facts) > QUICK)
    few = min(trust.dear, images)
    classes = 2 if has_rivals(facts) else 1
    total: Counter[str] = Counter()

    def made_again(group: tuple[Visualization, ...], times: int, targets: int = 1) -> None:
        if group and times:
            cost = Plan(needs_of(group), facts, targets).cost(times)
            total["forwards"] += cost["forwards"] + cost["perturbed_forwards"]
            total["backwards"] += cost["backwards"]

    orders = len(asked) + GREEDY + trust.random_orders
    side = min(CELLS, *facts.input_shape[1:])
    cells = side**2
    windows = len(starts(side, WINDOW)) ** 2
    total["forwards"] += images * (1 + cells + windows + len(FILLS) * (orders * 2 * (trust.steps - 1) + 1))
    total["forwards"] += images * (1 + len(LEVELS))
    made_again(quick, images, classes)
    made_again(dear, few, classes)
    made_again(quick, images * trust.copies * (1 + len(STAGES)))
    made_again(dear, few)
    if has_mosaics(facts):
        total["forwards"] += images * QUARTERS
        made_again(quick, images)
        made_again(two_scored(quick, facts), images)
        made_again(dear, few)
    return {"forwards": total["forwards"], "backwards": total["backwards"]}


def lines(visualizations: Visualizations, trust: TrustRecipe, shown: int) -> list[str]:
    """The plan in words."""
    asked, images = explaining(visualizations), min(trust.images, shown)
    if not asked or not images:
        return []
    facts = visualizations.facts
    cost = price(asked, facts, trust, images)
    dear = [v.name for v in asked if work_of(v, facts) > QUICK]
    found = [
        f"{len(asked)} kinds of map are put to the test on {images} images: {cost['forwards']} forwards and"
        f" {cost['backwards']} backwards at most"
    ]
    if dear:
        alone = price(tuple(v for v in asked if v.name in dear), facts, trust, images)
        none = price((), facts, trust, images)
        share = alone["forwards"] - none["forwards"]
        found.append(
            f"of these {share} forwards are of {', '.join(dear)}, made again for"
            f" {min(trust.dear, images)} images (trust.dear)"
        )
    return found
