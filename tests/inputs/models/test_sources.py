"""A network from a source's words, and every way in which that can be wrong."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest
import torch
from torch import nn

from reportgen.errors import InputError, RecipeError
from reportgen.inputs.models.auto_preprocessing import for_model
from reportgen.inputs.models.sources import build
from reportgen.recipe import Recipe

NET = """
from dataclasses import dataclass
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width: int = 4, num_classes: int = 2) -> None:
        super().__init__()
        self.fc = nn.Linear(width, num_classes)

    @classmethod
    def wide(cls, width=64): return cls(width)

def words(): return "a network"
def broken():
    raise ValueError("no such width")
def leaves(): raise SystemExit(3)
made = Net(7)
"""


def file(folder: Path, text: str = NET, name: str = "net.py") -> Path:
    (folder / name).write_text(text)
    return folder


def test_torchvision_by_name_without_fetching_anything():
    network = build("torchvision:resnet18", {"num_classes": 5}, Path())
    assert network.fc.out_features == 5
    assert build("torchvision:ResNet18", {}, Path()).fc.out_features == 1000


def test_the_auxiliary_heads_are_as_asked_for():
    assert build("torchvision:googlenet", {"aux_logits": False}, Path()).aux1 is None
    assert build("torchvision:googlenet", {"aux_logits": True}, Path()).aux1 is not None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet81", "did you mean 'resnet18'"),
        ("mobilnet_v2", "did you mean 'mobilenet_v2'"),
        ("raft_small", "not a classifier"),
    ],
)
def test_unknown_torchvision_names(name, words):
    with pytest.raises(RecipeError, match=words):
        build(f"torchvision:{name}", {}, Path())


@pytest.mark.parametrize("key", ["weights", "pretrained", "weights_backbone"])
def test_arguments_that_would_fetch_weights_are_refused(key):
    with pytest.raises(RecipeError, match=f"'{key}' would fetch"):
        build("torchvision:resnet18", {key: "DEFAULT"}, Path())


@pytest.mark.parametrize("arguments", [{"num_clases": 5}])
def test_a_misspelt_argument(arguments, tmp_path):
    with pytest.raises(RecipeError, match="did you mean 'num_classes'"):
        build("net.py:Net", arguments, file(tmp_path))


def test_a_value_that_the_builder_refuses_is_an_input_error():
    with pytest.raises(InputError, match="cannot be built"):
        build("torchvision:resnet18", {"num_classes": "five"}, Path())


def test_a_callable_in_a_file(tmp_path):
    base = file(tmp_path)
    assert build("net.py:Net", {"width": 9}, base).fc.in_features == 9
    assert build("net.py:Net.wide", {}, base).fc.in_features == 64
    assert build("net.py:made", {}, base).fc.in_features == 7
    assert build(f"{base}/net.py:Net", {}, Path()).fc.in_features == 4
    (tmp_path / "sub").mkdir()
    file(tmp_path / "sub")
    assert isinstance(build("sub/net.py:Net", {}, base), nn.Module)


def test_a_file_may_import_its_neighbour_and_leaves_the_path_alone(tmp_path):
    file(tmp_path, "from torch import nn\nBlock = nn.Identity\n", "neighbour_of_net.py")
    file(
        tmp_path,
        "from neighbour_of_net import Block\ndef make():\n    import neighbour_of_net\n    return Block()\n",
    )
    before = list(sys.path)
    assert isinstance(build("net.py:make", {}, tmp_path), nn.Identity)
    assert sys.path == before


def test_a_file_may_define_a_dataclass(tmp_path):
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom torch import nn\n"
        "@dataclass\nclass Size:\n    width: int = 3\ndef make(): return nn.Linear(Size().width, 1)\n"
    )
    assert build("net.py:make", {}, file(tmp_path, text)).in_features == 3


def test_prints_of_the_users_code_do_not_reach_stdout(tmp_path, capsys):
    text = "print('hello')\nfrom torch import nn\ndef make():\n    print('made')\n    return nn.Identity()\n"
    build("net.py:make", {}, file(tmp_path, text))
    out, err = capsys.readouterr()
    assert out == ""
    assert "hello" in err and "made" in err


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("net.py:Ned", "did you mean 'Net'"),
        ("net.py:Net.wyde", "did you mean 'wide'"),
        ("nett.py:Net", r"did you mean 'net\.py'"),
        ("net.py:words", "returned a str"),
        ("net.py:nn", "not callable"),
        ("net.py:", "does not name a model"),
        ("resnet50", "does not name a model"),
        (":x", "does not name a model"),
        ("torchvison:resnet50", "did you mean 'torchvision'"),
        ("no_such_package_at_all:x", "no module is named 'no_such_package_at_all'"),
        ("torch.nnn:Linear", r"no module is named 'torch\.nnn'"),
        ("torch.nn:Linnear", "did you mean 'Linear'"),
        ("torch.nn:Linear", "do not fit"),
    ],
)
def test_words_that_name_no_network(tmp_path, source, words):
    with pytest.raises(RecipeError, match=words) as caught:
        build(source, {}, file(tmp_path))
    assert caught.value.exit_code == 2 and caught.value.remedy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\nraise KeyError('gone')\n", r"net\.py:2: KeyError: 'gone'"),
        ("def f(:\n", r"net\.py:1: SyntaxError"),
        ("\nimport no_such_dependency_here\n", r"net\.py:2: ModuleNotFoundError"),
        ("import sys\nsys.exit('usage')\n", r"net\.py:2: SystemExit: usage"),
        ("\n\n'\0'\n", "net.py"),
    ],
)
def test_a_file_that_fails_says_the_line(tmp_path, text, words):
    with pytest.raises(InputError, match=words) as caught:
        build("net.py:make", {}, file(tmp_path, text))
    assert "\n" not in caught.value.cause
    assert "reportgen_model_net" not in sys.modules


def test_a_callable_that_fails_says_the_line(tmp_path):
    line = NET.splitlines().index('    raise ValueError("no such width")') + 1
    with pytest.raises(InputError, match=rf"net\.py:{line}: ValueError: no such width"):
        build("net.py:broken", {}, file(tmp_path))
    with pytest.raises(InputError, match="SystemExit"):
        build("net.py:leaves", {}, file(tmp_path))


def test_code_that_reads_arguments_when_imported_does_not_get_ours(tmp_path, monkeypatch):
    """A training script as the model's file: `--model` and `--limit` of our command are not its options."""
    ours = ["reportgen", "run", "c.pt", "images", "--limit", "7"]
    monkeypatch.setattr(sys, "argv", ours)
    reads = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--limit', type=int, default=4)\n"
    taken = f"{reads}args = p.parse_args()\n{NET}\ndef sized(): return Net(args.limit)\n"
    assert build("net.py:sized", {}, file(tmp_path, taken)).fc.in_features == 4
    assert sys.argv is ours
    asks = f"{reads}p.add_argument('--data', required=True)\np.parse_args()\n{NET}"
    with pytest.raises(InputError) as caught:
        build("asks.py:Net", {}, file(tmp_path, asks, "asks.py"))
    assert "asks.py:5: SystemExit" in caught.value.cause and "__main__" in caught.value.remedy
    assert sys.argv is ours


def test_a_package_whose_own_dependency_is_missing_is_not_called_unknown(tmp_path, monkeypatch):
    file(tmp_path, "import no_such_dependency_here\n", "package_with_a_gap.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match="no_such_dependency_here"):
        build("package_with_a_gap:make", {}, Path())


def test_a_dotted_attribute_of_a_package():
    network = build(
        "efficientnet_lite_pytorch:EfficientNet.from_name",
        {"model_name": "efficientnet-lite0"},
        Path(),
    )
    assert sum(p.numel() for p in network.parameters()) == 4_652_008


def test_timm_where_it_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(RecipeError, match="timm is not installed"):
        build("timm:resnet18", {}, Path())


def test_timm_is_asked_by_name_and_never_for_its_weights(monkeypatch):
    timm = types.ModuleType("timm")
    timm.list_models = lambda: ["resnet18", "vit_tiny"]
    timm.is_model = lambda name: name in timm.list_models()
    timm.create_model = lambda model_name, pretrained, **more: nn.Linear(
        len(model_name), more["n"], pretrained
    )
    monkeypatch.setitem(sys.modules, "timm", timm)
    network = build("timm:resnet18", {"n": 3}, Path())
    assert (network.in_features, network.out_features, network.bias) == (8, 3, None)
    with pytest.raises(RecipeError, match="did you mean 'vit_tiny'"):
        build("timm:vit_tinny", {}, Path())
    with pytest.raises(RecipeError, match="would fetch"):
        build("timm:resnet18", {"pretrained": True}, Path())


@pytest.mark.parametrize(
    ("source", "words", "remedy"),
    [
        ("timm:hf_hub:timm/resnet18.a1_in1k", "a name on a hub", "download it once"),
        ("timm:hf-hub:timm/resnet18.a1_in1k", "a name on a hub", "download it once"),
        ("timm:timm/resnet18.a1_in1k", "a name on a hub", "download it once"),
        ("hf-hub:google/vit-base-patch16-224", "a name on a hub", "download it once"),
        ("timm:local-dir:/models/mine", "names a folder", "reportgen run FOLDER"),
        ("transformers:ViTForImageClassification", "named by its folder", "save_pretrained"),
    ],
)
def test_places_in_place_of_a_network(source, words, remedy):
    with pytest.raises(RecipeError, match=words) as caught:
        build(source, {}, Path())
    assert remedy in caught.value.remedy


def test_a_tag_of_timm_says_whose_preprocessing_is_meant():
    pytest.importorskip("timm")
    network = build("timm:resnet18.fb_swsl_ig1b_ft_in1k", {"num_classes": 3}, Path())
    assert network.pretrained_cfg["tag"] == "fb_swsl_ig1b_ft_in1k"


def test_timm_reads_no_checkpoint_of_its_own():
    with pytest.raises(RecipeError, match="'checkpoint_path' would fetch"):
        build("timm:resnet18", {"checkpoint_path": "x.pt"}, Path())


def test_the_global_state_of_torch_is_as_before(tmp_path):
    torch.manual_seed(3)
    build("net.py:Net", {}, file(tmp_path))
    assert torch.get_default_dtype() == torch.float32 and torch.is_grad_enabled()


@pytest.mark.parametrize("name", ["lraspp_mobilenet_v3_large", "ssdlite320_mobilenet_v3_large"])
def test_a_network_of_torchvision_that_segments_or_detects_is_built_without_fetching(name, tmp_path):
    network = build(f"torchvision:{name}", {"num_classes": 3}, tmp_path)
    found, notes = for_model(Recipe(), f"torchvision:{name}", network)
    normalises_itself = name.startswith("ssd")
    assert found.mean == ((0.0,) * 3 if normalises_itself else (0.485, 0.456, 0.406))
    assert found.input_shape == ((3, 320, 320) if normalises_itself else (3, 520, 520))
    assert "all inputs are as large" in notes[0] or "normalises them itself" in notes[0]
