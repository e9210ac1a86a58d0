"""Which of a network's outputs are the logits, and which of a layer's is what it gives on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from reportgen.errors import InputError

REMEDY = "set model.output to the name or the index of the logits"


def logits_of(result: Any, output: str | int | None) -> Tensor:
    """The (N, classes) logits in what the network returned.

    `output` is a key of a dict, an attribute of a named tuple or an index; without it, of several
    outputs by name the one named `logits` is taken. Raises InputError where there is no matrix of floats.
    """
    if output is None and isinstance(_by_name(result).get("logits"), Tensor):
        output = "logits"  # as the networks of transformers answer
    if output is not None:
        result = _chosen(result, output)
    if not isinstance(result, Tensor):
        raise InputError(f"the model returns {_described(result)}, not one tensor of logits", REMEDY)
    if result.ndim != 2 or not result.is_floating_point():
        raise InputError(
            f"the model returns a tensor of shape {tuple(result.shape)}, not (images, classes)",
            "audit a classifier, or set model.output to the output that holds its logits",
        )
    return result


def answers(logits: Tensor) -> Tensor:
    """The class answered, (…,) int64, given logits (…, C); -1 where the network answers nothing.

    There is an answer where log-softmax is defined for every class: no logit is NaN, none is +inf
    (inf - inf is no number), and some class is above -inf. Classes at -inf are masked out: they have
    the probability 0, and the others share the rest. A maximum of NaN is NaN, so that all three are
    one question: is the largest logit finite?
    """
    best = logits.max(-1)
    return torch.where(best.values.isfinite(), best.indices, -1)


def _by_name(result: Any) -> Mapping[str, Any]:
    if isinstance(result, Mapping):
        return result
    return result._asdict() if isinstance(result, tuple) and hasattr(result, "_asdict") else {}


def _chosen(result: Any, output: str | int) -> Any:
    try:
        if isinstance(result, Mapping) or isinstance(output, int):
            return result[output]
        return getattr(result, output)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise InputError(
            f"model.output is {output!r}, but the model returns {_described(result)}", REMEDY
        ) from error


def _described(result: Any) -> str:
    if isinstance(result, Mapping):
        return f"a dict with {', '.join(map(repr, result))}"
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return f"a named tuple with {', '.join(result._fields)}"
    if isinstance(result, tuple | list):
        return f"a {type(result).__name__} of {len(result)}"
    return f"a {type(result).__name__}"


def first_tensor(result: Any) -> Tensor | None:
    """What a layer gives on: its tensor, or the first of several (a max-pool's maps before its indices)."""
    if isinstance(result, tuple | list) and result:
        result = result[0]
    return result if isinstance(result, Tensor) else None


def with_first(result: Any, tensor: Tensor) -> Any:
    """The result with `tensor` for its first tensor."""
    if isinstance(result, Tensor):
        return tensor
    rest = result[1:]
    if isinstance(result, list):
        return [tensor, *rest]
    return type(result)(tensor, *rest) if hasattr(result, "_fields") else (tensor, *rest)
