"""What the operators of ONNX do, by ATen's. Layers become the operators that torch.nn's are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from reportgen.inputs.programs import onnx_arithmetic as arithmetic
from reportgen.inputs.programs import onnx_layers as layers
from reportgen.inputs.programs import onnx_shapes as shapes
from reportgen.inputs.programs.onnx_node import Node, Rule
from reportgen.inputs.programs.parts import Operation, Value

aten = torch.ops.aten


def channels_last(image: str) -> Operation:
    """The images as a file takes them whose channels are last."""
    return Operation(aten.permute.default, [Value(image), [0, 2, 3, 1]], {}, (f"{image}, channels last",))


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
    return [Operation(shapes.split, arguments, {}, node.outputs, several=True)]


def reduce(node: Node) -> list[Operation]:
    by_input = node.opset >= 18 or (node.kind == "ReduceSum" and node.opset >= 13)
    axes = node.fixed(1) if by_input else node.get("axes")
    if not axes and node.get("noop_with_empty_axes", 0):
        return node.calls(aten.alias.default, node.input(0))
    kind = node.kind.removeprefix("Reduce")
    return node.calls(arithmetic.reduced, node.input(0), kind, axes or None, bool(node.get("keepdims", 1)))


def resize(node: Node) -> list[Operation]:
    if node.kind == "Upsample":
        scales, sizes = (node.input(1) if node.opset >= 9 else node.get("scales")), None
        how = "asymmetric"
    else:
        scales, sizes = (node.input(2), node.input(3)) if node.opset >= 11 else (node.input(1), None)
        how = node.get("coordinate_transformation_mode", "half_pixel") if node.opset >= 11 else "asymmetric"
    mode, rounding = node.get("mode", "nearest"), node.get("nearest_mode", "round_prefer_floor")
    simple = mode == "nearest" and (how == "asymmetric" and (rounding == "floor" or node.opset < 11))
    linear = mode in ("linear", "cubic") and how in ("half_pixel", "pytorch_half_pixel", "align_corners")
    cubic = mode != "cubic" or node.get("cubic_coeff_a", -0.75) == -0.75
    if not (simple or (linear and cubic)) or node.get("antialias", 0) or node.get("axes"):
        raise node.refuse(f"with mode {mode}, {how}")
    return node.calls(arithmetic.resize, node.input(0), scales, sizes, mode, how == "align_corners")


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
            shapes.slices, node.input(0), node.get("starts"), node.get("ends"), node.get("axes"), None
        )
    return node.calls(shapes.slices, *(node.input(n) for n in range(5)))


def pad(node: Node) -> list[Operation]:
    mode = node.get("mode", "constant")
    if node.opset < 11:
        return node.calls(shapes.pad, node.input(0), node.get("pads"), node.get("value", 0.0), None, mode)
    return node.calls(shapes.pad, *(node.input(n) for n in range(4)), mode)


def cast(node: Node) -> list[Operation]:
    return node.calls(shapes.cast, node.input(0), int(node.get("to")))


def top_k(node: Node) -> list[Operation]:
    rest = [int(node.get("axis", -1)), bool(node.get("largest", 1))]
    return [Operation(shapes.top_k, [node.input(0), node.input(1), *rest], {}, node.outputs, several=True)]


def einsum(node: Node) -> list[Operation]:
    return node.calls(arithmetic.einsum, node.get("equation"), *node.inputs)


OPERATORS: dict[str, Rule] = {
    "Conv": layers.conv,
    "ConvTranspose": layers.conv_transpose,
    "Gemm": layers.gemm,
    "BatchNormalization": layers.batch_norm,
    "MaxPool": layers.max_pool,
    "AveragePool": layers.average_pool,
    "Clip": clip,
    "Dropout": dropout,
    "Gelu": gelu,
    "LayerNormalization": layers.layer_norm,
    "InstanceNormalization": layers.instance_norm,
    "GroupNormalization": layers.group_norm,
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
    "Squeeze": _axes(shapes.squeeze),
    "Unsqueeze": _axes(shapes.unsqueeze),
    **{f"Reduce{kind}": reduce for kind in arithmetic.REDUCED},
    **{name: _simple(function) for name, function in {**arithmetic.PLAIN, **shapes.PLAIN}.items()},
    "GlobalAveragePool": lambda node: node.calls(aten.adaptive_avg_pool2d.default, node.input(0), [1, 1]),
    "GlobalMaxPool": lambda node: node.calls(arithmetic.global_max, node.input(0)),
    "Flatten": lambda node: (
        node.calls(aten.flatten.using_ints, node.input(0), 1)
        if node.get("axis", 1) == 1
        else node.calls(shapes.flatten, node.input(0), int(node.get("axis", 1)))
    ),
    "Transpose": _simple(shapes.transpose, perm=None),
    "Concat": lambda node: node.calls(shapes.concat, int(node.get("axis", 1)), *node.inputs),
    "Gather": _simple(shapes.gather, axis=0),
    "GatherElements": _simple(shapes.gather_elements, axis=0),
    "ArgMax": _simple(arithmetic.arg_max, axis=0, keepdims=1),
    "Reshape": _simple(shapes.reshape, allowzero=0),
    "Shape": _simple(shapes.shape, start=0, end=None),
    "ConstantOfShape": _simple(shapes.constant_of_shape, value=None),
    "DepthToSpace": _simple(shapes.depth_to_space, blocksize=1, mode="DCR"),
    "SpaceToDepth": _simple(shapes.space_to_depth, blocksize=1),
    "LRN": _simple(arithmetic.local_response, size=1, alpha=1e-4, beta=0.75, bias=1.0),
    "Trilu": _simple(shapes.trilu, upper=1),
    "CumSum": _simple(arithmetic.cumulated, exclusive=0, reverse=0),
    "Mod": _simple(arithmetic.modulo, fmod=0),
    "Celu": _simple(aten.celu.default, alpha=1.0),
    "Selu": lambda node: node.calls(aten.selu.default, node.input(0)),
}
