"""A program of torch.export (.pt2), read as data: its graph is JSON, its weights are bytes with a shape.

torch.export.load evaluates the symbolic sizes of the graph as Python, unpickles sample inputs and objects,
and makes source code of its names. None of these is read here: sizes are those of the tensors themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from reportgen.errors import InputError
from reportgen.inputs.checkpoints import pickled
from reportgen.inputs.programs.operators import CHECKS, REMEDY, Here, aten, on_numbers, refused, widened
from reportgen.inputs.programs.parts import Operation, Scope, Value, Weight
from reportgen.inputs.programs.program import Members, Program
from reportgen.inputs.programs.tree import Tree

LARGEST_GRAPH_BYTES = 200_000_000
MOST_AXES = 12
# the numbers that torch.export writes for kinds of numbers, and for layouts of memory
KINDS = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}
FORMATS = {1: torch.contiguous_format, 2: torch.channels_last, 4: torch.preserve_format}
STRIDED = 7
NUMBER = ("as_int", "as_ints", "as_float", "as_floats", "as_bool", "as_bools", "as_string", "as_int_lists")


def read(members: Members, file: str) -> Program:
    """The program of a .pt2 file. Raises InputError for what is not read or not run."""
    names = [name for name in members.names if name.startswith("models/") and name.endswith(".json")]
    if len(names) != 1:
        raise InputError(f"{file} holds {len(names)} programs of torch.export, not one", REMEDY)
    model = names[0].removeprefix("models/").removesuffix(".json")
    whole = members.json(names[0], LARGEST_GRAPH_BYTES)
    try:
        return _Reader(members, file, whole, model).program()
    except InputError:
        raise
    except (
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
        RuntimeError,
        RecursionError,
    ) as error:
        words = " ".join(f"{type(error).__name__} {error}".split())[:120]
        raise InputError(
            f"{file} is no program of torch.export that reportgen can read ({words})", REMEDY
        ) from error


class _Reader:
    def __init__(self, members: Members, file: str, whole: Mapping[str, Any], model: str) -> None:
        self.members, self.file, self.whole, self.model = members, file, whole, model
        self.graph = whole["graph_module"]["graph"]
        self.signature = whole["graph_module"]["signature"]
        self.held: dict[str, Any] = {}  # weights, constants and fixed inputs, by their names in the graph
        self.notes: list[str] = []

    def program(self) -> Program:
        scopes = [_scope(node.get("metadata") or {}) for node in self.graph["nodes"]]
        tree = Tree(self.file, [Operation(print, [], {}, (), scope) for scope in scopes])
        (image,) = self._inputs(tree)
        operations = [
            one
            for node, scope in zip(self.graph["nodes"], scopes, strict=True)
            if (one := self._operation(node, scope)) is not None
        ]
        gives = [
            _one(spec["user_output"]["arg"])[1]["name"]
            for spec in self.signature["output_specs"]
            if "user_output" in spec and "as_tensor" in spec["user_output"]["arg"]
        ]
        network = tree.finished([image], gives, operations)
        network._keys = self._output_keys(len(gives))
        sizes = self.graph["tensor_values"][image]["sizes"]
        images, *shape = [_size(x) for x in sizes]
        if len(shape) != 3:
            raise InputError(
                f"{self.file} takes an input of {len(sizes)} axes, not a batch of images", REMEDY
            )
        fixed = images if "as_int" in sizes[0] else None
        version = "".join(c for c in str(self.whole.get("torch_version", "")) if c.isalnum() or c in ".+-")[
            :40
        ]
        notes = tuple(dict.fromkeys(self.notes))
        channels, height, width = shape
        return Program(network, "torch.export", f"torch {version}", (channels, height, width), fixed, notes)

    def _inputs(self, tree: Tree) -> list[str]:
        """The one image that the program takes; weights and constants go into the tree."""
        tensors = self._weights("weights", "weights") | self._weights("constants", "constants")
        images = []
        for spec in self.signature["input_specs"]:
            kind, told = _one(spec)
            if kind == "user_input":
                images.append(_one(told["arg"])[1]["name"])
                continue
            if kind not in ("parameter", "buffer", "tensor_constant"):
                raise InputError(
                    f"{self.file} holds an object of a class of its own, which is not loaded", REMEDY
                )
            path = told.get("parameter_name") or told.get("buffer_name") or told.get("tensor_constant_name")
            self.held[told["arg"]["name"]] = tree.hold(path, tensors[path], kind == "parameter")
        if len(images) != 1:
            raise InputError(
                f"{self.file} takes {len(images)} inputs, and an image classifier takes one batch of images",
                "export it with a forward that takes (images, channels, height, width) alone",
            )
        return images

    def _weights(self, folder: str, kind: str) -> dict[str, Tensor]:
        """The tensors of a folder of the archive, by their names."""
        config = self.members.json(f"data/{folder}/{self.model}_{kind}_config.json", LARGEST_GRAPH_BYTES)
        return {
            name: self._tensor(f"data/{folder}/{told['path_name']}", told, name)
            for name, told in config["config"].items()
        }

    def _tensor(self, member: str, told: Mapping[str, Any], name: str) -> Tensor:
        data = self.members.read(member)
        if told["tensor_meta"] is None:
            raise InputError(f"{self.file} holds an object '{name[:60]}' of a class of its own", REMEDY)
        if told["use_pickle"]:
            found = pickled.read(data, f"{self.file}, {name[:60]}")
            if not isinstance(found, Tensor):
                raise InputError(
                    f"{self.file}: '{name[:60]}' is a pickle of something else than a tensor", REMEDY
                )
            return found.detach()
        meta = told["tensor_meta"]
        sizes, strides = ([_size(x) for x in meta[key]] for key in ("sizes", "strides"))
        if len(sizes) > MOST_AXES or meta["layout"] != STRIDED:
            raise InputError(f"{self.file}: '{name[:60]}' is no plain tensor", REMEDY)
        if not data:
            return torch.zeros(sizes, dtype=KINDS[meta["dtype"]])
        flat = torch.frombuffer(bytearray(data), dtype=KINDS[meta["dtype"]])
        return torch.as_strided(flat, sizes, strides, _size(meta["storage_offset"])).clone()

    def _operation(self, node: Mapping[str, Any], scope: Scope) -> Operation | None:
        target = str(node["target"])
        where, _, name = target.rpartition(".")
        if where.startswith("torch.ops.aten."):
            operator = where.removeprefix("torch.ops.aten.")
            if operator in CHECKS:
                return None
            function = aten(operator, name, self.file)
        elif where in ("_operator", "math", "torch") and (where != "torch" or name.startswith("sym_")):
            function = on_numbers(name, self.file)
        else:
            raise refused(target, self.file)
        told = [(x["name"], x.get("kind"), self._operand(*_one(x["arg"]))) for x in node["inputs"]]
        for key in ("train", "training"):
            if any(name == key and value is True for name, _, value in told):
                self.notes.append(
                    "It was exported while training: dropout and batch statistics are as when answering."
                )
        told = [(name, kind, False if name in ("train", "training") else x) for name, kind, x in told]
        keyed = {name: x for name, kind, x in told if kind == 2}
        plain = [x for _, kind, x in told if kind != 2]
        results, several = _results(node["outputs"])
        return Operation(function, plain, keyed, results, scope, several)

    def _operand(self, kind: str, told: Any) -> Any:
        """An argument of a call, by how the file says it. Raises InputError for what is no plain value."""
        if kind in ("as_tensor", "as_sym_int", "as_sym_bool", "as_sym_float", "as_optional_tensor"):
            if "name" in told:
                return self._named(told["name"])
            inner, value = _one(told)
            if kind == "as_optional_tensor":
                return self._operand(inner, value)
            return self._named(value) if inner == "as_name" else value  # a size that is computed, or a number
        if kind == "as_sym_int" or kind == "as_none":
            return None
        if kind == "as_tensors":
            return [self._named(x["name"]) for x in told]
        if kind in ("as_sym_ints", "as_optional_tensors", "as_sym_bools", "as_sym_floats"):
            plain = {"as_name": self._named}
            pairs = [_one(x) for x in told]
            return [plain[k](v) if k in plain else self._operand(k, v) for k, v in pairs]
        if kind == "as_scalar_type":
            return widened(KINDS[told])
        if kind == "as_memory_format":
            return FORMATS[told]
        if kind == "as_layout":
            return torch.strided
        if kind == "as_device":
            return Here
        if kind in NUMBER:
            return told
        raise refused(f"an operator with an argument {kind.removeprefix('as_')[:40]}", self.file)

    def _named(self, name: str) -> Value | Weight:
        return self.held.get(name) or Value(name)

    def _output_keys(self, count: int) -> tuple[str, ...]:
        """The names of the outputs, where the network gives a dict."""
        calls = self.whole["graph_module"].get("module_call_graph") or []
        spec = next(
            (x["signature"]["out_spec"] for x in calls if x["fqn"] == "" and x.get("signature")), None
        )
        tree = json.loads(spec)[1] if spec else {}
        if tree.get("type") != "builtins.dict":
            return ()
        keys = json.loads(tree["context"])
        return tuple(str(key) for key in keys) if len(keys) == count else ()


def _one(union: Mapping[str, Any]) -> tuple[str, Any]:
    """What a union of torch.export's schema holds: its only key, and the value."""
    ((kind, value),) = union.items()
    return kind, value


def _size(told: Mapping[str, Any]) -> int:
    """A size: a number, or of one that may vary the number that it was exported with."""
    kind, value = _one(told)
    found = value if kind == "as_int" else value["hint"]["as_int"]
    if type(found) is not int or found < 0:
        raise ValueError("a size is no number")
    return found


def _results(outputs: list[Any]) -> tuple[tuple[str, ...], bool]:
    """The names of what a call gives, and whether they are parts of a tuple."""
    found: list[str] = []
    for kind, told in map(_one, outputs):
        if kind in ("as_tensors", "as_optional_tensors"):
            return tuple(x["name"] if "name" in x else _one(x)[1]["name"] for x in told), True
        found.append(told["name"] if "name" in told else told["as_name"])
    return tuple(found), len(found) > 1


def _scope(metadata: Mapping[str, str]) -> Scope:
    """The modules that an operation was in: `key,path,type` of each, joined by semicolons."""
    found = []
    for entry in filter(None, str(metadata.get("nn_module_stack") or "").split(";")):
        key, path, kind = entry.split(",", 2)
        if path.partition("@")[0]:
            found.append((path.partition("@")[0], key, kind))
    return tuple(found)
