"""Which of a network's outputs are the logits, and which of a layer's is what it gives on."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

from reportgen.engine.network.dense import Region, is_detected
from reportgen.engine.network.head import Head
from reportgen.errors import InputError

REMEDY = "set model.output to the name or the index of the logits"
DENSE = "for a network that answers every pixel or box, set model.target"
DENSE_USUAL = "out"  # torchvision's segmentation networks
USUAL = "logits"  # what the field calls them where a network names its outputs
# what torch returns of operations that put scores in order, or leave all but some out
RANKED = ("topk", "sort", "max", "min", "median", "mode", "kthvalue", "cummax", "cummin")
UNRANKED = "let the model return its scores themselves, (images, classes), before topk, sort, max or argmax"
RETURN = "let the model's forward return its logits as a tensor (images, classes)"
NARROW = (torch.float16, torch.bfloat16)  # widened: neither sums nor numpy are for them

# which output is read, or the whole of how outputs are read
Output: TypeAlias = Head | str | int | None


@dataclass(frozen=True)
class Raw:
    """The outputs (N, K) that are read, as the network gave them, and which ones they are."""

    values: Tensor
    output: str | int | None
    words: str = ""  # which of several was taken without being named, and why
    squeezed: bool = False  # whether the axis of the only image was lacking
    detected: bool = False  # whether they sum up what was detected


def logits_of(result: Any, output: Output = None, images: int | None = None) -> Tensor:
    """The (N, classes) scores in what the network returned for so many images (unknown: None).

    `output` is a key of a dict, an attribute of a named tuple or an index, or the Head that reads the
    outputs. Raises InputError where it does not lead to a matrix of floats.
    """
    if isinstance(output, Head):
        return output.scores(widened(raw_of(result, output.output, images, output.region).values))
    return widened(raw_of(result, output, images).values)


def widened(values: Tensor) -> Tensor:
    """Halves and bfloat16 as float32, all else as it is."""
    return values.float() if values.dtype in NARROW else values


def raw_of(
    result: Any,
    output: str | int | None = None,
    images: int | None = None,
    region: Region | None = None,
) -> Raw:
    """The outputs that are read, (N, K).

    Where no output is named and there are several, the one called `logits` is taken, or the only one
    that has a row an image. With a `region` the outputs are maps of classes (N, C, h, w), called `out` or the
    only ones, and each class's row is its mean there. (N, C, 1, 1) is (N, C), and an axis that a squeeze
    took off comes back.
    Raises InputError.
    """
    if region is not None and is_detected(result):
        return Raw(region.detected(result), None, detected=True)
    if region is not None:
        name, maps = _maps(result, output)
        return Raw(region.mean(maps), name)
    words = ""
    if type(result).__module__ == "torch.return_types" and type(result).__name__ in RANKED:
        raise ranked(type(result).__name__)
    if output is not None:
        result = _chosen(result, output)
    elif not isinstance(result, Tensor):
        several, whole = _outputs(result), _described(result)
        output = _only(result, several, images)
        result = several[output]
        if len(several) > 1:
            words = f"The network returns {whole}: {output!r} is read."
    if not isinstance(result, Tensor):
        raise InputError(f"the model returns {_described(result)}, not one tensor of logits", REMEDY)
    rows = _rows(result, images)
    if rows is None or not rows.is_floating_point():
        raise _no_rows(result)
    lacking = images == 1 and result.ndim != rows.ndim and tuple(result.shape[:1]) != (1,)
    return Raw(rows, output, words, squeezed=lacking)


def ranked(how: str) -> InputError:
    """The refusal of outputs that are in the order of their size: which class one is of differs by image."""
    return InputError(
        f"the model returns scores in the order of their size, with the classes beside ({how}): an output is"
        " not of the same class for every image",
        UNRANKED,
    )


def with_ranks(result: Any, values: Tensor) -> bool:
    """Whether rows of `values` (N, K) go down from left to right, and whole numbers are returned beside them,
    each once in a row: the classes in that order, as torch.topk gives them."""
    if values.ndim != 2 or values.shape[1] < 2 or bool((values[:, 1:] > values[:, :-1]).any()):
        return False
    for other in _outputs(result).values():
        if not isinstance(other, Tensor) or other.is_floating_point() or other.dtype == torch.bool:
            continue
        if other.shape != values.shape:
            continue
        inorder = other.sort(1).values
        if bool((inorder[:, 1:] > inorder[:, :-1]).all()) and bool((inorder >= 0).all()):
            # [1, 0] beside two labels may say which of them hold
            return values.shape[1] > 2 or not bool((other == torch.tensor([1, 0], device=other.device)).all())
    return False


def _no_rows(values: Tensor) -> InputError:
    """Why a tensor is no row of scores an image."""
    shape = f"a tensor of shape {tuple(values.shape)}"
    if not values.is_floating_point():
        kind = str(values.dtype).removeprefix("torch.")
        return InputError(
            f"the model returns {shape} and type {kind}, not (images, classes) of scores", UNRANKED
        )
    remedy = "audit a classifier, or set model.output to the output that holds its logits"
    if values.ndim == 4:
        remedy += f"; {DENSE}"
    return InputError(f"the model returns {shape}, not (images, classes)", remedy)


def _maps(result: Any, output: str | int | None) -> tuple[str | int | None, Tensor]:
    """The maps of classes (N, C, h, w) in what the network returned, and their name. Raises InputError."""
    several: Mapping[str | int | None, Any] = {output: result}
    if output is not None:
        several = {output: _chosen(result, output)}
    elif not isinstance(result, Tensor):
        several = _outputs(result)
    fitting = {
        name: value
        for name, value in several.items()
        if isinstance(value, Tensor) and value.ndim == 4 and value.is_floating_point()
    }
    name = DENSE_USUAL if DENSE_USUAL in fitting else next(iter(fitting), None)
    if not fitting or (len(fitting) > 1 and name != DENSE_USUAL):
        raise InputError(
            f"model.target is set, but the model returns {_described(result)}, not one"
            " (images, classes, height, width)",
            "leave model.target out, or name the maps of classes in model.output",
        )
    return name, fitting[name]


def _rows(values: Tensor, images: int | None) -> Tensor | None:
    """The values as a row an image, (N, K); None where they are no such thing."""
    shape = tuple(values.shape)
    if len(shape) == 2:
        return values
    if len(shape) < 2:  # a squeeze took an axis off: that of the one image, or of the one output
        if images is None or 0 in shape:
            return None
        if images == 1:
            return values.reshape(1, -1)
        return values[:, None] if shape == (images,) else None
    if images is not None and shape[0] != images:  # (C, 1, 1) of one image
        alone = images == 1 and values.numel() == max(shape)
        return values.reshape(1, -1) if alone else None
    # (N, C, 1, 1), (N, 1, C), …: all but one axis of an image have one place
    return values.flatten(1) if values[:1].numel() == max(shape[1:]) else None


def answers(logits: Tensor) -> Tensor:
    """The class answered, (…,) int64, given logits (…, C); -1 where the network answers nothing.

    There is an answer where log-softmax is defined for every class: no logit is NaN, none is +inf
    (inf - inf is no number), and some class is above -inf. Classes at -inf are masked out: they have
    the probability 0, and the others share the rest. A maximum of NaN is NaN, so that all three are
    one question: is the largest logit finite?
    """
    best = logits.max(-1)
    return torch.where(best.values.isfinite(), best.indices, -1)


def _outputs(result: Any) -> dict[str | int | None, Any]:
    """What the network returned, by name or number."""
    if isinstance(result, Mapping):
        return dict(result)
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return {name: getattr(result, name) for name in result._fields}
    if isinstance(result, tuple | list):
        return dict(enumerate(result))
    if is_dataclass(result):
        return {field.name: getattr(result, field.name) for field in fields(result)}
    return {}


def _only(result: Any, several: Mapping[str | int | None, Any], images: int | None) -> str | int | None:
    """The output that can be no other than the logits. Raises InputError where two could be."""
    fitting = [
        name
        for name, value in several.items()
        if isinstance(value, Tensor) and value.is_floating_point() and _rows(value, images) is not None
    ]
    if USUAL in fitting:
        return USUAL
    if len(fitting) == 1:
        return fitting[0]
    which = "none of them" if not fitting else "more than one of them"
    more = f"; {which} is a row of numbers an image" if several else ""
    remedy = REMEDY if fitting else f"{REMEDY}, or, {DENSE}"
    if not any(isinstance(value, Tensor) for value in several.values()):
        remedy = RETURN
    raise InputError(f"the model returns {_described(result)}, not one tensor of logits{more}", remedy)


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
    """What the network returned, in words, each output with its shape."""
    if isinstance(result, Tensor):
        return f"a tensor of shape {tuple(result.shape)}"
    several = _outputs(result)
    listed = ", ".join(f"{name!r} {_shape(value)}" for name, value in several.items())
    if isinstance(result, Mapping):
        return f"a dict with {listed}" if several else "an empty dict"
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return f"a named tuple with {listed}"
    if isinstance(result, tuple | list):
        return f"a {type(result).__name__} of {len(result)}" + (f": {listed}" if several else "")
    return f"a {type(result).__name__}" + (f" with {listed}" if several else "")


def _shape(value: Any) -> str:
    return f"of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


def first_tensor(result: Any) -> Tensor | None:
    """What a layer gives on: its tensor, or the first of several (a max-pool's maps before its indices), be
    they in a tuple, a dict, a dataclass or one that is both, as transformers' `ModelOutput`."""
    if isinstance(result, Tensor):
        return result
    name = _first_name(result)
    return None if name is None else cast(Tensor, _outputs(result)[name])


def with_first(result: Any, tensor: Tensor) -> Any:
    """The result with `tensor` for its first tensor; what was returned stays as it is."""
    name = _first_name(result)
    if name is None:  # a tensor
        return tensor
    if not isinstance(result, tuple | list):
        changed: Any = copy.copy(result)
        if isinstance(result, Mapping):
            changed[name] = tensor
        else:
            object.__setattr__(changed, str(name), tensor)  # it may be frozen
        return changed
    values = [tensor, *result[1:]]
    if isinstance(result, list):
        return values
    return type(result)(*values) if hasattr(result, "_fields") else tuple(values)


def alike(result: Any) -> int:
    """How many tensors of as many axes as the first one were returned by name: 0 where none was. Scales of
    a pyramid are several; what a pool makes of a transformer's tokens is not like these."""
    first = first_tensor(result)
    if first is None or isinstance(result, Tensor | tuple | list):
        return 0
    return sum(isinstance(x, Tensor) and x.ndim == first.ndim for x in _outputs(result).values())


def _first_name(result: Any) -> str | int | None:
    """The name or number of the first tensor of several; None where a tuple or a list begins with something
    else, and where none is named."""
    several = _outputs(result)
    if isinstance(result, tuple | list):
        several = dict(list(several.items())[:1])
    return next((name for name, value in several.items() if isinstance(value, Tensor)), None)
