"""What an operation of torch is called in the network's drawing: its kind, and words as "conv 3×3/2, 64"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from reportgen.engine.network.facts import Kind

RECTIFIERS = {"relu", "relu_", "relu6", "relu6_", "hardtanh", "hardtanh_"}
SMOOTH = {"silu", "gelu", "mish", "hardswish", "elu", "softplus", "leaky_relu", "prelu", "_prelu_kernel"}
ACTIVATIONS = {
    *{name.removesuffix("_") for name in RECTIFIERS},
    *SMOOTH,
    *("sigmoid", "hardsigmoid", "tanh", "_softmax", "_log_softmax", "log_sigmoid_forward"),
}
NORMS = {
    "native_batch_norm": "bn",
    "_native_batch_norm_legit_no_training": "bn",
    "cudnn_batch_norm": "bn",
    "native_layer_norm": "ln",
    "native_group_norm": "gn",
}
NORM_LAYERS = {"LocalResponseNorm": "lrn", "InstanceNorm2d": "in"}
JOINS: dict[str, tuple[Kind, str]] = {
    "add": ("add", "+"),
    "sub": ("add", "−"),
    "mul": ("multiply", "×"),
    "cat": ("concatenate", "concat"),
    "stack": ("concatenate", "stack"),
    **dict.fromkeys(("mm", "bmm", "addmm", "baddbmm"), ("multiply", "matmul")),
}
POOLS = {
    "max_pool2d_with_indices": "max-pool",
    "avg_pool2d": "avg-pool",
    "_adaptive_avg_pool2d": "avg-pool",
    "adaptive_max_pool2d": "max-pool",
}
AVERAGES = {"mean": "avg-pool", "amax": "max-pool"}


@dataclass(frozen=True)
class Step:
    """One operation, named."""

    kind: Kind
    words: str


def joined(name: str) -> Step:
    """An operation of two values or more."""
    plain = name.removesuffix("_")
    return Step(*JOINS.get(plain, ("join", plain.strip("_"))))


def step(name: str, args: tuple[Any, ...], result: Tensor) -> Step | None:
    """An operation of one value, weights aside; None for one that only rearranges, copies or scales."""
    plain = name.removesuffix("_")
    if name in ("convolution", "_convolution"):
        return Step("conv", _convolution(args))
    if plain in ("addmm", "mm", "linear", "bmm"):
        return Step("linear", f"linear {result.shape[-1]}")
    if name in NORMS:
        return Step("norm", NORMS[name])
    if name in POOLS:
        return Step("pool", f"{POOLS[name]} {_window(name, args)}".strip())
    if name in AVERAGES and _over_maps(args):
        return Step("pool", f"global {AVERAGES[name]}")
    if name in ("mean", "sum", "amax"):
        return Step("pool", name.removeprefix("a"))
    if plain in ACTIVATIONS:
        return Step("activation", _activation(plain, args))
    if name.startswith("upsample"):
        return Step("other", f"upsample to {_times(result.shape[2:])}")
    return None


def together(steps: Sequence[Step], type_name: str, inputs: int) -> Step:
    """What a module's call is that took these steps: the one that has a name, or the module's type."""
    if type_name in NORM_LAYERS:
        return Step("norm", NORM_LAYERS[type_name])
    if len(steps) == 1:
        return steps[0]
    kinds = {taken.kind for taken in steps}
    if "activation" in kinds and kinds <= {"activation", "multiply", "add"} and inputs == 1:
        return Step("activation", type_name)  # x·sigmoid(x)
    return Step("other", type_name)


def _convolution(args: tuple[Any, ...]) -> str:
    x, weight, _bias, stride, _padding, dilation, transposed, _output_padding, groups = args[:9]
    channels = weight.shape[1] * groups if transposed else weight.shape[0]
    name = "deconv" if transposed else "conv"
    if groups > 1 and groups == x.shape[1]:
        name = "depthwise"
    elif groups > 1:
        name = f"{groups}-group {name}"
    words = f"{name} {_times(weight.shape[2:])}{_over(stride)}, {channels}"
    return words + ("" if set(dilation) == {1} else f", dilated {max(dilation)}")


def _window(name: str, args: tuple[Any, ...]) -> str:
    """A pool's window with its stride, or the size of what an adaptive one gives."""
    if "adaptive" in name:
        return "to " + _times(_both(args[1]))
    stride = args[2] if len(args) > 2 and args[2] else args[1]
    return _times(_both(args[1])) + _over(_both(stride))


def _over_maps(args: tuple[Any, ...]) -> bool:
    """Whether a mean is one of each whole map."""
    x, axes = args[0], args[1] if len(args) > 1 else ()
    return x.ndim == 4 and {axis % 4 for axis in axes or ()} == {2, 3}


def _activation(plain: str, args: tuple[Any, ...]) -> str:
    if plain == "hardtanh" and tuple(args[1:3]) == (0, 6):
        return "relu6"
    return plain.strip("_").removesuffix("_kernel").removesuffix("_forward")


def _both(sides: Sequence[int]) -> Sequence[int]:
    return [*sides, *sides] if len(sides) == 1 else sides


def _times(sides: Sequence[int]) -> str:
    return "×".join(str(int(side)) for side in sides)


def _over(stride: Sequence[int]) -> str:
    """A stride as it follows a window: 3×3/2."""
    if set(stride) == {1}:
        return ""
    return f"/{stride[0]}" if len(set(stride)) == 1 else f"/{_times(stride)}"
