"""Epoch 10 beside epoch 1: the counts are those of a plain loop over both networks."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from scipy.stats import binomtest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "mnist"


def answers(epoch: int) -> tuple[list[int], list[int]]:
    """What the network of an epoch answers for every digit, without reportgen, and the labels."""
    spec = importlib.util.spec_from_file_location("compared_network", EXAMPLE / "network.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.DigitNet().eval()
    network.load_state_dict(load_file(EXAMPLE / "checkpoints" / f"epoch-{epoch:02d}.safetensors"))
    files = sorted((EXAMPLE / "digits").glob("*/*.png"))
    grey = torch.from_numpy(np.stack([np.asarray(Image.open(file)) for file in files]))
    with torch.inference_mode():
        said = network((grey[:, None].float() / 255 - 0.1307) / 0.3081).argmax(1).tolist()
    return said, [int(file.parent.name) for file in files]


@pytest.fixture(scope="module")
def compared(command: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's recipe with two images shown, and nothing climbed; every digit is scored."""
    folder = tmp_path_factory.mktemp("beside")
    text = (EXAMPLE / "beside.yaml").read_text(encoding="utf-8").replace("at_most: 12", "at_most: 2")
    kept = [line for line in text.splitlines() if "activation-maximisation" not in line]
    text = "\n".join([*kept, "checks: false", "trust: {images: 1, steps: 2, random_orders: 2}"])
    for name in ("network.py", "classes.txt", "checkpoints"):
        (folder / name).symlink_to(EXAMPLE / name)
    (folder / "beside.yaml").write_text(text, encoding="utf-8")
    checkpoint = EXAMPLE / "checkpoints" / "epoch-10.safetensors"
    where = (checkpoint, EXAMPLE / "digits", "--recipe", folder / "beside.yaml", "--out", folder / "out")
    done = command("run", *where, "--quiet")
    assert done.exit_code == 0, done.stderr
    return folder / "out"


def test_mended_and_broken_answers_are_those_of_a_plain_loop(compared: Path) -> None:
    (late, labels), (early, _) = answers(10), answers(1)
    mended = sum(a == label != b for a, b, label in zip(late, early, labels, strict=True))
    broken = sum(b == label != a for a, b, label in zip(late, early, labels, strict=True))
    found = json.loads((compared / "results.json").read_bytes())
    tests = found["beside"]["tests"]
    assert mended > broken > 0
    assert (tests["mended"], tests["broken"]) == (mended, broken)
    assert tests["changed"] == sum(a != b for a, b in zip(late, early, strict=True))
    assert tests["mcnemar_p"] == pytest.approx(binomtest(broken, mended + broken).pvalue)
    assert [i["predictions"][0]["class_index"] for i in found["beside"]["images"]] == early
    page = (compared / "report.html").read_text(encoding="utf-8")
    assert (compared / "report.pdf").is_file()
    told = f"{tests['changed']} of 500 answers changed: {mended} newly right, {broken} newly wrong (McNemar p"
    assert told in page


def test_the_readme_says_what_was_found(compared: Path) -> None:
    tests = json.loads((compared / "results.json").read_bytes())["beside"]["tests"]
    words = f"{tests['changed']} of 500 answers changed, {tests['mended']} newly right"
    words += f", {tests['broken']} newly wrong."
    assert words in (EXAMPLE / "README.md").read_text(encoding="utf-8")
