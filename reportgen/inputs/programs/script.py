"""An interpreter of TorchScript's source text: calls of allowed operators, and of the program's own modules.

The text is parsed, never compiled: each kind of expression and statement that torch writes into an archive
has a rule here, and what has none is refused. Attributes are looked up in tables of the program, never on
objects.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from reportgen.inputs.programs.operators import refused
from reportgen.inputs.programs.script_calls import PRIM, call_operator, plain_number

MOST_STEPS = 1_000_000  # statements of one forward: a loop that does not end is stopped
CONSTANTS = "constants"  # the module that holds what the program's text calls so
ROOTS = ("torch", "ops", "__torch__", "CONSTANTS")


class ScriptError(RuntimeError):
    """What the program itself raises, or does that it must not."""


class _Return(Exception):
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


@dataclass
class Frame:
    """The names of one function's call, and the device that it computes on."""

    names: dict[str, Any]
    device: torch.device


@dataclass
class Interpreter:
    """The classes and functions of an archive, by their paths; the same for every copy of the network."""

    file: str
    definitions: Mapping[str, ast.ClassDef | ast.FunctionDef]
    constants: tuple[Any, ...] = ()
    recording: dict[int, list[Any]] | None = None  # of a trial: the operators that each module calls
    inside: list[nn.Module] = field(default_factory=list)
    steps: int = 0

    def __deepcopy__(self, _memo: Any) -> Interpreter:
        return self

    def method(self, kind: str, name: str) -> ast.FunctionDef:
        """A class's method. Raises ScriptError."""
        found = self.definitions.get(kind)
        for one in found.body if isinstance(found, ast.ClassDef) else []:
            if isinstance(one, ast.FunctionDef) and one.name == name:
                return one
        raise ScriptError(f"{kind} has no method {name}")

    def run(
        self, function: ast.FunctionDef, given: list[Any], named: dict[str, Any], device: torch.device
    ) -> Any:
        """What a function returns for its arguments."""
        parameters = function.args.args
        names = {p.arg: value for p, value in zip(parameters, given, strict=False)} | named
        frame = Frame(names, device)
        for parameter, default in zip(parameters[::-1], function.args.defaults[::-1], strict=False):
            if parameter.arg not in names:
                names[parameter.arg] = self.value(default, frame)
        try:
            self.block(function.body, frame)
        except _Return as done:
            return done.value
        return None

    # statements

    def block(self, body: list[ast.stmt], frame: Frame) -> None:
        for statement in body:
            self.steps += 1
            if self.steps > MOST_STEPS:
                raise ScriptError("the program does not come to an end")
            rule = STATEMENTS.get(type(statement))
            if rule is None:
                raise refused(f"a statement ({type(statement).__name__})", self.file)
            rule(self, statement, frame)

    def _return(self, node: Any, frame: Frame) -> None:
        raise _Return(None if node.value is None else self.value(node.value, frame))

    def _assign(self, node: Any, frame: Frame) -> None:
        value = self.value(node.value, frame)
        for target in node.targets:
            self._bind(target, value, frame)

    def _declare(self, node: Any, frame: Frame) -> None:
        if node.value is not None:
            self._bind(node.target, self.value(node.value, frame), frame)

    def _bind(self, target: Any, value: Any, frame: Frame) -> None:
        if isinstance(target, ast.Name):
            frame.names[target.id] = value
        elif isinstance(target, ast.Tuple):
            for one, part in zip(target.elts, value, strict=True):
                self._bind(one, part, frame)
        else:
            raise refused("an assignment to what it holds", self.file)

    def _if(self, node: Any, frame: Frame) -> None:
        self.block(node.body if bool(self.value(node.test, frame)) else node.orelse, frame)

    def _for(self, node: Any, frame: Frame) -> None:
        call = node.iter
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "range"):
            raise refused("a loop over something else than a range", self.file)
        for number in range(*(int(self.value(x, frame)) for x in call.args)):
            self._bind(node.target, number, frame)
            self.block(node.body, frame)

    def _while(self, node: Any, frame: Frame) -> None:
        while bool(self.value(node.test, frame)):
            self.block(node.body, frame)

    def _expression(self, node: Any, frame: Frame) -> None:
        self.value(node.value, frame)

    def _pass(self, _node: Any, _frame: Frame) -> None:
        pass

    # expressions

    def value(self, node: ast.expr, frame: Frame) -> Any:
        """What an expression is. Raises InputError for a kind that torch does not write."""
        rule = EXPRESSIONS.get(type(node))
        if rule is None:
            raise refused(f"an expression ({type(node).__name__})", self.file)
        return rule(self, node, frame)

    def _constant(self, node: Any, _frame: Frame) -> Any:
        return node.value

    def _name(self, node: Any, frame: Frame) -> Any:
        if node.id not in frame.names:
            raise ScriptError(f"the name {node.id} stands for nothing")
        return frame.names[node.id]

    def _list(self, node: Any, frame: Frame) -> list[Any]:
        return [self.value(x, frame) for x in node.elts]

    def _tuple(self, node: Any, frame: Frame) -> tuple[Any, ...]:
        return tuple(self.value(x, frame) for x in node.elts)

    def _dict(self, node: Any, frame: Frame) -> dict[Any, Any]:
        return {
            self.value(k, frame): self.value(v, frame) for k, v in zip(node.keys, node.values, strict=True)
        }

    def _attribute(self, node: Any, frame: Frame) -> Any:
        if (path := dotted(node)) is not None:
            if path.startswith("CONSTANTS.c"):
                return self._held_constant(int(path.removeprefix("CONSTANTS.c")), frame)
            if not path.startswith("__torch__."):
                raise refused(path, self.file)
            return path  # a function of the program's own, called later by the name that it is given
        return self.held(self.value(node.value, frame), node.attr)

    def _held_constant(self, number: int, frame: Frame) -> Any:
        """A constant of the archive; one with axes is held by the network, which moves and copies it."""
        holder = self.inside[0]._modules.get(CONSTANTS) if self.inside else None
        found = getattr(holder, f"c{number}", None)
        return on_device(self.constants[number], frame.device) if found is None else found

    def held(self, holder: Any, name: str) -> Any:
        """What a module of the program holds under a name, or a class says of it."""
        if not isinstance(holder, nn.Module):
            raise refused(f"an attribute '{name}' of a value", self.file)
        for table in (holder._modules, holder._parameters, holder._buffers, getattr(holder, "_values", {})):
            if name in table:
                return table[name]
        found = self.definitions.get(getattr(holder, "_kind", ""))
        for one in found.body if isinstance(found, ast.ClassDef) else []:
            if (
                isinstance(one, ast.AnnAssign)
                and isinstance(one.target, ast.Name)
                and one.target.id == name
                and one.value
            ):
                return self.value(one.value, Frame({}, torch.device("cpu")))
        raise ScriptError(f"a module has no '{name}'")

    def _subscript(self, node: Any, frame: Frame) -> Any:
        holder = self.value(node.value, frame)
        if not isinstance(holder, list | tuple | dict | str):
            raise refused("a subscript of a value", self.file)
        if isinstance(node.slice, ast.Slice):
            ends = (node.slice.lower, node.slice.upper, node.slice.step)
            return holder[slice(*(None if x is None else self.value(x, frame) for x in ends))]
        return holder[self.value(node.slice, frame)]

    def _unary(self, node: Any, frame: Frame) -> Any:
        value = self.value(node.operand, frame)
        return not value if isinstance(node.op, ast.Not) else -value

    def _either(self, node: Any, frame: Frame) -> Any:
        return self.value(node.body if bool(self.value(node.test, frame)) else node.orelse, frame)

    def _call(self, node: Any, frame: Frame) -> Any:
        function = node.func
        if isinstance(function, ast.Name) and function.id not in frame.names:
            return self._word(function.id, node.args, frame)
        given = [self.value(x, frame) for x in node.args]
        named = {x.arg: self.value(x.value, frame) for x in node.keywords if x.arg}
        if isinstance(function, ast.Name):
            return self._own(frame.names[function.id], given, named, frame)
        if (path := dotted(function)) is not None:
            return self._dotted(path, given, named, frame)
        if not isinstance(function, ast.Attribute):
            raise refused("what is no function", self.file)
        return self._method(self.value(function.value, frame), function.attr, given, named, frame)

    def _word(self, word: str, arguments: list[ast.expr], frame: Frame) -> Any:
        """The words of the language that look like functions."""
        if word in ("annotate", "unchecked_cast"):
            return self.value(arguments[1], frame)  # the first is a type
        if word == "uninitialized":
            return None
        given = [self.value(x, frame) for x in arguments]
        if word == "getattr":
            return self.held(*given)
        kinds: dict[str, Callable[[Any], Any]] = {"int": int, "float": float, "bool": bool}
        if word in kinds and len(given) == 1:
            return kinds[word](given[0])
        if word == "print":
            return None
        raise refused(word, self.file)

    def _dotted(self, path: str, given: list[Any], named: dict[str, Any], frame: Frame) -> Any:
        root, _, rest = path.partition(".")
        if root == "__torch__":
            return self._own(path, given, named, frame)
        if path == "torch.device":
            return frame.device
        if path == "ops.prim.RaiseException":
            raise ScriptError(str(given[0]) if given else "the program refuses this input")
        if path.startswith("ops.prim."):
            if rest.removeprefix("prim.") not in PRIM:
                raise refused(path, self.file)
            return PRIM[rest.removeprefix("prim.")](*given)
        name = rest.removeprefix("aten.") if root == "ops" else rest
        if root not in ("torch", "ops") or "." in name:
            raise refused(path, self.file)
        if self.recording is not None and self.inside:
            self.recording.setdefault(id(self.inside[-1]), []).append((name, given, named))
        return call_operator(name, given, named, self.file)

    def _own(self, path: Any, given: list[Any], named: dict[str, Any], frame: Frame) -> Any:
        """A function of the archive, or a named tuple's class."""
        found = self.definitions.get(path) if isinstance(path, str) else None
        if isinstance(found, ast.FunctionDef):
            return self.run(found, given, named, frame.device)
        bases = [x.id for x in found.bases if isinstance(x, ast.Name)] if found else []
        if bases == ["NamedTuple"]:
            return tuple(given)
        raise refused(str(path), self.file)

    def _method(self, holder: Any, name: str, given: list[Any], named: dict[str, Any], frame: Frame) -> Any:
        """A module's method; of forward the module itself, so that its hooks are called."""
        if not isinstance(holder, nn.Module):
            raise refused(f"a method '{name}' of a value", self.file)
        if not hasattr(holder, "_kind"):  # a layer of torch.nn, which has taken a part's place
            return holder(*given)
        if name.startswith("forward"):
            return holder(*given, method=name, **named)
        return self.run(self.method(str(holder._kind), name), [holder, *given], named, frame.device)


STATEMENTS: dict[type, Callable[[Interpreter, Any, Frame], None]] = {
    ast.Return: Interpreter._return,
    ast.Assign: Interpreter._assign,
    ast.AnnAssign: Interpreter._declare,
    ast.If: Interpreter._if,
    ast.For: Interpreter._for,
    ast.While: Interpreter._while,
    ast.Expr: Interpreter._expression,
    ast.Pass: Interpreter._pass,
}
EXPRESSIONS: dict[type, Callable[[Interpreter, Any, Frame], Any]] = {
    ast.Constant: Interpreter._constant,
    ast.Name: Interpreter._name,
    ast.List: Interpreter._list,
    ast.Tuple: Interpreter._tuple,
    ast.Dict: Interpreter._dict,
    ast.Attribute: Interpreter._attribute,
    ast.Subscript: Interpreter._subscript,
    ast.UnaryOp: Interpreter._unary,
    ast.IfExp: Interpreter._either,
    ast.Call: Interpreter._call,
}


def dotted(node: ast.expr) -> str | None:
    """The path that an expression spells, where it begins with a name of the language; else None."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in ROOTS or not names:
        return None
    return ".".join([node.id, *names[::-1]])


def on_device(value: Any, device: torch.device) -> Any:
    """A constant where the network is; a single number as a number."""
    if isinstance(value, list | tuple):
        return [on_device(x, device) for x in value]
    if not isinstance(value, Tensor):
        return value
    return plain_number(value) if value.ndim == 0 else value.to(device)


def calls_in(tree: ast.AST) -> Iterator[str]:
    """The dotted paths of every function that a text calls."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (path := dotted(node.func)) is not None:
            yield path
