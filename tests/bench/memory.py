"""A device with too little memory: batches are halved, and the maps stay as they are."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from bench.maps import ALIKE, DRAWN, ORDER, Difference, differences
from bench.networks import Known
from bench.runs import REPOSITORY, Audited
from bench.sheet import Sheet
from reportgen.engine.feed import Feed
from reportgen.evidence import shards
from reportgen.findings import Finding
from reportgen.measure import measure_main
from reportgen.measure.audit import prepare
from reportgen.measure.measurement import Measurement
from reportgen.progress import silent
from reportgen.recipe import load

MAPS = ("saliency", "guided-backprop", "grad-cam", "layer-cam", "smoothgrad", "occlusion")
HEADS = (
    "network",
    "images",
    "memory",
    "batches planned",
    "batches at the end",
    "largest error",
    "rank correlation",
)
MORE = "run: {batch_size: SIZE, device: DEVICE}\ntrust: false\nchecks: false\noutput: {pdf: false}\n"
WITHIN = 2e-2  # of the maximum: batches of another size are summed in another order


def compare(
    sheet: Sheet, known: Known, device: torch.device, images: int, batch_size: int, folder: Path
) -> None:
    """A row for all the memory there is, and one for each share of what a run in whole batches took."""
    audited = Audited(folder, known)
    audited.prepare(images, MAPS, MORE.replace("DEVICE", str(device)).replace("SIZE", str(batch_size)))
    whole, used = _measured(audited, images, folder / "whole")
    expected = _findings(whole)
    sheet.row(
        known.name, images, f"{used / 2**30:.2f} GiB used", batch_size, whole.engine.batch_size, "–", "–"
    )
    for share in (0.7, 0.3):
        with _limited(device, int(share * used), share * images):
            limited, _ = _measured(audited, images, folder / f"limited-{share}")
        found = _findings(limited)
        far = Difference()
        for image, of_image in expected.items():
            for other in differences(found[image], of_image).values():
                far = far.worse(other)
        planned, last = limited.model.batch_size, limited.engine.batch_size
        said = f"{share * used / 2**30:.2f} GiB allowed"
        sheet.row(known.name, images, said, planned, last, f"{far.error:.0e}", f"{far.rank:.5f}")
        if last >= batch_size:
            sheet.fault(f"memory: {known.name} with {share} of its memory ran in whole batches")
        if not (far.error <= WITHIN and far.rank >= ORDER and far.cosine >= ALIKE):
            sheet.fault(f"memory: {known.name} in batches of {last} differs by {far}")


def _measured(audited: Audited, images: int, out: Path) -> tuple[Measurement, int]:
    """The measurement, and the most bytes that its device held."""
    recipe = load(audited.recipe, [str(REPOSITORY / "tests" / "oracles.py")])
    device = torch.device(recipe.run.device)
    if device.type == "cuda":
        _freed()
        torch.cuda.reset_peak_memory_stats(device)
    checkpoint, photos = audited.folder / "network.safetensors", audited.folder / f"photos-{images}"
    measured = measure_main(prepare(recipe, checkpoint, photos, None, False), out, silent)
    used = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 1 << 30
    measured.model.subject.network.cpu()
    return measured, used


def _findings(m: Measurement) -> dict[int, dict[str, tuple[Finding, ...]]]:
    """By image and visualization what was found, an axis of one image before each."""
    shown = [record["number"] for record in m.writer.records(shards.BATCH) if record["measured"]]
    found: dict[int, dict[str, tuple[Finding, ...]]] = {}
    for number in shown:
        shard, record = m.writer.measured(number)
        found[number] = {
            name: tuple(replace(f, values=f.values[None]) for f in slots[0] if isinstance(f, DRAWN))
            for name, slots in m.writer.findings(shard, record["row"]).items()
        }
    return found


@contextmanager
def _limited(device: torch.device, allowed: int, images: float) -> Iterator[None]:
    """Lets the process have so many bytes of the device's memory. A CPU, which has no such limit, is played
    to take so many images at once, and twice as many where no gradient is asked."""
    if device.type == "cuda":
        _freed()
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(allowed / total, device)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, device)
        return
    ask = Feed.ask

    def asked(self: Feed, network: Any, x: Any, *more: Any, **named: Any) -> Any:
        if len(x) > (images if x.requires_grad else 2 * images):
            raise torch.OutOfMemoryError("played: out of memory")
        return ask(self, network, x, *more, **named)

    Feed.ask = asked  # type: ignore[method-assign]
    try:
        yield
    finally:
        Feed.ask = ask  # type: ignore[method-assign]


def _freed() -> None:
    gc.collect()
    torch.cuda.empty_cache()
