"""A checkpoint file that is a network of its own: what kind it is, and the network in it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import zipfile
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

from reportgen import files
from reportgen.errors import InputError
from reportgen.inputs.checkpoints.archive import COPY_AGAIN, is_onnx
from reportgen.inputs.checkpoints.reading import Checkpoint
from reportgen.inputs.checkpoints.rehearsal import rehearsed
from reportgen.inputs.programs import exported, torchscript
from reportgen.inputs.programs.program import Program, members_of

SPARE_BYTES = 1 << 30  # beside six times the file: networks are tried on a picture to learn their layers
Kind: TypeAlias = Literal["torch.export", "TorchScript", "ONNX"]


def kind_of(path: Path) -> Kind | None:
    """Which kind of program a file is, by its content; None where it is weights, or nothing known."""
    try:
        if not path.is_file():
            return None
        head = files.beginning(path, 64)
        if is_onnx(head):
            return "ONNX"
        if not head.startswith(b"PK\x03\x04"):
            return None
        with zipfile.ZipFile(path) as archive:
            names = [name.partition("/")[2] for name in archive.namelist()]
    except Exception:  # unreadable or damaged: whoever reads it says so
        return None
    if "constants.pkl" in names and "data.pkl" in names:
        return "TorchScript"
    return "torch.export" if "archive_format" in names else None


def load_program(path: Path, kind: Kind) -> tuple[Program, Checkpoint]:
    """The network of a file, and the facts of the file. Raises InputError.

    The bytes are read once, so the hash is that of what was loaded; of an ONNX file with weights in other
    files beside it, that of the files' hashes. A child process of limited memory and time reads them first.
    """
    try:
        data = files.read(path, files.largest())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "check it") from error
    with contextlib.suppress(ImportError):  # once, not in the child as well
        importlib.import_module("onnx" if kind == "ONNX" else "torch")
    rehearsed(partial(_read, data, path, kind), len(data), path.name, SPARE_BYTES)
    return _read(data, path, kind)


def _read(data: bytes, path: Path, kind: Kind) -> tuple[Program, Checkpoint]:
    digest, size, name = hashlib.sha256(data).hexdigest(), len(data), path.name
    if kind == "ONNX":
        from reportgen.inputs.programs import onnx_file

        program, beside = onnx_file.read(data, path)
        if beside:
            digest, size = onnx_file.hash_with(digest, beside), size + sum(len(x) for x in beside.values())
    else:
        reader = exported.read if kind == "torch.export" else torchscript.read
        members = members_of(data, name)
        if not members.names:
            raise InputError(f"{name} is empty", COPY_AGAIN)
        program = reader(members, name)
    said = f"The network is what the file itself says: {program.format}, made by {program.producer}."
    images = program.images
    fixed = (f"The file was made for batches of {images}.",) if images else ()
    notes = (said, *fixed, *program.notes)
    return program, Checkpoint(name, digest, size, program.format, None, {}, notes=notes)
