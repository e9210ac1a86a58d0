"""Reads one checkpoint file, of any form, into plain tensors by name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from reportgen import files
from reportgen.errors import InputError, did_you_mean, nearest
from reportgen.inputs.checkpoints import npz, pickled
from reportgen.inputs.checkpoints.archive import COPY_AGAIN, Format, check_zip, identify
from reportgen.inputs.checkpoints.forms import Tables, tables
from reportgen.inputs.checkpoints.plain import plain
from reportgen.inputs.checkpoints.rehearsal import REHEARSES, rehearsed
from reportgen.inputs.checkpoints.shards import Shards, find_shards, folder_refused, hash_of
from reportgen.inputs.checkpoints.signature import Signature
from reportgen.inputs.checkpoints.state_dicts import class_names, unwrapped

PREFIXES = ("module.", "_orig_mod.")  # DataParallel's and torch.compile's


@dataclass(frozen=True)
class Checkpoint:
    """Facts about a checkpoint file, and its tensors by name until a network has taken them.

    `wrapped_in` is the key, or keys joined by a dot, that the state dict was found under.
    `metadata` is what torch keeps beside a state dict: the versions of its modules. `classes` are the
    names of the classes by index, where the file itself holds them. Where the file holds several `sets` of
    weights and nothing says which is meant, `state` has all of them, each below its name and a dot.
    """

    name: str
    sha256: str
    size_bytes: int
    format: str
    wrapped_in: str | None
    state: Mapping[str, Tensor]
    metadata: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None
    sets: tuple[str, ...] = ()
    signature: Signature | None = None


def load(path: Path, weights: str | None = None) -> Checkpoint:
    """Reads safetensors, or a state dict of torch.save, plain or wrapped; or shards of either, by their
    index or folder. Raises InputError.

    `weights` are the keys that lead to the state dict, or that all of its keys begin with, where the
    file holds several. The bytes are read once, so the hash is that of what was loaded. A child process of
    limited memory and time reads them first.
    """
    if shards := find_shards(path):
        return _sharded(path, shards, weights)
    data = _content(path)
    return _of_file(path.name, data, weights)


def _of_file(name: str, data: bytes, weights: str | None) -> Checkpoint:
    """One file's checkpoint, once a child process could read it."""
    digest = hashlib.sha256(data).hexdigest()
    rehearsed(partial(_read, name, data, digest, weights, check=True), len(data), name)
    return _read(name, data, digest, weights)


def _read(name: str, data: bytes, digest: str, weights: str | None, check: bool = False) -> Checkpoint:
    """One file's checkpoint; with `check` every byte of an archive is held against its checksum."""
    form = identify(data, name)
    if form == "torch zip":
        check_zip(data, name, checksums=check or not REHEARSES)
    read = _content_of(form, data, name)
    found, notes = unwrapped(read.content, name, weights)
    notes = [*read.notes, *read.taken(found.path), *notes]
    classes, more = class_names(read.content)
    metadata = getattr(found.state, "_metadata", None)
    state, stripped, stripping = _without_prefixes(dict(found.state))
    if metadata and stripped:
        metadata = {k.removeprefix(stripped): v for k, v in metadata.items()}
    notes = [*notes, *stripping, *more]
    return Checkpoint(
        name, digest, len(data), form, found.path or None, state, metadata, tuple(notes), classes, found.sets
    )


def _content_of(form: Format, data: bytes, name: str) -> Tables:
    """What a file of a form holds, as tables by name."""
    if form == "safetensors":
        return Tables(_safetensors(data, name), [], [])
    if form == "numpy zip":
        return Tables(npz.read(data, name), [], [])
    content = plain(pickled.read(data, name), name, pickled.Inert)
    return tables(pickled.with_tensors(content))


def _sharded(path: Path, shards: Shards, weights: str | None) -> Checkpoint:
    """The checkpoint of several files: every tensor once. The hash is that of the files' hashes."""
    state: dict[str, Tensor] = {}
    digests = []
    size = 0
    form = ""
    for file in shards.files:
        data = _content(file)
        one = _of_file(file.name, data, weights)
        digests.append(one.sha256)
        if twice := state.keys() & one.state.keys():
            raise InputError(f"{path}: '{min(twice)}' is in two shards", "remove the wrong file")
        state.update(one.state)
        size, form = size + len(data), one.format
    if absent := sorted(shards.named - state.keys()):
        raise InputError(
            f"{path}: the index names {len(absent)} tensors that no shard holds ({absent[0]}, …)", COPY_AGAIN
        )
    if len(shards.files) == 1:
        note, digest = f"The checkpoint is {shards.files[0].name} of the folder {path.name}.", digests[0]
    else:
        note = f"The checkpoint is {len(shards.files)} shards; its hash is that of their hashes."
        digest = hash_of(digests)
    metadata = None if len(shards.files) > 1 else one.metadata
    state, _, stripping = _without_prefixes(state)
    notes = (note, *(one.notes if len(shards.files) == 1 else ()), *stripping)
    return Checkpoint(path.name, digest, size, form, one.wrapped_in, state, metadata, notes, shards.classes)


def _content(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise folder_refused(path)
        if not path.is_file() and files.what_else(path) is None:
            beside = [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else []
            guess = did_you_mean(nearest(path.name, beside))
            raise InputError(f"there is no checkpoint {path}{guess}", _looked_for(path))
        return files.read(path, files.largest())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"the checkpoint {path} cannot be read: {reason}", "check it") from error


def _looked_for(path: Path) -> str:
    """What to do where there is nothing: two words with a stroke may be a model's name on a hub."""
    bare = not path.is_absolute() and not path.suffix
    on_a_hub = bare and len(path.parts) == 2 and not path.parent.is_dir()
    return (
        "check the path; a model of a hub is downloaded first (nothing is fetched here), and its folder named"
        if on_a_hub
        else "check the path"
    )


def _safetensors(data: bytes, name: str) -> Any:
    try:
        return load_safetensors(data)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"{name} is damaged or truncated safetensors", COPY_AGAIN) from error


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
