"""Files that are networks of their own: answers, layers, numbers and maps are those of their network."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from typer.testing import CliRunner

from reportgen.cli.commands import app
from reportgen.engine.network.trace import trace
from reportgen.errors import InputError, RecipeError
from reportgen.findings import NotApplicable
from reportgen.inputs.checkpoints.shards import hash_at
from reportgen.inputs.programs.loading import kind_of, load_program

LAYERED = ("pt2", "traced", "scripted")
KINDS = (*LAYERED, "onnx")
SHAPE = (3, 40, 40)


def close(a, b, tolerance=1e-4):
    return bool((a - b).abs().max() <= tolerance * b.abs().max())


def grad_cam(network, layer, x):
    """Selvaraju et al. 2017 at a module, by hooks as the engine has them; (N, h, w)."""
    kept = {}
    handle = dict(network.named_modules())[layer].register_forward_hook(
        lambda _m, _a, out: kept.update(a=out) or out.clone()
    )
    logits = network(x)
    handle.remove()
    (g,) = torch.autograd.grad(logits.amax(1).sum(), kept["a"])
    return (g.mean((2, 3), keepdim=True) * kept["a"]).sum(1).relu().detach()


@pytest.mark.parametrize("kind", (*KINDS, "frozen"))
def test_it_answers_as_its_network_does(kind, file, network, subject):
    x = torch.randn(3, *SHAPE)
    assert close(subject(file(kind)).network(x), network(x))


@pytest.mark.parametrize("kind", LAYERED)
def test_its_facts_are_those_of_its_network(kind, file, network, subject):
    found, own = trace(subject(file(kind)).network, SHAPE), trace(network, SHAPE)
    assert found == replace(own, layers=found.layers)  # parameters, MACs, graph, rectifiers, auto
    # in whichever order the containers stand
    assert sorted(found.layers, key=lambda x: x.name) == sorted(own.layers, key=lambda x: x.name)


def test_the_facts_of_an_onnx_file_are_its_own(file, network, subject):
    found, own = trace(subject(file("onnx")).network, SHAPE), trace(network, SHAPE)
    folded = sum(x.parameters for x in own.layers if x.type == "BatchNorm2d" and x.kind == "layer")
    biases = sum(m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d) and m.bias is None)
    assert found.parameters == own.parameters - folded + biases  # its norms were folded into its convolutions
    assert (found.macs, found.auto, found.rectifiers) == (own.macs, own.auto, own.rectifiers)
    for name in ("conv1", "layer1.0.conv2", "fc"):
        a, b = found.layer(name), own.layer(name)
        assert (a.type, a.kernel, a.stride, a.padding, a.macs, a.receptive, a.layout) == (
            (b.type, b.kernel, b.stride, b.padding, b.macs, b.receptive, b.layout)
        )


def test_an_onnx_file_with_its_norms_has_every_parameter(tmp_path, save, network, subject):
    path = save(network, "onnx", tmp_path, torch.randn(1, *SHAPE), training=torch.onnx.TrainingMode.PRESERVE)
    found, own = trace(subject(path).network, SHAPE), trace(network, SHAPE)
    assert found.parameters == own.parameters
    assert found.layer("layer1.0.bn1").type == "BatchNorm2d"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layer", ["layer1", "layer2"])
def test_grad_cam_is_that_of_its_network(kind, layer, file, network, subject):
    x = torch.randn(2, *SHAPE)
    expected = grad_cam(network, layer, x)
    assert expected.max() > 0
    assert close(grad_cam(subject(file(kind)).network, layer, x), expected, 1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_size_format_and_producer_are_those_of_the_file(kind, file, subject):
    found = subject(file(kind))
    said = {"pt2": "torch.export, made by torch ", "onnx": "ONNX, made by pytorch"}.get(kind, "TorchScript")
    assert said in found.notes[0] and found.checkpoint.format == found.source.removesuffix(" file")
    if kind != "scripted":  # which keeps no example
        assert found.preprocessing.input_shape == SHAPE
        assert any("40×40, as the file says" in note for note in found.notes)
    if kind == "onnx":
        assert "opset 17" in found.notes[0]


@pytest.mark.parametrize(("kind", "said"), [("pt2", True), ("traced", True), ("onnx", False)])
def test_a_fixed_batch_is_said(kind, said, file, subject):
    assert any("made for batches of 1" in note for note in subject(file(kind)).notes) is said


class Views(nn.Module):
    """Has the number of images written into its graph."""

    def __init__(self, images: int) -> None:
        super().__init__()
        self.images, self.conv, self.fc = images, nn.Conv2d(3, 2, 3), nn.Linear(2 * 36, 5)

    def forward(self, x):
        return self.fc(self.conv(x).view(self.images, -1))


@pytest.mark.parametrize("kind", ["pt2", "traced", "onnx, fixed"])
@pytest.mark.parametrize("images", [1, 2])
def test_a_graph_for_so_many_images_is_asked_for_so_many(kind, images, tmp_path, save, subject):
    path = save(Views(images).eval(), kind, tmp_path, torch.randn(images, 3, 8, 8))
    assert trace(subject(path).network, (3, 8, 8)).batch == images


def test_a_frozen_script_has_no_layers_and_says_so(file, subject):
    found = subject(file("frozen"))
    facts = trace(found.network, SHAPE)
    assert any("frozen" in note for note in found.notes)
    assert facts.parameters > 0
    with pytest.raises(NotApplicable, match="no layer"):
        facts.spatial_layer("auto")


def test_what_was_exported_while_training_answers_as_it_does_outside(tmp_path, save, network, subject):
    x = torch.randn(2, *SHAPE)
    training = network.train()
    try:
        path = save(training, "pt2", tmp_path, x)
    finally:
        network.eval()
    found = subject(path)
    assert close(found.network(x), network(x))
    assert any("while training" in note for note in found.notes)


def test_several_outputs_have_their_names(tmp_path, save, subject):
    class Two(nn.Module):
        def forward(self, x):
            flat = x.flatten(1)
            return {"features": flat, "logits": flat[:, :3] * 2}

    path = save(Two(), "pt2", tmp_path, torch.randn(1, 3, 4, 4))
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(subject(path).network(x)["logits"], x.flatten(1)[:, :3] * 2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("said", "word"),
    [({"source": "torchvision:resnet18"}, "--model"), ({"arguments": {"a": 1}}, "model.arguments")],
)
def test_a_model_beside_it_is_a_complaint(kind, said, word, file, subject):
    with pytest.raises(RecipeError, match="a network of its own") as caught:
        subject(file(kind), **said)
    assert word in caught.value.remedy


# -- ONNX ---------------------------------------------------------------------------------------------


def test_without_the_package_there_is_a_remedy(file, subject, monkeypatch):
    path = file("onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match="not installed") as caught:
        subject(path)
    assert "pip install onnx" in caught.value.remedy


def outside(path, folder, location):
    """The file with its weights in another one."""
    onnx = pytest.importorskip("onnx")
    model, place = onnx.load(path), folder / "moved.onnx"
    onnx.save(model, place, save_as_external_data=True, location=location, size_threshold=0)
    return place


def test_weights_in_a_file_beside_it_are_read_and_hashed(file, tmp_path, network, subject):
    place = outside(file("onnx"), tmp_path, "weights.bin")
    found = subject(place)
    x = torch.randn(2, *SHAPE)
    assert close(found.network(x), network(x))
    assert found.checkpoint.sha256 == hash_at(place)
    weights = bytearray((tmp_path / "weights.bin").read_bytes())
    weights[0] ^= 1
    (tmp_path / "weights.bin").write_bytes(weights)
    assert found.checkpoint.sha256 != hash_at(place)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(InputError, match=r"'weights\.bin', which is not there"):
        subject(place)


def test_half_precision_is_computed_in_single(tmp_path, save, subject):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5)).eval()
    path = save(net.half(), "onnx", tmp_path, torch.randn(1, 3, 8, 8).half())
    x = torch.randn(2, 3, 8, 8)
    assert close(subject(path).network(x), net.float()(x))


class Calls(nn.Module):
    """A function of maps (N, 4, 8, 8), and a matrix of what it gives."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x).flatten(1)


F = nn.functional
FUNCTIONS = {
    "pool": lambda x: F.avg_pool2d(F.max_pool2d(x, 3, 2, 1), 2),
    "pad": lambda x: F.pad(x, (1, 2, 0, 1), mode="reflect") + F.pad(x, (1, 2, 0, 1), value=0.5),
    "slice": lambda x: torch.cat([x[:, ::2], x[:, 1:3], x[:, -1:].expand(-1, 2, -1, -1)], 1),
    "resize": lambda x: F.interpolate(x, scale_factor=2.0) + F.interpolate(x, (16, 16), mode="bilinear"),
    "softmax": lambda x: F.softmax(x, 1) * F.log_softmax(x, -1),
    "activations": lambda x: F.hardswish(x) + F.silu(x) + F.elu(x) + F.leaky_relu(x, 0.1) + F.relu6(4 * x),
    "gelu": lambda x: F.gelu(x) + F.hardsigmoid(x) + F.softplus(x) + F.mish(x),
    "reduce": lambda x: x.mean((2, 3)) + x.amax((2, 3)) + x.norm(dim=(2, 3)) + x.sum(3).sum(2),
    "shuffle": lambda x: F.pixel_shuffle(x, 2) + F.pixel_shuffle(x.flip(1), 2),
    "norm": lambda x: F.layer_norm(x, (8, 8)) + F.group_norm(x, 2) + F.instance_norm(x),
    "sizes": lambda x: x.view(x.size(0), x.size(1) // 2, -1).transpose(1, 2).reshape(x.size(0), -1),
    "chunk": lambda x: torch.stack(x.chunk(2, 1), 1).permute(0, 2, 1, 3, 4) * 2 - x[:, 0].sum() / 7,
    "where": lambda x: torch.where(x > 0, x, x**2) + x.clamp(min=-0.3) + x.clamp(-0.5, 0.5),
    "attention": lambda x: F.scaled_dot_product_attention(*(x.flatten(2),) * 3),
}


@pytest.mark.parametrize("kind", ["pt2", "traced", "onnx"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_networks_compute_is_computed(name, kind, tmp_path, save, subject):
    net, x = Calls(FUNCTIONS[name]).eval(), torch.randn(1, 4, 8, 8)
    path = save(net, kind, tmp_path, x)
    y = torch.randn(1, 4, 8, 8)
    with pytest.raises(RecipeError, match="4 channels"):
        subject(path)
    program, _ = load_program(path, kind_of(path))
    assert close(program.network(y), net(y))


class Sized(nn.Module):
    """Attention and windows as torchvision's ViT, Swin and EfficientNet write them: sizes that are computed,
    lists that are cut and changed, a name among several, a question after nested tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.attention, self.drop = nn.MultiheadAttention(4, 2, batch_first=True), Row(0.1, "row")

    def forward(self, x):
        sizes = list(x.shape)
        shift = [3, 0]
        shift[1] = sizes[2:][0] // 4
        x = torch.roll(self.drop(x), shift, [2, 3])
        n, c, h, w = sizes
        windows = x.view(n, c, 2, h // 2, 2, w // 2).permute(0, 2, 4, 3, 5, 1).reshape(n * 4, h * w // 4, c)
        return self.attention(windows, windows, windows)[0].reshape(n, -1)


class Row(nn.Module):
    """Stochastic depth's question: which of two modes, and whether it is training."""

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p, self.mode = p, mode

    def forward(self, x):
        if self.mode not in ["batch", "row"]:
            raise ValueError("mode")
        return x * self.p if self.training else x


@pytest.mark.parametrize("kind", ["pt2", "traced", "scripted"])
def test_sizes_and_lists_are_computed_as_the_network_does(kind, tmp_path, save):
    torch.manual_seed(0)
    net, x = Sized().eval(), torch.randn(2, 4, 8, 8)
    axes = {"dynamic_shapes": ({0: torch.export.Dim("n", min=1, max=9)},)} if kind == "pt2" else {}
    path = save(net, kind, tmp_path, x, **axes)
    program, _ = load_program(path, kind_of(path))
    y = torch.randn(2, 4, 8, 8)
    assert close(program.network(y), net(y))
    if kind != "traced":  # a trace holds its sizes as numbers
        assert close(program.network(y[:1]), net(y[:1]))


def test_channels_last_are_handed_over_so(tmp_path, save, subject):
    class Last(nn.Module):
        def forward(self, x):
            return x.permute(0, 3, 1, 2).mean((2, 3))

    path = save(Last(), "onnx, fixed", tmp_path, torch.randn(1, 6, 5, 3))
    found = subject(path)
    x = torch.randn(1, 3, 6, 5)
    assert close(found.network(x), x.mean((2, 3)))
    assert found.preprocessing.input_shape == (3, 6, 5)


# -- a whole run --------------------------------------------------------------------------------------


def images(folder):
    draw = np.random.default_rng(0)
    for number in range(2):
        (folder / "images").mkdir(exist_ok=True)
        pixels = draw.integers(0, 256, (44, 44, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
    return folder / "images"


@pytest.mark.parametrize("kind", ["onnx", "frozen"])
def test_a_run_needs_no_model(kind, file, tmp_path):
    (tmp_path / "recipe.yaml").write_text(
        "visualizations: [saliency, grad-cam]\ntrust: false\noutput: {pdf: false}\nrun: {device: cpu}\n"
    )
    path, out = file(kind), tmp_path / "out"
    given = ["run", path, images(tmp_path), "--recipe", tmp_path / "recipe.yaml", "--out", out, "--save-maps"]
    done = CliRunner().invoke(app, [str(x) for x in given])
    assert done.exit_code == 0, done.stderr
    results = json.loads((out / "results.json").read_text())
    kept = np.load(out / "maps" / "000000.npz")
    assert "saliency" in kept.files and ("grad-cam" in kept.files) is (kind == "onnx")
    assert results["model"]["source"] == ("ONNX file" if kind == "onnx" else "TorchScript file")
    done = CliRunner().invoke(app, ["verify", str(out), "--checkpoint", str(path)])
    assert done.exit_code == 0, done.stderr
