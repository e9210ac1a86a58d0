"""A program as a tree of modules: each runs its own operations, so that layers can be hooked and tapped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from reportgen.errors import InputError
from reportgen.inputs.programs.operators import REMEDY, Here

NAME = re.compile(r"[A-Za-z0-9_\-]{1,120}")
Scope: TypeAlias = tuple[
    tuple[str, str, str], ...
]  # (path, which call, type) of each module, outermost first


@dataclass(frozen=True)
class Value:
    """An operand that was computed before, by its name in the file."""

    name: str


@dataclass
class Weight:
    """An operand that a module holds."""

    holder: nn.Module
    name: str

    @property
    def tensor(self) -> Tensor:
        held: Tensor = getattr(self.holder, self.name)
        return held


@dataclass
class Operation:
    """A call of an operator. `several` says that its result is a tuple of which `results` names each."""

    function: Callable[..., Any]
    arguments: list[Any]
    named: dict[str, Any]
    results: tuple[str, ...]
    scope: Scope = ()
    several: bool = False

    def run(self, values: dict[str, Any], device: torch.device) -> None:
        given = [resolved(x, values, device) for x in self.arguments]
        named = {key: resolved(x, values, device) for key, x in self.named.items()}
        keep(values, self.results, self.function(*given, **named), self.several)

    def reads(self) -> Iterator[str]:
        """The names of the values that it takes."""
        return names_in([self.arguments, self.named])


@dataclass
class Enter:
    """A call of a module inside: of the `call`-th of its calls, None of a layer whose calls are all alike."""

    module: nn.Module
    call: int | None
    takes: tuple[str, ...]
    gives: tuple[str, ...]

    @property
    def results(self) -> tuple[str, ...]:
        return self.gives

    def run(self, values: dict[str, Any], _device: torch.device) -> None:
        given = [values[name] for name in self.takes]
        result = self.module(*given) if self.call is None else self.module(*given, call=self.call)
        keep(values, self.gives, result, len(self.gives) > 1)

    def reads(self) -> Iterator[str]:
        return iter(self.takes)


@dataclass
class Block:
    """What one call of a module does. A value is forgotten after its last use, as in any forward."""

    takes: tuple[str, ...]
    gives: tuple[str, ...]
    steps: list[Operation | Enter]
    last: list[tuple[str, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        seen = set(self.gives)
        for step in reversed(self.steps):
            used = {*step.reads(), *step.results} - seen
            self.last.insert(0, tuple(used))
            seen |= used

    def run(self, part: nn.Module, given: Sequence[Any]) -> Any:
        values = dict(zip(self.takes, given, strict=True))
        device = _device(part, given)
        for step, done in zip(self.steps, self.last, strict=True):
            step.run(values, device)
            for name in done:
                del values[name]
        found = tuple(values[name] for name in self.gives)
        return found[0] if len(found) == 1 else found


class Part(nn.Module):
    """A module of a program. Its class is made with the name that the file gives its type."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: list[Block] = []

    def forward(self, *given: Any, call: int = 0) -> Any:
        return self._blocks[call].run(self, given)


class Network(Part):
    """The whole program: takes a batch of images, and gives what the file says, named where it names it."""

    _keys: tuple[str, ...] = ()

    def forward(self, *given: Any, call: int = 0) -> Any:
        found = super().forward(*given, call=call)
        if not self._keys:
            return found
        return dict(zip(self._keys, found if len(self._keys) > 1 else (found,), strict=True))


def keep(values: dict[str, Any], names: tuple[str, ...], result: Any, several: bool) -> None:
    if not several:
        if names:
            values[names[0]] = result
        return
    for name, one in zip(names, result, strict=False):  # what nobody reads has no name
        values[name] = one


def resolved(operand: Any, values: dict[str, Any], device: torch.device) -> Any:
    """An operand with its values in place of their names."""
    if isinstance(operand, Value):
        return values[operand.name]
    if isinstance(operand, Weight):
        return operand.tensor
    if operand is Here:
        return device
    if isinstance(operand, list | tuple):
        return [resolved(x, values, device) for x in operand]
    return operand


def operands(of: Any) -> Iterator[Any]:
    """Every operand in nested lists and tables."""
    if isinstance(of, list | tuple):
        for x in of:
            yield from operands(x)
    elif isinstance(of, dict):
        yield from operands(list(of.values()))
    else:
        yield of


def names_in(of: Any) -> Iterator[str]:
    return (x.name for x in operands(of) if isinstance(x, Value))


def _device(part: nn.Module, given: Iterable[Any]) -> torch.device:
    tensors = [*(x for x in given if isinstance(x, Tensor)), *part.parameters(), *part.buffers()]
    return tensors[0].device if tensors else torch.device("cpu")


def made(kind: str) -> Part:
    """An empty module whose class has the last of a type's dotted names."""
    last = kind.rpartition(".")[2]
    kind_of_part = type(last if last.isidentifier() and len(last) <= 80 else "Part", (Part,), {})
    part: Part = kind_of_part()
    return part


def add(module: nn.Module, name: str, child: nn.Module | Tensor | None, file: str) -> None:
    """Puts a module, a parameter or a buffer into another one. Raises InputError."""
    if (
        not NAME.fullmatch(name)
        or name.startswith("__")
        or (hasattr(module, name) and not _held(module, name))
    ):
        raise unnamable(name, file)
    if isinstance(child, nn.Module):
        module.add_module(name, child)
    elif isinstance(child, nn.Parameter):
        module.register_parameter(name, child)
    else:
        module.register_buffer(name, child)


def _held(module: nn.Module, name: str) -> bool:
    return name in module._modules or name in module._parameters or name in module._buffers


def unnamable(name: str, file: str) -> InputError:
    shown = "".join(c if c.isprintable() else "?" for c in name[:60])
    return InputError(f"{file} names a part of its network '{shown}', which no module can be called", REMEDY)
