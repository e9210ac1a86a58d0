"""What the operators of TorchScript do: on tensors those of ATen, on numbers and lists those of Python."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from reportgen.inputs.programs.operators import ALLOWED, CHECKS, FILLED, aten, on_numbers, refused, widened

# the numbers that TorchScript writes for kinds of numbers
KINDS = {
    0: torch.uint8,
    1: torch.int8,
    2: torch.int16,
    3: torch.int32,
    4: torch.int64,
    5: torch.float16,
    6: torch.float32,
    7: torch.float64,
    11: torch.bool,
    15: torch.bfloat16,
}
NUMBERS = {kind: number for number, kind in KINDS.items()}
TYPED = {"softmax": 2, "log_softmax": 2, "to": 1}  # where an operator takes a dtype without its name
TRAINING = {"batch_norm": 5, "dropout": 2, "dropout_": 2, "feature_dropout": 2}
WIDEST = 10_000_000  # elements of a list


def plain_number(value: Tensor) -> Any:
    """A tensor of one number as a number, where it has a value."""
    return value if value.is_meta else value.item()


def _contains(holder: Any, item: Any) -> bool:
    return item in holder


def _append(holder: list[Any], item: Any) -> list[Any]:
    if len(holder) > WIDEST:
        raise ValueError("a list that no network needs")
    holder.append(item)
    return holder


def _set_item(holder: Any, key: Any, item: Any) -> Any:
    operator.setitem(holder, key, item)
    return holder


def _size(value: Any, axis: int | None = None) -> Any:
    return list(value.shape) if axis is None else value.shape[axis]


def _times(a: Any, b: Any) -> Any:
    for one, other in ((a, b), (b, a)):
        if isinstance(one, list | str | tuple) and (not isinstance(other, int) or len(one) * other > WIDEST):
            raise ValueError("a list that no network needs")
    return a * b


def _device_type(value: Any) -> str:
    if not isinstance(value, torch.device):
        raise ValueError("the type of something else than a device")
    return value.type


def _quotient(a: Any, b: Any, rounding_mode: str | None = None) -> Any:
    if rounding_mode is None:
        return a / b
    return a // b if rounding_mode == "floor" else math.trunc(a / b)


PLAIN: dict[str, Callable[..., Any]] = {
    **{name: getattr(operator, name) for name in "add sub neg eq ne lt le gt ge".split()},
    "mul": _times,
    "div": _quotient,
    "floordiv": operator.floordiv,
    "floor_divide": operator.floordiv,
    "remainder": operator.mod,
    "pow": on_numbers("pow", ""),
    "sqrt": math.sqrt,
    "log": math.log,
    "ceil": math.ceil,
    "floor": math.floor,
    "round": round,
    "abs": abs,
    "max": max,
    "min": min,
    "__is__": operator.is_,
    "__isnot__": operator.is_not,
    "__not__": operator.not_,
    "__and__": operator.and_,
    "__or__": operator.or_,
    "__contains__": _contains,
    "append": _append,
    "detach": lambda x: x,
    "Int": int,
    "Float": float,
    "Bool": bool,
    "copy": list,
    "IntImplicit": int,
    "FloatImplicit": float,
    "ScalarImplicit": lambda x: x,
    "item": lambda x: x,
    "keys": list,
    "values": lambda x: list(x.values()),
    "items": lambda x: list(x.items()),
    "dict": dict,
    "list": list,
    "to": lambda x, *_: x,
    "rsub": lambda a, b: b - a,
    "slice": lambda holder, start=None, end=None, step=1: holder[start:end:step],
    "add_": operator.iadd,
    "extend": operator.iadd,
    "_set_item": _set_item,
}
# the same on tensors as on all else
SHAPES: dict[str, Callable[..., Any]] = {
    "size": _size,
    "len": len,
    "dim": lambda x: x.dim(),
    "numel": lambda x: x.numel(),
    "is_floating_point": lambda x: x.is_floating_point(),
    "__is__": operator.is_,
    "__isnot__": operator.is_not,
    "append": _append,
    "_set_item": _set_item,
    "format": lambda text, *_: text,  # only messages are formatted
    "warn": lambda *_, **__: None,
    "is_grad_enabled": lambda: True,
    "is_autocast_enabled": lambda *_: False,
    "IntImplicit": int,
    "FloatImplicit": float,
    "Int": int,
    "Float": float,
    "Bool": bool,
    "item": lambda x: x.item(),
    "__contains__": _contains,
    "dict": dict,
    "keys": list,
    "values": lambda x: list(x.values()),
}
PRIM: dict[str, Callable[..., Any]] = {
    "NumToTensor": lambda x: x,
    "device": lambda x: x.device,
    "dtype": lambda x: NUMBERS.get(x.dtype, 6),
    "layout": lambda _x: None,
    "is_cuda": lambda _x: False,
    "is_quantized": lambda _x: False,
    "is_nested": lambda _x: False,
    "is_cpu": lambda x: x.device.type == "cpu",
    "requires_grad": lambda _x: True,  # or attention would take a fused way that shows nothing
    "type": _device_type,
    "data": lambda x: x.detach(),
    "min": lambda *x: min(*x),
    "max": lambda *x: max(*x),
    "unchecked_unwrap_optional": lambda x: x,
}
KNOWN = ALLOWED | CHECKS | set(PLAIN) | set(SHAPES)


def call_operator(name: str, given: list[Any], named: dict[str, Any], file: str) -> Any:
    """The result of an operator. Raises InputError for one that is not allowed."""
    if name in SHAPES:
        return SHAPES[name](*given, **named)
    if name in CHECKS:
        return None
    if not _has_tensor(given) and not _has_tensor(list(named.values())) and name in PLAIN:
        return PLAIN[name](*given, **named)
    if name not in ALLOWED and name not in FILLED:
        raise refused(f"aten::{name}", file)
    given = list(given)
    if name in TRAINING and len(given) > TRAINING[name]:
        given[TRAINING[name]] = False
    for place in _dtype_places(name, given):
        given[place] = widened(KINDS.get(given[place], torch.float32))
    if isinstance(named.get("dtype"), int):
        named["dtype"] = widened(KINDS.get(named["dtype"], torch.float32))
    named = {key: value for key, value in named.items() if key not in ("layout", "pin_memory")}
    return aten(name, None, file)(*given, **named)


def _dtype_places(name: str, given: list[Any]) -> list[int]:
    places = [TYPED[name]] if name in TYPED else []
    if name == "to" and len(given) > 2 and isinstance(given[1], torch.device):
        places = [2]
    return [n for n in places if n < len(given) and type(given[n]) is int]


def _has_tensor(values: list[Any]) -> bool:
    return any(
        isinstance(x, Tensor) or (isinstance(x, list | tuple) and _has_tensor(list(x))) for x in values
    )
