"""The field's words in plain ones, for a reader who is no specialist."""

from __future__ import annotations

from reportgen.report.values.card import Fact

VERDICTS = (
    ("accuracy", "the share of labelled images that were answered rightly"),
    (
        "calibration error (ECE)",
        "how far confidence and the share right lie apart, in the mean over images: 0 is a confidence that"
        " keeps its word",
    ),
    (
        "confidence",
        "the probability that the model gives to its answer; it need not be how often such answers are right",
    ),
    (
        "deletion and insertion",
        "parts of an image are taken away, or put back, the most important first by a map: the faster the"
        " score follows, the better the map tells what counts",
    ),
    ("fault, warning", "a harm of the stated size is shown by these images; it is likely, and not shown"),
    (
        "interval, 95 %",
        "where a number may lie, had other images of the same kind been drawn: of a hundred such intervals"
        " about 95 hold the true one",
    ),
    (
        "lower end",
        "the smaller end of the interval: what a requirement on it asks holds in all likelihood, not by luck",
    ),
    (
        "margin",
        "how far a number lies from its limit; of an answer, its probability less that of the next class",
    ),
    (
        "rank correlation",
        "whether two maps order the places of an image alike: 1 the same order, 0 unrelated, −1 the reverse",
    ),
    ("refer", "give an answer to a person, because such low confidence was wrong too often on these images"),
    (
        "risk and coverage",
        "the share of wrong answers among those that are given, and the share that is given at all",
    ),
    (
        "shuffled weights",
        "a network that has lost what it learned: a map that stays the same on it shows no learning",
    ),
    ("undecided", "these images neither show nor exclude a harm of the stated size: more of them would"),
)  # what a verdict rests on
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
    return tuple(Fact(word, meaning) for word, meaning in sorted((*VERDICTS, *WORDS)))
