"""Recipes made to do harm. Promise 1: none calls what nobody allowed. Promise 2: no file that one names is
read without an end. Promise 3: nothing that one asks for has no bound."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from reportgen import files
from reportgen.checks import questions
from reportgen.cli.options import allowed_code
from reportgen.errors import InputError, RecipeError, ReportgenError
from reportgen.inputs.models.permission import permission
from reportgen.inputs.models.sources import build
from reportgen.measure.audit import prepare
from reportgen.probes import methods
from reportgen.recipe import load

NET = """
import os, sys, subprocess
from functools import partial
from pathlib import Path
from torch import nn
from torchvision.models import resnet18

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.relu = nn.ReLU()
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.relu(self.conv(x)).mean((2, 3)))

shell = partial(os.system, "touch canary")
"""
PREPROCESSING = "preprocessing: {resize: null, crop: SIDE, mean: [0.5], std: [0.5]}"
BASE = (
    "model: {source: 'net.py:Net', " + PREPROCESSING + "}\nrun: {device: cpu, batch_size: 2}\ntrust: false\n"
)
CHEAP = "checks: false\nvisualizations: [predictions]\n"


@pytest.fixture(scope="module")
def set_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network beside its recipe, its weights, three pictures."""
    folder = tmp_path_factory.mktemp("stranger")
    (folder / "net.py").write_text(NET)
    space: dict[str, Any] = {}
    exec(NET, space)
    torch.manual_seed(0)
    save_file(space["Net"]().state_dict(), folder / "net.safetensors")
    (folder / "images").mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (28, 28, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
    return folder


@pytest.fixture
def tried(
    set_up: Path, canary: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], ReportgenError | None]]:
    """Reads a recipe and all that it names, up to the first image; gives the refusal, if there is one."""
    monkeypatch.chdir(set_up)

    def run(text: str, side: int = 28) -> ReportgenError | None:
        file = set_up / "recipe.yaml"
        file.write_text(text.replace("SIDE", str(side)), encoding="utf-8")
        try:
            prepare(load(file), set_up / "net.safetensors", set_up / "images", None, False)
        except ReportgenError as error:
            return error
        return None

    yield run
    assert not (set_up / "canary").exists()


def is_told(error: ReportgenError | None, code: int, *words: str) -> None:
    assert isinstance(error, RecipeError if code == 2 else InputError), error
    assert "\n" not in error.cause + error.remedy and error.remedy
    for word in words:
        assert word in error.cause + error.remedy


def test_the_recipe_that_the_others_are_made_of_is_read(tried: Any) -> None:
    assert tried(BASE + CHEAP) is None


# -- promise 1 ----------------------------------------------------------------------------------------

SOURCES: list[tuple[str, str]] = [
    ("os:system", "{command: touch canary}"),
    ("posix:system", "{command: touch canary}"),
    ("subprocess:run", "{args: [touch, canary]}"),
    ("subprocess:getoutput", "{cmd: touch canary}"),
    ("builtins:exec", "{source: x}"),
    ("shutil:copyfile", "{src: net.py, dst: canary}"),
    ("shutil:rmtree", "{path: images}"),
    ("pathlib:Path.touch", "{self: canary}"),
    ("runpy:run_path", "{path_name: net.py}"),
    ("importlib:import_module", "{name: antigravity}"),
    ("urllib.request:urlopen", "{url: 'http://127.0.0.1:9'}"),
    ("torch:load", "{f: net.safetensors}"),
    ("torch.hub:load", "{repo_or_dir: a/b, model: c}"),
    ("torch.jit:load", "{f: net.safetensors}"),
    ("torch.utils.cpp_extension:load", "{name: a, sources: [canary]}"),
    ("numpy:save", "{file: canary, arr: [1]}"),
    ("torchvision:os.system", "{}"),
    ("torchvision.io:write_file", "{filename: canary, data: x}"),
    ("torchvision.datasets:MNIST", "{root: canary, download: true}"),
    ("torchvision.datasets.utils:download_url", "{url: 'http://127.0.0.1:9', root: canary}"),
    ("torchvision.models:resnet18", "{weights: DEFAULT}"),
    ("torchvision.models:get_model", "{name: resnet18, weights: DEFAULT}"),
    ("torchvision.models.resnet:load_state_dict_from_url", "{url: 'http://127.0.0.1:9'}"),
    ("torchvision:resnet18", "{weights: DEFAULT}"),
    ("net.py:os.system", "{command: touch canary}"),
    ("net.py:subprocess.getoutput", "{cmd: touch canary}"),
    ("net.py:Path.touch", "{self: canary}"),
    ("net.py:shell", "{}"),
    ("net.py:sys.exit", "{}"),
    ("net.py:Net.__init__.__globals__", "{}"),
    ("net.py:Net.__subclasses__", "{}"),
    ("../elsewhere.py:Net", "{}"),
    ("/usr/lib/python3/elsewhere.py:Net", "{}"),
    (f"{os.__file__}:system", "{command: touch canary}"),
    ("reportgen.evidence.files:write_whole", "{path: canary, data: x}"),
    ("efficientnet_lite_pytorch:EfficientNet.from_pretrained", "{model_name: x, weights_path: canary}"),
    ("hf-hub:a/b", "{}"),
    ("timm:hf-hub:a/b", "{}"),
    ("timm:local-dir:images", "{}"),
]


@pytest.mark.parametrize(("source", "arguments"), SOURCES, ids=[source for source, _ in SOURCES])
def test_promise_1_code_that_nobody_allowed_is_not_called(source: str, arguments: str, tried: Any) -> None:
    error = tried(f"model: {{source: '{source}', arguments: {arguments}, {PREPROCESSING}}}\n" + CHEAP)
    is_told(error, 2)
    if not any(known in error.cause for known in ("fetch", "hub", "names a folder", "unknown", "has no")):
        is_told(error, 2, "not allowed", "--allow-code")


def test_promise_1_a_folder_that_is_called_like_a_module_lends_its_name_to_none(tmp_path: Path) -> None:
    """`posix` is a module of Python's own, whatever lies beside the recipe."""
    for top in ("posix", "subprocess"):
        (tmp_path / top).mkdir()
        (tmp_path / top / "__init__.py").write_text("")
        with pytest.raises(RecipeError, match="not allowed"):
            source = f"{top}:system"
            build(source, {}, tmp_path, permission(source, tmp_path, ()))


@pytest.mark.parametrize(
    ("source", "allowed"),
    [("net.py:Net", ()), ("torchvision:resnet18", ()), ("net.py:resnet18", ()), ("net:Net", ()),
     ("torchvision.models:resnet18", ()), ("{folder}/net.py:Net", ()), ("../{name}/net.py:Net", ()),
     ("deep/../net.py:Net", ()), ("other.py:Other", ()), ("torch.nn:Identity", ("torch.nn",))],
)  # fmt: skip
def test_promise_1_what_lies_beside_the_recipe_or_is_allowed_is_called(
    source: str, allowed: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "deep").mkdir()
    (tmp_path / "other.py").write_text("from torch import nn\nOther = nn.Identity\n")
    source = source.format(folder=tmp_path, name=tmp_path.name)
    assert build(source, {}, tmp_path, permission(source, tmp_path, allowed)) is not None


def test_promise_1_a_file_elsewhere_is_called_where_the_command_line_names_it(tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "net.py").write_text(NET)
    source, base = "../net.py:Net", tmp_path / "recipes"
    with pytest.raises(RecipeError, match="not allowed"):
        permission(source, base, ())
    may = permission(source, base, (str(tmp_path / "net.py"),))
    assert build(source, {}, base, may) is not None
    assert "allowed on the command line" in may.words


def written(path: Path, text: str = "import os\nrun = os.system\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


INSTALLED = (
    ".venv/lib/python3.11/site-packages/lib/run.py", "env/Lib/site-packages/run.py",
    "bare/lib/python3.12/run.py", "usr/lib/python3/dist-packages/run.py", "__pypackages__/3.11/lib/run.py",
    "vendor/run.py", "other/bin/run.py", "node_modules/gyp/run.py", "deps/run.py",
)  # fmt: skip


@pytest.mark.parametrize("name", INSTALLED)
def test_promise_1_what_is_installed_below_the_recipe_is_not_beside_it(name: str, tmp_path: Path) -> None:
    """By name, by what lies in its folder, or by where a link leads."""
    if name.startswith("deps"):
        written(tmp_path / ".venv/lib/python3.11/site-packages/run.py")
        (tmp_path / "deps").symlink_to(tmp_path / ".venv/lib/python3.11/site-packages")
    file = written(tmp_path / name, "def run(): ...\n") if not (tmp_path / name).exists() else tmp_path / name
    written(tmp_path / "vendor/lib-1.dist-info/METADATA")
    written(tmp_path / "other/pyvenv.cfg")
    with pytest.raises(RecipeError, match="is installed"):
        permission(f"{name}:run", tmp_path, ())
    assert "allowed on the command line" in permission(f"{name}:run", tmp_path, (str(file),)).words
    named = permission(f"{name}:run", tmp_path, (str(file.parent),)).words
    assert "allowed on the command line" in named


def test_promise_1_this_python_s_own_modules_are_beside_no_recipe_above_them(tmp_path: Path) -> None:
    for file in (os.__file__, torch.__file__, pytest.__file__):
        for base in (Path("/"), Path(file).parent.parent):
            with pytest.raises(RecipeError, match="is installed"):
                permission(f"{file}:run", base, ())


def test_promise_1_a_recipe_in_an_installed_package_has_its_own_beside_it(tmp_path: Path) -> None:
    base = tmp_path / ".venv/lib/python3.11/site-packages/package/examples"
    written(base / "net.py", NET)
    assert build("net.py:Net", {}, base, permission("net.py:Net", base, ())) is not None
    (tmp_path / "link").symlink_to(base)
    assert build("net.py:Net", {}, tmp_path / "link", permission("net.py:Net", tmp_path / "link", ()))


def test_promise_1_what_a_file_takes_from_elsewhere_is_called_where_the_remedy_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "lib" / "otherlib" / "core.py", NET)
    written(tmp_path / "lib" / "otherlib" / "__init__.py", "from otherlib.core import Net\n")
    net = written(tmp_path / "room" / "net.py", "from otherlib import Net\n")
    monkeypatch.syspath_prepend(tmp_path / "lib")
    source, base = "net.py:Net", tmp_path / "room"
    with pytest.raises(RecipeError, match=r"otherlib\.core") as refused:
        build(source, {}, base, permission(source, base, (str(net),)))
    named = refused.value.remedy.partition("--allow-code ")[2].partition(";")[0]
    assert named == "otherlib.core"
    for allowed in ((named,), ("otherlib",), (str(net), named), (str(net), str(tmp_path / "lib"))):
        assert build(source, {}, base, permission(source, base, allowed)) is not None
    for given in ({"model": source, "allow_code": ["otherlib"]}, {"allow_code": ["net.py", "otherlib"]}):
        assert build(source, {}, base, permission(source, base, allowed_code(given))) is not None


def test_promise_1_the_command_line_s_network_of_a_library_allows_no_more_of_it(tmp_path: Path) -> None:
    allowed = allowed_code({"model": "torchvision:resnet18"})
    source = "torchvision.io:write_file"
    with pytest.raises(RecipeError, match="not allowed"):
        build(source, {"filename": "canary"}, tmp_path, permission(source, tmp_path, allowed))


@pytest.mark.parametrize(
    "source",
    ["torchvision.models.detection:ssdlite320_mobilenet_v3_large", "detect.py:lraspp", "detect.py:part"],
)
@pytest.mark.parametrize("everything", [False, True])
def test_promise_1_a_library_s_network_fetches_nothing(
    source: str, everything: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some fetch the weights of their first layers unless they are told."""
    text = "from torchvision.models.segmentation import lraspp_mobilenet_v3_large as lraspp\n"
    written(tmp_path / "detect.py", text + "from functools import partial\npart = partial(lraspp)\n")

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("fetched")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refused)
    may = permission(source, tmp_path, None if everything else ())
    assert build(source, {}, tmp_path, may) is not None
    with pytest.raises(RecipeError, match="would fetch"):
        build(source, {"weights_backbone": "DEFAULT"}, tmp_path, may)


# -- promise 2 ----------------------------------------------------------------------------------------

NAMED = {
    "model.classes": "model: {source: 'net.py:Net', classes: PLACE, " + PREPROCESSING + "}\n" + CHEAP,
    "images.labels": BASE + CHEAP + "images: {labels: PLACE}\n",
    "images.parts": BASE + CHEAP + "images: {parts: PLACE}\n",
    "images.training": BASE + "visualizations: []\nchecks: {only: [leakage]}\nimages: {training: PLACE}\n",
    "images.foreign": BASE + "visualizations: []\nchecks: {only: [foreign]}\nimages: {foreign: PLACE}\n",
    "evolution": BASE + "checks: false\nvisualizations: [{evolution: {checkpoints: [PLACE, PLACE]}}]\n",
    "log": BASE
    + "checks: false\nvisualizations: [{evolution: {checkpoints: [net.safetensors], log: PLACE}}]\n",
    "beside": BASE + CHEAP + "beside: {checkpoint: PLACE}\n",
}
OF_THE_RECIPE = ("model.classes", "images.training", "images.foreign")  # their errors say where in it
PLACES = ("/dev/zero", "/proc/kmsg", "/proc/self/mem", "pipe", "nowhere", "large.txt")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("key", NAMED)
def test_promise_2_no_file_that_is_named_is_read_without_an_end(
    key: str, place: str, tried: Any, set_up: Path
) -> None:
    if place == "pipe" and not (set_up / place).exists():
        os.mkfifo(set_up / place)
    if place == "large.txt" and not (set_up / place).exists():
        with (set_up / place).open("wb") as sparse:
            sparse.truncate(1 << 40)
    is_told(tried(NAMED[key].replace("PLACE", place)), 2 if key in OF_THE_RECIPE else 3)


@pytest.mark.parametrize("place", ["/dev/zero", "/proc/kmsg", "pipe", "images", "loop"])
def test_promise_2_a_recipe_is_a_file(place: str, set_up: Path) -> None:
    path = set_up / place
    if place == "pipe" and not path.exists():
        os.mkfifo(path)
    if place == "loop" and not path.is_symlink():
        path.symlink_to(path)
    with pytest.raises(RecipeError) as caught:
        load(path if not place.startswith("/") else Path(place))
    is_told(caught.value, 2, "cannot read the recipe")


def test_promise_2_links_out_of_the_recipe_s_folder_are_said(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "classes.txt").symlink_to(tmp_path / "names.txt")
    (tmp_path / "r" / "recipe.yaml").write_text("model: {classes: classes.txt}\n")
    (said,) = load(tmp_path / "r" / "recipe.yaml").links()
    assert "'classes.txt'" in said and "names.txt" in said


def test_promise_2_only_what_names_a_file_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").write_text("x")
    room = tmp_path / "r"
    room.mkdir()
    for name in ("cat", "a.pt", "log.csv", "theme", "labels.csv", "own.txt", "past", "auto"):
        (room / name).symlink_to(tmp_path / "elsewhere")
    classes = [f"class {n}" for n in range(5_000)]
    data = {
        "title": "cat", "targets": ["cat"], "model": {"classes": [*classes, "cat"]},
        "beside": {"checkpoint": "a.pt", "model": {"classes": "own.txt"}},
        "images": {"labels": "labels.csv", "groups": ["cat"]}, "output": {"theme": "theme"},
        "history": "past",
        "visualizations": ["saliency", {"evolution": {"checkpoints": ["a.pt"], "log": "log.csv"}}],
    }  # fmt: skip
    (room / "recipe.yaml").write_text(json.dumps(data))
    asked: list[Path] = []
    real = files.leads_out
    monkeypatch.setattr(files, "leads_out", lambda path, root: asked.append(path) or real(path, root))
    said = load(room / "recipe.yaml").links()
    assert sorted(path.name for path in asked) == [
        "a.pt", "labels.csv", "log.csv", "own.txt", "past", "theme",
    ]  # fmt: skip
    assert len(said) == 6 and not any("'cat'" in note for note in said)


# -- promise 3 ----------------------------------------------------------------------------------------

BILLION = 10**9


def options() -> Iterator[tuple[str, str, str]]:
    """Every option of every visualization and check that may be a number."""
    for kind, several in (("visualizations", methods()), ("checks", questions())):
        for name, one in several.items():
            for field in dataclasses.fields(getattr(one, "probe", None) or one.check):
                if "int" in str(field.type).lower() or "float" in str(field.type).lower():
                    yield kind, name, field.name


@pytest.mark.parametrize(("kind", "name", "option"), list(options()))
def test_promise_3_no_option_takes_a_billion(kind: str, name: str, option: str, tmp_path: Path) -> None:
    if option == "seed":
        return
    file = tmp_path / "r.yaml"
    file.write_text(f"{kind}: [{{{name}: {{{option}: {BILLION}}}}}]\n")
    with pytest.raises(RecipeError) as caught:
        load(file)
    assert ":1:" in caught.value.cause


PRICED = {
    "smoothgrad": "{samples: 900000}",
    "integrated-gradients": "{steps: 900000}",
    "rise": "{masks: 900000}",
    "occlusion": "{window_px: 1, stride_px: 1}",
    "occlusion-class-map": "{window_px: 1, stride_px: 1}",
    "activation-maximisation": "{steps: 999999}",
}


@pytest.mark.parametrize("name", PRICED)
def test_promise_3_what_is_asked_for_is_priced_before_it_runs(name: str, tried: Any) -> None:
    began = time.process_time()
    error = tried(BASE + f"checks: false\nvisualizations: [{{{name}: {PRICED[name]}}}]\n", side=224)
    is_told(error, 2, name, "at most", "recipe.yaml:5:")
    assert any(word.replace(",", "").isdigit() for word in error.cause.split()), error.cause
    assert time.process_time() - began < 60  # of the processor: it did not run


ENDLESS: dict[str, str] = {
    "targets of 140,000 numbers": "targets: [" + ",".join(map(str, range(140_000))) + "]\n",
    "targets of a hundred thousand of the best": "targets: top-100000\n",
    "targets of a number of 5,000 digits": "targets: top-" + "9" * 5000 + "\n",
    "a number of 300 digits in options": f"visualizations: [{{smoothgrad: {{samples: {10**299}}}}}]\n",
    "a batch of a billion": "run: {batch_size: 1000000000}\n",
    "a seed beyond": f"run: {{seed: {1 << 70}}}\n",
    "figures of 1e18": f"images: {{show: {{at_most: {10**18}}}}}\n",
    "a picture of 16,384 px": "model: {preprocessing: {crop: 16384, mean: [0.5], std: [0.5]}}\n",
    "a resize to 16,384 px": "model: {preprocessing: {resize: [16384, 16384], mean: [0.5], std: [0.5]}}\n",
    "a thousand channels": f"model: {{preprocessing: {{crop: 8, mean: {[0.5] * 1000}, std: [0.5]}}}}\n",
    "a page of 1e9 MB": "output: {html: {at_most_mb: 1000000000}}\n",
    "cards of 1e9": "output: {pdf: {cards: 1000000000}}\n",
    "tests of 1e9 images": "trust: {images: 1000000000}\n",
    "dear tests of 1e9 images": "trust: {dear: 1000000000}\n",
    "a sample of 1e9": "checks: {sample: 1000000000}\n",
    "ten thousand groups": f"images: {{groups: {list(range(10_000))}}}\n".replace("0,", "'0',"),
    "ten thousand layers": f"visualizations: [{{feature-maps: {{layers: {list(range(10_000))}}}}}]\n",
    "pictures of 1e9 megapixels": "images: {at_most_megapixels: 1000000000}\n",
    "anchors that grow": "a: &a [x, x]\nb: &b [*a, *a]\n",
    "a merge": "a: {<<: {b: 1}}\n",
    "a tag of Python": "title: !!python/object/apply:os.system ['touch canary']\n",
    "a tag": "title: !!binary aGVsbG8=\n",
    "a thousand brackets": "title: " + "[" * 1000 + "]" * 1000 + "\n",
    "a thousand braces": "{a: " * 1000 + "1" + "}" * 1000 + "\n",
    "two documents": "title: a\n---\ntitle: b\n",
    "a number beyond": "targets: 1e999\n",
    "a number of 400 digits": "targets: " + "9" * 400 + "\n",
    "two megabytes": "# " + "x" * 2_000_000 + "\n",
    "a byte that is no text": "title: \udcff\n",
    "a null": "title: \0\n",
    "an escape": "title: \x1b[2J\n",
    "a mark of direction as a key": "\u202ename: x\n",
    "a key twice": "title: a\ntitle: b\n",
    "a list as a key": "? [a]\n: b\n",
    "a tab": "model:\n\tsource: x\n",
    "a name of a hundred thousand letters": "visualizations: [" + "x" * 100_000 + "]\n",
    "a check that nobody knows, often": "checks: {only: [" + ",".join(f"x{n}" for n in range(5000)) + "]}\n",
    "a visualization often": "visualizations: [" + ",".join(["saliency"] * 20_000) + "]\n",
    "gates on nothing, often": "gates: [" + ",".join(["{metric: acuracy, min: 1}"] * 500) + "]\n",
    "a duration without an end": "run: {budget: 99999999999h}\n",
    "a theme that climbs, as a number": "output: {theme: 7}\n",
}


@pytest.mark.parametrize("what", ENDLESS)
def test_promise_3_a_recipe_that_asks_for_no_end_is_refused(what: str, canary: Path, tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_bytes(ENDLESS[what].encode("utf-8", "surrogateescape"))
    with pytest.raises(RecipeError) as caught:
        load(file)
    is_told(caught.value, 2)


def test_there_are_enough_of_them() -> None:
    assert len(SOURCES) + len(NAMED) * len(PLACES) + len(ENDLESS) + len(PRICED) >= 100
