"""Parquet, tars, folders of `datasets` and addresses: the same pictures, labels and groups as in a folder."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import os
import shutil
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from reportgen.errors import InputError, RecipeError
from reportgen.inputs.images.columns import columns
from reportgen.inputs.images.loading import Decoded, decode
from reportgen.inputs.images.preprocessing import Preprocessing
from reportgen.inputs.images.sources import arrow
from reportgen.inputs.images.survey import Surveyed, surveyed
from reportgen.pipeline import run

CLASSES = ("red", "green", "blue")
SITES = ("north", "south")


def picture(number: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (9, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


PICTURES = [(f"{n:04d}.png", picture(n), CLASSES[n % 3], SITES[n % 2]) for n in range(9)]


def in_folder(folder: Path) -> Path:
    for name, data, label, _ in PICTURES:
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / label / name).write_bytes(data)
    return folder


def in_parquet(file: Path, pictures: list[Any] = PICTURES, form: str = "bytes") -> Path:
    names, data, labels, sites = map(list, zip(*pictures, strict=True))
    columns: dict[str, Any] = {"label": labels, "Site": sites}
    if form == "bytes":
        columns |= {"image": data, "path": names}
    elif form == "nameless":
        columns |= {"image": data}
    else:
        columns |= {"image": [{"bytes": one, "path": name} for name, one in zip(names, data, strict=True)]}
    file.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(columns), file, row_group_size=4)
    return file


def in_paths(file: Path) -> Path:
    in_folder(file.parent / "pictures")
    paths = [f"pictures/{label}/{name}" for name, _, label, _ in PICTURES]
    table = {"image": paths, "label": [one[2] for one in PICTURES], "site": [one[3] for one in PICTURES]}
    pyarrow.parquet.write_table(pyarrow.table(table), file)
    return file


def in_tar(file: Path, pictures: list[Any] = PICTURES) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w") as tar:
        for name, data, label, site in pictures:
            key = name.partition(".")[0]
            record = f'{{"site": "{site}", "nested": {{"a": 1}}}}'.encode()
            number = str(CLASSES.index(label)).encode()
            for ending, content in (("png", data), ("cls", number), ("json", record)):
                member = tarfile.TarInfo(f"./{key}.{ending}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return file


def in_tars(folder: Path, sizes: tuple[int, ...] = (4, 5)) -> Path:
    begun = 0
    for number, size in enumerate(sizes):
        in_tar(folder / f"train-{number:06d}.tar", PICTURES[begun : begun + size])
        begun += size
    return folder


def in_dataset(folder: Path) -> Path:
    import datasets

    kinds = {
        "image": datasets.Image(),
        "label": datasets.ClassLabel(names=list(CLASSES)),
        "site": datasets.Value("string"),
    }
    features = datasets.Features(kinds)
    rows = {
        "image": [{"bytes": data, "path": name} for name, data, _, _ in PICTURES],
        "label": [CLASSES.index(label) for _, _, label, _ in PICTURES],
        "site": [site for *_, site in PICTURES],
    }
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(folder))
    return folder


def at_address(source: Path) -> Path:
    """A file or folder copied into fsspec's store in memory; its address, as a command line gives it."""
    system = fsspec.filesystem("memory")
    name = f"bucket-{source.parent.name}/{source.name}"
    system.put(str(source), f"/{name}", recursive=True)
    return Path(f"memory://{name}")


SOURCES: dict[str, Callable[[Path], Path]] = {
    "parquet": lambda folder: in_parquet(folder / "set.parquet"),
    "parquet of structs": lambda folder: in_parquet(folder / "set.parquet", form="structs"),
    "parquet without names": lambda folder: in_parquet(folder / "set.parquet", form="nameless"),
    "parquet of paths": lambda folder: in_paths(folder / "set.parquet"),
    "tar": lambda folder: in_tar(folder / "set.tar"),
    "tars": lambda folder: in_tars(folder / "shards"),
    "tars by pattern": lambda folder: in_tars(folder / "shards") / "train-*.tar",
    "datasets": lambda folder: in_dataset(folder / "saved"),
    "tar at an address": lambda folder: at_address(in_tar(folder / "set.tar")),
    "parquet at an address": lambda folder: at_address(in_parquet(folder / "set.parquet")),
}


def look(images: Path, **more: Any) -> Surveyed:
    return surveyed(images, "auto", CLASSES, Path(), **more)


def told(images: Path) -> dict[str | None, str | None]:
    """The label by hash of the picture."""
    return {file.sha256: file.label for file in look(images).files}


@pytest.mark.parametrize("kind", SOURCES)
def test_a_source_has_the_pictures_labels_and_groups_of_the_folder(kind: str, tmp_path: Path) -> None:
    expected = told(in_folder(tmp_path / "folder"))
    images = SOURCES[kind](tmp_path / "source")
    assert told(images) == expected
    files = look(images).files
    sites = columns(images, files, images)["site"]
    by_hash = {one[1]: one[3] for one in PICTURES}
    for file in files:
        assert isinstance(decode(file, PREPROCESSING), Decoded)
        assert file.blob is not None
        assert sites[file.number] == by_hash[file.blob.read()]


PREPROCESSING = Preprocessing((8, 8), None, (0.5,) * 3, (0.25,) * 3)


def test_a_folder_at_an_address_is_read_as_one_here(tmp_path: Path) -> None:
    here = in_folder(tmp_path / "folder")
    there = at_address(here)
    assert told(there) == told(here)
    assert [file.shown for file in look(there).files] == [file.shown for file in look(here).files]


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Python's own server, which answers with whole files only."""

    def log_message(self, *words: Any) -> None:
        pass


def large(folder: Path, address: str) -> Path:
    """A Parquet file of more than fsspec reads at once (5 MiB)."""
    table = pyarrow.table({"image": [bytes(8 << 20)], "label": ["red"]})
    pyarrow.parquet.write_table(table, folder / "large.parquet", compression="none", use_dictionary=False)
    return Path(f"{address}/large.parquet")


def test_a_server_that_knows_no_ranges_is_read_too(tmp_path: Path) -> None:
    here = in_tar(tmp_path / "set.tar")
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            address = f"http://127.0.0.1:{server.server_port}"
            assert told(Path(f"{address}/set.tar")) == told(here)
            with pytest.raises(InputError, match="range requests") as raised:
                look(large(tmp_path, address))
            assert "copy it to this machine" in raised.value.remedy
        finally:
            server.shutdown()


def test_ids_stay_when_the_same_images_are_cut_into_other_files(tmp_path: Path) -> None:
    def known(images: Path) -> list[tuple[str, str, str | None]]:
        return [(file.id, file.shown, file.sha256) for file in look(images).files]

    once = known(in_tars(tmp_path / "a", (9,)))
    assert known(in_tars(tmp_path / "b", (4, 5))) == known(in_tars(tmp_path / "c", (2, 3, 4))) == once
    halves = tmp_path / "halves"
    in_parquet(halves / "train-00000-of-00002.parquet", PICTURES[:5], "nameless")
    in_parquet(halves / "train-00001-of-00002.parquet", PICTURES[5:], "nameless")
    assert known(halves) == known(in_parquet(tmp_path / "whole.parquet", form="nameless"))


def test_what_cannot_be_read_is_rejected_alone_and_counted(tmp_path: Path) -> None:
    odd = [("odd.png", b"", "red", "north"), ("bad.png", b"no picture", "blue", "south")]
    files = look(in_parquet(tmp_path / "set.parquet", [*PICTURES, *odd])).files
    assert [(file.shown, file.reason) for file in files if file.reason] == [("odd.png", "an empty file")]
    bad = next(file for file in files if file.shown == "bad.png")
    with pytest.raises(Exception, match="not an image of a known kind"):
        decode(bad, PREPROCESSING)
    nothing = pyarrow.table({"image": [picture(1), None], "label": ["red", "blue"]})
    pyarrow.parquet.write_table(nothing, tmp_path / "null.parquet")
    assert [file.reason for file in look(tmp_path / "null.parquet").files] == [
        None,
        "cannot be opened: the row has no picture",
    ]


def test_a_picture_that_changed_since_the_survey_is_not_measured(tmp_path: Path) -> None:
    images = in_tar(tmp_path / "set.tar")
    file = look(images).files[0]
    content = bytearray(images.read_bytes())
    content[file.blob.offset + 20] ^= 1  # type: ignore[union-attr]
    images.write_bytes(content)
    with pytest.raises(Exception, match="changed while it was read"):
        decode(file, PREPROCESSING)


def test_members_of_a_tar_are_never_followed_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(picture(3))
    with tarfile.open(tmp_path / "set.tar", "w") as tar:
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "secret.png"
        tar.addfile(link)
        outside = tarfile.TarInfo("../../outside.png")
        outside.size = len(picture(4))
        tar.addfile(outside, io.BytesIO(picture(4)))
    (file,) = look(tmp_path / "set.tar").files
    assert file.blob is not None
    assert file.blob.read() == picture(4)


def truncated(folder: Path) -> Path:
    whole = in_parquet(folder / "set.parquet").read_bytes()
    (folder / "set.parquet").write_bytes(whole[: len(whole) // 2])
    return folder / "set.parquet"


def no_tar(folder: Path) -> Path:
    (folder / "set.tar").write_bytes(b"not a tar" * 1000)
    return folder / "set.tar"


def compressed(folder: Path) -> Path:
    (folder / "set.tar.gz").write_bytes(b"\x1f\x8b")
    return folder / "set.tar.gz"


def no_pictures(folder: Path) -> Path:
    pyarrow.parquet.write_table(pyarrow.table({"a": [1], "label": ["x"]}), folder / "set.parquet")
    return folder / "set.parquet"


def two_splits(folder: Path) -> Path:
    for split in ("train", "test"):
        in_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder / "data"


@pytest.mark.parametrize(
    ("make", "error", "cause"),
    [
        (truncated, InputError, "cannot be read"),
        (no_tar, InputError, "not a tar that can be read"),
        (compressed, InputError, "compressed tar"),
        (no_pictures, InputError, "no column of pictures"),
        (two_splits, InputError, "holds several sets: test, train"),
        (lambda folder: Path("memory://nowhere/at/all"), InputError, "memory://nowhere/at/all"),
        (lambda folder: Path("gopher9://x/y"), RecipeError, "gopher9"),
    ],
)
def test_what_cannot_be_used_is_one_error(make: Any, error: Any, cause: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=cause) as raised:
        look(make(tmp_path))
    assert "\n" not in raised.value.cause
    assert raised.value.remedy


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    images = in_parquet(tmp_path / "set.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RecipeError, match="pyarrow") as raised:
        look(images)
    assert "[sources]" in raised.value.remedy


def test_only_the_last_parts_stay_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "KEPT_BYTES", 1)
    for file in look(in_parquet(tmp_path / "set.parquet")).files:
        assert file.blob is not None
        file.blob.read()
    assert len(arrow._PARTS.kept) <= arrow.PARTS_KEPT


def test_rows_in_any_order_have_each_group_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = in_parquet(tmp_path / "set.parquet", [PICTURES[n] for n in (4, 0, 8, 2, 6, 1, 5, 3, 7)])
    read: list[int] = []
    part_of = arrow._part
    monkeypatch.setattr(arrow, "_part", lambda *which: (read.append(which[1]), part_of(*which))[1])
    monkeypatch.setattr(arrow, "KEPT_BYTES", 1)
    files = look(images).files
    assert read == [0, 1, 2] * 2  # the words of the rows, then the pictures
    monkeypatch.undo()
    monkeypatch.setattr(arrow, "_part", lambda *which: (read.append(which[1]), part_of(*which))[1])
    read.clear()
    for file in files:
        assert file.blob is not None
        file.blob.read()
    assert sorted(read) == sorted(set(read))


@pytest.mark.parametrize("address", [False, True])
def test_a_file_that_was_written_anew_gives_its_new_pictures(tmp_path: Path, address: bool) -> None:
    for pictures in (PICTURES[:3], [(name, picture(99), *more) for name, _, *more in PICTURES[:3]]):
        images = in_parquet(tmp_path / "set.parquet", pictures)
        images = at_address(images) if address else images
        expected = {hashlib.sha256(data).hexdigest() for _, data, *_ in pictures}
        assert {file.sha256 for file in look(images).files} == expected


def write(file: Path, columns: dict[str, Any]) -> Path:
    table = pyarrow.table(columns)
    if file.suffix == ".parquet":
        pyarrow.parquet.write_table(table, file)
    else:
        with pyarrow.OSFile(str(file), "wb") as sink, pyarrow.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    return file


NAMES = ["a.png", "b.png", "c.png"]
BYTES = [picture(n) for n in range(3)]
SHAPES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing else": ({"image": BYTES}, ["00000000", "00000001", "00000002"]),
    "two names": ({"image": BYTES, "file_name": NAMES, "path": ["x", "x", "y"]}, NAMES),
    "numbers called path": ({"image": BYTES, "path": [7, 8, 9], "file": NAMES}, NAMES),
    "names by dictionary": ({"image": BYTES, "path": pyarrow.array(NAMES).dictionary_encode()}, NAMES),
    "pictures by dictionary": ({"image": pyarrow.array(BYTES).dictionary_encode(), "path": NAMES}, NAMES),
    "a dot in a name": ({"image.width": [1, 2, 3], "meta.size": NAMES, "image": BYTES, "path": NAMES}, NAMES),
    "a dot beside structs": (
        {
            "meta.size": [1, 2, 3],
            "image": [{"bytes": data, "path": name} for name, data in zip(NAMES, BYTES, strict=True)],
        },
        NAMES,
    ),
    "paths and names": ({"image": ["one.bin", "two.bin", "three.bin"], "file_name": NAMES}, NAMES),
}


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize("shape", SHAPES)
def test_columns_of_any_shape_give_names_and_pictures(shape: str, suffix: str, tmp_path: Path) -> None:
    columns, names = SHAPES[shape]
    for name, data in zip(("one.bin", "two.bin", "three.bin"), BYTES, strict=True):
        (tmp_path / name).write_bytes(data)
    files = look(write(tmp_path / f"set{suffix}", columns)).files
    assert [file.shown for file in files] == names
    assert [file.sha256 for file in files] == [hashlib.sha256(data).hexdigest() for data in BYTES]


def test_a_row_that_names_no_file_is_rejected_and_nothing_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "good.png").write_bytes(picture(1))
    columns = {"image": ["/dev/zero", "good.png", "pipe", None, "/proc/kmsg"], "file_name": list("abcde")}
    files = look(write(tmp_path / "set.parquet", columns)).files
    assert [file.reason for file in files] == [
        "cannot be opened: it is a device, not a file",
        None,
        "cannot be opened: it is a pipe, not a file",
        "cannot be opened: it is a folder",
        "cannot be opened: it is made up by the kernel as it is read, no file of a disk",
    ]


@pytest.mark.parametrize("name", ["set.parquet", "set.arrow", "set.tar"])
def test_a_pipe_among_shards_is_one_error(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="it is a pipe"):
        look(tmp_path)


def test_a_folder_of_datasets_is_the_files_that_it_names(tmp_path: Path) -> None:
    saved = in_dataset(tmp_path / "saved")
    expected = told(saved)
    (data,) = saved.glob("*.arrow")
    shutil.copy(data, saved / "cache-0123456789abcdef.arrow")
    assert told(saved) == expected
    (saved / "state.json").write_text('{"_data_files": [{"filename": "../secret.arrow"}]}')
    with pytest.raises(InputError, match=r"state\.json names no files of its folder"):
        look(saved)


@pytest.mark.parametrize("kind", ["file", "local"])
def test_an_address_of_this_machine_begins_at_the_root(kind: str, tmp_path: Path) -> None:
    here = in_tar(tmp_path / "set.tar")
    assert told(Path(f"{kind}://{here}")) == told(here)


class Torn(io.BytesIO):
    """A connection that ends after so many bytes, with an error of its package's own."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 0:
            raise RuntimeError("ClientPayloadError")
        return super().read(size)


@pytest.mark.parametrize("make", [in_tar, in_parquet])
def test_whatever_a_store_raises_is_one_error(
    make: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = make(tmp_path / ("set.tar" if make is in_tar else "set.parquet"))
    there = at_address(here)
    system = type(fsspec.filesystem("memory"))
    monkeypatch.setattr(system, "open", lambda *_, **__: Torn(here.read_bytes()))
    with pytest.raises(InputError, match="ClientPayloadError"):
        look(there)


def test_an_audit_of_a_tar_is_that_of_the_folder(tmp_path: Path, two_at: Any) -> None:
    two = two_at(tmp_path)
    trusted = "trust: {images: 1, steps: 2, random_orders: 2}"

    def edit(text: str) -> str:
        head = text.partition("visualizations:")[0].replace(trusted, "trust: false")
        return head.replace("labels: folder, ", "") + EASY

    recipe = two.recipe(at_most=2, own="", edit=edit)
    checkpoint = tmp_path / "main.safetensors"
    folder = run(recipe, checkpoint, in_folder(tmp_path / "folder"), tmp_path / "one").results
    packed = run(recipe, checkpoint, in_tars(tmp_path / "shards"), tmp_path / "two").results
    assert folder["metrics"]["labelled"] == 9
    assert packed["metrics"]["accuracy"] == folder["metrics"]["accuracy"]

    def answers(results: Any) -> dict[str, Any]:
        return {one["sha256"]: one["predictions"][0]["probability"] for one in results["images"]}

    # in another order other images share a batch, which rounds otherwise
    assert answers(packed) == pytest.approx(answers(folder), abs=1e-6)


EASY = "visualizations: [predictions]\noutput: {pdf: false}\n"
