"""Evolution: every checkpoint against a plain loop, the weights' steps, training logs of both kinds."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from reportgen.audit.schema import results_schema
from reportgen.engine.needs import Evolved, Noted, Projected, TopImages, TrainingLog
from reportgen.engine.network.trace import trace
from reportgen.errors import InputError, UnknownName
from reportgen.evidence import Evidence
from reportgen.findings import NotApplicable
from reportgen.inputs.history import read
from reportgen.measure import measure_main
from reportgen.measure.measurement import Measurement
from reportgen.pipeline import run
from reportgen.probes.evolution import Evolution, grouped
from reportgen.recipe import load
from reportgen.stats import wilson

MNIST = Path(__file__).resolve().parents[2] / "examples" / "mnist"
CODE = [str(MNIST / "network.py")]  # that of the example, named by recipes elsewhere
NAMES = ("epoch-01", "epoch-03", "epoch-10")
FILES = [MNIST / "checkpoints" / f"{name}.safetensors" for name in NAMES]


def recipe(folder: Path, options: str, at_most: int = 3) -> Path:
    head = (MNIST / "recipe.yaml").read_text(encoding="utf-8")
    head = head[head.index("model:") : head.index("images:")]
    for name in ("network.py", "classes.txt"):
        head = head.replace(name, f"{MNIST}/{name}")
    path = folder / "recipe.yaml"
    path.write_text(
        f"{head}images: {{labels: folder, show: {{at_most: {at_most}}}}}\ntrust: false\n"
        f"output: {{pdf: false}}\nvisualizations:\n  - evolution: {{{options}}}\n"
    )
    return path


def three(layers: str = "layers: [relu2], channels: [3, 15]") -> str:
    return f"checkpoints: [{', '.join(map(str, FILES))}], {layers}"


def digits(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The first images of the set in its order, normalised (N, 1, 28, 28), and their labels."""
    paths = sorted((MNIST / "digits").rglob("*.png"), key=lambda p: p.relative_to(MNIST).as_posix())[:count]
    grey = torch.stack([torch.from_numpy(np.array(Image.open(p))).float() / 255 for p in paths])
    return ((grey - 0.1307) / 0.3081)[:, None], torch.tensor([int(p.parent.name) for p in paths])


def network(file: Path) -> nn.Module:
    space: dict = {}
    exec((MNIST / "network.py").read_text(encoding="utf-8"), space)
    made = space["DigitNet"]().eval()
    made.load_state_dict(load_file(file))
    return made


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Forty digits, the last checkpoint audited; the findings by name, and the evidence."""
    folder = tmp_path_factory.mktemp("evolution")
    outcome = run(load(recipe(folder, three()), CODE), FILES[-1], MNIST / "digits", folder / "out", limit=40)
    evidence = Evidence(outcome.folder / "evidence")
    return {f.name: f for f in evidence.model_findings()["evolution"][0]}, evidence, outcome.folder


def test_every_checkpoint_answers_as_in_a_plain_loop(found):
    findings, evidence, _ = found
    x, labels = digits(40)
    assert [r["label_index"] for r in evidence.records()] == labels.tolist()
    for row, file in zip(findings["checkpoints"].rows, FILES, strict=True):
        with torch.no_grad():
            logits = network(file)(x).double()
        right = int((logits.argmax(1) == labels).sum())
        assert row[:4] == (file.stem, 40, right, pytest.approx(100 * right / 40))
        assert row[4] == pytest.approx(float(nn.functional.cross_entropy(logits, labels)), rel=1e-4)
    curve = findings["accuracy"]
    assert curve.x.tolist() == [1, 3, 10] and curve.x_label == "epoch"
    rights = [round(40 * float(v)) for v in curve.values[0]]
    assert np.allclose(curve.band.T, [wilson(n, 40) for n in rights])


def test_the_steps_of_the_weights_are_those_of_the_files(found):
    findings, _, _ = found
    states = [load_file(file) for file in FILES]
    for name, *steps in findings["changes"].rows:
        for n, step in enumerate(steps):
            old, new = (s[f"{name}.weight"].double() for s in states[n : n + 2])
            assert step == pytest.approx(float((new - old).norm() / old.norm()), rel=1e-6)
    assert [row[0] for row in findings["changes"].rows] == ["conv1", "conv2", "fc1", "fc2"]


def test_a_column_holds_the_strongest_image_of_its_checkpoint(found):
    findings, _, _ = found
    x, _ = digits(40)
    numbers = findings["relu2-patches"].numbers.reshape(2, 3)
    for column, file in enumerate(FILES):
        net = network(file)
        kept = []
        net.relu2.register_forward_hook(lambda _m, _a, out, kept=kept: kept.append(out))
        with torch.no_grad():
            net(x)
        for row, channel in enumerate((3, 15)):
            assert numbers[row, column] == int(kept[0][:, channel].amax((1, 2)).argmax())
    tiles = findings["relu2-projections"].values
    assert tiles.shape == (6, 3, 8, 8) and findings["relu2-projections"].columns == 3
    # the same network is audited and listed last: its column is that of top patches
    assert np.abs(tiles[2]).max() > 0 and not np.allclose(tiles[0], tiles[2])


def test_the_audited_weights_are_back_when_it_is_done(tmp_path, monkeypatch):
    kept = {}
    real = measure_main

    def watched(audit, *others):
        before = {k: v.clone() for k, v in audit.main.subject.network.state_dict().items()}
        done = real(audit, *others)
        after = audit.main.subject.network.state_dict()
        kept["same"] = all(torch.equal(before[k], after[k]) for k in before)
        return done

    monkeypatch.setattr("reportgen.pipeline.measure_main", watched)
    run(load(recipe(tmp_path, three()), CODE), FILES[-1], MNIST / "digits", tmp_path / "out", limit=6)
    assert kept["same"]


def test_it_is_counted_and_planned_and_resumes_to_the_same_bytes(tmp_path, monkeypatch, found):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    file = recipe(tmp_path, three())
    whole = run(load(file, CODE), FILES[-1], MNIST / "digits", tmp_path / "whole", limit=40).folder
    results = json.loads((whole / "results.json").read_bytes())
    jsonschema.validate(results, results_schema())
    rows = results["findings"]["evolution"]["tables"]["checkpoints"]["rows"]
    assert [row[:3] for row in rows] == [list(row[:3]) for row in found[0]["checkpoints"].rows]
    manifest = Evidence(whole / "evidence").manifest
    assert manifest["cost"]["snapshot_forwards"] == 120
    assert any(line == "3 checkpoints of the run: 120 forwards more" for line in manifest["plan"])
    real = Measurement.numbered
    calls = []
    with monkeypatch.context() as patch:

        def stop(self, numbers):
            calls.append(1)
            for held in real(self, numbers):
                yield held
                if len(calls) == 3:  # in the middle of the second checkpoint
                    raise KeyboardInterrupt

        patch.setattr(Measurement, "numbered", stop)
        with pytest.raises(KeyboardInterrupt):
            run(load(file, CODE), FILES[-1], MNIST / "digits", tmp_path / "again", limit=40)
    again = run(load(file, CODE), FILES[-1], MNIST / "digits", tmp_path / "again", limit=40).folder
    assert (whole / "evidence/manifest.json").read_bytes() == (again / "evidence/manifest.json").read_bytes()
    assert (whole / "report.html").read_bytes() == (again / "report.html").read_bytes()


def test_another_training_log_is_another_measurement(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("epoch,train_loss,val_loss,val_acc\n1,2,2.5,0.1\n2,1,,0.4\n3,0.5,1.5,0.5\n")
    file = recipe(tmp_path, f"log: {log}")
    keys, pages = [], []
    for text in (log.read_text(), log.read_text().replace("0.5,1.5", "0.4,1.5")):
        log.write_text(text)
        folder = run(load(file, CODE), FILES[-1], MNIST / "digits", tmp_path / "out", limit=2).folder
        keys.append(Evidence(folder / "evidence").manifest["key"])
        pages.append((folder / "report.html").read_text(encoding="utf-8"))
        findings = {f.name: f for f in Evidence(folder / "evidence").model_findings()["evolution"][0]}
        assert set(findings) == {"log-loss", "log-accuracy"}
        loss = findings["log-loss"]
        assert loss.labels == ("train_loss", "val_loss") and loss.x_label == "epoch"
        assert loss.values[1].tolist() == [2.5, 2.0, 1.5], "a gap is bridged"
    assert keys[0] != keys[1]
    assert "Training log: loss" in pages[0]


def test_event_files_are_read_as_tensorboard_writes_them(tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    for name in ("train", "val"):
        with SummaryWriter(str(tmp_path / "runs" / name)) as writer:
            for step in range(4):
                writer.add_scalar("loss", 1 / (step + 1), step)
                writer.add_scalar("accuracy", step / 4, step)
    history = read(tmp_path / "runs")
    names = {"train/loss", "train/accuracy", "val/loss", "val/accuracy"}
    assert {held.name for held in history.noted} == names
    held = next(h for h in history.noted if h.name == "val/loss")
    assert held.steps.tolist() == [0, 1, 2, 3] and np.allclose(held.values, [1, 1 / 2, 1 / 3, 1 / 4])
    assert sorted(grouped(history.noted)) == ["accuracy", "loss"]


def test_its_layers_and_channels_are_those_of_the_model(awkward):
    facts = trace(awkward, (3, 32, 32))
    with pytest.raises(NotApplicable, match="no checkpoints"):
        Evolution().needs(facts)
    wished = Evolution(checkpoints=("a.pt", "b.pt"), log="log.csv", layers=("last",), channels=(2, 5))
    log, evolved = wished.needs(facts)
    assert log == TrainingLog("log.csv")
    assert evolved == Evolved(("a.pt", "b.pt"), (Projected(TopImages("last", 1), (2, 5), "guided", 96),))
    with pytest.raises(UnknownName, match="channel of last 12"):
        Evolution(checkpoints=("a.pt",), layers=("last",), channels=(12,)).needs(facts)


def test_many_lines_of_a_kind_are_spread_over_plots():
    held = [Noted(f"run{n}/loss", np.arange(2.0), np.arange(2.0), "step") for n in range(6)]
    assert {name: len(lines) for name, lines in grouped(held).items()} == {"loss": 4, "loss 2": 2}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.csv", None, "cannot read the training log"),
        ("empty.csv", "epoch,loss\n", "no rows below its head"),
        ("words.csv", "epoch,loss\n1,0.5\n2,soon\n", "words.csv:3: 'soon' is no number"),
        ("bare.csv", "epoch\n1\n2\n", "no column of numbers"),
        ("runs", "folder", "no scalars of TensorBoard"),
    ],
)
def test_a_log_that_cannot_be_used_is_refused_with_a_remedy(tmp_path, name, content, said):
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=said) as caught:
        read(path)
    assert "epoch" in caught.value.remedy


def test_a_checkpoint_of_another_network_is_refused_before_anything_is_measured(tmp_path):
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(2, 2)}, tmp_path / "other.safetensors")
    file = recipe(tmp_path, f"checkpoints: [{FILES[0]}, {tmp_path}/other.safetensors]")
    with pytest.raises(InputError, match=r"other\.safetensors does not fit"):
        run(load(file, CODE), FILES[-1], MNIST / "digits", tmp_path / "out", limit=2)
    assert not (tmp_path / "out").exists()


def test_without_checkpoints_and_log_it_does_not_apply(tmp_path):
    file = recipe(tmp_path, "channels: 2")
    folder = run(load(file, CODE), FILES[-1], MNIST / "digits", tmp_path / "out", limit=2).folder
    (held,) = Evidence(folder / "evidence").manifest["visualizations"]
    assert "names no checkpoints" in held["reason"]
