"""Which modules the nodes of an ONNX graph were in, as far as their names tell."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import Any

from torch import nn

from reportgen.inputs.programs.parts import Scope

WORD = re.compile(r"[^A-Za-z0-9_\-]+")
PATH = re.compile(r"[A-Za-z_]\w*(\.\w+)+")
TORCH_SCOPES, TORCH_KINDS = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy"
LONGEST = 100


def dotted(name: str) -> str | None:
    """A weight's name where it is the path of one in a module, such as layer1.0.weight; else None."""
    fits = PATH.fullmatch(name) and len(name) <= 3 * LONGEST
    parts = name.split(".") if fits else []
    return name if parts and all(word(part) == part for part in parts) else None


def word(name: str) -> str:
    """A name that a module can have."""
    plain = WORD.sub("_", name).strip("_")[:LONGEST] or "part"
    return f"{plain}_" if hasattr(nn.Module(), plain) else plain


class Scopes:
    """The scope of each node: as torch writes it beside, or into, the node's name; by its weight's name;
    or a layer of its own. `weights` are the names of the initializers."""

    def __init__(self, nodes: Iterable[Any], weights: Iterable[str]) -> None:
        self.weights = {name: path for name in weights if (path := dotted(name))}
        self.taken: dict[str, int] = {}
        self.found = {tuple(node.output): self._scope(node, number) for number, node in enumerate(nodes)}

    def of(self, node: Any) -> Scope:
        return self.found[tuple(node.output)]

    def free(self, path: str) -> str:
        """A weight's path, with a number where another weight has it."""
        self.taken[path] = self.taken.get(path, 0) + 1
        return path if self.taken[path] == 1 else self.free(f"{path}_{self.taken[path]}")

    def _scope(self, node: Any, number: int) -> Scope:
        beside = {entry.key: entry.value for entry in node.metadata_props}
        if TORCH_SCOPES in beside:
            return _of_torch(beside[TORCH_SCOPES], beside.get(TORCH_KINDS, ""))
        if node.name.startswith("/"):
            return _of_path(node.name[1:].split("/")[:-1], node.op_type)
        held = [self.weights[name].rpartition(".")[0] for name in node.input if name in self.weights]
        if held:
            return _nested(held[0].split("."), node.op_type)
        parts = [part for part in node.name.split("/") if part]
        if len(parts) > 1:
            return _nested([word(part) for part in parts[:-1]], node.op_type)
        name = word(node.name or f"{node.op_type}_{number}")
        return ((name, name, node.op_type),)


def _of_torch(scopes: str, kinds: str) -> Scope:
    """From the lists that torch's newer exporter writes, of module paths and of their types; the last of
    both is the operation's own."""
    paths, types = _strings(scopes), _strings(kinds)
    found = []
    for n, path in enumerate(paths[:-1]):
        plain = ".".join(word(part) for part in path.partition("@")[0].split(".") if part)
        if plain:
            found.append((plain, path, types[n] if n < len(types) else "Module"))
    return tuple(found)


def _strings(text: str) -> list[str]:
    try:
        found = ast.literal_eval(text) if len(text) < 20_000 else []
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return []
    return [str(x) for x in found] if isinstance(found, list) else []


def _of_path(parts: list[str], kind: str) -> Scope:
    """From the names that torch's older exporter writes: `/layer1/layer1.0/conv1/Conv`, in which a module of
    a sequence is named with the sequence."""
    names: list[str] = []
    before = ""
    for part in parts:
        own = part.removeprefix(f"{before}.") if before else part
        names += [word(x) for x in own.split(".") if x]
        before = part
    return _nested(names, kind)


def _nested(names: list[str], kind: str) -> Scope:
    paths = [".".join(names[: n + 1]) for n in range(len(names))]
    return tuple((path, path, kind if path == paths[-1] else "Module") for path in paths)
