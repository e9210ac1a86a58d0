"""The field's words in plain ones, for a reader who is no specialist."""

from __future__ import annotations

from reportgen.report.values.card import Fact

WORDS = (
    ("baseline", "what stands in for a part of the image that is covered or taken away"),
    ("channel", "one of the maps that a layer makes; each answers to a pattern of its own"),
    ("convolution", "a layer that moves small filters over the image or over the maps before it"),
    ("gradient", "how much, and in which direction, a score changes when a value changes a little"),
    ("grid", "the places of a map: fewer than the image has pixels, so each stands for a patch of it"),
    ("kernel", "the small square of weights that a filter lays on one map"),
    ("layer", "one step of the network: it turns the maps of the step before into its own"),
    ("logit", "the score of a class before all scores are turned into probabilities"),
    ("map", "a picture of numbers, one for each place of the image or of a layer's grid"),
    ("pooling", "a step that makes maps smaller, by the largest or the mean value of each patch"),
    ("rectifier", "a step that lets positive values pass and makes the others zero (ReLU)"),
    ("softmax", "turns the scores of all classes into probabilities that add up to one"),
    ("stride", "how many pixels a layer moves on from one place of its grid to the next"),
    ("weight", "a number that the network learned in training"),
)


def glossary() -> tuple[Fact, ...]:
    """Word and meaning, by alphabet."""
    return tuple(Fact(word, meaning) for word, meaning in WORDS)
