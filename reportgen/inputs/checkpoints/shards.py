"""A checkpoint of several files: shards by their index, or a folder as Hugging Face's tools save one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reportgen import files as regular
from reportgen.errors import InputError
from reportgen.inputs.checkpoints.archive import AS_ONNX, is_onnx
from reportgen.inputs.classes.table import in_order

INDEX = ".index.json"
WHOLE = (
    "model.safetensors",
    "pytorch_model.bin",
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.bin",
)
SAFER = ((WHOLE[0], WHOLE[1]), (WHOLE[2], WHOLE[3]))
SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".tar")
SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<suffix>\.\w+)")
LARGEST_JSON_BYTES = 10_000_000  # an index of 100,000 tensors; as Python's values it takes 30 times as much


@dataclass(frozen=True)
class Shards:
    """The files of a checkpoint, the tensors that an index promises, and class names beside them."""

    files: tuple[Path, ...]
    named: frozenset[str] = frozenset()
    classes: tuple[str, ...] | None = field(default=None)


def find_shards(path: Path) -> Shards | None:
    """The files that an index or a folder stands for, or None where `path` is neither.

    Raises InputError for an index that cannot be read, for one shard of several, and for a folder that
    holds several checkpoints or none.
    """
    if path.is_file() and (part := SHARD.fullmatch(path.name)) and int(part["count"]) > 1:
        raise InputError(
            f"{path.name} is one shard of {int(part['count'])}, not the whole checkpoint",
            f"name the folder with all of them: {path.parent}",
        )
    if path.name.endswith(INDEX) and path.is_file():
        return _by_index(path)
    if not path.is_dir():
        return None
    indices = _preferred(sorted(path.glob(f"*{INDEX}")))
    whole = _preferred([path / name for name in WHOLE if (path / name).is_file()])
    if len(indices) == 1 and not whole:
        return _by_index(indices[0])
    files = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    files = [
        p for p in files if p.name not in ("training_args.bin", "optimizer.pt", "scheduler.pt", "scaler.pt")
    ]
    if not (indices or whole) and (numbered := _numbered(path, files)):
        return numbered
    if len(indices) > 1 or len(whole) > 1 or not (whole or len(files) == 1):
        raise folder_refused(path)
    return Shards((whole[0] if whole else files[0],), classes=_configured(path))


def _numbered(folder: Path, files: list[Path]) -> Shards | None:
    """The shards of a folder whose index is not there, by their numbers; None where other files lie among
    them. Raises InputError where some are not there."""
    parts = [SHARD.fullmatch(file.name) for file in files]
    sets = {(part["stem"], part["count"], part["suffix"]) if part else None for part in parts}
    if len(sets) != 1 or (of := sets.pop()) is None:
        return None
    stem, count, suffix = of
    every = [f"{stem}-{number:05}-of-{count}{suffix}" for number in range(1, int(count) + 1)]
    if absent := [name for name in every if not (folder / name).is_file()]:
        raise InputError(
            f"{folder} holds {len(files)} of {int(count)} shards ({absent[0]} is not there)",
            f"put {absent[0]} beside the others, or download the checkpoint again",
        )
    return Shards(tuple(folder / name for name in every), classes=_configured(folder))


def _preferred(files: list[Path]) -> list[Path]:
    """The files without a pickle where safetensors of the same name lie beside it: they hold the same."""
    names = {file.name for file in files}
    for safe, pickle in SAFER:
        if any(name.startswith(safe) for name in names):
            files = [file for file in files if not file.name.startswith(pickle)]
    return files


def folder_refused(path: Path) -> InputError:
    """Why a folder is not a checkpoint, and what to name instead."""
    if (path / ".metadata").is_file() and any(path.glob("*.distcp")):
        return InputError(
            f"{path} is a checkpoint of torch.distributed, in one part a process",
            "make it one file with `python -m torch.distributed.checkpoint.format_utils dcp_to_torch "
            f"{path} weights.pt` and name that",
        )
    held = sorted(p.name for p in path.iterdir() if p.suffix.lower() in SUFFIXES or p.name.endswith(INDEX))
    if (path / "saved_model.pb").is_file():
        return InputError(f"{path} is a network that TensorFlow saved", AS_ONNX)
    if not held:
        return InputError(f"the checkpoint {path} is a folder without a checkpoint in it", "name the file")
    return InputError(
        f"the checkpoint {path} is a folder with {len(held)} files that may be meant: {', '.join(held[:4])}",
        f"name one of them, such as {path / held[0]}",
    )


def _by_index(index: Path) -> Shards:
    """The shards of an index: weight_map says in which file each tensor is."""
    table = read_json(index)
    places: Any = table.get("weight_map") if isinstance(table, dict) else None
    if not isinstance(places, dict) or not places or not all(_beside(name) for name in places.values()):
        raise InputError(
            f"{index} is no index of shards: it has no `weight_map` of tensors to files beside it",
            "name the checkpoint's own index, or its folder",
        )
    names = sorted(set(places.values()))
    if absent := [name for name in names if not (index.parent / name).is_file()]:
        raise InputError(
            f"{index} names {len(names)} shards, of which {len(absent)} are not there ({absent[0]})",
            f"put {absent[0]} beside it, or download the checkpoint again",
        )
    files = tuple(index.parent / name for name in names)
    return Shards(files, frozenset(places), _configured(index.parent))


def _beside(name: Any) -> bool:
    """Whether an index names a file of its own folder."""
    return isinstance(name, str) and Path(name).name == name


def _configured(folder: Path) -> tuple[str, ...] | None:
    """The class names of a configuration of transformers or timm, but for the placeholders LABEL_0, …"""
    file = folder / "config.json"
    table = read_json(file) if file.is_file() else None
    if not isinstance(table, dict):
        return None
    own = table.get("pretrained_cfg")
    places = (table, own if isinstance(own, dict) else {})
    found = [place.get(key) for place in places for key in ("id2label", "label_names", "labels")]
    names = next((known for each in found if each and (known := in_order(each))), None)
    return None if names and all(name.startswith("LABEL_") for name in names) else names


def read_json(file: Path) -> Any:
    """What a JSON file holds. Raises InputError for one that is none, or larger than 10 MB."""
    try:
        return json.loads(regular.read(file, LARGEST_JSON_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{file} is not readable JSON: {reason}", "copy or download it again") from error


def hash_of(digests: Iterable[str]) -> str:
    """One hash for several files: of their hashes, a line each, in the order of their names."""
    return hashlib.sha256("".join(f"{digest}\n" for digest in digests).encode()).hexdigest()


def hash_at(path: Path) -> str | None:
    """The SHA-256 of a checkpoint as a report states it, of one file or several; None where there is none."""
    try:
        shards = find_shards(path)
    except InputError:
        return None
    files = shards.files if shards else (path,)
    if not all(file.is_file() for file in files):
        return None
    if is_onnx(_beginning(path)):
        from reportgen.inputs.programs.onnx_file import hash_at as with_weights

        return with_weights(path)
    digests = [_digest(file) for file in files]
    return digests[0] if len(digests) == 1 else hash_of(digests)


def _beginning(path: Path) -> bytes:
    if not path.is_file():
        return b""
    return regular.beginning(path, 64)


def _digest(file: Path) -> str:
    found = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            found.update(block)
    return found.hexdigest()
