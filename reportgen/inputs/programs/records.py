"""The pickles of a TorchScript archive, read opcode by opcode into records: no name in one is looked up."""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from reportgen.errors import InputError
from reportgen.inputs.programs.operators import REMEDY

MOST_OPCODES = 20_000_000
LISTS = ("build_intlist", "build_doublelist", "build_boollist", "build_tensorlist")
STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


@dataclass(frozen=True)
class Name:
    """A class or a function that a pickle names; only a name."""

    module: str
    name: str


@dataclass(eq=False)
class Record:
    """An object of a class of the program's own, and what it holds."""

    kind: str
    state: Any = None


class _Mark:
    pass


class Reader:
    """Reads one pickle. `storage` gives the bytes of a tensor's storage by its key; without it only the
    shapes of tensors are read."""

    def __init__(self, file: str, storage: Callable[[str], bytes] | None) -> None:
        self.file, self.storage = file, storage
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.flat: dict[str, Tensor] = {}

    def read(self, data: bytes) -> Any:
        """What a pickle holds: plain values, lists, dicts, tensors and records. Raises InputError."""
        try:
            for number, (code, argument, _) in enumerate(pickletools.genops(data)):
                if code.name == "STOP":
                    return self.stack.pop()
                if number > MOST_OPCODES:
                    raise ValueError("too long")
                self._step(code.name, argument)
            raise ValueError("no end")
        except InputError:
            raise
        except Exception as error:  # damaged pickles raise whatever comes
            words = " ".join(f"{type(error).__name__} {error}".split())[:100]
            raise InputError(f"{self.file} holds a pickle that is not read ({words})", REMEDY) from error

    def _step(self, code: str, argument: Any) -> None:
        stack = self.stack
        if code in ("PROTO", "FRAME"):
            return
        if code in CONSTANTS:
            stack.append(CONSTANTS[code]())
        elif code in ARGUMENTS:
            stack.append(argument)
        elif code in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif code in ("BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif code == "GLOBAL":
            stack.append(Name(*argument.split(" ", 1)))
        elif code.startswith("TUPLE"):
            count = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}.get(code)
            items = self._marked() if count is None else [stack.pop() for _ in range(count)][::-1]
            stack.append(tuple(items))
        elif code in ("APPEND", "APPENDS"):
            items = self._marked() if code == "APPENDS" else [stack.pop()]
            self._top(list).extend(items)
        elif code in ("SETITEM", "SETITEMS"):
            items = self._marked() if code == "SETITEMS" else [stack.pop() for _ in range(2)][::-1]
            self._top(dict).update(zip(items[::2], items[1::2], strict=True))
        elif code in ("REDUCE", "NEWOBJ"):
            arguments = stack.pop()
            stack.append(self._made(stack.pop(), arguments, code))
        elif code == "BUILD":
            state = stack.pop()
            self._top(Record).state = state
        elif code == "BINPERSID":
            stack.append(self._stored(stack.pop()))
        else:
            raise ValueError(f"opcode {code}")

    def _top(self, kind: type) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise ValueError("out of place")
        return self.stack[-1]

    def _marked(self) -> list[Any]:
        items = []
        while not isinstance(top := self.stack.pop(), _Mark):
            items.append(top)
        return items[::-1]

    def _made(self, name: Any, arguments: Any, code: str) -> Any:
        """What a name makes of arguments, where it is one of those that torch writes. Raises InputError."""
        if not isinstance(name, Name):
            raise ValueError("no name to make something of")
        path = f"{name.module}.{name.name}"
        if name.module.split(".")[0] == "__torch__" and not path.startswith("__torch__.torch.classes."):
            return Record(path)
        if path == "collections.OrderedDict":
            return {}
        if path.startswith("torch._utils._rebuild_tensor"):
            return self._tensor(*arguments[:4])
        if name.module == "torch.jit._pickle" and (name.name in LISTS or name.name == "restore_type_tag"):
            return arguments[0]
        if path == "torch.device":
            return arguments[0]
        shown = "".join(c if c.isprintable() else "?" for c in path[:80])
        raise InputError(f"{self.file} holds a pickle that makes {shown}, which is never loaded", REMEDY)

    def _stored(self, told: Any) -> Tensor:
        """A storage as a flat tensor."""
        _, kind, key, *_ = told
        if self.storage is None:
            return torch.empty(0, device="meta")
        if key not in self.flat:
            data = self.storage(key)
            dtype = STORAGES[kind.name]
            self.flat[key] = (
                torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.zeros(0, dtype=dtype)
            )
        return self.flat[key]

    @staticmethod
    def _tensor(flat: Tensor, offset: int, sizes: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
        if flat.is_meta:
            return torch.empty(sizes, device="meta")
        return torch.as_strided(flat, sizes, strides, offset).clone()


CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "MARK": _Mark,
}
ARGUMENTS = (
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING"),
)
