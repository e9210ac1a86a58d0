"""Every recipe of examples/ runs by the command that its README gives, and shows what it lists.

The recipes are run on one image and with few steps; those of big networks by `make matrix`. Weights
that have to be fetched are stood in for by seeded random ones of the same architecture; recipes for
torchvision's networks are run with EfficientNet-Lite0's real weights besides.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file
from torch import nn

import reportgen
from reportgen.cli import demo
from reportgen.evidence import Evidence
from reportgen.inputs.models.sources import build
from reportgen.recipe import Recipe, load

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "examples").glob("*/*.yaml"))
FETCHED = ("torchvision:", "timm:")  # sources whose weights no checkout holds
SMALL = ("mnist", "two-conv")  # examples whose networks are small
COMMAND = re.compile(r"^reportgen run (\S+) (\S+) --recipe (\S+) --out \S+(?: --allow-code \S+)?$", re.M)
# options that make a visualization cheap and leave its kind as it is
CHEAP: dict[str, dict[str, Any]] = {
    "activation-maximisation": {"steps": 2, "side_px": 32},
    "smoothgrad": {"samples": 2},
    "integrated-gradients": {"steps": 2},
    "score-cam": {"channels": 2},
    "occlusion": {"stride_px": 1000},  # at most the window: no overlap
    "occlusion-class-map": {"stride_px": 1000},
    "occlusion-study": {"stride_px": 1000},
    "rise": {"masks": 4},
    "invariance": {"steps": 3},
    "top-patches": {"channels": 2, "strongest": 2},
}
SMALL_PX = 112  # side of the image for networks that take any


def marked(recipe: str) -> Any:
    small = Path(recipe).parts[1] in SMALL
    return pytest.param(recipe, marks=() if small else pytest.mark.matrix)


def source(recipe: str) -> str:
    return str(yaml.safe_load((ROOT / recipe).read_text(encoding="utf-8"))["model"]["source"])


def command(recipe: str) -> tuple[str, str]:
    """The checkpoint and the images of the one command that the README has for a recipe."""
    readme = ((ROOT / recipe).parent / "README.md").read_text(encoding="utf-8")
    found = [(checkpoint, images) for checkpoint, images, named in COMMAND.findall(readme) if named == recipe]
    assert len(found) == 1, f"{recipe}: its README has {len(found)} commands for it, not one"
    return found[0]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of examples/ to write smaller recipes into: their relative paths stay right."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "examples", folder / "examples")
    return folder


def smaller(recipe: str, checkout: Path, change: Callable[[dict[str, Any]], None]) -> Recipe:
    """The recipe with few steps and windows, without gates and tests of the maps."""
    file = checkout / recipe
    held = yaml.safe_load(file.read_text(encoding="utf-8"))
    change(held)
    for number, shown in enumerate(held["visualizations"]):
        ((name, options),) = shown.items() if isinstance(shown, dict) else ((shown, {}),)
        held["visualizations"][number] = {name: {**(options or {}), **CHEAP.get(name, {})}}
    held.update(gates=[], trust=False, checks=False)
    held["output"] = {"pdf": False}
    small = file.with_suffix(".small.yaml")
    small.write_text(yaml.safe_dump(held, sort_keys=False), encoding="utf-8")
    mnist = checkout / "examples" / "mnist" / "network.py"
    return load(small, [str(mnist), "efficientnet_lite_pytorch"])


def seeded(recipe: Recipe, file: Path) -> Path:
    """A checkpoint of random weights; batch norms know the statistics of noise, so no map dies out."""
    torch.manual_seed(0)
    network = build(recipe.model.source or "", recipe.model.arguments, recipe.folder).eval()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    if norms:
        with torch.no_grad():
            network(torch.randn(4, 3, SMALL_PX, SMALL_PX))
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, file)
    return file


def in_few_pixels(held: dict[str, Any]) -> None:
    held["model"]["preprocessing"].update(resize=SMALL_PX, crop=SMALL_PX)


def with_efficientnet(held: dict[str, Any]) -> None:
    """EfficientNet-Lite0 in place of the model; layers that only the other one names are left out."""
    photos = yaml.safe_load((ROOT / "examples" / "photos" / "recipe.yaml").read_text(encoding="utf-8"))
    held["model"] = photos["model"]
    for shown in held["visualizations"]:
        for options in shown.values() if isinstance(shown, dict) else ():
            for key in {"layer", "layers"} & (options or {}).keys():
                if "." in str(options[key]):  # features.29
                    del options[key]


def shows(recipe: Recipe, checkpoint: Path, images: Path, out: Path) -> None:
    """Runs it on one image and asserts that everything it lists applies and is on the page."""
    reportgen.run(recipe, checkpoint, images, out, limit=1)
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    page = (out / "report.html").read_text(encoding="utf-8")
    listed = {shown.name for shown in recipe.visualizations}
    held = {shown["name"]: shown for shown in Evidence(out / "evidence").manifest["visualizations"]}
    assert held.keys() == listed
    assert {name: shown["reason"] for name, shown in held.items() if not shown["applicable"]} == {}
    (image,) = results["images"]
    assert image["status"] == "ok"
    for name, shown in held.items():
        found = image["findings"] if shown["scope"] == "image" else results["findings"]
        assert name in found
        begins = f"i{image['id']}-{name}" if shown["scope"] == "image" else f"model-{name}"
        mark = '<ol class="answers">' if name == "predictions" else f'id="{begins}'
        assert mark in page, name


def test_there_are_recipes() -> None:
    assert {"examples/inception/recipe.yaml", "examples/mnist/notebook.yaml"} < set(RECIPES)


@pytest.mark.parametrize("recipe", map(marked, RECIPES))
def test_a_recipe_shows_what_it_lists(recipe: str, checkout: Path, tmp_path: Path) -> None:
    if recipe == "examples/photos/recipe.yaml":  # its command is `reportgen demo`
        pytest.importorskip(demo.WEIGHTS_PACKAGE, reason="extra demo is not installed")
        checkpoint, images = demo.checkpoint(), checkout / "examples" / "photos"
    else:
        named, where = command(recipe)
        checkpoint, images = ROOT / named, checkout / where
    fetched = source(recipe).startswith(FETCHED)
    small = smaller(recipe, checkout, in_few_pixels if fetched else lambda held: None)
    if not checkpoint.exists():
        checkpoint = seeded(small, tmp_path / "seeded.safetensors")
    beside = small.second()
    if beside is not None and not (rival := small.folder / small.beside.checkpoint).exists():
        seeded(beside, rival)
    shows(small, checkpoint, images, tmp_path / "out")
    (tmp_path / "seeded.safetensors").unlink(missing_ok=True)  # VGG-16's takes half a gigabyte


@pytest.mark.matrix
@pytest.mark.parametrize("recipe", [held for held in RECIPES if source(held).startswith(FETCHED)])
def test_it_shows_the_same_of_a_trained_network(recipe: str, checkout: Path, tmp_path: Path) -> None:
    pytest.importorskip(demo.WEIGHTS_PACKAGE, reason="extra demo is not installed")
    small = smaller(recipe, checkout, with_efficientnet)
    shows(small, demo.checkpoint(), checkout / command(recipe)[1], tmp_path / "out")


@pytest.mark.parametrize("recipe", [held for held in RECIPES if source(held).startswith(FETCHED)])
def test_the_weights_that_the_readme_fetches_fit_the_recipe(recipe: str) -> None:
    """The line in words: the network it names, the weights' name, the file that the command takes."""
    from torchvision.models import get_model_weights

    readme = ((ROOT / recipe).parent / "README.md").read_text(encoding="utf-8")
    name = source(recipe).partition(":")[2]
    (line,) = re.findall(r"^python -c \"(.+)\"$", readme, re.MULTILINE)
    called, weights, file = re.findall(
        r"torchvision\.models\.(\w+)\(weights='(\w+)'\)\.state_dict\(\), '(\S+)'", line
    )[0]
    assert (called, file) == (name, command(recipe)[0])
    official = get_model_weights(name)[weights]
    assert f"`{official}`" in readme
    preset = official.transforms()
    given = load(ROOT / recipe).model.preprocessing
    assert given != "auto"
    assert (given.resize, given.crop) == (preset.resize_size[0], preset.crop_size[0])
    assert (list(given.mean), list(given.std)) == (preset.mean, preset.std)
    compile(line, "README.md", "exec")
