"""A convolution that waits for what comes after it: a batch normalisation that stands still is folded into its
weights, and a rectifier or the like is applied while its output is still in the processor's cache.

Both are exact up to rounding, and save two passes over memory for each layer. What waits is worked out as
soon as anything else reads it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

NORMS = ("native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm", "miopen_batch_norm")
# activations by the dispatcher's names, and by those of oneDNN
ACTIVATIONS = {
    "relu": "relu",
    "hardtanh": "hardtanh",
    "silu": "swish",
    "hardswish": "hardswish",
    "sigmoid": "sigmoid",
}


@dataclass
class Folds:
    """Weights with a normalisation in them, by those of both; as long as they are kept, so are these, so that no
    other tensor has their ids."""

    known: dict[Hashable, tuple[Any, Any]] = field(default_factory=dict)

    def of(self, key: Sequence[Any], compute: Any) -> Any:
        ids = tuple(id(x) if isinstance(x, Tensor) else x for x in key)
        if ids not in self.known:
            self.known[ids] = (compute(), key)
        return self.known[ids][0]


@dataclass(frozen=True)
class Pending:
    """A convolution of x (K, C, h, w) that is not worked out yet, with what is to follow."""

    x: Tensor
    weight: Tensor
    bias: Tensor | None
    strides: Sequence[int]
    paddings: Sequence[int]
    dilations: Sequence[int]
    groups: int
    folds: Folds
    activation: Any = None  # of the dispatcher
    options: tuple[Any, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of what it gives."""
        sides = [
            (
                self.x.shape[2 + n]
                + 2 * self.paddings[n]
                - (self.weight.shape[2 + n] - 1) * self.dilations[n]
                - 1
            )
            // self.strides[n]
            + 1
            for n in range(2)
        ]
        return (len(self.x), self.weight.shape[0], *sides)

    def normalised(self, name: str, args: Sequence[Any]) -> Pending | None:
        """With a batch normalisation after it, given its arguments; None where it cannot be folded."""
        if self.activation is not None or affine(name, args) is None:
            return None
        key = (self.weight, self.bias, *args[1:])

        def folded() -> tuple[Tensor, Tensor]:
            scale, shift = affine(name, args) or (self.weight, self.weight)
            bias = shift if self.bias is None else torch.addcmul(shift, self.bias, scale)
            return self.weight * scale[:, None, None, None], bias

        weight, bias = self.folds.of(key, folded)
        return replace(self, weight=weight, bias=bias)

    def activated(self, func: Any, options: Sequence[Any]) -> Pending | None:
        """With an activation after it, of the dispatcher (not in place) with its options; None where there is one."""
        if self.activation is not None or func.overloadpacket.__name__ not in ACTIVATIONS:
            return None
        return replace(self, activation=func, options=tuple(options))

    def compute(self) -> Tensor:
        """What it gives."""
        fused = _fused() if self.x.device.type == "cpu" and self.x.dtype == torch.float32 else None
        shape = (self.paddings, self.strides, self.dilations, self.groups)
        if fused is not None:
            name = "none" if self.activation is None else ACTIVATIONS[self.activation.overloadpacket.__name__]
            scalars = [-1.0, 1.0] if name == "hardtanh" else []
            scalars[: len(self.options)] = [float(x) for x in self.options]
            made: Tensor = fused(self.x, self.weight, self.bias, *shape, name, scalars, "")
            return made
        made = torch.ops.aten.convolution(
            self.x,
            self.weight,
            self.bias,
            self.strides,
            self.paddings,
            self.dilations,
            False,
            [0, 0],
            self.groups,
        )
        return made if self.activation is None else self.activation(made, *self.options)


def _fused() -> Any:
    """oneDNN's convolution with an activation, where this PyTorch has it and uses oneDNN."""
    if not (torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled):
        return None
    return getattr(getattr(torch.ops, "mkldnn", None), "_convolution_pointwise", None)


def affine(name: str, args: Sequence[Any]) -> tuple[Tensor, Tensor] | None:
    """The scale and the shift (C,) that a batch normalisation comes to once its statistics stand still; None
    where it goes by those of the batch."""
    training = name != "_native_batch_norm_legit_no_training" and args[5]
    weight, bias, mean, variance = args[1:5]
    if training or mean is None or variance is None:
        return None
    scale = torch.rsqrt(variance + args[-1])
    scale = scale if weight is None else scale * weight
    return scale, -mean * scale if bias is None else bias - mean * scale


class Whole(torch.Tensor):
    """Images in full, of which a convolution may be waiting."""

    value: Tensor | Pending

    @staticmethod
    def __new__(cls: type[Whole], value: Tensor | Pending, like: Tensor, folds: Folds) -> Whole:
        made: Any = torch.Tensor._make_wrapper_subclass(
            cls, tuple(value.shape), dtype=like.dtype, device=like.device
        )
        made.value, made.folds = value, folds
        return made  # type: ignore[no-any-return]

    def __init__(self, *_: Any) -> None:
        super().__init__()

    @staticmethod
    def turned(value: Tensor, whole: Tensor, folds: Folds) -> Whole:
        """A value of another kind, now in full: whoever holds it holds that."""
        vars(value).clear()
        value.__class__ = Whole
        turned: Any = value
        turned.value, turned.folds = whole, folds
        return turned  # type: ignore[no-any-return]

    def tensor(self) -> Tensor:
        """The images, worked out."""
        if isinstance(self.value, Pending):
            self.value = self.value.compute()
        return self.value

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        first = args[0] if args else None
        waiting = first.value if isinstance(first, Whole) and isinstance(first.value, Pending) else None
        name = func.overloadpacket.__name__
        if isinstance(first, Whole) and name == "convolution" and not args[6] and first.ndim == 4:
            x, weight, bias, strides, paddings, dilations, _, _, groups = args
            if not isinstance(weight, Whole) and not isinstance(bias, Whole):
                given = Pending(x.tensor(), weight, bias, strides, paddings, dilations, groups, x.folds)
                return Whole(given, given.x, x.folds)
        if waiting is not None and not kwargs:
            if name in NORMS:
                after = waiting.normalised(name, args)
                if after is not None:
                    return _first_of_norm(name, Whole(after, after.x, first.folds))
            in_place = func._schema.is_mutable
            plain = getattr(torch.ops.aten, name.rstrip("_"), None) if in_place else func
            plain = getattr(plain, func._overloadname) if in_place and plain is not None else plain
            after = waiting.activated(plain, args[1:]) if plain is not None else None
            if after is not None and in_place:
                first.value = after
                return first
            if after is not None:
                return Whole(after, after.x, first.folds)
        return _in_full(func, args, kwargs or {})


def _first_of_norm(name: str, made: Tensor) -> Any:
    return (made, made, made, made) if name == "cudnn_batch_norm" else (made, made, made)


def _in_full(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The operation on what is worked out; what it writes into stays the same value."""
    folds = next(x.folds for x in torch.utils._pytree.tree_leaves((args, kwargs)) if isinstance(x, Whole))
    result = func(*tree_map(worked_out, args), **tree_map(worked_out, kwargs))
    if func._schema.is_mutable:
        return args[0]
    return tree_map(lambda x: wrapped(x, folds), result)


def wrapped(value: Any, folds: Folds) -> Any:
    """Maps (K, C, H, W) as `Whole`; anything else as it is."""
    maps = (
        isinstance(value, Tensor) and type(value) is Tensor and value.ndim == 4 and value.is_floating_point()
    )
    return Whole(value, value, folds) if maps else value


def worked_out(value: Any) -> Any:
    """A `Whole` as a plain tensor; anything else as it is."""
    return value.tensor() if isinstance(value, Whole) else value
