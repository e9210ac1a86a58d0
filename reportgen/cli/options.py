"""The arguments and options of the commands, and which of them speak for a key of the recipe."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from reportgen.errors import Unwritable

Checkpoint = Annotated[
    Path, typer.Argument(help="A .safetensors, .pt, .pth or .ckpt state dict, or a save_pretrained folder.")
]
Images = Annotated[Path, typer.Argument(help="A folder, list, CSV, image, Parquet, tars, an address.")]
RecipeFile = Annotated[Path | None, typer.Option("--recipe", help="A recipe; the default has all.")]
Out = Annotated[
    str, typer.Option("--out", metavar="PATH", help="The report's folder; replaced when whole.")
]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
Model = Annotated[
    str | None,
    typer.Option("--model", help="torchvision:NAME, timm:NAME, package:callable, file.py:callable."),
]
AllowCode = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-code", metavar="MODULE|FILE", help="Code that the recipe may call; can be given again."
    ),
]
Labels = Annotated[str | None, typer.Option("--labels", help="A CSV with path,label; folder; none.")]
Beside = Annotated[
    Path | None, typer.Option("--beside", help="A second model's checkpoint, shown side by side.")
]
BesideModel = Annotated[
    str | None, typer.Option("--beside-model", help="What it belongs to; as --model without.")
]
Baseline = Annotated[
    Path | None, typer.Option("--baseline", help="An earlier report: what changed since, and its limits.")
]
History = Annotated[
    Path | None, typer.Option("--history", help="A folder of earlier reports, to go on with.")
]
Keep = Annotated[
    int | None,
    typer.Option("--keep", min=1, help="Reports beside --out that stay whole; older ones are thinned."),
]
Latest = Annotated[bool, typer.Option("--latest", help="Point the links latest and latest-good at it.")]
Foreign = Annotated[
    Path | None, typer.Option("--foreign", help="Pictures that are not of the task: a folder, list, CSV.")
]
Preset = Annotated[
    str | None, typer.Option("--preset", help="quick, standard or full, where the recipe says nothing.")
]
Budget = Annotated[
    str | None, typer.Option("--budget", help="90s, 10min, 2h: what does not fit is left out.")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N images.")]
NoPdf = Annotated[bool, typer.Option("--no-pdf", help="Write no report.pdf.")]
SaveMaps = Annotated[bool, typer.Option("--save-maps", help="Write maps/<id>.npz, raw float32.")]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes, or Ray actors, that share the images.")
]
Engine = Annotated[
    Literal["local", "ray"],
    typer.Option("--engine", help="local, or ray: the images are shared out in a Ray cluster."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="A traceback with an error.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 70 where a check itself failed.")]
Json = Annotated[bool, typer.Option("--json", help="The result as JSON.")]
Folder = Annotated[Path, typer.Argument(help="A folder that `reportgen run` wrote.")]


def folder_of(out: str) -> Path:
    """The folder that --out names. Raises Unwritable where it names none, which is no name for the working
    folder: a variable may be empty that should not be."""
    if not out.strip() or "\0" in out:
        cause = "--out is empty, or holds a null character: it names no folder"
        raise Unwritable(cause, "name a folder; `.` is the working folder")
    return Path(out)


def _as_it_is(value: Any, folder: Path) -> Any:
    return value


def _labels(value: Any, folder: Path) -> str:
    """A CSV that the command line names is in the working folder, not the recipe's."""
    return value if value in ("auto", "none", "folder", "imagefolder") else os.path.relpath(value, folder)


def _no_pdf(value: Any, folder: Path) -> bool | None:
    return False if value else None


# a command's parameter, the key of the recipe that it speaks for, and the value there: of what was given
# and the folder that the recipe's relative paths start from
RECIPE_KEYS: dict[str, tuple[str, Callable[[Any, Path], Any]]] = {
    "device": ("run.device", _as_it_is),
    "model": ("model.source", _as_it_is),
    "labels": ("images.labels", _labels),
    "foreign": ("images.foreign", os.path.relpath),
    "preset": ("run.preset", _as_it_is),
    "budget": ("run.budget", _as_it_is),
    "beside": ("beside.checkpoint", os.path.relpath),
    "beside_model": ("beside.model.source", _as_it_is),
    "history": ("history", os.path.relpath),
    "no_pdf": ("output.pdf", _no_pdf),
}


NETWORKS = ("torchvision", "timm")  # torchvision:resnet18 names one of its networks, and no code of it


def allowed_code(given: Mapping[str, Any]) -> tuple[str, ...]:
    """What a recipe's source may call besides what always may: what the command line allows, and what it
    names itself as a model; not all of a library where that is one of its networks."""
    named = [given.get(option) for option in ("model", "beside_model")]
    places = [source.rpartition(":")[0] for source in named if source]
    named_too = [place for place in places if place and place not in NETWORKS]
    return (*(given.get("allow_code") or ()), *named_too)


def recipe_values(given: Mapping[str, Any], folder: Path) -> dict[str, object]:
    """What a command's parameters say instead of a recipe in `folder`, by its keys."""
    values = {
        key: value(given[name], folder)
        for name, (key, value) in RECIPE_KEYS.items()
        if given.get(name) is not None
    }
    return {key: value for key, value in values.items() if value is not None}
