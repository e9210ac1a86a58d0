"""Fixtures for every room: small networks, and one batch measured by the real engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from reportgen.engine.needs import ModelFacts, Normalisation, Probe
from reportgen.engine.network.trace import trace
from reportgen.engine.onepass import OnePass, frozen
from reportgen.engine.tape import BatchTape, model_tape
from reportgen.engine.targets import Slot
from reportgen.measure.audit import prepare
from reportgen.measure.visualizations import Visualizations
from reportgen.pipeline import run
from reportgen.progress import silent
from reportgen.recipe import load

# files beside this one; the first is imported by others
pytest_plugins = ["oracles", "attending", "heavy_first", "left_out", "matrix_table"]

# a slow machine is no failure
calm = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("calm", **calm)
hypothesis.settings.load_profile("calm")


class Awkward(nn.Module):
    """Everything that hook-based tools trip over: functional, in-place, reused and clipped rectifiers,
    a residual, a branch, and an in-place operation on a tapped layer's output."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.left = nn.Conv2d(8, 8, 3, padding=1)
        self.right = nn.Conv2d(8, 8, 1)
        self.clip = nn.ReLU6(inplace=True)
        self.last = nn.Conv2d(16, 12, 3, padding=1)
        self.head = nn.Linear(12, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.stem(x)))  # in place
        left = self.relu(self.left(x)) + x  # the same module again, then a residual
        right = F.relu(self.right(x))  # functional
        x = self.clip(torch.cat([left, right], 1) * 2)  # ReLU6 that does clip
        x = self.last(x)
        x = F.relu(x, inplace=True)  # rewrites what `last` returned
        return self.head(x.mean((2, 3)))


@pytest.fixture
def awkward() -> nn.Module:
    torch.manual_seed(3)
    network = Awkward()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
            if isinstance(module, nn.Conv2d):
                module.weight.mul_(1.5)  # so that ReLU6 clips some values
    return network.eval()


@dataclass
class Measured:
    """What the engine made of one batch: the tapes of every target slot, and what it cost."""

    tapes: list[BatchTape]
    engine: OnePass
    facts: ModelFacts
    chosen: Visualizations

    def findings(self, probe: Probe, slot: int = 0) -> dict[str, Any]:
        """A probe's findings by name."""
        return {finding.name: finding for finding in probe.measure(self.tapes[slot])}


@pytest.fixture(scope="session")
def measured() -> Callable[..., Measured]:
    """Runs probes over one batch: measured(network, pixels, probe, …, labels=, slots=, batch_size=)."""

    def measure(
        network: nn.Module,
        pixels: Tensor,
        *probes: Probe,
        labels: Tensor | None = None,
        slots: tuple[Slot, ...] = (Slot("predicted"),),
        batch_size: int = 16,
    ) -> Measured:
        channels = pixels.shape[1]
        facts = trace(network, tuple(pixels.shape[1:]))
        facts = replace(facts, classes=tuple(f"class {k}" for k in range(facts.class_count)))
        wishes = [(f"p{n}", "image", probe) for n, probe in enumerate(probes)]
        chosen = Visualizations.of(wishes, facts, len(slots))
        normal = Normalisation((0.5,) * channels, (0.25,) * channels)
        engine = OnePass(network, chosen.plan(), slots, normal, torch.device("cpu"), batch_size)
        labels = torch.full((len(pixels),), -1) if labels is None else labels
        with frozen(network):
            return Measured(engine.run(pixels, labels), engine, facts, chosen)

    return measure


class SlowRule(torch.autograd.Function):
    """Springenberg et al. 2014, fig. 1 and eq. in sec. 3.4, for a rectifier clipped at `ceiling`."""

    @staticmethod
    def forward(ctx, x: Tensor, ceiling: float, rule: str) -> Tensor:
        ctx.save_for_backward(x)
        ctx.ceiling, ctx.rule = ceiling, rule
        return x.clamp(0, ceiling)

    @staticmethod
    def backward(ctx, g: Tensor):
        (x,) = ctx.saved_tensors
        passed = g * (g > 0)
        if ctx.rule == "guided":
            passed = passed * ((x > 0) & (x < ctx.ceiling))
        return passed, None, None


@pytest.fixture(scope="session")
def slow_gradient() -> Callable[[nn.Module, Tensor, Tensor, str], Tensor]:
    """A rule's gradient with every rectifier replaced, wherever it is called from: the reference."""

    def gradient(network: nn.Module, x: Tensor, target: Tensor, rule: str) -> Tensor:
        def relu(x: Tensor, inplace: bool = False) -> Tensor:
            return SlowRule.apply(x, float("inf"), rule)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(F, "relu", relu)
            patch.setattr(torch, "relu", relu)
            patch.setattr(nn.ReLU, "forward", lambda self, x: relu(x))
            patch.setattr(nn.ReLU6, "forward", lambda self, x: SlowRule.apply(x, 6.0, rule))
            x = x.clone().requires_grad_()
            score = network(x).gather(1, target[:, None]).sum()
            return torch.autograd.grad(score, x)[0]

    return gradient


@pytest.fixture
def weights_of() -> Callable[[nn.Module, tuple[int, int, int], Probe], dict[str, Any]]:
    """Runs a probe of scope `model` and gives its findings by name."""

    def measure(network: nn.Module, shape: tuple[int, int, int], probe: Probe) -> dict[str, Any]:
        facts = trace(network, shape)
        tape = model_tape(network, facts, tuple(probe.needs(facts)))
        return {finding.name: finding for finding in probe.measure(tape)}

    return measure


TWO_NETWORKS = """
import torch
from torch import nn

class Small(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.more = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.head = nn.Linear(8, classes)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.head(torch.relu(self.more(x)).mean((2, 3)))

class Other(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 5, stride=2, padding=2)
        self.act = nn.ReLU()
        self.head = nn.Linear(4, classes)

    def forward(self, x):
        return {"logits": self.head(self.act(self.first(x)).mean((2, 3)))}
"""
TWO_RECIPE = """
title: Two models
model:
  source: networks.py:Small
  classes: [red, green, blue]
  preprocessing: {resize: 32, crop: 28, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
images: {labels: folder, show: {at_most: AT_MOST}}
run: {device: cpu, batch_size: 2}
trust: {images: 1, steps: 2, random_orders: 2}
checks: false
visualizations:
  - architecture
  - filters
  - channel-health
  - predictions
  - saliency
  - grad-cam
  - grad-cam-plus-plus: {layer: more}
  - feature-maps: {layers: [conv], maps: 3}
  - occlusion: {window_px: 12, stride_px: 8}
output: {pdf: false}
beside:
  checkpoint: other.safetensors
  name: second
"""
OWN_MODEL = """  main: first
  model:
    source: networks.py:Other
    output: logits
    preprocessing: {resize: [24, 24], mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
"""


class Two:
    """Checkpoints of two networks, nine photographs of noise in three folders, and a broken one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "networks.py").write_text(TWO_NETWORKS)
        space: dict[str, Any] = {}
        exec(TWO_NETWORKS, space)
        for name, make, seed in (("main", "Small", 0), ("same", "Small", 7), ("other", "Other", 3)):
            torch.manual_seed(seed)
            state = space[make]().state_dict()
            # logits far enough apart that the two do not answer every image alike
            state = {key: value * (6 if key == "head.weight" else 1) for key, value in state.items()}
            save_file(state, folder / f"{name}.safetensors")
        self.images = folder / "images"
        draw = np.random.default_rng(1)
        for number, label in enumerate(3 * ("red", "green", "blue")):
            (self.images / label).mkdir(parents=True, exist_ok=True)
            pixels = draw.integers(0, 256, (6, 7, 3), dtype=np.uint8).repeat(7, 0).repeat(7, 1)
            Image.fromarray(pixels).save(self.images / label / f"{number}.png")
        (self.images / "red" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")

    def recipe(self, at_most: int = 200, own: str = OWN_MODEL, edit: Callable[[str], str] = str) -> Any:
        path = self.folder / "recipe.yaml"
        path.write_text(edit(TWO_RECIPE.replace("AT_MOST", str(at_most)) + own))
        return load(path)

    def run(self, recipe: Any, out: str, progress: Any = silent, **options: Any) -> Path:
        checkpoint = self.folder / "main.safetensors"
        return run(recipe, checkpoint, self.images, self.folder / out, progress=progress, **options).folder

    def audit(self, recipe: Any) -> Any:
        return prepare(recipe, self.folder / "main.safetensors", self.images, None, False)


@pytest.fixture(scope="session")
def two_at() -> Callable[[Path], Two]:
    """Makes two models and their images in a folder."""
    return Two


@pytest.fixture
def two(tmp_path: Path) -> Two:
    return Two(tmp_path)
