"""What a pickle held, as values of Python's own kinds: nothing that a file said of an object is left on it.

torch's restricted reader calls nothing, but it sets what a file says: an OrderedDict whose `items` is a
number, a parameter whose `numel` is a text. Whoever asks such a value for its attributes asks the file. Here
every table becomes a plain dict and every tensor a bare one, by functions of the classes and not of the
values.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from reportgen.errors import InputError
from reportgen.inputs.checkpoints.archive import SAVE_AGAIN

DEEPEST = 200  # containers in one another; modules of modules are a few dozen
TIMES, SPARE_VALUES = 20, 200_000  # that a walk may meet: each value so often, and so many besides
SPREAD_BYTES = 1 << 26  # that tensors may have beyond what their storages hold, as expanded ones do
KEPT = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.layout)
KEYS = (type(None), bool, int, float, str, bytes)


class Table(dict[Any, Any]):
    """A plain dict, and the versions that torch keeps beside a state dict, by the names of its modules."""

    _metadata: dict[str, dict[str, Any]] | None = None


def plain(content: Any, name: str, stand_in: type) -> Any:
    """The content of a file as plain values. Raises InputError for tensors that claim far more than there is,
    and for tables that hold the same ones over and over: a walk through them would not end."""
    made = Plain(name, stand_in)
    whole = made.of(content)
    if (walked := _unfolded(whole, stand_in, {})) > TIMES * len(made.made) + SPARE_VALUES:
        count = f"{min(walked, 10**15):,}"
        raise InputError(f"{name} holds the same values over and over: {count} to walk through", SAVE_AGAIN)
    return whole


def _unfolded(value: Any, stand_in: type, known: dict[int, int]) -> int:
    """How many values a walk meets that does not know where it was; those in themselves count once."""
    parts: Any = ()
    if isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, list | tuple | set):
        parts = value
    elif isinstance(value, stand_in | argparse.Namespace):
        parts = vars(value).values()
    else:
        return 1
    if id(value) not in known:
        known[id(value)] = 0
        known[id(value)] = 1 + sum(_unfolded(one, stand_in, known) for one in parts)
    return known[id(value)]


class Nothing:
    """Stands for a value that is no data: a class, a function, a storage."""


class Plain:
    """Makes plain values of those of one file, each once. `stand_in` is the class whose objects stay; what
    they hold is made plain as well."""

    def __init__(self, name: str, stand_in: type) -> None:
        self.name, self.stand_in = name, stand_in
        self.made: dict[int, Any] = {}
        self.alive: list[Any] = []  # an id is one value's only as long as that lives
        self.spread = 0

    def of(self, value: Any, depth: int = 0) -> Any:
        """The value as a plain one. Raises InputError for tensors that claim far more than there is."""
        kind = type(value)
        if kind in KEPT:
            return value
        if id(value) in self.made:
            return self.made[id(value)]
        self.alive.append(value)
        if depth > DEEPEST:
            return Nothing()
        if issubclass(kind, Tensor):
            return self._keep(value, self._tensor(value))
        if issubclass(kind, dict):
            return self._table(value, depth)
        if issubclass(kind, list):
            items: list[Any] = self._keep(value, [])
            items.extend(self.of(one, depth + 1) for one in list.__iter__(value))
            return items
        if issubclass(kind, tuple):
            return self._keep(value, tuple(self.of(one, depth + 1) for one in tuple.__iter__(value)))
        return self._other(value, kind, depth)

    def _keep(self, value: Any, plain: Any) -> Any:
        self.made[id(value)] = plain
        return plain

    def _table(self, value: Any, depth: int) -> Table:
        table: Table = self._keep(value, Table())
        for key, one in dict.items(value):
            plain = self.of(key, depth + 1)
            if type(plain) in KEYS or isinstance(plain, self.stand_in):
                table[plain] = self.of(one, depth + 1)
        state = getattr(value, "__dict__", None) if type(value) is not dict else None
        if type(state) is dict and (versions := dict(_versions(state.get("_metadata")))):
            table._metadata = versions
        return table

    def _other(self, value: Any, kind: type, depth: int) -> Any:
        if issubclass(kind, (set, frozenset)):
            values = [self.of(one, depth + 1) for one in kind.__iter__(value)]
            return self._keep(value, {one for one in values if type(one) in KEYS})
        if kind is bytearray:
            return self._keep(value, bytes(value))
        if kind is argparse.Namespace:
            named = {key: one for key, one in dict.items(vars(value)) if type(key) is str}
            plain = self._keep(value, argparse.Namespace())
            vars(plain).update({key: self.of(one, depth + 1) for key, one in named.items()})
            return plain
        if issubclass(kind, self.stand_in):
            self._keep(value, value)
            for key, one in list(vars(value).items()):
                vars(value)[key] = self.of(one, depth + 1)
            return value
        return self._keep(value, Nothing())

    def _tensor(self, value: Tensor) -> Any:
        """A bare tensor of the same storage, without what a file set on this one."""
        try:
            with torch._C.DisableTorchFunctionSubclass():
                bare = torch.Tensor.detach(value)
        except (RuntimeError, TypeError, ValueError, NotImplementedError):  # one that was never filled
            return Nothing()
        if type(bare) is not Tensor:
            return Nothing()
        if bare.layout == torch.strided and not bare.is_meta and not bare.is_quantized:
            self.spread += max(0, bare.numel() * bare.element_size() - bare.untyped_storage().nbytes())
            if self.spread > SPREAD_BYTES:
                raise InputError(
                    f"{self.name} holds tensors of more values than the file has: {self.spread:,} bytes more",
                    SAVE_AGAIN,
                )
        return bare


def _versions(metadata: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The versions of modules as torch notes them beside a state dict; all else of it is left out."""
    for key, told in dict.items(metadata) if isinstance(metadata, dict) else ():
        if type(key) is str and isinstance(told, dict):
            version = dict.get(told, "version")
            yield key, {"version": version} if type(version) is int else {}
