"""What kind of file a checkpoint is, by its first bytes, and whether a zip archive is whole."""

from __future__ import annotations

import io
import zipfile
from typing import Literal, TypeAlias

from reportgen.errors import InputError

Format: TypeAlias = Literal["safetensors", "torch zip", "torch pickle", "numpy zip"]
DIRECTORY = 0x10  # the attribute of MS-DOS in a zip entry
LARGEST_HEADER_BYTES = 100_000_000  # safetensors' own limit
SAVE_AGAIN = "save it again with torch.save(model.state_dict(), path) or as safetensors"
COPY_AGAIN = "copy or download the checkpoint again and compare its SHA-256"
AS_ONNX = "export the network to ONNX where it was made (tf2onnx) and name that file, with no model"

# what else is commonly taken for a checkpoint: first bytes -> (what it is, remedy)
MISTAKEN: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "run `git lfs pull`"),
    (b"\x89HDF\r\n", "an HDF5 file (Keras)", AS_ONNX),
    (b"<!doctype html", "a web page, not a checkpoint", "download the file itself"),
    (b"<html", "a web page, not a checkpoint", "download the file itself"),
    (b"\x1f\x8b", "a gzip file", "unpack it first"),
    (b"\x93numpy", "a numpy array", SAVE_AGAIN),
)


def identify(data: bytes, name: str) -> Format:
    """The format by content; the suffix does not count. Raises InputError with our own words."""
    if not data:
        raise InputError(f"{name} is empty", COPY_AGAIN)
    header_bytes = int.from_bytes(data[:8], "little")
    if data[8:9] == b"{" and header_bytes < LARGEST_HEADER_BYTES:  # first: it may begin with any byte
        return "safetensors"
    if data.startswith(b"PK\x03\x04"):
        return "numpy zip" if _is_npz(data) else "torch zip"
    if data[:1] == b"\x80":
        return "torch pickle"
    head = data[:64].lstrip().lower()
    for magic, what, remedy in MISTAKEN:
        if head.startswith(magic.lower()):
            raise InputError(f"{name} is {what}", remedy)
    if data[4:8] == b"TFL3":
        raise InputError(f"{name} is a network of TensorFlow Lite", AS_ONNX)
    if data[257:262] == b"ustar":
        raise InputError(f"{name} is a tar file: a packed one, or of a torch before 0.2", SAVE_AGAIN)
    if is_onnx(data):
        raise InputError(
            f"{name} is an ONNX file: a network of its own, not weights for another",
            "name it as the checkpoint, without --model; here name the state dict that it was exported from",
        )
    if not any(data[:256]):
        raise InputError(f"{name} begins with zeros: the file is damaged", COPY_AGAIN)
    raise InputError(f"{name} is neither safetensors nor a file of torch.save", SAVE_AGAIN)


def _is_npz(data: bytes) -> bool:
    """Whether a zip file is one of numpy.savez: arrays by name."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except Exception:  # damaged: whatever zipfile raises
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def is_onnx(data: bytes) -> bool:
    """Whether a file begins as ONNX does: a version (field 1), then the producer (2) or the graph (7)."""
    return len(data) > 2 and data[0] == 8 and 1 <= data[1] <= 30 and data[2:3] in (b"\x12", b"\x3a", b"\x42")


def check_zip(data: bytes, name: str, checksums: bool = True) -> None:
    """Raises InputError unless every member is stored as it is, once, whole and, where `checksums` are asked
    for, with its checksum.

    torch checks neither checksums nor sizes; it never compresses, so a member that is compressed
    or that claims more bytes than the file has is an attack, not a checkpoint.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_members(members, len(data), name)
            damaged = archive.testzip() if checksums else None
    except InputError:
        raise
    except (NotImplementedError, RuntimeError) as error:  # an unknown method, or encrypted
        raise InputError(f"{name} is not an archive of torch.save", SAVE_AGAIN) from error
    except Exception as error:  # zipfile raises OverflowError, struct.error and more
        raise InputError(f"{name} is a damaged or truncated archive", COPY_AGAIN) from error
    if damaged:
        raise InputError(
            f"{name} is damaged: {damaged!r} fails its checksum", f"{COPY_AGAIN}; else {SAVE_AGAIN}"
        )


def _refuse_programs(members: set[str], name: str) -> None:
    """Raises InputError for an archive that is a program, where weights for a network are wanted. The weights
    in it are those of the module that it was made from."""
    ways = {
        "TorchScript": ("/constants.pkl", "torch.jit.load({!r}).state_dict()"),
        "torch.export": ("/archive_format", "torch.export.load({!r}).state_dict"),
        "an older torch.export": ("program.json", "torch.export.load({!r}).state_dict"),
    }
    for kind, (mark, state) in ways.items():
        if any(f"/{member}".endswith(mark) for member in members):
            code = f"import torch; torch.save({state.format(name)}, 'weights.pt')"
            raise InputError(
                f"{name} is a program of {kind}, not a state dict: torch would run its code to load it",
                f'where you trust it, take the weights out: python -c "{code}"; then name weights.pt, and in '
                "model.source the code that it was made from",
            )


def _check_members(members: list[zipfile.ZipInfo], size: int, name: str) -> None:
    names = {member.filename for member in members}
    _refuse_programs(names, name)
    if {"config.json", "model.weights.h5"} <= names:
        raise InputError(f"{name} is a file of Keras", AS_ONNX)
    if len(names) < len(members):
        raise InputError(f"{name} holds two members of the same name", SAVE_AGAIN)
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED:
            raise InputError(f"{name} is compressed, which torch.save never does", SAVE_AGAIN)
        # torch takes a member marked so for read and leaves the weights as memory happened to be
        if member.is_dir() or member.external_attr & DIRECTORY:
            raise InputError(f"{name} is damaged: a folder in place of weights", COPY_AGAIN)
    if sum(member.file_size for member in members) > size:
        raise InputError(f"{name} claims to hold more bytes than it has", COPY_AGAIN)
    if not any(member.endswith("/data.pkl") for member in names):
        raise InputError(f"{name} is a zip file, but not one of torch.save", SAVE_AGAIN)
