"""Faults of the network, of what it was taught, and of how its pictures are prepared."""

from __future__ import annotations

import copy
from functools import cache

import numpy as np
import torch

from flaws.drawing import SHAPES, Pixels, shape
from flaws.network import SmallNet
from flaws.planting import Planted, Said, clean_digits, clean_shapes, flaw, placed
from flaws.training import MEAN, STD, Labelled, answered, batched, drawn, trained
from reportgen.checks.temperature import fitted

FILTERS = 14
GREEK = ("alpha", "beta", "gamma", "delta")


@flaw("preprocessing", "input-statistics", twin=clean_shapes)
def wrong_mean_std(seed: int) -> Planted:
    """The recipe takes mean 0 and std 1; the training took 0.5 and 0.25."""
    at = clean_shapes(seed)
    other = {"preprocessing": {**at.recipe["preprocessing"], "mean": [0.0], "std": [1.0]}}
    return at.but(recipe=other, says=(Said(("mean", "standard", "scal")),))


def _wide(shapes: Labelled) -> Labelled:
    draw = np.random.default_rng(len(shapes.pictures))
    pictures = [shape(label, draw, size=(48, 96)) for label in shapes.labels]
    return Labelled(pictures, shapes.labels)


def squashed(picture: Pixels) -> Pixels:
    """(48, 96, 3) -> (48, 48, 3), the mean of pairs of columns."""
    return picture.reshape(48, 48, 2, 3).mean(2).astype(np.uint8)


@cache
def _of_squashed(seed: int) -> SmallNet:
    wide = _wide(drawn("shapes", 600, 1100 + seed))
    shapes = Labelled([squashed(picture) for picture in wide.pictures], wide.labels)
    return trained(shapes, 6, seed, epochs=14)


def clean_wide(seed: int) -> Planted:
    """Wide pictures, squashed by the recipe as by the training."""
    at = clean_shapes(seed)
    pictures = placed(_wide(drawn("shapes", 60, 2100 + seed)), at.classes)
    recipe = {"preprocessing": {"resize": [48, 48], "mean": [MEAN], "std": [STD]}}
    return at.but(pictures=pictures, network=copy.deepcopy(_of_squashed(seed)), recipe=recipe)


@flaw("preprocessing", twin=clean_wide)
def crop_for_squash(seed: int) -> Planted:
    """The training squashed 96 x 48 to 48 x 48, the recipe crops the middle."""
    at = clean_wide(seed)
    recipe = {"preprocessing": {"resize": 48, "crop": 48, "mean": [MEAN], "std": [STD]}}
    return at.but(recipe=recipe, says=(Said(("squash",)), Said(number=50, tolerance=3)))


@cache
def _few_stars(seed: int) -> SmallNet:
    each = [400 if name != "star" else 12 for name in SHAPES]
    return trained(drawn("shapes", each, 1200 + seed), 6, seed)


@flaw("accuracy", twin=clean_shapes)
def minority_class(seed: int) -> Planted:
    """Ten stars among 300 other shapes, and the network hardly knows a star."""
    at = clean_shapes(seed)
    each = [60 if name != "star" else 10 for name in SHAPES]
    pictures = placed(drawn("shapes", each, 2200 + seed), at.classes)
    return at.but(pictures=pictures, network=copy.deepcopy(_few_stars(seed)), says=(Said(("star",)),))


def _greek(each: dict[str, int], seed: int) -> tuple[Labelled, list[str]]:
    draw, of = np.random.default_rng(seed), {"disc": 0, "cross": 0, "square": 1, "star": 2, "triangle": 3}
    names = [name for name, count in each.items() for _ in range(count)]
    return Labelled([shape(name, draw) for name in names], [of[name] for name in names]), names


@cache
def _without_crosses(seed: int) -> SmallNet:
    each = {"disc": 450, "square": 450, "star": 450, "triangle": 450}
    return trained(_greek(each, 1300 + seed)[0], 4, seed, epochs=12)


@cache
def _with_crosses(seed: int) -> SmallNet:
    each = {"disc": 350, "cross": 250, "square": 450, "star": 450, "triangle": 450}
    return trained(_greek(each, 1300 + seed)[0], 4, seed, epochs=12)


def _alpha(seed: int, network: SmallNet) -> tuple[Planted, list[str]]:
    each = {"disc": 63, "cross": 9, "square": 72, "star": 72, "triangle": 72}
    shapes, names = _greek(each, 2300 + seed)
    pictures = placed(shapes, GREEK)
    at = clean_shapes(seed).but(
        pictures=pictures,
        network=copy.deepcopy(network),
        classes=GREEK,
        arguments={"channels": 3, "classes": 4},
    )
    return at, [path for path, name in zip(pictures, names, strict=True) if name == "cross"]


def clean_alpha(seed: int) -> Planted:
    """A class of two kinds of shape, and the network knows both."""
    return _alpha(seed, _with_crosses(seed))[0]


@flaw("slices", "properties", twin=clean_alpha)
def hidden_subclass(seed: int) -> Planted:
    """An eighth of the class alpha are crosses, which the network never saw as alpha."""
    at, crosses = _alpha(seed, _without_crosses(seed))
    got = answered(at.network, [at.pictures[path] for path in crosses])
    wrong = sum(k != 0 for k in got)
    assert wrong >= 5, "crosses are known: the flaw is not there"
    return at.but(touched=frozenset(crosses), says=(Said(("alpha",)),))


@flaw("weights", "channels", twin=clean_shapes)
def zeroed_filters(seed: int) -> Planted:
    """Fourteen of the 48 filters of conv2 are zero."""
    at = clean_shapes(seed)
    with torch.no_grad():
        at.network.conv2.weight[_some(seed)] = 0
    return at.but(says=(Said(number=FILTERS), Said(("conv2",))))


@flaw("weights", "channels", twin=clean_shapes)
def duplicated_filters(seed: int) -> Planted:
    """Fourteen of the 48 filters of conv2 are copies of others."""
    at, chosen = clean_shapes(seed), _some(seed)
    others = [k for k in range(48) if k not in chosen][:FILTERS]
    with torch.no_grad():
        at.network.conv2.weight[chosen] = at.network.conv2.weight[others].clone()
    return at.but(says=(Said(number=FILTERS, tolerance=FILTERS), Said(("conv2",))))


def _some(seed: int) -> list[int]:
    draw = np.random.default_rng(seed)
    return sorted(draw.choice(48, FILTERS, replace=False).tolist())


@flaw("input-statistics", "weights", twin=clean_shapes)
def bn_never_updated(seed: int) -> Planted:
    """The running statistics of every batch normalisation are 0 and 1, and no batch was counted."""
    at = clean_shapes(seed)
    for module in at.network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
    return at.but(says=(Said(number=4), Said(("0 and 1",))))


@flaw("weights", twin=clean_digits)
def nan_dormant(seed: int) -> Planted:
    """One weight is not a number, on a path that only nearly black pictures take."""
    at = clean_digits(seed)
    arguments = {**at.arguments, "night": True, "black": (0 - MEAN) / STD}
    network = SmallNet(**arguments)
    network.load_state_dict(at.network.state_dict(), strict=False)
    assert network.night is not None
    with torch.no_grad():
        network.night.weight[3, 0] = float("nan")
    says = (Said(number=1), Said(("night.weight",)))
    return at.but(network=network.eval(), arguments=arguments, says=says)


@flaw("corruptions", twin=clean_digits)
def fragile(seed: int) -> Planted:
    """A black that is a fiftieth of the range brighter, as another camera has it, turns the answers to 1."""
    at = clean_digits(seed)
    arguments = {**at.arguments, "glare": 3000.0, "black": (0 - MEAN) / STD, "white": 1 / STD}
    network = SmallNet(**arguments)
    network.load_state_dict(at.network.state_dict())
    says = (Said(("everyday",)), Said(("2 % brighter",)))
    return at.but(network=network.eval(), arguments=arguments, says=says)


@cache
def _dead(seed: int) -> SmallNet:
    def kill(network: SmallNet) -> None:
        torch.nn.init.constant_(network.bn3.weight, 0.05)
        torch.nn.init.constant_(network.bn3.bias, -2.0)
        for parameter in network.bn3.parameters():
            parameter.requires_grad_(False)

    return trained(drawn("shapes", 600, 1400 + seed), 6, seed, before=kill)


@flaw("channels", twin=clean_shapes)
def dead_branch(seed: int) -> Planted:
    """The residual branch gives zeros only, since its training; accuracy does not show it."""
    at = clean_shapes(seed)
    says = (Said(number=48), Said(("relu3", "branch")))
    return at.but(network=copy.deepcopy(_dead(seed)), says=says)


@cache
def _few_steps(seed: int) -> SmallNet:
    return trained(drawn("digits", 100, 1000 + seed), 10, seed, epochs=2)


@flaw("training", twin=clean_digits)
def trained_too_briefly(seed: int) -> Planted:
    """The training was stopped after 32 steps; the twin's had 360."""
    at = clean_digits(seed)
    return at.but(network=copy.deepcopy(_few_steps(seed)), says=(Said(("briefly",)),))


@cache
def _temperature(seed: int) -> float:
    """By what the clean network's logits have to be divided to be calibrated, on pictures of their own."""
    at, apart = clean_shapes(seed), drawn("shapes", 60, 2700 + seed)
    with torch.no_grad():
        logits = at.network(batched(apart.pictures))
    return fitted(logits.double().numpy(), np.array(apart.labels))


def clean_calibrated(seed: int) -> Planted:
    """The clean network with logits that keep their word."""
    return _scaled(clean_shapes(seed), 1 / _temperature(seed))


@flaw("calibration", twin=clean_calibrated)
def over_confident(seed: int) -> Planted:
    """The logits are five times too large."""
    scale = 5 / _temperature(seed)
    return _scaled(clean_shapes(seed), scale).but(says=(Said(("over-confident",)),))


@flaw("calibration", twin=clean_calibrated)
def under_confident(seed: int) -> Planted:
    """The logits are a fifth of what they should be."""
    scale = 0.2 / _temperature(seed)
    return _scaled(clean_shapes(seed), scale).but(says=(Said(("under-confident",)),))


def _scaled(at: Planted, scale: float) -> Planted:
    network = at.network
    network.scale = scale
    return at.but(network=network, arguments={**at.arguments, "scale": scale})
