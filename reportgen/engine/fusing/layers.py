"""A convolution that waits for what comes after it: a batch normalisation that stands still is folded into
its weights, and a rectifier or the like is applied while its output is still in the processor's cache.

Both are exact up to rounding, and save two passes over memory for each layer. What waits is worked out as
soon as anything else reads it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.utils._pytree import tree_leaves, tree_map

from reportgen.engine.feed import last_is_faster
from reportgen.engine.network.rules import out_of_place

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
    """Weights with a normalisation in them, by the ids of what they are made of: that is kept beside them, so
    that no other tensor has its ids."""

    known: dict[Hashable, tuple[Any, Any]] = field(default_factory=dict)
    saved: int = 0  # numbers that were not written and read again
    called: int = 0  # operations

    def of(self, key: Sequence[Any], compute: Any) -> Any:
        if not isinstance(key[0], nn.Parameter):
            return compute()  # a weight that the network makes anew each time
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
    version: int | None = None  # of x where it may be written into before this is worked out

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
        if self.activation is not None or not stands_still(name, args):
            return None
        key = (self.weight, self.bias, *args[1:])

        def folded() -> tuple[Tensor, Tensor]:
            scale, shift = affine(name, args) or (self.weight, self.weight)
            bias = shift if self.bias is None else torch.addcmul(shift, self.bias, scale)
            return self.weight * scale[:, None, None, None], bias

        weight, bias = self.folds.of(key, folded)
        return replace(self, weight=weight, bias=bias)

    def activated(self, func: Any, options: Sequence[Any]) -> Pending | None:
        """With an activation of the dispatcher after it, not in place; None where there is one already."""
        if self.activation is not None or func.overloadpacket.__name__ not in ACTIVATIONS:
            return None
        return replace(self, activation=func, options=tuple(options))

    def compute(self) -> Tensor:
        """What it gives. Raises Unservable where x was written into since."""
        unchanged(self.x, self.version)
        fused = fused_convolution() if self.x.device.type == "cpu" and self.x.dtype == torch.float32 else None
        shape = (self.paddings, self.strides, self.dilations, self.groups)
        if fused is not None:
            name = "none" if self.activation is None else ACTIVATIONS[self.activation.overloadpacket.__name__]
            scalars = [-1.0, 1.0] if name == "hardtanh" else []
            scalars[: len(self.options)] = [float(x) for x in self.options]
            made: Tensor = fused(self.x, self.weight, self.bias, *shape, name, scalars, "")
            return made
        made = torch.ops.aten.convolution(
            self.x if last_is_faster(self.x.device) else self.x.contiguous(),  # patches come channels last
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


def fused_convolution() -> Any:
    """oneDNN's convolution with an activation, where this PyTorch has it and uses oneDNN."""
    if not (torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled):
        return None
    return getattr(getattr(torch.ops, "mkldnn", None), "_convolution_pointwise", None)


def stands_still(name: str, args: Sequence[Any]) -> bool:
    """Whether a batch normalisation goes by statistics of its own, and not by those of the batch."""
    training = name != "_native_batch_norm_legit_no_training" and args[5]
    return not training and args[3] is not None and args[4] is not None


def affine(name: str, args: Sequence[Any]) -> tuple[Tensor, Tensor] | None:
    """The scale and the shift (C,) that a batch normalisation comes to once its statistics stand still; None
    where it goes by those of the batch."""
    if not stands_still(name, args):
        return None
    weight, bias, mean, variance = args[1:5]
    scale = torch.rsqrt(variance + args[-1])
    scale = scale if weight is None else scale * weight
    return scale, -mean * scale if bias is None else bias - mean * scale


@dataclass(frozen=True)
class Padded:
    """Maps x (K, C, h, w) with zeros about them that are not there yet: `rows` of them above and below,
    `columns` on the left and on the right. A convolution takes them for padding of its own."""

    x: Tensor
    rows: int
    columns: int
    version: int

    @classmethod
    def of(cls, x: Tensor, pads: Sequence[int], value: float = 0.0) -> Padded | None:
        """None where no convolution pads so."""
        if len(pads) != 4 or value != 0:
            return None
        left, right, top, bottom = pads
        alike = left == right >= 0 and top == bottom >= 0
        return cls(x, top, left, x._version) if alike else None

    @property
    def shape(self) -> tuple[int, ...]:
        height, width = self.x.shape[2:]
        return (*self.x.shape[:2], height + 2 * self.rows, width + 2 * self.columns)

    def compute(self) -> Tensor:
        """The maps with the zeros about them. Raises Unservable where the maps were written into since."""
        unchanged(self.x, self.version)
        return pad(self.x, (self.columns, self.columns, self.rows, self.rows))


class Whole(torch.Tensor):
    """Images in full, of which a convolution may be waiting, or the zeros about them."""

    value: Tensor | Pending | Padded
    folds: Folds

    @staticmethod
    def __new__(cls: type[Whole], value: Tensor | Pending | Padded, like: Tensor, folds: Folds) -> Whole:
        made = torch.Tensor._make_wrapper_subclass(
            cls, tuple(value.shape), dtype=like.dtype, device=like.device
        )
        made.value, made.folds = value, folds
        return made

    def __init__(self, *_: Any) -> None:
        super().__init__()

    @staticmethod
    def turned(value: Tensor, whole: Tensor, folds: Folds) -> Whole:
        """A value of another kind, now in full: whoever holds it holds that."""
        vars(value).clear()
        value.__class__ = Whole
        assert isinstance(value, Whole)
        value.value, value.folds = whole, folds
        return value

    def tensor(self) -> Tensor:
        """The images, worked out."""
        if not isinstance(self.value, Tensor):
            self.value = self.value.compute()
        return self.value

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        first = args[0] if args else None
        result = None
        if isinstance(first, Whole):
            first.folds.called += 1
            result = None if kwargs else _fusing(func, first, args)
        return _in_full(func, args, kwargs or {}) if result is None else result


def _fusing(func: Any, first: Whole, args: tuple[Any, ...]) -> Any:
    """The result of an operation that waits, or that something waits for; None where none does."""
    name = func.overloadpacket.__name__
    if name == "convolution":
        _, weight, bias, strides, paddings, dilations, transposed, _, groups = args
        if transposed or first.ndim != 4 or isinstance(weight, Whole) or isinstance(bias, Whole):
            return None
        waiting = _convolving(first, weight, bias, strides, paddings, dilations, groups)
        return Whole(waiting, waiting.x, first.folds)
    if name == "constant_pad_nd" and first.ndim == 4:
        padded = Padded.of(first.tensor(), *args[1:])
        return None if padded is None else Whole(padded, padded.x, first.folds)
    if not isinstance(first.value, Pending):
        return None
    x = first.value.x
    if name in NORMS:
        folded = first.value.normalised(name, args)
        if folded is None:
            return None
        first.folds.saved += math.prod(folded.shape)
        return (Whole(folded, x, first.folds),) * (4 if name == "cudnn_batch_norm" else 3)
    plain = out_of_place(func)
    activated = None if plain is None else first.value.activated(plain, args[1:])
    if activated is None:
        return None
    first.folds.saved += math.prod(activated.shape)
    if func._schema.is_mutable:
        first.value = activated
        return first
    return Whole(activated, x, first.folds)


def _convolving(
    first: Whole,
    weight: Tensor,
    bias: Tensor | None,
    strides: Any,
    paddings: Any,
    dilations: Any,
    groups: int,
) -> Pending:
    """A convolution that waits, with the zeros that wait about its input for padding."""
    folds, value = first.folds, first.value
    if isinstance(value, Padded):
        folds.saved += math.prod(value.shape)
        paddings = [value.rows + paddings[0], value.columns + paddings[1]]
        x, version = value.x, value.version
    else:
        x = first.tensor()
        version = x._version
    return Pending(x, weight, bias, strides, paddings, dilations, groups, folds, version=version)


def unchanged(x: Tensor, version: int | None) -> None:
    """Raises Unservable where a tensor was written into since it had this version."""
    if version is not None and x._version != version:
        raise Unservable("what a convolution waits for was written into")


def _in_full(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The operation on what is worked out; what it writes into stays the same value."""
    folds = next(x.folds for x in tree_leaves((args, kwargs)) if isinstance(x, Whole))
    plain: Any = tree_map(worked_out, (args, kwargs))
    result = plainly(func, *plain)
    if func._schema.is_mutable and args and result is plain[0][0]:
        return args[0]
    return tree_map(lambda x: wrapped(x, folds), result)


class Unservable(Exception):
    """What this network does cannot be followed patch by patch, and not in full either."""


def plainly(func: Any, args: Any, kwargs: Any) -> Any:
    """An operation on plain tensors in the place of others, whose numbers may lie in another order in memory.
    Raises Unservable where it asks for that order."""
    name = func.overloadpacket.__name__
    if name in ("view", "_unsafe_view") and not isinstance(args[1], torch.dtype):
        return args[0].reshape(args[1])
    if name == "as_strided":
        raise Unservable(f"{func} goes by the order in memory")
    return func(*args, **kwargs)


def wrapped(value: Any, folds: Folds) -> Any:
    """Maps (K, C, H, W) as `Whole`; anything else as it is."""
    maps = (
        isinstance(value, Tensor) and type(value) is Tensor and value.ndim == 4 and value.is_floating_point()
    )
    return Whole(value, value, folds) if maps else value


def worked_out(value: Any) -> Any:
    """A `Whole` as a plain tensor; anything else as it is."""
    return value.tensor() if isinstance(value, Whole) else value
