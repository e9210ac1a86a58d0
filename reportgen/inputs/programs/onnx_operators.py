"""What the operators of ONNX do, by ATen's. Layers become the operators that torch.nn's are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from reportgen.errors import InputError
from reportgen.inputs.programs import onnx_arithmetic as arithmetic
from reportgen.inputs.programs.operators import REMEDY, refused
from reportgen.inputs.programs.parts import Operation, Value, Weight

aten = torch.ops.aten
Rule = Callable[["Node"], list[Operation]]
# what a layer calls its weights, by the number of the node's input
ROLES: dict[str, dict[int, str]] = {
    **{kind: {1: "weight", 2: "bias"} for kind in ("Conv", "ConvTranspose", "Gemm")},
    "BatchNormalization": {1: "weight", 2: "bias", 3: "running_mean", 4: "running_var"},
    **{f"{kind}Normalization": {1: "weight", 2: "bias"} for kind in ("Layer", "Instance", "Group")},
    "PRelu": {1: "weight"},
}


@dataclass
class Node:
    """A node of the graph: its operands (values, weights, constants as tensors, None), and its attributes."""

    kind: str
    inputs: list[Any]
    attributes: dict[str, Any]
    outputs: tuple[str, ...]
    opset: int
    file: str

    def input(self, number: int) -> Any:
        return self.inputs[number] if number < len(self.inputs) else None

    def get(self, name: str, default: Any = None) -> Any:
        value = self.attributes.get(name, default)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    def fixed(self, number: int) -> Any:
        """An input that has to be a constant, as a number or a list; None where there is none. Raises
        InputError."""
        value = self.input(number)
        if value is None:
            return None
        if isinstance(value, Weight):
            value = value.tensor
        if not isinstance(value, Tensor):
            raise refused(f"the ONNX operator {self.kind} with settings that it computes", self.file)
        return value.tolist()

    def calls(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> list[Operation]:
        """One operation, whose result is the node's first output."""
        return [Operation(function, list(arguments), named, self.outputs[:1])]

    def refuse(self, what: str) -> InputError:
        return InputError(
            f"{self.file}: the ONNX operator {self.kind} {what}, which reportgen does not run", REMEDY
        )


def channels_last(image: str) -> Operation:
    """The images as a file takes them whose channels are last."""
    return Operation(aten.permute.default, [Value(image), [0, 2, 3, 1]], {}, (f"{image}, channels last",))


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


def clip(node: Node) -> list[Operation]:
    if node.opset < 11:
        low, high = node.get("min"), node.get("max")
    else:
        low, high = node.input(1), node.input(2)
        if not isinstance(low, Value) and not isinstance(high, Value):
            low, high = node.fixed(1), node.fixed(2)
    if (low, high) == (0, 6):
        return node.calls(aten.hardtanh.default, node.input(0), 0.0, 6.0)
    if isinstance(low, Value) or isinstance(high, Value):
        return node.calls(aten.clamp.Tensor, node.input(0), low, high)
    low, high = (x[0] if isinstance(x, list) else x for x in (low, high))
    return node.calls(aten.clamp.default, node.input(0), low, high)


def dropout(node: Node) -> list[Operation]:
    return node.calls(aten.dropout.default, node.input(0), 0.5, False)


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


def gelu(node: Node) -> list[Operation]:
    return node.calls(aten.gelu.default, node.input(0), approximate=node.get("approximate", "none"))


def softmax(node: Node) -> list[Operation]:
    if node.opset >= 13:
        kind = aten.softmax.int if node.kind == "Softmax" else aten.log_softmax.int
        return node.calls(kind, node.input(0), int(node.get("axis", -1)))
    return node.calls(
        arithmetic.flat_softmax, node.input(0), int(node.get("axis", 1)), node.kind == "LogSoftmax"
    )


def hard_sigmoid(node: Node) -> list[Operation]:
    alpha, beta = node.get("alpha", 0.2), node.get("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return node.calls(aten.hardsigmoid.default, node.input(0))
    return node.calls(arithmetic.hard_sigmoid, node.input(0), alpha, beta)


def elu(node: Node) -> list[Operation]:
    return node.calls(aten.elu.default, node.input(0), node.get("alpha", 1.0))


def leaky_relu(node: Node) -> list[Operation]:
    return node.calls(aten.leaky_relu.default, node.input(0), node.get("alpha", 0.01))


def split(node: Node) -> list[Operation]:
    sizes = node.get("split") if node.opset < 13 else node.fixed(1)
    count = int(node.get("num_outputs", len(node.outputs)))
    arguments = [node.input(0), sizes, count, int(node.get("axis", 0))]
    return [Operation(arithmetic.split, arguments, {}, node.outputs, several=True)]


def reduce(node: Node) -> list[Operation]:
    by_input = node.opset >= 18 or (node.kind == "ReduceSum" and node.opset >= 13)
    axes = node.fixed(1) if by_input else node.get("axes")
    if not axes and node.get("noop_with_empty_axes", 0):
        return node.calls(aten.alias.default, node.input(0))
    kind = node.kind.removeprefix("Reduce")
    return node.calls(arithmetic.reduced, node.input(0), kind, axes or None, bool(node.get("keepdims", 1)))


def resize(node: Node) -> list[Operation]:
    if node.kind == "Upsample":
        scales, sizes = (node.fixed(1) if node.opset >= 9 else node.get("scales")), None
        how = "asymmetric"
    else:
        scales, sizes = (node.fixed(2), node.fixed(3)) if node.opset >= 11 else (node.fixed(1), None)
        how = node.get("coordinate_transformation_mode", "half_pixel") if node.opset >= 11 else "asymmetric"
    mode, rounding = node.get("mode", "nearest"), node.get("nearest_mode", "round_prefer_floor")
    simple = mode == "nearest" and (how == "asymmetric" and (rounding == "floor" or node.opset < 11))
    linear = mode in ("linear", "cubic") and how in ("half_pixel", "pytorch_half_pixel", "align_corners")
    cubic = mode != "cubic" or node.get("cubic_coeff_a", -0.75) == -0.75
    if not (simple or (linear and cubic)) or node.get("antialias", 0) or node.get("axes"):
        raise node.refuse(f"with mode {mode}, {how}")
    return node.calls(
        arithmetic.resize, node.input(0), scales or None, sizes or None, mode, how == "align_corners"
    )


def _simple(function: Callable[..., Any], **attributes: Any) -> Rule:
    """An operator that takes all of the node's inputs, and attributes by name with their defaults."""

    def rule(node: Node) -> list[Operation]:
        return node.calls(
            function, *node.inputs, **{key: node.get(key, value) for key, value in attributes.items()}
        )

    return rule


def _axes(function: Callable[..., Any]) -> Rule:
    """An operator whose axes are an attribute in older files and an input in newer ones."""

    def rule(node: Node) -> list[Operation]:
        axes = node.get("axes") if "axes" in node.attributes else node.input(1)
        return node.calls(function, node.input(0), axes)

    return rule


def slices(node: Node) -> list[Operation]:
    if node.opset < 10:
        return node.calls(
            arithmetic.slices, node.input(0), node.get("starts"), node.get("ends"), node.get("axes"), None
        )
    return node.calls(arithmetic.slices, *(node.input(n) for n in range(5)))


def pad(node: Node) -> list[Operation]:
    mode = node.get("mode", "constant")
    if node.opset < 11:
        return node.calls(arithmetic.pad, node.input(0), node.get("pads"), node.get("value", 0.0), None, mode)
    return node.calls(arithmetic.pad, *(node.input(n) for n in range(4)), mode)


def cast(node: Node) -> list[Operation]:
    return node.calls(arithmetic.cast, node.input(0), int(node.get("to")))


def top_k(node: Node) -> list[Operation]:
    rest = [int(node.get("axis", -1)), bool(node.get("largest", 1))]
    return [
        Operation(arithmetic.top_k, [node.input(0), node.input(1), *rest], {}, node.outputs, several=True)
    ]


def einsum(node: Node) -> list[Operation]:
    return node.calls(arithmetic.einsum, node.get("equation"), *node.inputs)


OPERATORS: dict[str, Rule] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Gemm": gemm,
    "BatchNormalization": batch_norm,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "Clip": clip,
    "Dropout": dropout,
    "Gelu": gelu,
    "LayerNormalization": layer_norm,
    "InstanceNormalization": instance_norm,
    "GroupNormalization": group_norm,
    "Softmax": softmax,
    "LogSoftmax": softmax,
    "HardSigmoid": hard_sigmoid,
    "Elu": elu,
    "LeakyRelu": leaky_relu,
    "Split": split,
    "Resize": resize,
    "Upsample": resize,
    "Slice": slices,
    "Pad": pad,
    "Cast": cast,
    "TopK": top_k,
    "Einsum": einsum,
    "Squeeze": _axes(arithmetic.squeeze),
    "Unsqueeze": _axes(arithmetic.unsqueeze),
    **{f"Reduce{kind}": reduce for kind in arithmetic.REDUCED},
    **{name: _simple(function) for name, function in arithmetic.PLAIN.items()},
    "GlobalAveragePool": lambda node: node.calls(aten.adaptive_avg_pool2d.default, node.input(0), [1, 1]),
    "GlobalMaxPool": lambda node: node.calls(arithmetic.global_max, node.input(0)),
    "Flatten": lambda node: (
        node.calls(aten.flatten.using_ints, node.input(0), 1)
        if node.get("axis", 1) == 1
        else node.calls(arithmetic.flatten, node.input(0), int(node.get("axis", 1)))
    ),
    "Transpose": _simple(arithmetic.transpose, perm=None),
    "Concat": lambda node: node.calls(arithmetic.concat, int(node.get("axis", 1)), *node.inputs),
    "Gather": _simple(arithmetic.gather, axis=0),
    "GatherElements": _simple(arithmetic.gather_elements, axis=0),
    "ArgMax": _simple(arithmetic.arg_max, axis=0, keepdims=1),
    "Reshape": _simple(arithmetic.reshape, allowzero=0),
    "Shape": _simple(arithmetic.shape, start=0, end=None),
    "ConstantOfShape": _simple(arithmetic.constant_of_shape, value=None),
    "DepthToSpace": _simple(arithmetic.depth_to_space, blocksize=1, mode="DCR"),
    "SpaceToDepth": _simple(arithmetic.space_to_depth, blocksize=1),
    "LRN": _simple(arithmetic.local_response, size=1, alpha=1e-4, beta=0.75, bias=1.0),
    "Trilu": _simple(arithmetic.trilu, upper=1),
    "CumSum": _simple(arithmetic.cumulated, exclusive=0, reverse=0),
    "Mod": _simple(arithmetic.modulo, fmod=0),
    "Celu": _simple(aten.celu.default, alpha=1.0),
    "Selu": lambda node: node.calls(aten.selu.default, node.input(0)),
}
