"""Batches are halved where the device has too little memory: a device of so many images, played by a fake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from reportgen.engine.device import name_of
from reportgen.engine.feed import Feed
from reportgen.errors import InputError
from reportgen.evidence import shards
from reportgen.measure import measure_main
from reportgen.measure.manifest import manifest
from reportgen.measure.measurement import Measurement
from reportgen.progress import silent


@pytest.fixture
def memory(monkeypatch) -> Callable[..., list[int]]:
    """Lets the network take so many images at once, fewer where it keeps them for a backward; the sizes of
    the batches that it was given."""

    def of(answered: int, differentiated: int | None = None) -> list[int]:
        ask, given = Feed.ask, []

        def asked(self: Feed, network: Any, x: Any, *more: Any, **named: Any) -> Any:
            given.append(len(x))
            if len(x) > (answered if differentiated is None or not x.requires_grad else differentiated):
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return ask(self, network, x, *more, **named)

        monkeypatch.setattr(Feed, "ask", asked)
        return given

    return of


def measured(two: Any, batch_size: int, progress: Any = silent) -> Measurement:
    """The two maps and checks of nine images and a broken file, in batches of a size."""
    audit = two.audit(two.recipe(edit=in_batches(batch_size), own=""))
    return measure_main(audit, two.folder / f"evidence-{batch_size}", progress)


def figures(m: Measurement) -> dict[str, np.ndarray]:
    """Every array of every image's findings, by the image, the visualization, the slot and the finding."""
    shown = [record["number"] for record in m.writer.records(shards.BATCH) if record["measured"]]
    found = {number: m.writer.measured(number) for number in shown}
    return {
        f"{number}/{name}/{slot}/{finding.name}": np.asarray(finding.values)
        for number, (shard, record) in found.items()
        for name, slots in m.writer.findings(shard, record["row"]).items()
        for slot, several in enumerate(slots)
        for finding in several
        if hasattr(finding, "values")
    }


CHECKED = "checks: {sample: 6, only: [input-statistics, preprocessing, training, channels]}"


def in_batches(size: int) -> Callable[[str], str]:
    """The recipe with batches of a size, with checks and with maps that are tested on two images."""

    def edit(text: str) -> str:
        text = text.replace("batch_size: 2", f"batch_size: {size}").replace("checks: false", CHECKED)
        text = text.replace("trust: {images: 1", "trust: {images: 3")
        return text.partition("beside:")[0]

    return edit


def test_a_run_in_halves_finds_what_a_run_in_small_batches_finds(two, memory):
    expected = measured(two, 2)
    told: list[str] = []
    given = memory(answered=8, differentiated=2)  # the trial of eight goes well: only maps take more
    halved = measured(two, 8, lambda stage, _done, _total, note="": note and told.append(f"{stage}: {note}"))
    assert {8, 4, 2} <= set(given)
    found = figures(halved)
    assert found.keys() == figures(expected).keys()
    assert len({name.split("/")[0] for name in found}) == 9
    for name, values in figures(expected).items():
        assert np.allclose(found[name], values, rtol=1e-4, atol=1e-5), name
    device = name_of(torch.device("cpu"))
    said = [f"Batches hold {n}, not 8: {device} has too little memory for more." for n in (4, 2)]
    assert [line for line in told if line.startswith("memory")] == [f"memory: {line}" for line in said]
    assert halved.notes == said[-1:] and said[-1] in manifest(halved)["model"]["notes"]
    verdicts = [m.writer.records(shards.VERDICTS) for m in (expected, halved)]
    assert [v["status"] for v in verdicts[0]] == [v["status"] for v in verdicts[1]]
    trust = [{r["number"] for r in m.writer.records(shards.TRUST)} for m in (expected, halved)]
    assert trust[0] == trust[1] and len(trust[0]) == 3


def test_rejected_files_are_recorded_once_though_their_batch_is_halved(two, memory):
    memory(answered=8, differentiated=2)
    records = measured(two, 8).writer.records(shards.BATCH)
    assert sorted(record["number"] for record in records) == list(range(10))
    assert sum(record["status"] == "rejected" for record in records) == 1


def test_a_trial_that_does_not_fit_is_made_with_half_and_the_plan_says_so(two, memory):
    memory(answered=3)
    audit = two.audit(two.recipe(edit=in_batches(8), own=""))
    assert audit.main.batch_size == 2
    assert any(line.startswith("Batches hold 2, not 8") for line in audit.lines(audit.main))
    assert any(line.startswith("batches of 2 ") for line in audit.lines(audit.main))


def test_where_no_single_image_fits_it_is_said(two, memory):
    memory(answered=0)
    with pytest.raises(InputError, match="too little memory") as caught:
        two.audit(two.recipe(edit=in_batches(8), own=""))
    assert "run.device: cpu" in caught.value.remedy

