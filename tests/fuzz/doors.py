"""The doors: what is done with a file's bytes, and files to begin with. A door may refuse in our own words,
and do nothing else: any other exception is a find."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from hostile import pickles
from hostile import test_checkpoints as checkpoints
from hostile import test_images as images
from hostile import test_recipes as recipes
from PIL import Image
from safetensors.torch import save

from reportgen.errors import ReportgenError
from reportgen.inputs import ImageFile, stream
from reportgen.inputs.checkpoints import reading
from reportgen.inputs.images.listing import hashed
from reportgen.inputs.programs.loading import kind_of, load_program
from reportgen.recipe import load
from reportgen.recipe.starter import starter
from reportgen.report.render import themes


class Door(NamedTuple):
    """What is done with the bytes, and the files that are changed."""

    tried: Callable[[bytes], None]
    seeds: list[bytes]


FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))


def checkpoint(data: bytes) -> None:
    """In this process, without the child: what would end that is to be found."""
    file = FOLDER / "file.pt"
    file.write_bytes(data)
    if kind := kind_of(file):
        load_program(file, kind)
    else:
        reading._read("file.pt", data, "", None, check=True)


def image(data: bytes) -> None:
    for suffix in (".png", ".npy"):
        file = FOLDER / f"file{suffix}"
        file.write_bytes(data)
        for _ in stream([hashed(ImageFile(0, file, file.name))], images.TO_MODEL):
            pass


def recipe(data: bytes) -> None:
    file = FOLDER / "recipe.yaml"
    file.write_bytes(data)
    load(file)


def theme(data: bytes) -> None:
    folder = FOLDER / "theme"
    folder.mkdir(exist_ok=True)
    (folder / "tokens.css").write_bytes(data)
    themes.theme(str(folder))


@contextmanager
def without_a_child() -> Iterator[None]:
    """Reads checkpoints in this process: a fork each time would be most of the work."""
    from reportgen.inputs.programs import loading

    kept = loading.rehearsed
    loading.rehearsed = lambda *_arguments, **_named: None
    try:
        yield
    finally:
        loading.rehearsed = kept


def doors() -> dict[str, Door]:
    """Every door by its name."""
    state = {"a.weight": torch.randn(3, 4), "a.bias": torch.randn(3)}
    zipped, legacy = io.BytesIO(), io.BytesIO()
    torch.save({"state_dict": state, "classes": ["a", "b"]}, zipped)
    torch.save({"state_dict": state}, legacy, _use_new_zipfile_serialization=False)
    arrays = io.BytesIO()
    np.savez(arrays, **{key: value.numpy() for key, value in state.items()})
    pictures = [images.encoded(form) for form in images.FORMS.values()]
    sixteen = images.encoded("PNG", Image.fromarray(np.arange(120, dtype=np.uint16).reshape(10, 12)))
    weights = [
        zipped.getvalue(),
        legacy.getvalue(),
        arrays.getvalue(),
        save(state),
        pickles.zipped(checkpoints.ONE),
    ]
    tokens = (Path(__file__).resolve().parents[2] / "themes" / "default" / "tokens.css").read_bytes()
    texts = [
        starter().encode(),
        *(t.encode("utf-8", "surrogateescape") for t in recipes.ENDLESS.values() if len(t) < 3000),
    ]
    return {
        "checkpoint": Door(
            checkpoint, [*weights, *(c for c in checkpoints.OTHER.values() if len(c) < 20_000)]
        ),
        "image": Door(image, [*pictures, sixteen, images.npy("(4, 4)")]),
        "recipe": Door(recipe, texts),
        "theme": Door(theme, [tokens, b":root { --ink: #123456; }\n"]),
    }


def refuses(door: Door, data: bytes) -> bool:
    """Whether the door refused the file; anything but a refusal in our words is raised."""
    try:
        door.tried(data)
    except ReportgenError as error:
        assert error.remedy and "\n" not in error.cause + error.remedy, error
        return True
    return False
