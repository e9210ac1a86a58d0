"""An image for which the model's output is not finite has no answer, wherever answers are counted."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from reportgen.engine.needs import ChannelMean, ClassLogit, Record, TopImages
from reportgen.engine.network.output import answers
from reportgen.engine.plan import Plan
from reportgen.engine.top_images import UNITS, key, rank
from reportgen.evidence import best, is_unanswered
from reportgen.measure.checkpoints import judged
from reportgen.measure.records import of_scored
from reportgen.pipeline import run
from reportgen.probes.channel_health import ChannelHealth
from reportgen.probes.occlusion_class_map import OcclusionClassMap
from reportgen.recipe import load
from reportgen.report.pictures.class_map import class_map

NAN, INF = math.nan, math.inf
CLASSES = ("red", "green", "blue")


@pytest.mark.parametrize(
    ("logits", "answer"),
    [
        ((1.0, 3.0, 2.0), 1),
        ((2.0, 2.0, 1.0), 0),  # of equal ones the first
        ((-INF, 3.0, 2.0), 1),  # a class that is masked out has the probability 0
        ((-INF, -5.0, -INF), 1),
        ((NAN, 3.0, 2.0), -1),
        ((1.0, 3.0, NAN), -1),
        ((1.0, INF, 2.0), -1),  # inf - inf: log-softmax is not defined
        ((-INF, -INF, -INF), -1),
        ((NAN, NAN, NAN), -1),
    ],
)
def test_there_is_an_answer_where_log_softmax_is_defined(logits: tuple[float, ...], answer: int) -> None:
    rows = torch.tensor([logits], dtype=torch.float64)
    assert answers(rows).tolist() == [answer]
    assert answers(rows[None]).tolist() == [[answer]]
    defined = not rows.log_softmax(1).isnan().any()
    assert (answer >= 0) == bool(defined)


def scored(logits: tuple[float, ...], label: int | None) -> dict[str, Any]:
    file = SimpleNamespace(number=0, id="000000", shown="a.png", sha256="", label=None, label_index=label)
    geometry = SimpleNamespace(as_json=dict)
    image: Any = SimpleNamespace(file=file, geometry=geometry, notes=())
    return of_scored(image, 0, np.array(logits, np.float32), CLASSES)


def test_a_record_without_an_answer_claims_nothing() -> None:
    for label in (0, 2, None):
        record = scored((NAN, 1.0, 2.0), label)
        assert (record["predictions"], record["correct"], record["loss"]) == ([], None, None)
        assert record["label_probability"] is None and best(record) is None and is_unanswered(record)
        assert "1 of 3 logits are NaN or infinite" in record["reason"]


def test_a_class_that_is_masked_out_is_an_answer_against_its_label() -> None:
    record = scored((-INF, 1.0, 0.0), 0)
    assert (record["correct"], record["loss"], record["label_probability"]) == (False, None, 0.0)
    assert [held["class_name"] for held in record["predictions"]] == ["green", "blue", "red"]
    assert record["predictions"][0]["probability"] == pytest.approx(1 / (1 + math.exp(-1)))
    assert record["predictions"][2]["probability"] == 0 and record["reason"] is None


def test_a_checkpoint_of_the_run_is_not_right_where_it_answers_nothing() -> None:
    logits = torch.tensor([[NAN, 0.0], [2.0, 0.0], [0.0, 2.0], [INF, 0.0]])
    found = judged(logits, [0, 0, 0, None])
    assert {key: found[key] for key in ("images", "unanswered", "labelled", "right")} == {
        "images": 4,
        "unanswered": 2,
        "labelled": 2,
        "right": 1,
    }
    assert math.isfinite(found["loss"])


def test_an_image_without_an_answer_is_not_among_the_strongest() -> None:
    need, records = TopImages("maps", 2), (Record(ClassLogit(1)), Record(ChannelMean("maps", 0)))
    facts: Any = None  # which layers there are is nothing to these needs
    plan = Plan((need, *records), facts, 1)

    class Tape:
        logits = torch.tensor([[NAN, 9.0], [0.0, 1.0], [0.0, 2.0]])

        def __getitem__(self, _need: Any) -> torch.Tensor:
            return torch.tensor([9.0, 1.0, 2.0])[:, None, None, None].expand(3, 1, 2, 2)

    tally: Any = rank(plan, Tape(), [0, 1, 2])  # type: ignore[arg-type]
    assert tally.tops[key(need)][0, :, 1].tolist() == [2, 1]
    assert tally.tops[UNITS][:, 0, 1].tolist() == [2, 2]


class Standardised(nn.Module):
    """Class 0 is bright on the left; a constant picture has no standard deviation, and so no answer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = (x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True)
        return self.relu(self.conv(x)).mean((2, 3))


def test_a_covered_image_without_an_answer_is_no_class(measured: Any) -> None:
    pixels = torch.zeros(1, 3, 16, 16)
    pixels[:, :, :8, :8] = 1  # covered by grey, which is 0 here, nothing of it is left
    torch.manual_seed(0)
    done = measured(Standardised(), pixels, OcclusionClassMap(window_px=8, stride_px=8))
    found = done.findings(OcclusionClassMap(window_px=8, stride_px=8))
    values = found["classes"].values[0]
    assert values[0, 0] == -1 and (values.reshape(-1)[1:] >= 0).all()
    assert found["classes-kept"].values[0] <= 75
    keys = class_map(values, ("red", "green", "blue"))[1]
    assert "no answer: not finite" in [held.name for held in keys]


def test_one_image_that_is_not_finite_does_not_make_every_channel_so(measured: Any) -> None:
    torch.manual_seed(0)
    sound, constant = torch.randn(4, 3, 16, 16), torch.zeros(1, 3, 16, 16)
    probe, network = ChannelHealth(), Standardised()

    def concluded(pixels: torch.Tensor) -> dict[str, Any]:
        done = measured(network, pixels, probe)
        return {f.name: f for f in probe.conclude(probe.measure(done.tapes[0]), done.facts)}

    found, alone = concluded(torch.cat([sound, constant])), concluded(sound)
    assert "not-finite" not in found and found["layers"].rows == alone["layers"].rows
    assert found["aliasing"].rows == alone["aliasing"].rows
    assert found["left-out"].text.startswith("Left out: 1 of 5 images") and "left-out" not in alone
    nothing = concluded(constant)
    assert nothing["not-finite-found"].level == "bad" and nothing["left-out"].values
    assert set(nothing["aliasing"].rows[0][2:]) == {None}, "nothing is known of its spectrum"


RECIPE = """
model:
  source: network.py:Net
  classes: [red, green, blue]
  preprocessing: {resize: null, crop: 16, mean: [0], std: [1]}
images: {labels: folder, show: {at_most: AT_MOST}}
run: {device: cpu, batch_size: 3}
trust: {images: 1, steps: 2, random_orders: 2}
visualizations: [predictions, saliency, invariance: {steps: 2}, top-patches]
gates:
  - {metric: accuracy, min: 0.5}
  - {metric: unanswered, max: 0}
  - {metric: rejected, max: 0}
output: {pdf: false}
"""


@pytest.fixture(params=[200, 2])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A report on four pictures, one of which is constant, shown all at once or in two rounds."""
    code = Path(__file__).read_text().partition("class Standardised")[2].partition("\n\n\ndef ")[0]
    (tmp_path / "network.py").write_text(f"import torch\nfrom torch import nn\n\nclass Net{code}")
    torch.manual_seed(0)
    save_file(Standardised().state_dict(), tmp_path / "c.safetensors")
    draw = np.random.default_rng(0)
    for n, name in enumerate(("red", "green", "blue", "red")):
        (tmp_path / "images" / name).mkdir(parents=True, exist_ok=True)
        pixels = draw.integers(0, 255, (16, 16, 3), dtype=np.uint8)
        if n == 0:
            pixels[:] = 90
        Image.fromarray(pixels).save(tmp_path / "images" / name / f"{n}.png")
    (tmp_path / "r.yaml").write_text(RECIPE.replace("AT_MOST", str(request.param)))
    return run(
        load(tmp_path / "r.yaml"), tmp_path / "c.safetensors", tmp_path / "images", tmp_path / "report"
    ).folder


def test_the_report_says_so_and_no_gate_passes_on_it(folder: Path) -> None:
    found = json.loads((folder / "results.json").read_bytes())
    (silent,) = [image for image in found["images"] if image["answered"] is False]
    assert silent["path"] == "red/0.png"
    assert (silent["predictions"], silent["correct"], silent["findings"]) == ([], None, {})
    others = [image for image in found["images"] if image is not silent]
    assert all(image["answered"] and image["correct"] is not None for image in others)
    metrics = found["metrics"]
    assert (metrics["unanswered"], metrics["labelled"], metrics["accuracy"]) == (1, 3, None)
    assert metrics["right"] == sum(image["correct"] for image in others)
    assert [gate["outcome"] for gate in found["gates"]] == ["cannot be judged", "failed", "passed"]
    assert [gate["passed"] for gate in found["gates"]] == [False, False, True]
    suite = ElementTree.parse(folder / "junit.xml").getroot()
    messages = [held.attrib["message"] for held in suite.iter("failure")]
    assert messages[0].startswith("cannot be judged: accuracy is not known: 1 labelled image has no answer")
    page = (folder / "report.html").read_text()
    assert "output is not finite (NaN or infinite) for 1 of 4 images" in page
    row = page[page.index(f'id="row-{silent["id"]}"') :].partition("</tr>")[0]
    assert 'data-probability=""' in row and "no answer" in row and "unanswered" in row
    assert f'id="i{silent["id"]}"' not in page, "there is no answer that a card could explain"
