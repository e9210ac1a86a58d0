"""What a check is proved by: cases made by hand, and audits of a small trained network on digits."""

from __future__ import annotations

import hashlib
import json
import runpy
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from safetensors.torch import save_file

from reportgen.checks.case import Answers, Case, Sample, Sources
from reportgen.findings import Verdict
from reportgen.measure import measure_main
from reportgen.measure.audit import prepare
from reportgen.recipe import Recipe

MNIST = Path(__file__).resolve().parents[2] / "examples" / "mnist"
CHECKPOINT = MNIST / "checkpoints" / "epoch-10.safetensors"


class Known(Sources):
    """Logits that a test made, and nothing else."""

    def __init__(self, logits: Any = None, tensors: Mapping[str, Any] | None = None) -> None:
        self.all, self.weights = logits, tensors or {}

    def logits(self) -> Any:
        if self.all is not None:
            yield np.arange(len(self.all)), self.all

    def tensors(self) -> Any:
        yield from self.weights.items()


def case_of(
    labels: Sequence[int],
    logits: Any,
    classes: Sequence[str] | None = None,
    tensors: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Case:
    """A case with these labels (N,), -1 for none, and logits (N, C); every picture is its own."""
    logits, labels = np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    n, count = logits.shape
    of_label = np.where(labels >= 0, p[np.arange(n), labels.clip(0)], np.nan)
    answers = Answers(
        numbers=np.arange(n),
        paths=tuple(f"{k}.png" for k in range(n)),
        hashes=tuple(hashlib.sha256(f"{seed} {k}".encode()).hexdigest() for k in range(n)),
        labels=labels,
        answers=p.argmax(1),
        confidence=p.max(1),
        label_probability=of_label,
    )
    names = tuple(classes or (f"class {k}" for k in range(count)))
    return Case(
        answers=answers,
        classes=names,
        model=None,
        pictures=None,
        seed=seed,
        sample=Sample(np.zeros(0, dtype=np.int64)),
        sources=Known(logits, tensors),
    )


def answering(labels: Any, accuracy: Any, draw: np.random.Generator, classes: int, sure: float = 4.0) -> Any:
    """Logits (N, C) of a network that is right with this chance, an image or all: else another class."""
    labels = np.asarray(labels)
    right = draw.random(len(labels)) < accuracy
    other = (labels + draw.integers(1, classes, len(labels))) % classes
    logits = draw.normal(0, 0.5, (len(labels), classes))
    logits[np.arange(len(labels)), np.where(right, labels, other)] += sure
    return logits


def copy_of(file: Path, target: Path, how: str) -> None:
    """A copy of a picture, made in one of several ways."""
    picture = Image.open(file)
    if how == "bytes":
        shutil.copy(file, target)
    elif how == "pixels":
        picture.save(target.with_suffix(".bmp"))
    elif how == "jpeg":
        picture.convert("RGB").resize((56, 56), Image.Resampling.BICUBIC).save(
            target.with_suffix(".jpg"), quality=90
        )
    elif how == "mirror":
        ImageOps.mirror(picture).save(target)


@pytest.fixture(scope="session")
def again() -> Callable[..., None]:
    """`copy_of`."""
    return copy_of


@pytest.fixture(scope="session")
def make_case() -> Callable[..., Case]:
    """`case_of`."""
    return case_of


@pytest.fixture(scope="session")
def make_answers() -> Callable[..., Any]:
    """`answering`."""
    return answering


class Digits:
    """Folders of digits with a network that knows them: each audit is measured, and not rendered."""

    network = MNIST / "network.py"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def images(self, each: int = 20) -> Path:
        """A copy of the first digits of each class, in a folder of its own."""
        self.count += 1
        target = self.folder / f"images-{self.count}"
        for source in sorted((MNIST / "digits").iterdir()):
            if source.is_dir():
                (target / source.name).mkdir(parents=True)
                for file in sorted(source.glob("*.png"))[:each]:
                    shutil.copy(file, target / source.name / file.name)
        return target

    def measured(
        self,
        images: Path,
        /,
        only: Any = "all",
        edit: Any = None,
        checkpoint: Path = CHECKPOINT,
        **keys: Any,
    ) -> Any:
        """The measurement of the digits' network on a folder. `keys` are further keys of the recipe; `edit`
        gets the audit and returns another."""
        self.count += 1
        recipe: dict[str, Any] = {
            "model": {
                "source": f"{MNIST / 'network.py'}:DigitNet",
                "classes": [str(k) for k in range(10)],
                "preprocessing": {"crop": 28, "mean": [0.1307], "std": [0.3081]},
            },
            "images": {"labels": "folder", "show": {"at_most": 1}},
            "run": {"device": "cpu", "batch_size": 64},
            "visualizations": [],
            "trust": False,
            "checks": only if isinstance(only, dict) else {"sample": 50, "only": only},
        }
        for key, value in keys.items():
            recipe[key] = {**recipe.get(key, {}), **value} if isinstance(value, dict) else value
        audit = prepare(Recipe.model_validate(recipe), checkpoint, images, None, False)
        audit = edit(audit) if edit else audit
        return measure_main(audit, self.folder / f"evidence-{self.count}", lambda *_: None)

    def verdicts(self, images: Path, /, only: Any = "all", **keys: Any) -> dict[str, Verdict]:
        """The verdicts of the checks by name."""
        return verdicts_of(self.measured(images, only, **keys))


def verdicts_of(measurement: Any) -> dict[str, Verdict]:
    """The verdicts in a measurement's evidence, which need not be sealed."""
    from reportgen.findings.verdicts import from_json

    path = measurement.writer.folder / "verdicts.json"
    records = json.loads(path.read_bytes())["records"] if path.exists() else []
    return {record["name"]: from_json(record) for record in records}


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Digits:
    return Digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="session")
def verdicts_in() -> Callable[[Any], dict[str, Verdict]]:
    """`verdicts_of`."""
    return verdicts_of


def with_checks(audit: Any, checks: Any) -> Any:
    """An audit whose main model is asked other checks, by name: whether or not they are registered."""
    from reportgen.measure.checks.chosen import ChosenChecks

    main = audit.main
    chosen = ChosenChecks.of(list(checks.items()), main.facts, main.recipe.checks.sample)
    return replace(audit, models=(replace(main, checks=chosen), *audit.models[1:]))


class NormedDigits:
    """A network with batch normalisations, trained on the last digits of each class; a test audits the first
    thirty."""

    path = str(Path(__file__).with_name("normed.py"))
    source = f"{path}:Normed"

    def __init__(self, digits: Digits) -> None:
        self.digits = digits
        files = [file for file in sorted((MNIST / "digits").rglob("*.png")) if file.parent.is_dir()]
        by_class: dict[str, list[Path]] = {}
        for file in files:
            by_class.setdefault(file.parent.name, []).append(file)
        pairs = [(file, int(name)) for name, own in by_class.items() for file in own[30:]]
        pixels = np.stack([np.asarray(Image.open(file).convert("L")) for file, _ in pairs])
        self.x = (torch.from_numpy(pixels).float()[:, None] / 255 - 0.1307) / 0.3081
        self.y = torch.tensor([label for _, label in pairs])

    def trained(self, epochs: int = 30) -> Any:
        """The network after so many epochs."""
        torch.manual_seed(0)
        network = runpy.run_path(self.path)["Normed"]().train()
        optimiser = torch.optim.Adam(network.parameters(), 3e-3)
        for _ in range(epochs):
            for batch in torch.randperm(len(self.x)).split(50):
                optimiser.zero_grad()
                torch.nn.functional.cross_entropy(network(self.x[batch]), self.y[batch]).backward()
                optimiser.step()
        return network.eval()

    def verdicts(
        self, network: Any, only: Sequence[Any], sample: int = 300, batch_size: int = 64, **model: Any
    ) -> dict[str, Verdict]:
        """What the checks say of a network on the first thirty digits of each class."""
        self.digits.count += 1
        checkpoint = self.digits.folder / f"normed-{self.digits.count}.safetensors"
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, checkpoint)
        checks = {"sample": sample, "only": list(only)}
        return self.digits.verdicts(
            self.digits.images(30),
            checks,
            checkpoint=checkpoint,
            model={"source": self.source, **model},
            run={"batch_size": batch_size},
        )


@pytest.fixture(scope="session")
def normed(digits: Digits) -> NormedDigits:
    return NormedDigits(digits)
