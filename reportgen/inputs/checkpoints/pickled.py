"""What torch.save wrote: tensors and plain data; objects of other packages become inert stand-ins.

A pickle calls what it names. torch's restricted reader (`weights_only=True`) calls nothing but what it
knows; beside the weights, training scripts save numpy scalars, paths, dates and settings, which it
refuses. For names of packages that hold such data it is given classes of this file instead: they keep
what they are handed, and do nothing. Nothing that a file names is ever imported or called.
"""

from __future__ import annotations

import argparse
import io
import pickletools
import re
import warnings
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from reportgen.errors import InputError
from reportgen.inputs.checkpoints.archive import COPY_AGAIN, SAVE_AGAIN

FORBIDDEN = r"GLOBAL '?([\w.]+)"  # the name of what torch refused to load, in its message
# plain data without code of its own, which torchvision's and timm's training scripts write
HARMLESS: list[Any] = [argparse.Namespace]
# packages whose objects beside the weights are settings, counters and records
RECORDS = (
    *("numpy", "pathlib", "datetime", "collections", "decimal", "uuid", "enum", "typing", "dataclasses"),
    *("omegaconf", "yacs", "easydict", "addict", "ml_collections"),
    *("lightning", "pytorch_lightning", "lightning_fabric", "lightning_utilities", "torchmetrics"),
    *("torch.torch_version", "torch.optim", "torch.utils.data", "torchvision.transforms"),
    *("functools", "types.SimpleNamespace", "torch.nn.functional", "torch._C._nn"),
)
# packages whose classes are networks and their parts: of one that was pickled as a whole, the tensors count
MODULES = (
    "torch.nn",
    "torchvision.models",
    "torchvision.ops",
    "timm.models",
    "timm.layers",
    "ultralytics.nn",
)
# builtins that hold data, and what makes an object of a class with a builtin base
BUILTINS = ("frozenset", "slice", "range", "list", "dict", "tuple", "int", "float", "str", "bool", "object")
MOST_NAMES = 200
AS_TENSORS = (
    "load it where it was written, and save its arrays as tensors by name: torch.save, or safetensors"
)
NUMBERS = re.compile(r"[biufc?]\d*|[US]\d+")


class Inert:
    """Stands in for an object that is not weights: keeps what it was made of, and does nothing."""

    def __init__(self, *arguments: Any, **_named: Any) -> None:
        self.arguments = arguments

    def __new__(cls, *_arguments: Any, **_named: Any) -> Any:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Table(Inert):
    """Stands in for a kind of dict."""

    def __new__(cls, *_arguments: Any, **_named: Any) -> Any:
        return {}


class PickledModule(Inert):
    """Stands in for a class of modules, and for a module of it: `part` has what torch keeps in one."""

    state: Any = None

    def part(self, name: str) -> Any:
        """What the module has under a name, such as `_parameters`; None where it has none such."""
        return self.state.get(name) if isinstance(self.state, Mapping) else None


class NumpyType(Inert):
    """Stands in for numpy.dtype: its code ("f8") and byte order."""

    order = "="

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "="):
            self.order = state[1]

    @property
    def plain(self) -> np.dtype[Any] | None:
        """The dtype, where it is one of numbers or of text."""
        code = self.arguments[0] if self.arguments else None
        if not isinstance(code, str) or not NUMBERS.fullmatch(code):
            return None
        order = "=" if self.order == "|" else self.order
        return np.dtype(f"{order}{code}")


class NumpyArray(Inert):
    """Stands in for an array: `values` are its elements as a list, where they are text or numbers."""

    state: Any = None

    @property
    def values(self) -> list[Any]:
        """The elements in order; none where it is not an array of text or numbers."""
        if isinstance(self.state, tuple) and len(self.state) == 5 and isinstance(self.state[4], list):
            objects: list[Any] = self.state[4]
            return objects
        flat = self._flat()
        values: list[Any] = [] if flat is None else flat.tolist()
        return values

    def tensor(self) -> torch.Tensor | None:
        """The array as a tensor of its shape; None where it is not one of numbers that torch has."""
        flat = self._flat()
        if flat is None or flat.dtype.kind not in "biuf" or not isinstance(self.state[1], tuple):
            return None
        try:
            shaped = flat.reshape(self.state[1], order="F" if self.state[3] else "C")
            return torch.from_numpy(np.array(shaped, shaped.dtype.newbyteorder("="), order="C"))
        except (
            TypeError,
            ValueError,
            OverflowError,
        ):  # a shape that the bytes do not fill, a rare kind of number
            return None

    def _flat(self) -> np.ndarray[Any, Any] | None:
        """The elements as the file has them, None where they are no text and no numbers."""
        if not (isinstance(self.state, tuple) and len(self.state) == 5):
            return None
        _, _, kind, _, data = self.state
        plain = kind.plain if isinstance(kind, NumpyType) else None
        if plain is None or not plain.itemsize or not isinstance(data, bytes) or len(data) % plain.itemsize:
            return None
        return np.frombuffer(data, plain)


class NumpyScalar(Inert):
    """Stands in for numpy's function that makes a scalar of a dtype and its bytes."""

    @property
    def value(self) -> Any:
        """The number or text; None where it is neither."""
        if len(self.arguments) != 2:
            return None
        kind, data = self.arguments
        dtype = kind.plain if isinstance(kind, NumpyType) else None
        if dtype is None or not isinstance(data, bytes) or not 0 < dtype.itemsize == len(data):
            return None
        return np.frombuffer(data, dtype)[0].item()


def as_plain(value: Any) -> Any:
    """The value with numbers and text of numpy, and tensors of one number, as Python's own, in lists and
    tables of them too; all else as it is."""
    if isinstance(value, NumpyArray):
        return value.values
    if isinstance(value, NumpyScalar):
        return value.value
    if isinstance(value, torch.Tensor):
        return value.item() if value.ndim == 0 else value
    if isinstance(value, list | tuple):
        return [as_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {as_plain(key): as_plain(one) for key, one in value.items()}
    return value


def with_tensors(content: Any, depth: int = 2) -> Any:
    """The content with every table of numpy arrays by name as one of tensors, so many wrappings deep."""
    if not isinstance(content, Mapping):
        return content
    if sum(isinstance(value, NumpyArray) for value in content.values()) * 2 > len(content):
        made = {k: v.tensor() if isinstance(v, NumpyArray) else v for k, v in content.items()}
        return content if any(value is None for value in made.values()) else made
    if depth == 0 or not any(isinstance(value, Mapping) for value in content.values()):
        return content
    inner = {key: with_tensors(value, depth - 1) for key, value in content.items()}
    return inner if any(inner[key] is not content[key] for key in content) else content


def _inert(*arguments: Any) -> Inert:
    """Stands in for a function."""
    return Inert(*arguments)


def _array(*arguments: Any) -> NumpyArray:
    """Stands in for numpy's function that makes an empty array to be filled."""
    return NumpyArray(*arguments)


def read(data: bytes, name: str) -> Any:
    """What torch.save wrote, where it is tensors, plain containers and records. Raises InputError.

    torch's own messages advise to switch the protection off: they are never passed on.
    """
    stand_ins: list[Any] = [(Inert, "reportgen.Inert"), (NumpyArray, "reportgen.NumpyArray"), *_known(data)]
    while True:
        try:
            with torch.serialization.safe_globals([*HARMLESS, *stand_ins]), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch's remarks on the dialect of the pickle
                return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        except (MemoryError, RecursionError):
            raise  # whoever set the limit says what it was
        except Exception as error:  # damaged pickles raise whatever comes
            if "allocate memory" in str(error) or "bad_alloc" in str(error):  # torch's own words
                raise MemoryError from error
            found = re.search(FORBIDDEN, str(error))
            if found is None:
                if "persistent_load" in str(error):  # an old torch keeps a module's source with it
                    kinds = [path for kind, path in stand_ins if kind is PickledModule]
                    raise _refusal(name, kinds[-1] if kinds else "a module's source") from error
                raise InputError(*_unreadable(data, name)) from error
            stand_in = _stand_in(found[1])
            if stand_in is None or stand_in in stand_ins or len(stand_ins) > MOST_NAMES:
                raise _refusal(name, found[1]) from error
            stand_ins.append(stand_in)


def _unreadable(data: bytes, name: str) -> tuple[str, str]:
    """Why torch does not read a file that holds nothing forbidden, and what to do."""
    if _is_plain(data):
        return f"{name} is a pickle of Python's own, not one of torch.save", AS_TENSORS
    if (protocol := _protocol(data)) > 2:
        cause = (
            f"{name} was saved with pickle_protocol={protocol}, which torch reads only by running its code"
        )
        return (
            cause,
            f"load it where it was written, and {SAVE_AGAIN.replace('path)', 'path), no protocol named,')}",
        )
    return f"{name} is damaged, truncated or no file of torch.save", COPY_AGAIN


def _protocol(data: bytes) -> int:
    """The protocol of the pickle in a zip of torch.save; 0 of another file, or a damaged one."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            member = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            with archive.open(member) as pickle:
                begun = pickle.read(2)
    except Exception:  # whatever zipfile raises
        return 0
    return begun[1] if begun[:1] == b"\x80" and len(begun) == 2 else 0


def _is_plain(data: bytes) -> bool:
    """Whether a file is a whole pickle that does not begin as torch's do, by its opcodes: nothing is run.
    torch's first is its magic number, and ends after a few bytes."""
    if data[:1] != b"\x80":
        return False
    try:
        last = max(place or 0 for _, _, place in pickletools.genops(data))
    except Exception:  # damaged pickles raise whatever comes
        return False
    return last + 1 == len(data)


def _known(data: bytes) -> list[tuple[Any, str]]:
    """The stand-ins that a zip file will ask for, found without reading its tensors; none of other files."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(data))
    except Exception:  # of an older torch, or damaged: they are found one by one
        return []
    found = [_stand_in(name.removeprefix("builtins.")) for name in sorted(names)[:MOST_NAMES]]
    return [one for one in found if one is not None]


def _stand_in(path: str) -> tuple[Any, str] | None:
    """What is put in place of a name that torch does not know, or None where the file is refused."""
    if path in BUILTINS:  # torch's message leaves "builtins." out
        return (_Table if path == "dict" else Inert), f"builtins.{path}"
    last = path.rpartition(".")[2]
    if path in RECORDS or path.startswith(tuple(f"{root}." for root in RECORDS)):
        pass
    elif path.startswith(tuple(f"{root}." for root in MODULES)):
        return PickledModule, path
    else:
        return (_inert, path) if path == "copyreg._reconstructor" else None
    if path.startswith("numpy."):
        kinds = {"dtype": NumpyType, "_reconstruct": _array, "ndarray": NumpyArray, "scalar": NumpyScalar}
        return kinds.get(last, Inert), path
    return (_Table if last.lower().endswith("dict") else Inert), path


def _refusal(name: str, found: str) -> InputError:
    return InputError(
        f"{name} is a pickle that holds {found}, not only tensors: loading it would run code from the file",
        SAVE_AGAIN,
    )
