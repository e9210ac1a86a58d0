"""A program of TorchScript, read as data: its text is parsed, its pickles are read into records.

torch.jit.load would run the archive's `__setstate__`, and its operators can write files. Here the text is
interpreted, operator by operator, from the list of those that are allowed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from reportgen.errors import InputError
from reportgen.inputs.programs.layers import layer_of
from reportgen.inputs.programs.operators import ALLOWED, REMEDY, aten, refused, schema_names
from reportgen.inputs.programs.parts import add
from reportgen.inputs.programs.program import Members, Program
from reportgen.inputs.programs.records import Reader, Record
from reportgen.inputs.programs.script import CONSTANTS, Interpreter, calls_in
from reportgen.inputs.programs.script_calls import TRAINING

LARGEST_TEXT_BYTES = 20_000_000
FILES = ("save", "load", "from_file", "_save", "_load")  # operators that read or write one
TRIED = ((1, 3, 224, 224), (1, 1, 28, 28), (1, 3, 32, 32), (1, 1, 224, 224), (1, 3, 299, 299))
Definition = ast.ClassDef | ast.FunctionDef


class ScriptPart(nn.Module):
    """A module of a TorchScript program, whose methods are interpreted."""

    _interpreter: Interpreter
    _kind: str

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, Any] = {}

    def forward(self, *given: Any, method: str = "forward", **named: Any) -> Any:
        run = self._interpreter
        if not run.inside:
            run.steps = 0
        tensors = [*(x for x in given if isinstance(x, Tensor)), *self.parameters(), *self.buffers()]
        device = tensors[0].device if tensors else torch.device("cpu")
        run.inside.append(self)
        try:
            return run.run(run.method(self._kind, method), [self, *given], named, device)
        finally:
            run.inside.pop()


def read(members: Members, file: str) -> Program:
    """The program of a TorchScript archive. Raises InputError for what is not read or not run."""
    definitions = dict(_definitions(members, file))
    storages = Reader(file, lambda key: members.read(f"data/{key}"))
    whole = storages.read(members.read("data.pkl"))
    constants: Any = ()
    if "constants.pkl" in members.names:
        constants = Reader(file, lambda key: members.read(f"constants/{key}")).read(
            members.read("constants.pkl")
        )
    run = Interpreter(file, definitions, tuple(map(_floats, constants)))
    notes: list[str] = []
    if not isinstance(whole, Record):
        raise InputError(f"{file} is TorchScript without a module", REMEDY)
    network = _module(whole, run, {}, notes)
    _hold_constants(network, run, notes)
    run.method(whole.kind, "forward")
    shape = _traced_shape(members, file)
    if not _specialise(network, run, [shape] if shape else list(TRIED)):
        notes.append(
            "Its layers could not be told by their kinds: they are seen as modules that compute something."
        )
    version = (
        members.read("version").decode("ascii", "replace").strip()[:8] if "version" in members.names else "?"
    )
    told = tuple(dict.fromkeys(notes))
    producer = f"torch.jit (archive version {version})"
    return Program(
        network, "TorchScript", producer, shape[1:] if shape else None, shape[0] if shape else None, told
    )


def _definitions(members: Members, file: str) -> Iterator[tuple[str, Definition]]:
    """Every class and function of the archive's text by path. Raises InputError for calls that open files,
    and for classes of other libraries: before anything is interpreted."""
    size = 0
    for name in sorted(members.names):
        if not (name.startswith("code/") and name.endswith(".py")):
            continue
        text = members.read(name)
        size += len(text)
        if size > LARGEST_TEXT_BYTES:
            raise InputError(f"{file} holds more than 20 MB of program text", REMEDY)
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise InputError(f"{file} holds text that is not TorchScript ({name[:60]})", REMEDY) from error
        for path in calls_in(tree):
            if not _allowed(path):
                raise refused(path, file)
        where = name.removeprefix("code/").removesuffix(".py").replace("/", ".")
        for one in tree.body:
            if isinstance(one, ast.ClassDef | ast.FunctionDef):
                yield f"{where}.{one.name}", one


def _allowed(path: str) -> bool:
    """Whether a text may name this function at all. What it calls is looked up when it is called: training
    alone draws at random, and is never interpreted."""
    root, _, rest = path.partition(".")
    if root == "__torch__":
        return not rest.startswith("torch.classes.")
    space, _, name = rest.partition(".") if root == "ops" else ("aten", "", rest)
    return space in ("aten", "prim", "profiler") and name not in FILES


def _module(record: Record, run: Interpreter, made: dict[int, nn.Module], notes: list[str]) -> nn.Module:
    """The module of a record, with those inside of it; one record is one module, however often it is held."""
    if id(record) in made:
        return made[id(record)]
    definition = run.definitions.get(record.kind)
    if not isinstance(definition, ast.ClassDef) or not isinstance(record.state, dict):
        raise InputError(f"{run.file} holds an object of {record.kind[:80]}, which is not loaded", REMEDY)
    trained = _listed(definition, "__parameters__")
    part: ScriptPart = type(record.kind.rpartition(".")[2], (ScriptPart,), {})()
    part._interpreter, part._kind = run, record.kind
    made[id(record)] = part
    for name, value in record.state.items():
        if isinstance(value, Record):
            add(part, str(name), _module(value, run, made, notes), run.file)
        elif isinstance(value, Tensor):
            value = value.float() if value.is_floating_point() else value
            held = nn.Parameter(value) if name in trained and value.is_floating_point() else value
            add(part, str(name), held, run.file)
        elif name == "training":
            part._values[name] = False
            if value is True:
                notes.append(
                    "It was saved while training: dropout and batch statistics are as when answering."
                )
        else:
            part._values[name] = value
    return part


def _hold_constants(network: nn.Module, run: Interpreter, notes: list[str]) -> None:
    """Puts the tensors of the program's text into the network: its weights, where it has no others."""
    found = {f"c{n}": x for n, x in enumerate(run.constants) if isinstance(x, Tensor) and x.ndim}
    if not found:
        return
    frozen = not any(True for _ in network.parameters())
    holder = nn.Module()
    for name, value in found.items():
        trained = frozen and value.is_floating_point()
        add(holder, name, nn.Parameter(value) if trained else value, run.file)
    add(network, CONSTANTS, holder, run.file)
    if frozen:
        notes.append("It was frozen: its weights are constants, its modules are gone.")


def _listed(definition: ast.ClassDef, name: str) -> set[str]:
    for one in definition.body:
        if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name) and one.targets[0].id == name:
            return set(ast.literal_eval(one.value))
    return set()


def _floats(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_floats(x) for x in value]
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value


def _traced_shape(members: Members, file: str) -> tuple[int, int, int, int] | None:
    """The shape of the images that the program was traced with, where the archive keeps it."""
    if "traced_inputs.pkl" not in members.names:
        return None
    try:
        found = Reader(file, None).read(members.read("traced_inputs.pkl"))
    except InputError:
        return None
    while isinstance(found, list | tuple | dict) and found:
        found = next(iter(found.values())) if isinstance(found, dict) else found[0]
    if not isinstance(found, Tensor) or found.ndim != 4:
        return None
    images, channels, height, width = found.shape
    return images, channels, height, width


def _specialise(network: nn.Module, run: Interpreter, shapes: list[tuple[int, int, int, int]]) -> bool:
    """Puts layers of torch.nn in place of the modules that do what one does, found by a forward of zeros."""
    for shape in shapes:
        run.recording = {}
        try:
            with torch.no_grad():
                network(torch.zeros(shape))
        except InputError:
            raise
        except Exception:  # not the size that it takes
            continue
        else:
            calls = run.recording
            for module in list(network.modules()):
                for name, child in list(module.named_children()):
                    if not any(child.children()) and (layer := _layer(child, calls.get(id(child), []))):
                        module._modules[name] = layer
            return True
        finally:
            run.recording = None
    return False


def _layer(part: nn.Module, calls: list[Any]) -> nn.Module | None:
    """The layer of torch.nn that a module is, where each of its calls is one operator, the same one."""
    mine = {id(x) for x in (*part.parameters(), *part.buffers())}
    found = []
    for name, given, named in (call for call in calls if call[0] not in SHAPE_CALLS):
        names = schema_names(aten(name, None, "")) if name in ALLOWED and given else ()
        arguments = {**dict(zip(names[1:], given[1:], strict=False)), **named}
        if name in TRAINING:
            arguments.update(dict.fromkeys(("training", "train"), False))
        tensors = [x for x in arguments.values() if isinstance(x, Tensor)]
        if not given or not isinstance(given[0], Tensor) or any(id(x) not in mine for x in tensors):
            return None
        found.append(layer_of(name, arguments))
    if not found or any(x is None or repr(x) != repr(found[0]) for x in found):
        return None
    return found[0]


SHAPE_CALLS = (
    "size",
    "len",
    "dim",
    "numel",
    "lt",
    "gt",
    "le",
    "ge",
    "eq",
    "ne",
    "format",
    "__is__",
    "__isnot__",
)
