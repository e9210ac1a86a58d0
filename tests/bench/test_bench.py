"""Every part of both commands runs with tiny sizes and prints its rows; what it takes is not asked."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from bench import browser, bundle, gpu, maps, runs
from bench.__main__ import COMMAND, exponent
from bench.maps import Difference, between, differences, image_probes
from bench.networks import KNOWN, crops
from bench.occlusion import HEADS
from bench.parts import Command, Part
from bench.runs import Audited
from bench.sheet import Sheet
from bench.timing import OutOfTime, Times, ratio, within
from reportgen.cli.commands import app
from reportgen.findings import Gallery, Heatmap


def here(*words: str) -> runs.Spent:
    """`reportgen …` in this process: one of its own loads every package again."""
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return runs.Spent(1.0, 1 << 20)


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """The report of two photographs."""
    audited = Audited(tmp_path_factory.mktemp("audited"), KNOWN["tiny"])
    audited.prepare(2, more="trust: false\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "command", here)
        return audited.run("cpu", 2, "--no-pdf").report


@pytest.fixture
def quick(report, monkeypatch, tmp_path) -> Callable[..., dict[str, list[list[str]]]]:
    """Runs a part with quick sizes, where every whole run is a copy of one that was really made: the
    rows by title."""

    def command(*words: str) -> runs.Spent:
        if words[0] != "run":
            return here(*words)
        shutil.copytree(report, words[words.index("--out") + 1])
        return runs.Spent(2.0, 1 << 20)

    def measure(of: Command, part: str) -> dict[str, list[list[str]]]:
        monkeypatch.setattr(runs, "command", command)
        out = tmp_path / "out"
        assert of.run(["--quick", "--device", "cpu", "--only", part, "--out", str(out)]) == 0
        tables = json.loads((out / "bench.json").read_text())["tables"]
        for table in tables:
            assert all(len(row) == len(table["columns"]) for row in table["rows"]), table
            assert (out / "bench.md").read_text().count(f"| {' | '.join(table['columns'])} |") == 1
        return {table["title"]: table["rows"] for table in tables}

    return measure


# of each part, and of what was wanted of it
ROWS = {
    "start": (1, 1),
    "bundle": (1, 2),
    "occlusion": (1, 2),
    "nine": (1, 1),
    "cards": (2, 3),
    "page": (1, 0),
    "scaling": (4, 2),
    "demo": (1, 2),
    "run": (1, 0),
}


@pytest.mark.parametrize("part", COMMAND.parts)
def test_a_part_of_the_bench_prints_its_rows(quick, part):
    if part == "page" and not any(map(shutil.which, browser.NAMES)):
        pytest.skip("no Chromium on this machine")
    tables = quick(COMMAND, part)
    aims = tables.pop("What was wanted", [])
    (rows,) = tables.values()
    assert (len(rows), len(aims)) == ROWS[part]
    assert {aim[-1] for aim in aims} <= {"yes", "no", "not judged"}


@pytest.mark.parametrize("part", gpu.COMMAND.parts)
def test_a_part_of_what_is_measured_on_a_card_runs_on_the_processor(quick, part):
    tables = quick(gpu.COMMAND, part)
    tables.pop("What was wanted", None)
    (rows,) = tables.values()
    count = {"bundle": 1, "occlusion": 1, "memory": 3, "run": 1}
    assert len(rows) == count.get(part, len(rows))
    if part == "maps":
        named = {row[1] for row in rows}
        drawn = {"saliency", "grad-cam", "occlusion", "rise", "score-cam", "smoothgrad", "hypercolumns"}
        assert drawn <= named
        assert {row[2] for row in rows[:-1]} == {"0e+00"}, "the processor against itself"
        assert any(row[5] != "0e+00" for row in rows[:-1]), "the other layout sums in another order"
    if part == "memory":
        sizes = [int(row[4]) for row in rows]
        assert sizes[0] == 8 > sizes[1] > sizes[2] >= 1


def test_a_part_that_fails_is_a_fault_and_the_others_go_on(tmp_path, capsys):
    def fails(*_):
        raise ValueError("as planned")

    parts = {"one": Part(fails), "two": Part(lambda sheet, *_: (sheet.table("T", "a"), sheet.row(1)))}
    assert Command("bench", "", parts, None, None).run(["--out", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "FAULT one: ValueError: as planned" in said and "| 1 |" in said
    kept = json.loads((tmp_path / "bench.json").read_text())
    assert kept["faults"] == ["one: ValueError: as planned"] and kept["tables"][0]["rows"] == [["1"]]


def test_a_part_is_ended_when_its_seconds_are_over():
    with pytest.raises(OutOfTime), within(0.05):
        while True:
            try:
                time.sleep(1)
            except Exception:  # as code does that catches whatever a network raises
                continue


def heatmap(values: np.ndarray) -> Heatmap:
    return Heatmap("map", "A map", values, "a quantity")


def test_a_difference_is_that_of_the_worst_image():
    expected = np.random.default_rng(0).normal(size=(2, 6, 6))
    found = expected.copy()
    found[1, 2, 2] += 0.25 * abs(expected[1]).max()
    far = between(heatmap(found), heatmap(expected))
    assert far.error == pytest.approx(0.25)
    assert far.rank < 1 and far.cosine < 1
    assert between(heatmap(3 * expected), heatmap(expected)).cosine == pytest.approx(1)
    assert between(heatmap(3 * expected), heatmap(expected)).error == pytest.approx(2)
    assert between(heatmap(-expected), heatmap(expected)).rank == pytest.approx(-1)


def test_what_is_not_finite_or_shows_other_tiles_is_as_far_as_can_be():
    expected = np.random.default_rng(0).normal(size=(1, 3, 4, 4))
    broken = expected.copy()
    broken[0, 0, 0, 0] = np.nan
    assert between(heatmap(broken), heatmap(expected)) == Difference(1.0, 0.0, 0.0)
    tiles = [Gallery("g", "Tiles", expected, np.array([numbers]), "a") for numbers in ([0, 1, 2], [0, 2, 1])]
    assert between(*tiles) == Difference(1.0, 0.0, 0.0)
    assert between(tiles[0], tiles[0]) == Difference()


def test_a_map_that_one_side_lacks_is_no_agreement():
    with pytest.raises(KeyError):
        differences({"saliency": ()}, {"saliency": (heatmap(np.ones((1, 2, 2))),)})


def test_every_visualization_of_an_image_is_compared():
    from reportgen.probes import methods

    of_images = {name for name, method in methods().items() if method.scope == "image"}
    assert image_probes().keys() == of_images - set(maps.OF_THE_SET)
    assert set(maps.FEWER) <= of_images and set(bundle.MAPS) <= of_images


def test_ratios_are_of_runs_that_were_taken_in_turn():
    slow, fast = Times((2.0, 9.0, 4.0)), Times((1.0, 3.0, 4.0))
    assert ratio(slow, fast) == "1.33× (1.00–3.00)"
    assert str(fast) == "3 s (1 s–4 s)" and slow.median == 4


def test_the_power_is_the_slope_of_logarithms():
    assert exponent((10, 100, 1000), (5, 50, 500)) == pytest.approx(1)
    assert exponent((10, 100, 1000), (7, 7, 7)) == pytest.approx(0)
    assert exponent((10, 100), (3, 300)) == pytest.approx(2)


def test_crops_are_as_many_different_pictures():
    found = [np.asarray(crop).tobytes() for crop in crops(30)]
    assert len(set(found)) == 30


def test_a_process_of_its_own_tells_its_memory_and_its_fault():
    spent = runs.command("--help")
    assert 5 << 20 < spent.resident_bytes < 300 << 20
    with pytest.raises(RuntimeError, match="exited with 2"):
        runs.command("nonsense")


def test_networks_answer_and_keep_their_weights_from_one_making_to_the_next():
    first, second = (KNOWN["tiny"].make() for _ in range(2))
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(first(x), second(x))
    assert not first.training and HEADS[0] == "network"
    assert Sheet({}).faults == []
