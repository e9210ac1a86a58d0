"""A checkpoint file as plain tensors by name; nothing in it is ever run."""

from __future__ import annotations

import argparse
import hashlib
import io
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from reportgen.errors import InputError, did_you_mean, nearest
from reportgen.inputs.archive import COPY_AGAIN, SAVE_AGAIN, check_zip, identify

WRAPPERS = ("state_dict", "model", "model_ema", "net")
FORBIDDEN = r"GLOBAL '?([\w.]+)"  # the name of what torch refused to load, in its message
# plain data without code of its own, which torchvision's and timm's training scripts write
HARMLESS: list[Any] = [argparse.Namespace]
PREFIXES = ("module.", "_orig_mod.")  # DataParallel's and torch.compile's


@dataclass(frozen=True)
class Checkpoint:
    """Facts about a checkpoint file, and its tensors by name until a network has taken them.

    `wrapped_in` is the key, or keys joined by a dot, that the state dict was found under.
    `metadata` is what torch keeps beside a state dict: the versions of its modules.
    """

    name: str
    sha256: str
    size_bytes: int
    format: str
    wrapped_in: str | None
    state: Mapping[str, Tensor]
    metadata: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()


def load(path: Path) -> Checkpoint:
    """Reads safetensors, or a state dict of torch.save, plain or wrapped. Raises InputError.

    The bytes are read once, so the hash is that of what was loaded.
    """
    data = _content(path)
    form = identify(data, path.name)
    if form == "torch zip":
        check_zip(data, path.name)
    content = _safetensors(data, path.name) if form == "safetensors" else _torch(data, path.name)
    state, wrapped_in, notes = _unwrapped(content, path.name)
    metadata = getattr(state, "_metadata", None)
    plain, stripped, more = _without_prefixes(dict(state))
    if metadata and stripped:
        metadata = {k.removeprefix(stripped): v for k, v in metadata.items()}
    digest = hashlib.sha256(data).hexdigest()
    notes += more
    return Checkpoint(path.name, digest, len(data), form, wrapped_in, plain, metadata, tuple(notes))


def _content(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise InputError(f"the checkpoint {path} is a folder", "name the file in it")
        if not path.is_file():  # opening a pipe would wait for ever
            beside = [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else []
            guess = did_you_mean(nearest(path.name, beside))
            raise InputError(f"there is no checkpoint {path}{guess}", "check the path")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"the checkpoint {path} cannot be read: {reason}", "check it") from error


def _safetensors(data: bytes, name: str) -> Any:
    try:
        return load_safetensors(data)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"{name} is damaged or truncated safetensors", COPY_AGAIN) from error


def _torch(data: bytes, name: str) -> Any:
    """What torch.save wrote, where it is tensors and plain containers only.

    torch's own messages advise to switch the protection off: they are never passed on.
    """
    try:
        with torch.serialization.safe_globals(HARMLESS), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's remarks on the dialect of the pickle
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except MemoryError as error:
        raise InputError(f"{name} needs more memory than there is", SAVE_AGAIN) from error
    except Exception as error:  # damaged pickles raise whatever comes
        if found := re.search(FORBIDDEN, str(error)):
            raise InputError(
                f"{name} is a pickle that holds {found[1]}, not only tensors: "
                "loading it would run code from the file",
                SAVE_AGAIN,
            ) from error
        raise InputError(f"{name} is damaged, truncated or no file of torch.save", COPY_AGAIN) from error


def _unwrapped(content: Any, name: str) -> tuple[Mapping[str, Tensor], str | None, list[str]]:
    """The state dict, the keys it was under, and notes. Looks at most two wrappings deep."""
    keys: list[str] = []
    notes: list[str] = []
    while not _is_state(content):
        found = [k for k in WRAPPERS if isinstance(content, Mapping) and _holds(content.get(k))]
        if not found or len(keys) == 2:
            raise InputError(f"{name} holds no state dict{_under(keys)}: {_contents(content)}", SAVE_AGAIN)
        if len(found) > 1:
            others = ", ".join(f"'{key}'" for key in found[1:])
            notes.append(f"The weights under '{found[0]}' are used; those under {others} are not.")
        keys.append(found[0])
        content = content[found[0]]
    return content, ".".join(keys) or None, notes


def _is_state(content: Any) -> bool:
    return (
        isinstance(content, Mapping)
        and bool(content)
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items())
    )


def _holds(content: Any) -> bool:
    """Whether it is worth looking into: a mapping that is not empty."""
    return isinstance(content, Mapping) and bool(content)


def _under(keys: list[str]) -> str:
    return f" under '{'.'.join(keys)}'" if keys else ""


def _contents(content: Any) -> str:
    """What is there instead, in a few words."""
    if not isinstance(content, Mapping):
        return f"it is a {type(content).__name__}"
    if not content:
        return "it is empty"
    odd = [k for k, v in content.items() if not (isinstance(k, str) and isinstance(v, Tensor))]
    shown = ", ".join(f"{str(k)[:40]!r} ({type(content[k]).__name__})" for k in odd[:3])
    return f"{len(odd)} of its {len(content)} entries are no tensors by name: {shown}"


def _without_prefixes(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], str, list[str]]:
    """The state without the prefixes that every key has, those prefixes, and notes."""
    stripped = ""
    notes = []
    # torch's AveragedModel counts its updates beside `module.…`
    averaged = "n_averaged" in state and all(
        key.startswith("module.") for key in state if key != "n_averaged"
    )
    if averaged and len(state) > 1:
        state = {key: value for key, value in state.items() if key != "n_averaged"}
        notes.append("An averaged model: its counter 'n_averaged' is left out.")
    while prefix := next((p for p in PREFIXES if all(k.startswith(p) for k in state)), None):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
        stripped += prefix
    if stripped:
        notes.append(f"Every key of the checkpoint begins with '{stripped}': left out.")
    return state, stripped, notes
