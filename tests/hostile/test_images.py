"""Pictures made to do harm, at least 150. Promises 1 and 2: each is read or rejected with a reason, none does
anything else, and none takes memory or time beyond its size."""

from __future__ import annotations

import io
import os
import resource
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reportgen.inputs import ImageFile, stream
from reportgen.inputs.images.listing import hashed, numbered, walk
from reportgen.inputs.images.loading import Decoded
from reportgen.inputs.images.preprocessing import Preprocessing

SIZE = (12, 10)
PIXELS = np.random.default_rng(0).integers(0, 256, (*SIZE[::-1], 3), dtype=np.uint8)


def encoded(form: str, picture: Image.Image | None = None, **options: object) -> bytes:
    made = io.BytesIO()
    (picture or Image.fromarray(PIXELS)).save(made, form, **options)
    return made.getvalue()


def chunk(kind: bytes, data: bytes, said: int | None = None) -> bytes:
    """A chunk of a PNG; `said` is a length that is not its own."""
    length = len(data) if said is None else said
    return struct.pack(">I", length) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int, height: int, *more: bytes, depth: int = 8, colour: int = 2, data: bytes | None = None
) -> bytes:
    """A PNG whose head says what it likes."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    raw = zlib.compress(b"\0" * 4000) if data is None else data
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + b"".join(more)
        + chunk(b"IDAT", raw)
        + chunk(b"IEND", b"")
    )


def tiff(*entries: tuple[int, int, int, int], tail: bytes = b"") -> bytes:
    """A TIFF of one directory: (tag, type, count, value) each."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + body + b"\0\0\0\0" + tail


def npy(shape: str, kind: str = "<f4", data: bytes = b"\0" * 64, version: bytes = b"\x01\x00") -> bytes:
    head = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(head)) + head + data


def damaged(name: str, data: bytes) -> dict[str, bytes]:
    """A file cut, with bytes changed, doubled, and with a tail."""
    drawn = np.random.default_rng(len(data))
    found = {f"{name} cut to {share} %": data[: len(data) * share // 100] for share in (1, 10, 50, 90, 99)}
    for number in range(8):
        changed = bytearray(data)
        for place in drawn.integers(0, len(data), 1 + number):
            changed[place] ^= 1 << int(drawn.integers(8))
        found[f"{name} with {1 + number} bits turned"] = bytes(changed)
    found[f"{name} twice"] = data * 2
    found[f"{name} and a tail"] = data + b"\0" * 1000
    return found


FORMS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "bmp": "BMP", "tif": "TIFF", "gif": "GIF", "ppm": "PPM"}


def cases() -> dict[str, tuple[str, bytes]]:
    """Suffix and bytes of every picture, by what it is."""
    found = {}
    for suffix, form in FORMS.items():
        found |= {name: (suffix, data) for name, data in damaged(form, encoded(form)).items()}
    frames = [Image.fromarray(np.full((10, 12, 3), n % 256, np.uint8)) for n in range(300)]
    bomb = zlib.compress(bytes(60_000_000))
    made: dict[str, bytes] = {
        "a png of 2e9 × 2e9": png(2_000_000_000, 2_000_000_000),
        "a png of 2^31": png((1 << 31) - 1, 1),
        "a png of 100,000 × 1": png(100_000, 1),
        "a png of 30,000 × 30,000": png(30_000, 30_000),
        "a png of nothing": png(0, 0),
        "a png of 60 MB packed in 60 kB": png(4000, 5000, data=bomb),
        "a png that unpacks beyond its size": png(4, 4, data=bomb),
        "a png with a text of 60 MB": png(4, 4, chunk(b"zTXt", b"k\0\0" + bomb)),
        "a png with a text in every language": png(4, 4, chunk(b"iTXt", b"k\0\1\0\0\0" + bomb)),
        "a png with a profile of 60 MB": png(4, 4, chunk(b"iCCP", b"k\0\0" + bomb)),
        "a png with a thousand texts": png(4, 4, *[chunk(b"tEXt", b"k%d\0v" % n) for n in range(1000)]),
        "a png whose chunk is longer than it": png(4, 4, chunk(b"tEXt", b"k\0v", said=1 << 30)),
        "a png whose chunk is of a negative length": png(4, 4, chunk(b"tEXt", b"k\0v", said=(1 << 32) - 1)),
        "a png of an unknown colour": png(4, 4, colour=7),
        "a png of an unknown depth": png(4, 4, depth=3),
        "a png with a palette of none": png(4, 4, colour=3),
        "a png of a million frames": png(4, 4, chunk(b"acTL", struct.pack(">II", 1_000_000, 0))),
        "a png with exif that is none": png(4, 4, chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff")),
        "a gif of 65,535 px": b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\x02L\x01\0;",
        "a gif of 300 frames": encoded("GIF", frames[0], save_all=True, append_images=frames[1:]),
        "a gif without a frame": b"GIF89a\x04\0\x04\0\0\0\0;",
        "a tiff of directories in a ring": tiff((256, 3, 1, 4), (257, 3, 1, 4))[:-4] + struct.pack("<I", 8),
        "a tiff of 2^31 × 2^31": tiff(
            (256, 4, 1, 1 << 31), (257, 4, 1, 1 << 31), (258, 3, 1, 8), (262, 3, 1, 1)
        ),
        "a tiff whose strips are elsewhere": tiff(
            (256, 4, 1, 4), (257, 4, 1, 4), (273, 4, 1, 1 << 30), (279, 4, 1, 16)
        ),
        "a tiff of a billion strips": tiff(
            (256, 4, 1, 4), (257, 4, 1, 4), (273, 4, 10**9, 8), (279, 4, 10**9, 8)
        ),
        "a tiff of 65,535 bands": tiff(
            (256, 4, 1, 4), (257, 4, 1, 4), (277, 3, 1, 65_535), (258, 3, 65_535, 8)
        ),
        "a tiff of an unknown packing": tiff((256, 4, 1, 4), (257, 4, 1, 4), (259, 3, 1, 9999)),
        "a bmp of a negative height": encoded("BMP")[:22]
        + struct.pack("<i", -(1 << 30))
        + encoded("BMP")[26:],
        "a bmp of 2^30": encoded("BMP")[:18] + struct.pack("<ii", 1 << 30, 1 << 30) + encoded("BMP")[26:],
        "a jpeg of 65,535 × 65,535": encoded("JPEG").replace(
            struct.pack(">HH", 10, 12), struct.pack(">HH", 65_535, 65_535), 1
        ),
        "a jpeg of a thousand comments": encoded("JPEG")[:2]
        + b"\xff\xfe\0\x04ab" * 1000
        + encoded("JPEG")[2:],
        "a jpeg with exif that is none": encoded(
            "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 600
        ),
        "a jpeg turned to 99": encoded("JPEG", exif=_turned(99)),
        "a webp of 16,383 × 16,383": b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\xfe\x3f\0\xfe\x3f\0",
        "a ppm of a billion": b"P6 1000000000 1000000000 255\n" + b"\0" * 99,
        "a ppm of a number of a million digits": b"P6 " + b"9" * 1_000_000 + b" 4 255\n",
        "a ppm that says it is text": b"P3 4 4 255\n" + b"1 " * 48,
        "a ppm of deep values": b"P6 4 4 65535\n" + b"\0" * 96,
        "a pfm of nan": b"Pf\n4 4\n-1.0\n" + struct.pack("<16f", *[float("nan")] * 16),
        "a postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(canary) (w) file\n",
        "an svg": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/hostname'/></svg>",
        "a pdf": b"%PDF-1.4\n1 0 obj<</OpenAction<</S/Launch>>>>",
        "a zip": b"PK\x03\x04" + bytes(100),
        "an elf": b"\x7fELF" + bytes(100),
        "a script of a shell": b"#!/bin/sh\ntouch canary\n",
        "an entity that grows": b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'x'>]><a>&b;</a>",
        "a byte": b"\x89",
        "zeros": bytes(100_000),
        "noise": PIXELS.tobytes() * 100,
    }
    kinds = {"jpeg": "jpg", "tiff": "tif"} | {suffix: suffix for suffix in FORMS}
    for name, data in made.items():
        kind = next((kinds[word] for word in name.split() if word in kinds), "png")
        found[name] = (kind, data)
    arrays = {
        "an array of objects": npy("(4, 4)", "|O"),
        "an array of a billion": npy("(1000000000,)"),
        "an array of a negative side": npy("(-4, -4)"),
        "an array of code": npy("__import__('os').mkdir('canary')"),
        "an array of nested tuples": npy("(" * 90),
        "an array of 64 sides": npy("(" + "1," * 64 + ")"),
        "an array of nothing": npy("(0, 0)"),
        "an array of text": npy("(4,)", "<U4"),
        "an array of records": npy("(4,)", "V4"),
        "an array of dates": npy("(8,)", "<M8[s]"),
        "an array of not numbers": npy("(4, 4)", data=struct.pack("<16f", *[float("nan")] * 16)),
        "an array of a version to come": npy("(4, 4)", version=b"\x09\x00"),
    }
    return found | {name: ("npy", data) for name, data in arrays.items()}


def _turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


CASES = cases()
TO_MODEL = Preprocessing(resize=8, crop=(8, 8), mean=(0.5,) * 3, std=(0.5,) * 3)


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 150


@pytest.mark.parametrize("group", range(8))
def test_promises_1_and_2_each_is_read_or_rejected(
    group: int,
    canary: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A few dozen at a time: one after another, as a set is read."""
    chosen = list(CASES.items())[group::8]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONWARNINGS", raising=False)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    files = []
    for number, (_, (suffix, data)) in enumerate(chosen):
        (tmp_path / f"{number:03}.{suffix}").write_bytes(data)
        files.append(hashed(ImageFile(number, tmp_path / f"{number:03}.{suffix}", f"{number:03}.{suffix}")))
    for (name, _), one in zip(chosen, stream(files, TO_MODEL), strict=True):
        if isinstance(one, Decoded):
            assert one.pixels.shape[-2:] == (8, 8), name
        else:
            assert one.reason and "\n" not in one.reason and len(one.reason) < 300, name
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_500_000, "KiB"
    assert time.process_time() - began < 60, "seconds of the processor"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "place", ["/dev/zero", "/dev/urandom", "/proc/kmsg", "/proc/self/environ", "pipe", "loop", "folder"]
)
def test_promise_2_what_is_no_file_is_rejected_at_once(place: str, tmp_path: Path) -> None:
    path = Path(place) if place.startswith("/") else tmp_path / "a.png"
    if place == "pipe":
        os.mkfifo(path)
    elif place == "loop":
        path.symlink_to(path)
    elif place == "folder":
        path.mkdir()
    found = hashed(ImageFile(0, path, "a.png"))
    assert found.reason and found.sha256 is None


def test_promise_2_a_walk_ends_and_stays(tmp_path: Path) -> None:
    """Links to the root, to the folder above and in a ring are gone into by none."""
    top = tmp_path / "set"
    (top / "a" / "b").mkdir(parents=True)
    Image.fromarray(PIXELS).save(top / "a" / "b" / "x.png")
    for name, target in {"root": "/", "up": "..", "proc": "/proc", "ring": "a/ring", "inner": "a/b"}.items():
        (top / name).symlink_to(target)
    (top / "a" / "ring").symlink_to("../ring")
    (top / "a" / "up").symlink_to("../a")
    found, notes = walk(top)
    assert {path.name for path in found} == {"x.png"} and len(found) == 1
    assert any("were not followed: 3" in note for note in notes)
    assert [file.number for file in numbered(found, top)] == [0]


@pytest.mark.parametrize("room", ["", "evidence", "maps"])
@pytest.mark.parametrize("name", ["evidence/manifest.json", "SHA256SUMS", "both"])
@pytest.mark.parametrize("kind", ["pipe", "/dev/zero", "deep", "strange"])
def test_promise_2_what_looks_like_a_report_around_the_images_is_not_waited_for(
    room: str, name: str, kind: str, tmp_path: Path
) -> None:
    """A walk asks whether the folders are reports of ours, whose files are no images of the set."""
    for each in ("evidence/manifest.json", "SHA256SUMS") if name == "both" else (name,):
        path = tmp_path / each
        path.parent.mkdir(exist_ok=True)
        if kind == "pipe":
            os.mkfifo(path)
        elif kind.startswith("/"):
            path.symlink_to(kind)
        else:
            strange = '{"schema": "reportgen.evidence/1", "shards": [{}, 7, {"name": [1]}]}'
            path.write_text(strange if kind == "strange" else "[" * 100_000)
    (tmp_path / room).mkdir(exist_ok=True)
    (tmp_path / room / "a.png").write_bytes(encoded("PNG"))
    found, _ = walk(tmp_path / room)
    assert [path.name for path in found] == ["a.png"]
