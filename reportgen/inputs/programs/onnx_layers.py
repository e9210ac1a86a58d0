"""The operators of ONNX that are layers: windows, norms and products with weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from reportgen.inputs.programs import onnx_arithmetic as arithmetic
from reportgen.inputs.programs.onnx_node import Node
from reportgen.inputs.programs.parts import Operation, Value, Weight

aten = torch.ops.aten
# what a layer calls its weights, by the number of the node's input
ROLES: dict[str, dict[int, str]] = {
    **{kind: {1: "weight", 2: "bias"} for kind in ("Conv", "ConvTranspose", "Gemm")},
    "BatchNormalization": {1: "weight", 2: "bias", 3: "running_mean", 4: "running_var"},
    **{f"{kind}Normalization": {1: "weight", 2: "bias"} for kind in ("Layer", "Instance", "Group")},
    "PRelu": {1: "weight"},
}


def _window(node: Node, sides: int = 2) -> tuple[list[int], list[int], list[int], list[int]]:
    """Strides, dilations, and what is put before and after the image's axes."""
    pads = list(node.get("pads", [0] * (2 * sides)))
    return (
        list(node.get("strides", [1] * sides)),
        list(node.get("dilations", [1] * sides)),
        pads[:sides],
        pads[sides:],
    )


def _padded(node: Node, kernel: list[int], value: float = 0.0) -> tuple[list[Operation], Any, list[int]]:
    """What pads the input where the operator itself cannot (unequal sides, SAME): the operations, the
    operand to go on with, and the padding that is left to the operator."""
    strides, dilations, before, after = _window(node, len(kernel))
    auto = node.get("auto_pad", "NOTSET")
    if auto == "VALID":
        return [], node.input(0), [0] * len(kernel)
    if auto == "NOTSET" and before == after:
        return [], node.input(0), before
    name = f"{node.outputs[0]}, padded"
    pads = None if auto.startswith("SAME") else (before, after)
    settings = [kernel, strides, dilations, auto == "SAME_LOWER", pads, value]
    step = Operation(arithmetic.pad_window, [node.input(0), *settings], {}, (name,))
    return [step], Value(name), [0] * len(kernel)


def _held(node: Node, number: int) -> Tensor:
    value = node.input(number)
    tensor = value.tensor if isinstance(value, Weight) else value
    if not isinstance(tensor, Tensor):
        raise node.refuse("has weights that it computes")
    return tensor


def conv(node: Node) -> list[Operation]:
    kernel = list(_held(node, 1).shape[2:])
    strides, dilations, _, _ = _window(node, len(kernel))
    steps, x, padding = _padded(node, kernel)
    function = {1: aten.conv1d.default, 2: aten.conv2d.default, 3: aten.conv3d.default}[len(kernel)]
    rest = [strides, padding, dilations, int(node.get("group", 1))]
    return steps + node.calls(function, x, node.input(1), node.input(2), *rest)


def conv_transpose(node: Node) -> list[Operation]:
    kernel = list(_held(node, 1).shape[2:])
    strides, dilations, before, after = _window(node, len(kernel))
    if (
        before != after
        or node.get("output_shape")
        or node.get("auto_pad", "NOTSET") != "NOTSET"
        or len(kernel) != 2
    ):
        raise node.refuse("pads unequally")
    extra = list(node.get("output_padding", [0, 0]))
    rest = [strides, before, extra, int(node.get("group", 1)), dilations]
    return node.calls(aten.conv_transpose2d.input, node.input(0), node.input(1), node.input(2), *rest)


def batch_norm(node: Node) -> list[Operation]:
    x, weight, bias, mean, var = node.inputs[:5]
    rest = [mean, var, False, 1 - node.get("momentum", 0.9), node.get("epsilon", 1e-5), False]
    return node.calls(aten.batch_norm.default, x, weight, bias, *rest)


def gemm(node: Node) -> list[Operation]:
    a, b, c = node.input(0), node.input(1), node.input(2)
    scaled = node.get("alpha", 1.0) != 1 or (c is not None and node.get("beta", 1.0) != 1)
    flat = c is None or (isinstance(c, Weight) and c.tensor.ndim == 1)
    if node.get("transB", 0) and not node.get("transA", 0) and not scaled and flat and isinstance(b, Weight):
        return node.calls(aten.linear.default, a, b, c)
    turned = [bool(node.get("transA", 0)), bool(node.get("transB", 0))]
    return node.calls(arithmetic.gemm, a, b, c, *turned, node.get("alpha", 1.0), node.get("beta", 1.0))


def max_pool(node: Node) -> list[Operation]:
    if len(node.outputs) > 1 and node.outputs[1]:
        raise node.refuse("gives the places of its maxima")
    kernel = list(node.get("kernel_shape"))
    strides, dilations, _, _ = _window(node, len(kernel))
    steps, x, padding = _padded(node, kernel, float("-inf"))
    function = {1: aten.max_pool1d.default, 2: aten.max_pool2d.default}[len(kernel)]
    return steps + node.calls(
        function, x, kernel, strides, padding, dilations, bool(node.get("ceil_mode", 0))
    )


def average_pool(node: Node) -> list[Operation]:
    kernel = list(node.get("kernel_shape"))
    strides, dilations, before, after = _window(node, len(kernel))
    counted = bool(node.get("count_include_pad", 0))
    uneven = before != after or node.get("auto_pad", "NOTSET").startswith("SAME")
    if len(kernel) != 2 or any(d != 1 for d in dilations) or (uneven and node.get("ceil_mode", 0)):
        raise node.refuse("averages over a window of this kind")
    if uneven and not counted:
        pads = None if node.get("auto_pad", "NOTSET").startswith("SAME") else (before, after)
        low = node.get("auto_pad", "NOTSET") == "SAME_LOWER"
        return node.calls(arithmetic.average_inside, node.input(0), kernel, strides, low, pads)
    steps, x, padding = _padded(node, kernel)
    rest = [kernel, strides, padding, bool(node.get("ceil_mode", 0)), counted]
    return steps + node.calls(aten.avg_pool2d.default, x, *rest)


def layer_norm(node: Node) -> list[Operation]:
    weight = _held(node, 1)
    if node.get("axis", -1) not in (-weight.ndim, *((-1,) if weight.ndim == 1 else ())):
        return node.calls(
            arithmetic.layer_norm,
            *node.inputs[:2],
            node.input(2),
            node.get("axis", -1),
            node.get("epsilon", 1e-5),
        )
    shape = list(weight.shape)
    return node.calls(
        aten.layer_norm.default, node.input(0), shape, node.input(1), node.input(2), node.get("epsilon", 1e-5)
    )


def instance_norm(node: Node) -> list[Operation]:
    rest = [None, None, True, 0.1, node.get("epsilon", 1e-5), False]
    return node.calls(aten.instance_norm.default, *node.inputs[:3], *rest)


def group_norm(node: Node) -> list[Operation]:
    groups, epsilon = int(node.get("num_groups")), node.get("epsilon", 1e-5)
    if node.opset < 21:  # one scale a group
        return node.calls(arithmetic.group_norm, *node.inputs[:3], groups, epsilon)
    return node.calls(aten.group_norm.default, node.input(0), groups, *node.inputs[1:3], epsilon)
