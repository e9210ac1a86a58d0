"""Which layers can be judged: rectifiers, convolutions, and what is wrapped around a convolution."""

from __future__ import annotations

from reportgen.engine.needs import LayerFacts, ModelFacts

RECTIFIERS = ("ReLU", "ReLU6")
SIDE = 8  # a smaller grid has too few frequencies to speak of those near the highest


def rectifiers(model: ModelFacts) -> list[LayerFacts]:
    """Every layer that is a rectifier, in call order."""
    return [x for x in model.leaves() if x.type in RECTIFIERS]


def convolutions(model: ModelFacts) -> list[LayerFacts]:
    """Every two-dimensional convolution whose output is maps, in call order."""
    return [x for x in model.leaves() if x.weight_shape and len(x.weight_shape) == 4 and x.spatial]


def first_convolutions(model: ModelFacts) -> list[LayerFacts]:
    """Of the first two convolutions those whose grid is fine enough for a spectrum."""
    return [x for x in convolutions(model)[:2] if min(x.layout.grid) >= SIDE]


def linear(model: ModelFacts) -> list[LayerFacts]:
    """Every linear layer over the places of a grid, as transformers and ConvNeXts have them: each of its
    features is a channel. In call order."""
    return [x for x in model.leaves() if x.type == "Linear" and x.spatial]


def wrapped(model: ModelFacts) -> list[LayerFacts]:
    """Every convolution, or the module around it that holds no other: what is done there to its output,
    a normalisation or a functional rectifier, is done by then."""
    all_of_them = convolutions(model)
    around = {x.name: x for x in model.layers if x.spatial}
    parents = [around.get(x.name.rpartition(".")[0], x) for x in all_of_them]
    holds = [sum(x.name.startswith(f"{parent.name}.") for x in all_of_them) for parent in parents]
    return [parent if n == 1 else x for x, parent, n in zip(all_of_them, parents, holds, strict=True)]


def rectified_later(layer: LayerFacts, model: ModelFacts) -> bool:
    """Whether it is a convolution in a network whose rectifiers are all functional."""
    return model.rectifiers > 0 and not rectifiers(model) and layer in convolutions(model)
