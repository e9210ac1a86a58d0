"""From a flat list of operations, each with the modules that it was in, to a tree of modules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from reportgen.inputs.programs.layers import layer_of
from reportgen.inputs.programs.operators import schema_names
from reportgen.inputs.programs.parts import (
    Block,
    Enter,
    Network,
    Operation,
    Part,
    Value,
    Weight,
    add,
    made,
    operands,
    unnamable,
)

MOST_LEVELS = 40  # of modules inside of modules


class Tree:
    """The modules of a program while it is read. `kinds` are their types by path."""

    def __init__(self, file: str, operations: Iterable[Operation]) -> None:
        self.file = file
        self.root = Network()
        self.kinds = {path: kind for one in operations for path, _, kind in one.scope}

    def module(self, path: str) -> nn.Module:
        """The module at a dotted path, made where it is not there. Raises InputError for a name that no
        module has."""
        names = path.split(".") if path else []
        if len(names) > MOST_LEVELS:
            raise unnamable(path, self.file)
        module: nn.Module = self.root
        for number, name in enumerate(names, start=1):
            if name not in module._modules:
                kind = self.kinds.get(".".join(names[:number]), "ModuleList")
                add(module, name, made(kind), self.file)
            found = module._modules[name]
            assert found is not None
            module = found
        return module

    def hold(self, path: str, tensor: Tensor, trained: bool) -> Weight:
        """Puts a parameter, or a buffer, at its dotted path."""
        holder, _, name = path.rpartition(".")
        module = self.module(holder)
        if name in module._parameters or name in module._buffers:
            raise unnamable(path, self.file)  # two weights of one name: the second would take both places
        held = nn.Parameter(tensor) if trained and tensor.is_floating_point() else tensor
        add(module, name, held, self.file)
        return Weight(module, name)

    def finished(
        self, takes: Sequence[str], gives: Sequence[str], operations: Sequence[Operation]
    ) -> Network:
        """The network, whose forward takes the values `takes` and gives those of `gives`."""
        readers: dict[str, int] = {}
        for number, one in enumerate(operations):
            for name in one.reads():
                readers[name] = number
        readers.update(dict.fromkeys(gives, len(operations)))
        steps = self._steps(operations, 0, readers, 0)
        self.root._blocks = [Block(tuple(takes), tuple(gives), steps)]
        _specialise(self.root)
        return self.root

    def _steps(
        self, operations: Sequence[Operation], start: int, readers: Mapping[str, int], depth: int
    ) -> list[Operation | Enter]:
        """The steps of a module `depth` levels down: its own operations, and calls of those inside.

        `readers` says of each value which operation reads it last, `start` which of all the first is.
        """
        steps: list[Operation | Enter] = []
        at = 0
        while at < len(operations):
            scope = operations[at].scope
            if len(scope) <= depth:
                steps.append(operations[at])
                at += 1
                continue
            end = at
            while end < len(operations) and operations[end].scope[: depth + 1] == scope[: depth + 1]:
                end += 1
            inside = operations[at:end]
            module = self.module(scope[depth][0])
            assert isinstance(module, Part)
            block = self._block(inside, start + at, readers, depth + 1)
            module._blocks.append(block)
            steps.append(Enter(module, len(module._blocks) - 1, block.takes, block.gives))
            at = end
        return steps

    def _block(
        self, operations: Sequence[Operation], start: int, readers: Mapping[str, int], depth: int
    ) -> Block:
        made_here: set[str] = set()
        takes: dict[str, None] = {}
        for one in operations:
            takes.update(dict.fromkeys(name for name in one.reads() if name not in made_here))
            made_here.update(one.results)
        end = start + len(operations)
        gives = [name for one in operations for name in one.results if readers.get(name, -1) >= end]
        steps = self._steps(operations, start, readers, depth)
        return Block(tuple(takes), tuple(dict.fromkeys(gives)), steps)


def _specialise(root: Part) -> None:
    """Puts layers of torch.nn in place of the modules that do what one does, on every call."""
    layers: dict[int, nn.Module] = {}
    for module in list(root.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Part) and child._blocks and not any(child.children()):
                found = [_layer(child, block) for block in child._blocks]
                if all(x is not None and repr(x) == repr(found[0]) for x in found):
                    layer = found[0]
                    assert layer is not None
                    layers[id(child)] = layer
                    module._modules[name] = layer
    for module in root.modules():
        for block in module._blocks if isinstance(module, Part) else []:
            for step in block.steps:
                if isinstance(step, Enter) and id(step.module) in layers:
                    step.module, step.call = layers[id(step.module)], None


def _layer(part: Part, block: Block) -> nn.Module | None:
    """The layer of torch.nn that a module's call is, where it is one operator on one input."""
    if len(block.steps) != 1 or len(block.takes) != 1 or len(block.gives) != 1:
        return None
    (step,) = block.steps
    if not isinstance(step, Operation) or not step.arguments or step.arguments[0] != Value(block.takes[0]):
        return None
    names = schema_names(step.function)[1:]
    arguments: dict[str, Any] = {**dict(zip(names, step.arguments[1:], strict=False)), **step.named}
    held = {key: x for key, x in arguments.items() if isinstance(x, Weight)}
    if any(x.holder is not part for x in held.values()) or any(
        isinstance(x, Value) for x in operands(arguments)
    ):
        return None
    plain = {key: x.tensor if isinstance(x, Weight) else x for key, x in arguments.items()}
    layer = layer_of(operator_name(step.function), plain)
    mine = {id(x) for x in (*part.parameters(), *part.buffers())}
    if layer is not None and "num_batches_tracked" in part._buffers:
        layer._buffers["num_batches_tracked"] = part._buffers["num_batches_tracked"]
    kept = {id(x) for x in (*layer.parameters(), *layer.buffers())} if layer else set()
    return layer if mine <= kept else None


def operator_name(function: Any) -> str:
    """An operator's name without its namespace and overload."""
    packet = getattr(function, "overloadpacket", function)
    return str(getattr(packet, "__name__", ""))
