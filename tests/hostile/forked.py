"""The program as a process of its own, forked from this one, where torch is loaded already."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
import torch
from PIL import Image
from torch import nn

from reportgen import run
from reportgen.cli.commands import main
from reportgen.recipe import load

MODEL = """\
from torch import nn

def build(classes=3):
    body = (nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))
    return nn.Sequential(*body)
"""
RECIPE = """\
title: small
model:
  source: net.py:build
  preprocessing: {crop: 16, mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2]}
run: {device: cpu}
visualizations: [predictions]
checks: false
trust: false
output: {pdf: false}
"""
RUN = ("run", "net.pt", "images", "--recipe", "recipe.yaml", "--quiet", "--out")


class Done(NamedTuple):
    """How a process ended: its exit code, or minus a signal, and what it said."""

    code: int
    out: str
    err: str


def material(folder: Path, classes: int = 3) -> Path:
    """A model, its checkpoint, four images and a recipe that is quick."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.py").write_text(MODEL)
    names: dict[str, Any] = {}
    exec(MODEL, names)
    torch.manual_seed(0)
    network: nn.Module = names["build"](classes)
    torch.save(network.state_dict(), folder / "net.pt")
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / "images").mkdir()
    random = np.random.default_rng(0)
    for number in range(4):
        pixels = random.integers(0, 255, (16, 16, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
    return folder


def forked(
    arguments: Sequence[str],
    folder: Path,
    before: Callable[[], object] = lambda: None,
    out: int | None = None,
    err: int | None = None,
    at_most_s: float = 120,
) -> Done:
    """A command in a process of its own, in a folder. `before` is called there first; `out` and `err` are
    descriptors for what it prints, else that comes back."""
    said = [folder.parent / f".said-{os.getpid()}-{name}" for name in ("out", "err")]
    warm()
    pid = os.fork()
    if not pid:
        _child(arguments, folder, before, [out, err], said)
    end = time.monotonic() + at_most_s
    while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
        if time.monotonic() > end:
            os.kill(pid, 9)
        time.sleep(0.01)
    texts = [path.read_bytes().decode(errors="replace") if path.exists() else "" for path in said]
    for path in said:
        path.unlink(missing_ok=True)
    return Done(os.waitstatus_to_exitcode(ended[1]), *texts)


def _child(
    arguments: Sequence[str],
    folder: Path,
    before: Callable[[], object],
    given: Sequence[int | None],
    said: Sequence[Path],
) -> None:
    """Never returns: what this process was set up for is the other's."""
    code = 99
    try:
        os.chdir(folder)
        for number, (descriptor, path) in enumerate(zip(given, said, strict=True), start=1):
            own = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) if descriptor is None else descriptor
            os.dup2(own, number)
        sys.stdout = sys.__stdout__ = _stream(1, "strict")
        sys.stderr = sys.__stderr__ = _stream(2, "backslashreplace")
        sys.argv = ["reportgen", *arguments]
        torch.set_num_threads(1)
        before()
        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _stream(descriptor: int, errors: str) -> TextIO:
    raw = os.fdopen(descriptor, "wb", buffering=0, closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", errors, line_buffering=True)


@cache
def warm() -> None:
    """Loads once, in this process, what a run loads: each process that is forked has it then."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        room = material(Path(folder) / "room")
        run(load(room / "recipe.yaml"), room / "net.pt", room / "images", room / "out")


def is_told(done: Done, *codes: int) -> None:
    """A line of cause and one of remedy, short, without controls, and one of the exit codes."""
    lines = done.err.splitlines()
    assert done.code in codes, done
    assert [line.partition(":")[0] for line in lines[-2:]] == ["error", "remedy"], done
    assert "Traceback" not in done.err
    assert all(len(line) <= 500 and line.isprintable() for line in lines[-2:]), done
