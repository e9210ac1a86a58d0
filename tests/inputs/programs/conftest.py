"""One small residual network as a file of each kind, and the loader that a run uses."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from reportgen.inputs.models.subject import load_subject


class Block(nn.Module):
    def __init__(self, given: int, made: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(given, made, 3, stride, 1, bias=False), nn.BatchNorm2d(made)
        self.relu = nn.ReLU(inplace=True)  # called twice
        self.conv2, self.bn2 = nn.Conv2d(made, made, 3, 1, 1, bias=False), nn.BatchNorm2d(made)
        self.downsample = nn.Sequential(nn.Conv2d(given, made, 1, stride, bias=False), nn.BatchNorm2d(made))

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + self.downsample(x))


class Residual(nn.Module):
    """As ResNet-18 is built, with two blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu = nn.Conv2d(3, 6, 5, 2, 2), nn.BatchNorm2d(6), nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(Block(6, 6, 1))
        self.layer2 = nn.Sequential(Block(6, 8, 2))
        self.avgpool, self.drop, self.fc = nn.AdaptiveAvgPool2d(1), nn.Dropout(0.3), nn.Linear(8, 4)

    def forward(self, x):
        x = self.layer2(self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(x))))))
        return self.fc(self.drop(torch.flatten(self.avgpool(x), 1)))


def residual() -> Residual:
    torch.manual_seed(3)
    made = Residual()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
    return made.eval()


def saved(network: nn.Module, kind: str, folder: Path, x: torch.Tensor, **more: Any) -> Path:
    """A network as a file of a kind."""
    path = folder / f"net.{kind.replace(' ', '-')}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch says of its older formats
        if kind == "pt2":
            path = path.with_suffix(".pt2")
            torch.export.save(torch.export.export(network, (x,), **more), path)
        elif kind == "traced":
            torch.jit.trace(network, x, check_trace=False).save(path)
        elif kind in ("scripted", "frozen"):
            script = torch.jit.script(network)
            (torch.jit.freeze(script) if kind == "frozen" else script).save(path)
        else:
            pytest.importorskip("onnx")
            axes = {"input_names": ["x"], "dynamic_axes": {"x": {0: "n"}}} if kind == "onnx" else {}
            torch.onnx.export(network, (x,), path, dynamo=False, **{"opset_version": 17, **axes, **more})
    return path


@pytest.fixture(scope="session")
def save() -> Callable[..., Path]:
    return saved


@pytest.fixture(scope="session")
def network() -> Residual:
    return residual()


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory, network: Residual) -> Callable[[str], Path]:
    """The network's file of a kind, written once."""
    folder, x = tmp_path_factory.mktemp("programs"), torch.randn(1, 3, 40, 40)
    done: dict[str, Path] = {}

    def of(kind: str) -> Path:
        if kind not in done:
            done[kind] = saved(network, kind, folder, x)
        return done[kind]

    return of


@pytest.fixture(scope="session")
def subject() -> Callable[..., Any]:
    """What a run loads for a file, and for what the recipe says of the model."""

    def of(path: Path, **said: Any) -> Any:
        unsaid = dict.fromkeys(("source", "classes", "weights", "signed_by"))
        known = {**unsaid, "arguments": {}, "preprocessing": "auto"}
        model = SimpleNamespace(**{**known, **said})
        images = SimpleNamespace(at_most_megapixels=None)
        recipe = SimpleNamespace(model=model, folder=path.parent, images=images, allowed_code=None)
        return load_subject(recipe, path)

    return of
