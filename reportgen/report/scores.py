"""What a model's outputs are called on the page: what maps explain, and what is printed of a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reportgen.report.wording import number, probability


def _head(model: Mapping[str, Any]) -> Mapping[str, Any]:
    return model.get("head") or {}


def gives_values(model: Mapping[str, Any]) -> bool:
    """Whether the model gives values, of which none has a probability."""
    return _head(model).get("kind") == "values"


def score(model: Mapping[str, Any]) -> str:
    """What a map of the model explains, in the singular, as `Head.score_words` has it."""
    head = _head(model)
    if region := head.get("region"):
        return "score" if region.get("detects") else "mean logit"
    if gives_values(model):
        return "value"
    own = head.get("form", "logits") != "logits" and head.get("kind", "classes") == "classes"
    return "log-probability" if own else "logit"


def scores(model: Mapping[str, Any]) -> str:
    """The same in the plural."""
    word = score(model)
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def readout(model: Mapping[str, Any]) -> str:
    """What is printed of a class and followed where pixels are covered: its probability, or the value."""
    return score(model) if gives_values(model) else "probability"


def target_words(model: Mapping[str, Any], target: Mapping[str, Any]) -> str:
    """The score of a class that is explained, and its probability where it has one."""
    words = f"{score(model)} {number(target['logit'])}"
    p = target["probability"]
    return words if gives_values(model) else f"{words}, probability {probability(p)}"
