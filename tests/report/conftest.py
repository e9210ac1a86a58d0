"""Evidence written by hand: three images, one rejected, names that try to break out of the page."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reportgen.evidence import Writer
from reportgen.findings import Flag, Gallery, Graph, Heatmap, Mask, Picture, Remark, Scalar, Segments, Table

SIDE = 96
CLASSES = ("cat", "dog", "<b>bird</b>")
HOSTILE = "<script>alert(1)</script>.png"
PATHS = ("cats/one.png", HOSTILE, "dogs/two & three.png", "broken.png")
ANSWERS = (0, 1, 1)  # the class each readable image gets
LABELS = (0, 0, None)
TOP = (0.9, 0.7, 0.35)  # the probability of each answer
MEASURED = 3
VISUALIZATIONS = {
    "architecture": ("model", False),
    "filters": ("model", False),
    "predictions": ("image", False),
    "feature-maps": ("image", False),
    "hypercolumns": ("image", False),
    "saliency": ("image", True),
    "guided-backprop": ("image", True),
    "grad-cam": ("image", True),
    "occlusion": ("image", True),
}


GROUPS = {
    "predictions": "answers",
    "saliency": "gradients",
    "guided-backprop": "gradients",
    "grad-cam": "class activation maps",
    "occlusion": "perturbations",
}


def words(name: str, applicable: bool = True) -> dict[str, Any]:
    scope, per_target = VISUALIZATIONS[name]
    return {
        "name": name,
        "scope": scope,
        "group": GROUPS.get(name, "inside the network"),
        "explains": per_target,
        "compare": "numbers",
        "per_target": per_target,
        "applicable": applicable,
        "reason": None if applicable else "the model has no ReLU",
        "options": {"layer": "auto"} if name == "grad-cam" else {},
        "title": name.capitalize(),
        "summary": f"the summary of {name}.",
        "definition": f"Defined as {name} ∂S/∂x.",
        "reading": "Bright is more.",
        "limits": "It is coarse.",
        "source": "Somebody 2013, eq. 1.",
    }


def model_findings() -> dict[str, list[tuple[Any, ...]]]:
    rows = (
        (1, "conv", "Conv2d", "8×48×48", 224, 516096, "holds"),
        (2, "relu", "ReLU", "8×48×48", None, None, ""),
    )
    columns = ("no.", "layer", "type", "output", "parameters", "MACs", "formula")
    total = ("", "2 layers", "", "", 224, 516096, "")
    kernels = np.random.default_rng(1).normal(size=(8, 3, 3, 3))
    return {
        "architecture": [
            (
                Table("layers", "Layers in call order", columns, rows, total),
                Graph(
                    "graph",
                    "The network's graph",
                    (
                        ("input", "input", "", "", (3, 96, 96)),
                        ("conv", "conv 3×3/2, 8", "conv", "", (8, 48, 48)),
                        ("activation", "relu", "relu", "", (8, 48, 48)),
                        ("conv", "conv 3×3, 8", "conv", "", (8, 48, 48)),
                        ("add", "+", "", "", (8, 48, 48)),
                        ("output", "output", "", "", (3,)),
                    ),
                    ((0, 1), (1, 2), (2, 3), (2, 4), (3, 4), (4, 5)),
                ),
                Scalar("parameters", "Parameters", 224),
                Remark("unused", "1 module does not run."),
            )
        ],
        "filters": [(Gallery("conv", "conv", kernels, np.arange(8), "weights 8×3×3×3", layer="conv"),)],
    }


def image_findings(targets: int, dead: bool) -> dict[str, list[tuple[Any, ...]]]:
    """Findings of a batch of three; the saliency of image 1 is all zero where `dead`."""
    draw = np.random.default_rng(2)
    n = MEASURED

    def smooth() -> Any:
        return np.abs(draw.normal(size=(n, SIDE, SIDE))).astype(np.float32)

    cam = np.zeros((n, 6, 6), np.float32)
    cam[:, 0, 5] = 2.0  # the upper right corner
    saliency = smooth()
    if dead:
        saliency[1] = 0
    fall = np.zeros((n, SIDE, SIDE), np.float32)
    fall[:, 60:, :30] = 1.5
    fall[:, :20, 60:] = -0.5
    mask = fall > 1
    mask[2] = False
    slots: dict[str, tuple[Any, ...]] = {
        "saliency": (Heatmap("map", "Saliency", saliency, "max |∂S/∂x|", overlay=False),),
        "guided-backprop": (
            Picture("colour", "Guided", draw.normal(size=(n, 3, SIDE, SIDE)), "signed", "signed"),
            Heatmap("map", "Guided, magnitude", smooth(), "max |g|", overlay=False),
            Remark("coverage", "4 of 4 rectifiers"),
        ),
        "grad-cam": (Heatmap("map", "Grad-CAM", cam, "ReLU(Σ w·A), logit", layer="conv"),),
        "occlusion": (
            Heatmap("map", "Occlusion", fall, "mean fall of the logit", signed=True),
            Heatmap("probability", "By window", cam + 0.1, "probability", overlay=False),
            Mask("mask", "Occlusion mask", mask, "half of the fall"),
            Scalar("mask-share", "Share in the mask", 100 * mask.mean((1, 2)), "%"),
            Scalar("lowest-probability", "Lowest", np.full(n, 0.125)),
            Scalar("lowest-x", "from the left", np.full(n, 15.0), "px"),
            Scalar("lowest-y", "from the top", np.full(n, 78.0), "px"),
            Flag("mask-empty", "The occlusion mask is empty.", ~mask.any((1, 2))),
        ),
    }
    shared: dict[str, tuple[Any, ...]] = {
        "predictions": (
            Scalar("margin", "Margin", np.array([0.85, 0.45, 0.05])),
            Scalar("entropy", "Entropy", np.array([0.5, 1.0, 1.5]), "bit"),
        ),
        "feature-maps": (
            Gallery(
                "conv",
                "conv",
                draw.normal(size=(n, 3, 24, 24)),
                np.tile([4, 0, 7], (n, 1)),
                "activation",
                layer="conv",
            ),
        ),
        "hypercolumns": (
            Heatmap("map", "Mean", draw.normal(size=(n, SIDE, SIDE)), "mean", overlay=False),
            Picture("pca", "Components", draw.random((n, 3, SIDE, SIDE)), "as red, green, blue"),
            Segments("segments", "Segments", draw.integers(0, 5, (n, SIDE, SIDE)), "5 segments"),
            Scalar("explained-variance", "Variance", np.array([50.0, 60.0, 70.0]), "%"),
        ),
    }
    return {name: [held] for name, held in shared.items()} | {
        name: [held] * targets for name, held in slots.items()
    }


def record(number: int, targets: int, first: int) -> dict[str, Any]:
    """The record of one image; the fourth is rejected."""
    rejected = number == MEASURED
    held: dict[str, Any] = {
        "number": number,
        "id": f"{number:06d}",
        "path": PATHS[number],
        "sha256": None if rejected else "ab" * 32,
        "status": "rejected" if rejected else "ok",
        "reason": "cannot identify <image> file" if rejected else None,
        "label": None,
        "label_index": None,
        "row": None if rejected else number,
        "measured": not rejected,
        "predictions": [],
        "loss": None,
        "correct": None,
        "label_probability": None,
        "targets": [],
        "geometry": None,
        "notes": [],
        "original_bytes": [first, first],
    }
    if rejected:
        return held
    best, p = ANSWERS[number], TOP[number]
    order = [best, *(c for c in range(len(CLASSES)) if c != best)]
    chances = [p, 2 * (1 - p) / 3, (1 - p) / 3]
    held["predictions"] = [
        {"class_index": c, "class_name": CLASSES[c], "logit": float(np.log(q)), "probability": q}
        for c, q in zip(order, chances, strict=True)
    ]
    label = LABELS[number]
    if label is not None:
        chance = chances[order.index(label)]
        held |= {"label": CLASSES[label], "label_index": label, "correct": label == best}
        held |= {"loss": float(-np.log(chance)), "label_probability": chance}
    kinds = ("predicted", "top-2")
    held["targets"] = [
        {"slot": slot, "kind": kinds[slot], "note": None, **held["predictions"][slot]}
        for slot in range(targets)
    ]
    held["geometry"] = {
        "original_px": [160, 120],
        "resized_px": [128, 96],
        "crop_px": [16, 0, 112, 96],
        "crop_original_px": [20.0, 0.0, 140.0, 120.0],
    }
    return held


FRACTIONS = [0.0, 0.5, 1.0]
TRUST = {
    "images": 3,
    "dear": 3,
    "steps": 2,
    "random_orders": 2,
    "copies": 2,
    "noise_std": 0.05,
    "limits": {"randomised": 0.1, "beats_random_sd": 1.645, "same_class": 0.9, "steady": 0.5},
}


def trust_record(number: int) -> dict[str, Any]:
    """Image `number` put to the test: saliency passes, Grad-CAM outlives the shuffling, the map of
    occlusion is all zero in image 1, so that two images are left of it and decide nothing."""
    near = 0.01 * number

    def judged(insertion: list[float], rho: float) -> dict[str, Any]:
        deletion = insertion[::-1]
        areas = [float(np.trapezoid(line, FRACTIONS)) for line in (insertion, deletion)]
        gain = areas[0] - areas[1] / 5
        return {
            "insertion": insertion,
            "deletion": deletion,
            "flag": None,
            "asked": {
                "weights": {"half": 0.5, "all": rho + near, "others": 0.05, "gaussian": 0.1, "edges": 0.2},
                "counts": {"blur": gain + near, "imputed": gain - near},
                "class": {"rival": 0.25 + near, "itself": 0.75 + near},
                "amount": {"rho": 0.5 + near, "others": 0.05, "gaussian": 0.1},
                "steady": {"itself": 0.75 + near, "noise": 0.01},
            },
        }

    zero = "all zero: nothing in this map responds to the target"
    methods = {
        "grad-cam": judged([0.0, 0.5, 0.8], 0.83),
        "occlusion": judged([0.0, 0.6, 0.8], -0.125),
        "saliency": judged([0.0, 0.7, 0.8], 0.125),
    }
    if number == 1:
        methods["occlusion"] |= {"insertion": [], "deletion": [], "flag": zero}
    spread = {"mean": [0.0, 0.2, 0.8], "sd": [0.0, 0.1, 0.0]}
    gains = [-0.02, 0.03, 0.02, -0.03]
    return {
        "number": number,
        "id": f"{number:06d}",
        "target": {"class_index": ANSWERS[number], "class_name": CLASSES[ANSWERS[number]]},
        "doubtful": number == 1,
        "cells": 14,
        "fractions": FRACTIONS,
        "methods": methods,
        "random": {
            "insertion": spread,
            "deletion": {"mean": spread["mean"][::-1], "sd": spread["sd"]},
            "gain": {"blur": gains, "imputed": gains},
        },
        "greedy": {"blur": 0.5, "imputed": 0.5},
        "agreement": {
            "methods": ["saliency", "grad-cam", "occlusion"],
            "rho": [[1.0, 0.4375, -0.25], [0.4375, 1.0, -0.001], [-0.25, -0.001, 1.0]],
        },
    }


def jpeg(number: int) -> bytes:
    """A photograph of 160 × 120 px: a gradient with a bright square."""
    pixels = np.zeros((120, 160, 3), np.uint8)
    pixels[..., number % 3] = np.linspace(0, 200, 160).astype(np.uint8)
    pixels[40:80, 60:100] = 230
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=88)
    return out.getvalue()


def manifest(**changes: Any) -> dict[str, Any]:
    visualizations = [words(name, name != "guided-backprop") for name in VISUALIZATIONS]
    held: dict[str, Any] = {
        "key": "key",
        "reproducible": False,
        "created": "2026-11-22T07:00:00+00:00",
        "title": "Cats & <dogs>",
        "checkpoint": {
            "name": "net.safetensors",
            "sha256": "0123456789abcdef" * 4,
            "size_bytes": 2**20,
            "format": "safetensors",
        },
        "model": {
            "source": "network.py:Net",
            "arguments": {"classes": 3},
            "parameters": 4_652_008,
            "trainable_parameters": 4_652_008,
            "macs": 385_187_552,
            "parameter_bytes": 18_608_032,
            "activation_bytes": 2**20,
            "input_shape": [3, SIDE, SIDE],
            "classes": list(CLASSES),
            "class_count": 3,
            "preprocessing": {
                "resize": SIDE,
                "crop": [SIDE, SIDE],
                "mean": [0.5, 0.5, 0.5],
                "std": [0.5, 0.5, 0.5],
                "interpolation": "bilinear",
                "origin": "recipe",
            },
            "notes": ["an assumption was made"],
            "rectifiers": 4,
            "smooth_activations": [],
            "layers": [],
        },
        "images": {
            "total": 4,
            "ok": 3,
            "rejected": 1,
            "shown": 3,
            "labelled": 2,
            "chosen": "All 3 are shown.",
            "source": "pets",
        },
        "recipe": {
            "title": "Cats & <dogs>",
            "model": {"source": "network.py:Net"},
            "gates": [
                {"metric": "accuracy", "min": 0.9, "max": None},
                {"metric": "rejected", "min": None, "max": 1},
            ],
            "trust": TRUST,
            "output": {"theme": "default", "html": {"at_most_mb": 15}, "pdf": True},
        },
        "save_maps": False,
        "visualizations": visualizations,
        "plan": ["3 forwards", "6 backwards"],
        "cost": {"forwards": 3, "backwards": 6, "occlusion_forwards": 363, "device": "CPU"},
        "environment": {
            "reportgen": "0.1.0",
            "python": "3.11",
            "torch": "2.14.1",
            "torchvision": "0.29.1",
            "numpy": "2.4",
            "device": "CPU",
            "devices": ["CPU"],
            "precision": "float32",
            "seed": 0,
            "deterministic": True,
            "threads": 2,
            "platform": "Linux",
        },
    }
    return held | changes


@pytest.fixture(scope="session")
def manifest_recipe() -> Callable[..., dict[str, Any]]:
    """The manifest's recipe with another `output.pdf`."""

    def recipe(pdf: Any) -> dict[str, Any]:
        held: dict[str, Any] = manifest()["recipe"]
        return held | {"output": held["output"] | {"pdf": pdf}}

    return recipe


@pytest.fixture(scope="session")
def write_evidence() -> Callable[..., Path]:
    """Writes folder/evidence: `targets` slots an image, a saliency of zeros where `dead`, and three
    images whose maps were put to the test where `trust`."""

    def write(folder: Path, targets: int = 1, dead: bool = True, trust: bool = False, **changes: Any) -> Path:
        writer = Writer(folder / "evidence", "key")
        writer.write("model", model_findings())
        originals = [jpeg(number) for number in range(MEASURED)]
        ends = np.cumsum([0, *map(len, originals)])
        records = [record(number, targets, 0) for number in range(len(PATHS))]
        for number in range(MEASURED):
            records[number]["original_bytes"] = [int(ends[number]), int(ends[number + 1])]
        seen = np.random.default_rng(0).integers(0, 255, (MEASURED, SIDE, SIDE, 3), dtype=np.uint8)
        found = image_findings(targets, dead)
        held = manifest(**changes)
        shown = {v["name"] for v in held["visualizations"] if v["applicable"]}
        writer.write(
            "batch-000000",
            {name: slots for name, slots in found.items() if name in shown},
            records,
            {
                "seen": seen,
                "logits": np.zeros((MEASURED, 3), np.float32),
                "originals": np.frombuffer(b"".join(originals), np.uint8),
            },
        )
        if trust:
            writer.write("trust-000000", {}, [trust_record(number) for number in range(MEASURED)])
        writer.seal(
            held, {"seconds": {"decode": 1.5, "compute": 62.0, "total": 70.0}, "peak_memory_bytes": 2**28}
        )
        return folder

    return write


@pytest.fixture(scope="session")
def by_hand() -> SimpleNamespace:
    """The parts that evidence is written from, for tests that write other evidence."""
    parts = (record, image_findings, model_findings, manifest, jpeg)
    return SimpleNamespace(**{part.__name__: part for part in parts})


@pytest.fixture(scope="session")
def rendered(write_evidence: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with evidence and everything rendered from it, for tests that only read."""
    from reportgen.report import write_report

    folder = write_evidence(tmp_path_factory.mktemp("rendered"), trust=True)
    assert write_report(folder).problem is None
    return folder


@pytest.fixture
def small_evidence(write_evidence: Callable[..., Path], tmp_path: Path) -> Path:
    """A folder with evidence only."""
    return write_evidence(tmp_path)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The system's Chromium; without one the test is skipped, and in CI it fails."""
    import os

    names = ("chromium-headless-shell", "chromium", "chromium-browser")  # the first does without windows
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("CI has no Chromium")
    if found is None:
        pytest.skip("no Chromium on this machine: `apt-get install chromium`")
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """A started Chromium, without Playwright's own."""
    sync_api = pytest.importorskip("playwright.sync_api")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield started
        started.close()


@pytest.fixture
def watched(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a report in a window; at the end it must have asked for nothing and complained of nothing."""
    contexts, heard, asked = [], [], []

    def open_(folder: Path, width: int = 1280, scheme: str = "light", **held: Any) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, **held
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto((folder / "report.html").as_uri())
        page.evaluate("for (const held of document.querySelectorAll('.failed, .fold')) held.open = true")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert heard == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """Waits until an expression holds in a page. Playwright's own way asks the page itself to evaluate
    text again and again, which its policy forbids."""

    def wait(page: Any, expression: str) -> None:
        for _ in range(2400):  # a minute: a slow machine is no failure
            if page.evaluate(expression):
                return
            page.wait_for_timeout(25)
        raise AssertionError(f"it never held: {expression}")

    return wait
