"""A second model on the images that the first one chose, into evidence of its own, and pictures of
the images that the two answer differently."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from reportgen.audit.answer_changes import LISTED, changed
from reportgen.engine.device import peak_memory_bytes
from reportgen.evidence import BESIDE, Record, Writer, sha256_of
from reportgen.findings import Array
from reportgen.inputs import stream
from reportgen.inputs.images import Decoded
from reportgen.measure.manifest import manifest
from reportgen.measure.rounds import Measurement
from reportgen.measure.session import Session

THUMBNAIL_PX = 96


def measure_beside(main: Measurement, chosen: str) -> dict[str, Any] | None:
    """Measures the second model of a session whose first one is measured, and seals its evidence.

    Returns what the first one's manifest knows it by; None where there is no second model.
    """
    session = main.session.beside
    if session is None:
        return None
    begun = time.perf_counter()
    main.session.subject.network.cpu()  # the device holds one network at a time
    shown = [record["number"] for record in main.writer.records("batch") if record["measured"]]

    def progress(stage: str, done: int, total: int, note: str = "") -> None:
        main.progress(f"{stage} beside", done, total, note)

    writer = Writer(main.writer.folder / BESIDE, session.key)
    measurement = Measurement(session, writer, progress, (shown, chosen))
    measurement.run()
    writer.seal(manifest(session, writer, chosen), timing(measurement, begun))
    _picture(main.session, main.writer, writer)
    return {
        "name": session.name,
        "main": main.session.name,
        "manifest_sha256": sha256_of(writer.folder / "manifest.json"),
    }


def timing(measurement: Measurement, begun: float) -> dict[str, Any]:
    """What it took until now, in seconds by stage, and the most memory."""
    # a run that only had to be sealed has spent nothing on these
    stages = dict.fromkeys(("decode", "compute", "encode"), 0.0)
    return {
        "seconds": {**stages, **measurement.watch.seconds, "total": time.perf_counter() - begun},
        "peak_memory_bytes": peak_memory_bytes(measurement.session.device),
    }


def _picture(session: Session, writer: Writer, other: Writer) -> None:
    """A shard `changed` of the first evidence: small pictures of the listed changes without figures."""
    kind = "score" if session.two_rounds else "batch"
    listed = {one["id"] for one in changed(writer.records(kind), other.records(kind))[:LISTED]}
    listed -= {record["id"] for record in writer.records("batch") if record["measured"]}
    files = [file for file in session.files if file.id in listed]
    decoded = stream(files, session.subject.preprocessing)
    seen = [(image.file.id, _small(image.seen)) for image in decoded if isinstance(image, Decoded)]
    if seen:
        records: Sequence[Record] = [{"id": id_, "row": row} for row, (id_, _) in enumerate(seen)]
        writer.write("changed", {}, records, {"seen": np.stack([pixels for _, pixels in seen])})


def _small(seen: Array) -> Array:
    """What the model saw, (H, W, C) uint8, within THUMBNAIL_PX; all images of a model keep one shape."""
    height, width, channels = seen.shape
    factor = min(1.0, THUMBNAIL_PX / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    planes = [Image.fromarray(seen[..., k]).resize(size, Image.Resampling.BOX) for k in range(channels)]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)
