"""Pickles written opcode by opcode, in the two wrappings of torch.save."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
MARK, REDUCE, BUILD, STOP, NONE, DICT, LIST = b"(", b"R", b"b", b".", b"N", b"}", b"]"


def name(module: str, attribute: str) -> bytes:
    """A class or function by its name."""
    return f"c{module}\n{attribute}\n".encode()


def value(told: object) -> bytes:
    """A number, a text or a truth."""
    if isinstance(told, bool):
        return b"\x88" if told else b"\x89"
    if isinstance(told, int):
        return b"\x8a\x08" + struct.pack("<q", told)
    if isinstance(told, float):
        return b"G" + struct.pack(">d", told)
    data = str(told).encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def several(*parts: bytes) -> bytes:
    """A tuple."""
    return MARK + b"".join(parts) + b"t"


def called(what: bytes, *parts: bytes) -> bytes:
    """A call of what a name stands for."""
    return what + several(*parts) + REDUCE


def table(*pairs: tuple[bytes, bytes], start: bytes = DICT) -> bytes:
    """A dict, or what `start` makes, with its items."""
    return start + MARK + b"".join(key + one for key, one in pairs) + b"u"


def ordered(*pairs: tuple[bytes, bytes]) -> bytes:
    """An OrderedDict."""
    return table(*pairs, start=called(name("collections", "OrderedDict")))


def storage(size: int, key: str = "0", legacy: bool = False) -> bytes:
    """A storage of so many float32, by torch's persistent ids."""
    parts = [value("storage"), name("torch", "FloatStorage"), value(key), value("cpu"), value(size)]
    return several(*parts, *([NONE] if legacy else [])) + b"Q"


def tensor(shape: tuple[int, ...], strides: tuple[int, ...], stored: bytes, offset: int = 0) -> bytes:
    """A tensor on a storage."""
    sizes, steps = (several(*map(value, each)) for each in (shape, strides))
    hooks = called(name("collections", "OrderedDict"))
    made = name("torch._utils", "_rebuild_tensor_v2")
    return called(made, stored, value(offset), sizes, steps, value(False), hooks)


def bare(body: bytes) -> bytes:
    """A pickle of protocol 2."""
    return b"\x80\x02" + body + STOP


def zipped(body: bytes, floats: int = 16) -> bytes:
    """As torch.save writes today: a zip of the pickle and one storage."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("x/data.pkl", bare(body))
        archive.writestr("x/byteorder", "little")
        archive.writestr("x/data/0", struct.pack(f"<{floats}f", *range(floats)))
        archive.writestr("x/version", "3\n")
    return made.getvalue()


def legacy(body: bytes, keys: tuple[str, ...] = (), floats: int = 16) -> bytes:
    """As torch.save wrote before 1.6: pickles one after another, then the storages."""
    head = [MAGIC, PROTOCOL, {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {}}]
    begun = b"".join(pickle.dumps(one, 2) for one in head)
    stored = b"".join(struct.pack("<q", floats) + struct.pack(f"<{floats}f", *range(floats)) for _ in keys)
    return begun + bare(body) + pickle.dumps(list(keys), 2) + stored
