"""Promise 7: what was read is known by its hash in manifest and page; what is changed meanwhile is found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from hostile.forked import RECIPE, RUN, forked, is_told, material
from reportgen import measure, pipeline
from reportgen.audit.results import without_clock
from reportgen.audit.seal import verify
from reportgen.evidence import sha256_of
from reportgen.measure import checkpoints

LISTS = {
    "classes.txt": "a\nb\nc\n",
    "labels.csv": "path,label\nimages/0.png,a\nimages/1.png,b\n",
    "foreign.csv": "path\nimages/2.png\n",
}


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A run with lists and with checkpoints of its training."""
    folder = material(tmp_path / "room")
    for name, text in LISTS.items():
        (folder / name).write_text(text)
    state = torch.load(folder / "net.pt", weights_only=True)
    torch.save({name: value + 1 for name, value in state.items()}, folder / "epoch-1.pt")
    recipe = json.dumps({"checkpoints": ["epoch-1.pt", "net.pt"]})
    text = RECIPE.replace("[predictions]", f"[predictions, evolution: {recipe}]")
    text = text.replace("  source:", "  classes: classes.txt\n  source:")
    text += "images: {labels: labels.csv, foreign: foreign.csv}\n"
    (folder / "recipe.yaml").write_text(text)
    return folder


def test_every_file_that_was_read_has_its_hash_in_manifest_and_page(room: Path) -> None:
    assert forked((*RUN, "out"), room).code == 0
    manifest = json.loads((room / "out" / "evidence" / "manifest.json").read_bytes())
    read = {file["name"]: file["sha256"] for file in manifest["files"]}
    assert read == {name: sha256_of(room / name) for name in (*LISTS, "epoch-1.pt", "net.pt")}
    page = (room / "out" / "report.html").read_text()
    assert all(sha256 in page for sha256 in read.values())
    assert verify(room / "out") == []


def test_a_checkpoint_that_is_swapped_while_the_run_lasts_is_found(room: Path) -> None:
    def swapping() -> None:
        real = checkpoints.load

        def load(path: Path, weights: str | None = None) -> object:
            if path.name == "epoch-1.pt":
                (path.parent / "other").write_bytes(path.read_bytes() + b"\0")
                (path.parent / "other").replace(path)
            return real(path, weights)

        checkpoints.load = load

    done = forked((*RUN, "out"), room, swapping)
    is_told(done, 3)
    assert "epoch-1.pt" in done.err


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_is_changed_while_the_run_lasts_is_found(room: Path, name: str) -> None:
    def changing() -> None:
        real = pipeline.measure_main

        def measured(*given: object) -> object:
            Path(name).write_text(LISTS[name] + "\n")
            return real(*given)

        pipeline.measure_main = measured

    done = forked((*RUN, "out"), room, changing)
    is_told(done, 3)
    assert name in done.err and "was changed while the run lasted" in done.err
    assert not (room / "out" / "report.html").exists()
    assert measure.measure_main is pipeline.measure_main  # in this process nothing was changed


def test_what_is_attached_holds_no_clock_of_either_model() -> None:
    def cost(seconds: float, **more: float) -> dict[str, object]:
        return {"forwards": 4, "seconds": {"decode": seconds, **more}, "peak_memory_bytes": seconds}

    first = {"cost": cost(1.0), "beside": {"cost": cost(2.0)}, "title": "t"}
    resumed = {"cost": cost(3.0, trust=1.0), "beside": {"cost": cost(4.0)}, "title": "t"}
    assert without_clock(first) == without_clock(resumed)
    assert without_clock(first)["cost"]["forwards"] == 4
    assert without_clock({**first, "beside": None})["beside"] is None
