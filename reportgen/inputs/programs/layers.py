"""The layers of torch.nn in a program: a module that calls one operator on one input is that layer.

What the facts, the visualizations and the rules know of layers (windows, strides, rectifiers) then holds for
them as for a network that was built from code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

Arguments = Mapping[str, Any]
Made = tuple[nn.Module, dict[str, str]]  # a layer without values, and which argument each of its tensors is
META = torch.device("meta")


class BatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation of maps, or of vectors: a file calls both the same."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass


def layer_of(operator: str, arguments: Arguments) -> nn.Module | None:
    """The layer of torch.nn that calls an operator so, or None where there is none.

    `arguments` are by their names in the operator's schema, weights as tensors; the input is left out.
    """
    make = LAYERS.get(operator)
    try:
        made = make(arguments) if make else None
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError):  # called in a way of its own
        return None
    if made is None:
        return None
    layer, held = made
    used = {name for name in held.values() if arguments.get(name) is not None}
    if {name for name, value in arguments.items() if isinstance(value, Tensor)} != used:
        return None  # a weight that the layer has no place for
    for name, argument in held.items():
        value = arguments.get(argument)
        if name in layer._buffers:
            layer._buffers[name] = value
        else:
            layer._parameters[name] = (
                value if value is None or isinstance(value, nn.Parameter) else nn.Parameter(value)
            )
    return layer.eval()


def _pair(value: Any, default: Any = None) -> Any:
    if value is None or value == []:
        return default
    if isinstance(value, list | tuple):
        found = tuple(int(x) for x in value)
        return found * 2 if len(found) == 1 else found
    return value


def _conv(a: Arguments) -> Made | None:
    weight = a["weight"]
    if weight.ndim != 4:
        return None
    groups = int(a.get("groups", 1))
    common: dict[str, Any] = {
        "kernel_size": tuple(weight.shape[2:]),
        "stride": _pair(a.get("stride"), 1),
        "padding": _pair(a.get("padding"), 0),
        "dilation": _pair(a.get("dilation"), 1),
        "groups": groups,
        "bias": a.get("bias") is not None,
        "device": META,
    }
    if a.get("transposed"):
        extra = {"output_padding": _pair(a.get("output_padding"), 0)}
        layer: nn.Module = nn.ConvTranspose2d(weight.shape[0], weight.shape[1] * groups, **common, **extra)
    else:
        layer = nn.Conv2d(weight.shape[1] * groups, weight.shape[0], **common)
    return layer, {"weight": "weight", "bias": "bias"}


def _norm(a: Arguments) -> Made | None:
    if a.get("running_mean") is None or a.get("training"):
        return None
    affine = a.get("weight") is not None
    layer = BatchNorm2d(len(a["running_mean"]), eps=a["eps"], affine=affine, device=META)
    held = {"running_mean": "running_mean", "running_var": "running_var"}
    layer._buffers["num_batches_tracked"] = torch.zeros((), dtype=torch.long)
    return layer, held | ({"weight": "weight", "bias": "bias"} if affine else {})


def _linear(a: Arguments) -> Made:
    outputs, inputs = a["weight"].shape
    return nn.Linear(inputs, outputs, a.get("bias") is not None, device=META), {
        "weight": "weight",
        "bias": "bias",
    }


def _layer_norm(a: Arguments) -> Made:
    shape, affine = [int(x) for x in a["normalized_shape"]], a.get("weight") is not None
    layer = nn.LayerNorm(shape, eps=a.get("eps", 1e-5), elementwise_affine=affine, device=META)
    return layer, {"weight": "weight", "bias": "bias"} if affine else {}


def _group_norm(a: Arguments) -> Made | None:
    if a.get("weight") is None:
        return None
    layer = nn.GroupNorm(int(a["num_groups"]), len(a["weight"]), eps=a.get("eps", 1e-5), device=META)
    return layer, {"weight": "weight", "bias": "bias"}


def _max_pool(a: Arguments) -> Made:
    kernel = _pair(a["kernel_size"])
    rest = {"padding": _pair(a.get("padding"), 0), "dilation": _pair(a.get("dilation"), 1)}
    pool = nn.MaxPool2d(kernel, _pair(a.get("stride")), **rest, ceil_mode=bool(a.get("ceil_mode")))
    return pool, {}


def _avg_pool(a: Arguments) -> Made:
    kernel, stride, padding = _pair(a["kernel_size"]), _pair(a.get("stride")), _pair(a.get("padding"), 0)
    counted, divisor = a.get("count_include_pad", True), a.get("divisor_override")
    return nn.AvgPool2d(kernel, stride, padding, bool(a.get("ceil_mode")), counted, divisor), {}


def _hardtanh(a: Arguments) -> Made:
    low, high = a.get("min_val", -1), a.get("max_val", 1)
    return (nn.ReLU6() if (low, high) == (0, 6) else nn.Hardtanh(low, high)), {}


def _plain(kind: Callable[..., nn.Module], **names: str) -> Callable[[Arguments], Made]:
    """A layer without weights, whose settings are arguments by other names."""

    def make(a: Arguments) -> Made:
        return kind(**{name: a[argument] for name, argument in names.items() if argument in a}), {}

    return make


LAYERS: dict[str, Callable[[Arguments], Made | None]] = {
    **dict.fromkeys(("conv2d", "convolution", "_convolution"), _conv),
    "conv_transpose2d": lambda a: _conv({**a, "transposed": True}),
    "batch_norm": _norm,
    "linear": _linear,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "max_pool2d": _max_pool,
    "avg_pool2d": _avg_pool,
    "adaptive_avg_pool2d": _plain(nn.AdaptiveAvgPool2d, output_size="output_size"),
    "dropout": _plain(nn.Dropout, p="p"),
    "flatten": _plain(nn.Flatten, start_dim="start_dim", end_dim="end_dim"),
    **dict.fromkeys(("hardtanh", "hardtanh_"), _hardtanh),
    **dict.fromkeys(("relu6", "relu6_"), _plain(nn.ReLU6)),
    **dict.fromkeys(("leaky_relu", "leaky_relu_"), _plain(nn.LeakyReLU, negative_slope="negative_slope")),
    **dict.fromkeys(("silu", "silu_"), _plain(nn.SiLU)),
    **dict.fromkeys(("hardswish", "hardswish_"), _plain(nn.Hardswish)),
    **dict.fromkeys(("hardsigmoid", "hardsigmoid_"), _plain(nn.Hardsigmoid)),
    **dict.fromkeys(("sigmoid", "sigmoid_"), _plain(nn.Sigmoid)),
    **dict.fromkeys(("tanh", "tanh_"), _plain(nn.Tanh)),
    **dict.fromkeys(("mish", "mish_"), _plain(nn.Mish)),
    "relu": _plain(nn.ReLU),
    "relu_": lambda _a: (nn.ReLU(inplace=True), {}),
    "gelu": _plain(nn.GELU, approximate="approximate"),
    "softmax": _plain(nn.Softmax, dim="dim"),
}
