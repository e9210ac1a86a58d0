"""An ONNX file, read as data: its graph as operations of torch, with the modules that its names tell of.

The package onnx reads the file's bytes and tensors; its loader and its checker, which open other files, are
not called. What an operator does is in `onnx_operators`.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reportgen import files
from reportgen.errors import InputError
from reportgen.inputs.checkpoints.archive import COPY_AGAIN
from reportgen.inputs.checkpoints.shards import hash_of
from reportgen.inputs.programs.onnx_layers import ROLES
from reportgen.inputs.programs.onnx_names import Scopes, dotted
from reportgen.inputs.programs.onnx_node import Node
from reportgen.inputs.programs.onnx_operators import OPERATORS, channels_last
from reportgen.inputs.programs.operators import refused
from reportgen.inputs.programs.parts import Operation, Value, Weight
from reportgen.inputs.programs.program import Program
from reportgen.inputs.programs.tree import Tree

EXTERNAL = 1
EXPORT = "export it with an input of (images, channels, height, width) alone"
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def read(data: bytes, path: Path) -> tuple[Program, dict[str, bytes]]:
    """The program of an ONNX file, and the contents of the files beside it that hold its weights.

    Raises InputError for what is not read or not run, and where the package onnx is not there.
    """
    model = _model(data, path.name)
    beside = _beside(model, path)
    try:
        return _Reader(model, beside, path.name).program(), beside
    except InputError:
        raise
    except Exception as error:  # the package raises whatever comes for what is damaged
        words = " ".join(f"{type(error).__name__} {error}".split())[:140]
        raise InputError(
            f"{path.name} is no ONNX file that reportgen can read ({words})", COPY_AGAIN
        ) from error


def hash_with(digest: str, beside: Mapping[str, bytes]) -> str:
    """The hash of a file with the given hash and of those beside it, in the order of their names."""
    return hash_of([digest, *(hashlib.sha256(beside[name]).hexdigest() for name in sorted(beside))])


def hash_at(path: Path) -> str:
    """The hash of an ONNX file with the weights beside it, as a report states it. Raises InputError."""
    data = _weights(path)
    digest = hashlib.sha256(data).hexdigest()
    beside = _beside(_model(data, path.name), path)
    return hash_with(digest, beside) if beside else digest


def _model(data: bytes, file: str) -> Any:
    try:
        onnx = importlib.import_module("onnx")
    except ImportError as error:
        raise InputError(
            f"{file} is an ONNX file, and the package onnx, which reads it, is not installed",
            "install it with `pip install onnx`",
        ) from error
    try:
        return onnx.ModelProto.FromString(data)
    except Exception as error:  # protobuf's own errors, which differ by its version
        raise InputError(f"{file} is a damaged or truncated ONNX file", COPY_AGAIN) from error


def _beside(model: Any, path: Path) -> dict[str, bytes]:
    """The files of weights that a model names, by their names in it. Raises InputError for one that is not
    there, or not below the model's own folder."""
    found: dict[str, bytes] = {}
    tensors = [
        *model.graph.initializer,
        *(a.t for n in model.graph.node for a in n.attribute if a.HasField("t")),
    ]
    for tensor in tensors:
        if tensor.data_location != EXTERNAL:
            continue
        name = _external(tensor).get("location", "")
        if name in found:
            continue
        folder = path.resolve().parent
        place = (folder / name).resolve()
        if not name or not place.is_relative_to(folder) or not place.is_file():
            shown = "".join(c if c.isprintable() else "?" for c in name[:80])
            raise InputError(
                f"{path.name} keeps its weights in '{shown}', which is not there, or not in its folder",
                f"put the file of weights that was written with {path.name} into the same folder",
            )
        found[name] = _weights(place)
    return found


def _weights(place: Path) -> bytes:
    """The bytes of a file of weights. Raises InputError."""
    try:
        return files.read(place, files.largest())
    except OSError as error:
        raise InputError(f"{place} cannot be read: {error.strerror}", "check it") from error


def _external(tensor: Any) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


class _Reader:
    def __init__(self, model: Any, beside: Mapping[str, bytes], file: str) -> None:
        self.model, self.graph, self.beside, self.file = model, model.graph, beside, file
        self.numpy = importlib.import_module("onnx.numpy_helper")
        self.helper = importlib.import_module("onnx.helper")
        self.opset = next((x.version for x in model.opset_import if x.domain in ("", "ai.onnx")), 0)
        self.known: dict[str, Tensor] = {x.name: self._tensor(x) for x in self.graph.initializer}
        self.trained = {x.name for x in self.graph.initializer}
        self.held: dict[str, Weight] = {}
        self.scopes = Scopes(self.graph.node, self.trained)

    def program(self) -> Program:
        nodes = self._nodes()
        tree = Tree(self.file, [Operation(print, [], {}, (), self.scopes.of(node)) for node in nodes])
        image, images, shape, last = self._input()
        operations = [channels_last(image)] if last else []
        image_read = f"{image}, channels last" if last else image
        for node in nodes:
            operations += self._operations(node, tree, {image: image_read})
        gives = [x.name for x in self.graph.output]
        if strange := [name for name in gives if name in self.known]:
            raise InputError(f"{self.file} gives '{strange[0][:60]}', which depends on no image", EXPORT)
        network = tree.finished([image], gives, operations)
        network._keys = tuple(gives) if len(gives) > 1 else ()
        made_by = " ".join((self.model.producer_name, self.model.producer_version)).strip()
        made_by = "".join(c for c in made_by if c.isalnum() or c in " .+-_")[:60] or "an unnamed producer"
        notes = ("It takes images with their channels last, and is handed them so.",) if last else ()
        return Program(network, "ONNX", f"{made_by}, opset {self.opset}", shape, images, notes)

    def _nodes(self) -> list[Any]:
        """The nodes that compute something; constants are known beforehand. Raises InputError."""
        nodes = []
        for node in self.graph.node:
            if node.domain not in ("", "ai.onnx"):
                raise refused(f"{node.domain}::{node.op_type}", self.file)
            if node.op_type == "Constant":
                self.known[node.output[0]] = self._constant(node)
            elif node.op_type in ("Identity", "CastLike") and node.input[0] in self.known:
                self.known[node.output[0]] = self.known[node.input[0]]
                if node.input[0] in self.trained:
                    self.trained.add(node.output[0])
            elif node.op_type not in OPERATORS:
                raise refused(f"the ONNX operator {node.op_type}", self.file)
            else:
                nodes.append(node)
        return nodes

    def _tensor(self, tensor: Any) -> Tensor:
        if tensor.data_location == EXTERNAL:
            told = _external(tensor)
            start = int(told.get("offset", 0))
            data = self.beside[told["location"]]
            length = int(told.get("length", len(data) - start))
            if start < 0 or length < 0 or start + length > len(data):
                raise InputError(f"{told['location'][:80]} is shorter than {self.file} says", COPY_AGAIN)
            inline = type(tensor)()
            inline.CopyFrom(tensor)
            del inline.external_data[:]
            inline.data_location = 0
            inline.raw_data = data[start : start + length]
            tensor = inline
        array = self.numpy.to_array(tensor)
        if array.dtype.kind not in "biuf":  # of the package ml_dtypes: bfloat16 and narrower floats
            array = array.astype("float32")
        value = torch.from_numpy(array.copy())
        return value.float() if value.is_floating_point() else value

    def _constant(self, node: Any) -> Tensor:
        (attribute,) = node.attribute
        value = self.helper.get_attribute_value(attribute)
        if attribute.name == "value":
            return self._tensor(value)
        kind = torch.float32 if "float" in attribute.name else torch.int64
        return torch.tensor(value, dtype=kind)

    def _input(self) -> tuple[str, int | None, tuple[int, int, int] | None, bool]:
        """The image's name, how many of them are fixed, its (channels, height, width), and whether the
        channels are last. Raises InputError."""
        inputs = [x for x in self.graph.input if x.name not in self.known]
        if len(inputs) != 1:
            raise InputError(f"{self.file} takes {len(inputs)} inputs, not one batch of images", EXPORT)
        axes = list(inputs[0].type.tensor_type.shape.dim)
        if len(axes) != 4:
            raise InputError(f"{self.file} takes an input of {len(axes)} axes, not a batch of images", EXPORT)
        sizes = [
            axis.dim_value if axis.HasField("dim_value") and axis.dim_value > 0 else None for axis in axes
        ]
        images, *rest = sizes
        last = rest[2] in (1, 3, 4) and rest[0] not in (1, 3, 4)
        if last:
            rest = [rest[2], rest[0], rest[1]]
        channels, height, width = rest
        shape = (channels, height, width) if channels and height and width else None
        return inputs[0].name, images, shape, last

    def _operations(self, node: Any, tree: Tree, renamed: Mapping[str, str]) -> list[Operation]:
        """What a node does, its weights put into the tree."""
        scope = self.scopes.of(node)
        roles = ROLES.get(node.op_type, {})
        attributes = {a.name: self.helper.get_attribute_value(a) for a in node.attribute}
        if graphs := [name for name, value in attributes.items() if type(value).__name__ == "GraphProto"]:
            raise refused(
                f"the ONNX operator {node.op_type} with a graph of its own ({graphs[0]})", self.file
            )
        attributes = {
            key: self._tensor(value) if type(value).__name__ == "TensorProto" else value
            for key, value in attributes.items()
        }
        inputs: list[Any] = []
        for number, name in enumerate(node.input):
            if not name:
                inputs.append(None)
            elif name in self.known:
                inputs.append(self._operand(name, scope, roles.get(number, ""), tree))
            else:
                inputs.append(Value(renamed.get(name, name)))
        one = Node(node.op_type, inputs, attributes, tuple(node.output), self.opset, self.file)
        return [self._placed(x, scope) for x in OPERATORS[node.op_type](one)]

    def _operand(self, name: str, scope: Any, role: str, tree: Tree) -> Any:
        """A known value: floats with axes are held by a module, all else is a plain constant."""
        value = self.known[name]
        if name in self.held:
            return self.held[name]
        if not value.is_floating_point() or not value.ndim:
            return value
        path = dotted(name)
        if path is None or role:
            module = scope[-1][0] if scope else ""
            own = role or ("weight" if name in self.trained else "constant")
            path = f"{module}.{own}" if module else own
        path = self.scopes.free(path)
        trained = name in self.trained and path.rpartition(".")[2] not in STATISTICS
        self.held[name] = tree.hold(path, value, trained)
        return self.held[name]

    @staticmethod
    def _placed(operation: Operation, scope: Any) -> Operation:
        operation.scope = scope
        return operation
