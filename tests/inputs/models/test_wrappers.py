"""Models' code as people have it: wrapped, compiled, scripted, with gradients off, with old norms."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.overrides import has_torch_function

from reportgen.engine.network.trace import has_gradient, trace
from reportgen.errors import InputError, RecipeError
from reportgen.inputs.models.sources import build
from reportgen.inputs.models.subject import load_subject
from reportgen.inputs.models.wrappers import bare

HEAD = "import torch\nfrom torch import nn\n"
NET = (
    HEAD
    + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 2)
    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).mean((2, 3)))
"""
)
IMAGES = SimpleNamespace(at_most_megapixels=None)
IMAGE = torch.linspace(0, 1, 3 * 8 * 8).reshape(1, 3, 8, 8)


def subject(folder: Path, code: str, source: str = "net.py:make", **arguments):
    """The subject of the code, with weights that `Net` itself, or what it wraps, was saved with."""
    (folder / "net.py").write_text(code)
    torch.manual_seed(0)
    original = build(source, arguments, folder)
    torch.save(original.state_dict(), folder / "c.pt")
    model = SimpleNamespace(
        source=source, arguments=arguments, classes=None, preprocessing="auto", weights=None, signed_by=None
    )
    return original.eval(), load_subject(
        SimpleNamespace(model=model, folder=folder, images=IMAGES, allowed_code=None), folder / "c.pt"
    )


@pytest.mark.parametrize(
    "make",
    [
        "nn.DataParallel(Net())",
        "torch.compile(Net())",
        "torch.optim.swa_utils.AveragedModel(Net())",
        "nn.DataParallel(torch.compile(Net()))",
    ],
)
def test_what_wraps_the_network_is_taken_off_and_said(tmp_path, make):
    plain, found = subject(tmp_path, f"{NET}\ndef make():\n    return {make}\n")
    assert type(found.network).__name__ == "Net"
    assert torch.allclose(found.network(IMAGE), bare(plain)[0](IMAGE))
    assert any("Taken off" in note for note in found.notes)


def test_a_part_that_is_wrapped_is_unwrapped_too():
    net = nn.Sequential(nn.DataParallel(nn.Conv2d(3, 2, 1)), nn.Flatten())
    found, notes = bare(net)
    assert type(found[0]) is nn.Conv2d and "DataParallel" in notes[0]


@pytest.mark.parametrize(
    "off", ["torch.no_grad()", "torch.inference_mode()", "torch.set_grad_enabled(False)"]
)
def test_a_decorator_that_switches_gradients_off_is_taken_off(tmp_path, off):
    code = f"{NET.replace('    def forward', f'    @{off}' + chr(10) + '    def forward')}\nmake = Net\n"
    _, found = subject(tmp_path, code)
    assert found.network(IMAGE).requires_grad
    assert copy.deepcopy(found.network)(IMAGE).requires_grad
    assert any("no_grad" in note for note in found.notes)
    assert has_gradient(found.network, (3, 8, 8))


@pytest.mark.parametrize("line", ["return self.fc(x.detach())", "return self.fc(x.data)"])
def test_gradients_switched_off_inside_are_noticed(tmp_path, line):
    code = NET.replace("return self.fc(", "x = (").replace(
        ".mean((2, 3)))", ".mean((2, 3)))\n        " + line
    )
    _, found = subject(tmp_path, f"{code}\nmake = Net\n")
    assert found.network(IMAGE).shape == (1, 2)
    # the head's own weights have a gradient, which says nothing of the image
    assert not has_gradient(found.network, (3, 8, 8))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("torch.set_grad_enabled(False)", "gradients"),
        ("torch.set_default_dtype(torch.float64)", "the default dtype"),
        ("torch.set_default_device('meta')", "the default device"),
    ],
)
def test_what_an_import_changes_of_torch_is_changed_back(tmp_path, line, words):
    (tmp_path / "net.py").write_text(f"{NET}\nmake = Net\n")
    _, plain = subject(tmp_path, f"{NET}\nmake = Net\n")
    (tmp_path / "net.py").write_text(f"{NET}\n{line}\nmake = Net\n")
    model = SimpleNamespace(
        source="net.py:make", arguments={}, classes=None, preprocessing="auto", weights=None, signed_by=None
    )
    try:
        recipe = SimpleNamespace(model=model, folder=tmp_path, images=IMAGES, allowed_code=None)
        found = load_subject(recipe, tmp_path / "c.pt")
        assert any(words in note for note in found.notes)
        assert torch.is_grad_enabled() and torch.get_default_dtype() is torch.float32
        assert torch.get_default_device().type == "cpu"
        assert not has_torch_function((torch.ones(1),)), "no mode is left on"
        assert torch.equal(found.network(IMAGE), plain.network(IMAGE))
    finally:
        torch.set_grad_enabled(True), torch.set_default_dtype(torch.float32), torch.set_default_device(None)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "wrap",
    [
        "nn.utils.weight_norm",
        "nn.utils.spectral_norm",
        "nn.utils.parametrizations.weight_norm",
        "nn.utils.parametrizations.spectral_norm",
        "nn.utils.parametrizations.orthogonal",
    ],
)
def test_normed_weights_are_those_of_the_checkpoint(tmp_path, wrap):
    code = NET.replace("nn.Conv2d(3, 4, 3)", f"{wrap}(nn.Conv2d(3, 4, 3))")
    plain, found = subject(tmp_path, f"{code}\nmake = Net\n")
    with torch.no_grad():
        expected = plain(IMAGE)
        assert torch.allclose(found.network.conv.weight, plain.conv.weight)
    facts = trace(found.network, (3, 8, 8))
    assert facts.parameters == sum(p.numel() for p in plain.parameters())
    assert torch.allclose(copy.deepcopy(found.network)(IMAGE), expected)


def test_parts_that_are_to_be_scripted_stay_as_written(tmp_path):
    code = NET.replace("nn.Conv2d(3, 4, 3)", "torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))")
    plain, found = subject(
        tmp_path, f"{code}\n@torch.jit.script\ndef twice(x):\n    return 2 * x\n\nmake = Net\n"
    )
    assert any("Not scripted" in note for note in found.notes)
    assert "conv.0" in {layer.name for layer in trace(found.network, (3, 8, 8)).layers}
    assert torch.allclose(found.network(IMAGE), plain(IMAGE))
    assert torch.jit.script.__module__ == "torch.jit._script"


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning")
def test_a_traced_part_is_refused_with_a_remedy_that_works(tmp_path):
    code = NET.replace("nn.Conv2d(3, 4, 3)", "torch.jit.trace(nn.Conv2d(3, 4, 3), torch.ones(1, 3, 8, 8))")
    with pytest.raises(InputError, match=r"'conv' of net\.py:make is TorchScript") as caught:
        subject(tmp_path, f"{code}\nmake = Net\n")
    assert "without torch.jit.trace" in caught.value.remedy
    # the remedy, to the letter: the module's own code, the same keys
    (tmp_path / "net.py").write_text(f"{NET}\nmake = Net\n")
    model = SimpleNamespace(
        source="net.py:make", arguments={}, classes=None, preprocessing="auto", weights=None, signed_by=None
    )
    recipe = SimpleNamespace(model=model, folder=tmp_path, images=IMAGES, allowed_code=None)
    load_subject(recipe, tmp_path / "c.pt")


@pytest.mark.parametrize("reentrant", [True, False])
def test_activation_checkpointing_is_traced_and_has_gradients(tmp_path, reentrant):
    code = NET.replace(
        "self.conv(x)", f"torch.utils.checkpoint.checkpoint(self.conv, x, use_reentrant={reentrant})"
    ).replace("from torch import nn", "from torch import nn\nimport torch.utils.checkpoint")
    _, found = subject(tmp_path, f"{code}\nmake = Net\n")
    assert {layer.name for layer in trace(found.network, (3, 8, 8)).layers} == {"conv", "fc"}
    x = IMAGE.clone().requires_grad_()
    found.network(x).sum().backward()
    assert x.grad.abs().sum() > 0


# -- where the code lies ------------------------------------------------------------------------------


@pytest.fixture
def modules():
    """Imports of a test are not those of the next."""
    kept = dict(sys.modules)
    yield
    for name in set(sys.modules) - set(kept):
        del sys.modules[name]


@pytest.mark.parametrize("start", [True, False])
def test_a_file_that_imports_its_neighbours_by_dots(tmp_path, modules, start):
    folder = tmp_path / "mynets"
    (folder / "inner").mkdir(parents=True)
    if start:
        (folder / "__init__.py").write_text("")
        (folder / "inner" / "__init__.py").write_text("from ..blocks import Net as Again\n")
    (folder / "blocks.py").write_text(NET)
    (folder / "net.py").write_text("from .blocks import Net\n")
    assert isinstance(build("mynets/net.py:Net", {}, tmp_path), nn.Module)
    if start:
        (folder / "inner" / "deep.py").write_text("from ..blocks import Net\n")
        assert isinstance(build("mynets/inner/deep.py:Net", {}, tmp_path), nn.Module)


def test_a_package_beside_the_recipe_or_in_the_working_folder(tmp_path, modules, monkeypatch):
    for name in ("besides", "workings"):
        (tmp_path / name / name).mkdir(parents=True)
        (tmp_path / name / name / "__init__.py").write_text("")
        (tmp_path / name / name / "blocks.py").write_text(NET)
        (tmp_path / name / name / "net.py").write_text("from .blocks import Net\n")
    monkeypatch.chdir(tmp_path / "workings")
    before = list(sys.path)
    assert isinstance(build("besides.net:Net", {}, tmp_path / "besides"), nn.Module)
    assert isinstance(build("workings.net:Net", {}, tmp_path / "besides"), nn.Module)
    assert sys.path == before


def test_a_folder_named_like_an_installed_package_is_refused(tmp_path, modules):
    (tmp_path / "safetensors").mkdir()
    (tmp_path / "safetensors" / "net.py").write_text("from .blocks import Net\n")
    with pytest.raises(RecipeError, match="package named 'safetensors'") as caught:
        build("safetensors/net.py:Net", {}, tmp_path)
    assert "rename" in caught.value.remedy


# -- what its forward asks for ------------------------------------------------------------------------


def traced(folder: Path, code: str) -> InputError:
    _, found = subject(folder, f"{code}\nmake = Net\n")
    with pytest.raises(InputError) as caught:
        trace(found.network, (3, 8, 8))
    return caught.value


@pytest.mark.skipif(torch.cuda.is_available(), reason="here CUDA is no fault")
@pytest.mark.parametrize("call", [".cuda()", ".to('cuda')", ".to('cuda:0')"])
def test_cuda_written_in_is_named_with_its_line(tmp_path, call):
    error = traced(tmp_path, NET.replace("self.conv(x)", f"self.conv(x{call})"))
    assert "CUDA" in error.cause and "net.py:10" in error.cause and "preprocessing" not in error.remedy
    (tmp_path / "net.py").write_text(NET.replace("self.conv(x)", "self.conv(x.to(x.device))"))


def test_a_second_input_is_named(tmp_path):
    error = traced(tmp_path, NET.replace("forward(self, x)", "forward(self, x, meta)"))
    assert (
        "'meta'" in error.cause and "wrap the model" in error.remedy and "preprocessing" not in error.remedy
    )


def test_a_fault_in_the_code_is_named_with_its_line(tmp_path):
    error = traced(tmp_path, NET.replace("self.conv(x)", "self.cnv(x)"))
    assert "net.py:10" in error.cause and "AttributeError" in error.cause and "mend the code" in error.remedy


def test_a_wrong_size_of_input_still_speaks_of_preprocessing(tmp_path):
    error = traced(tmp_path, NET.replace("nn.Linear(4, 2)", "nn.Linear(9, 2)"))
    assert "3x8x8" in error.cause and "model.preprocessing" in error.remedy
