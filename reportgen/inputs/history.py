"""Training logs: a CSV with a column a quantity, or the event files that TensorBoard reads."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reportgen import files
from reportgen.engine.needs.training import Noted
from reportgen.errors import InputError

LARGEST_CSV_BYTES = 1 << 24
LARGEST_EVENTS_BYTES = 1 << 29
STEPS = ("epoch", "step", "iteration", "global_step", "iter")
EVENTS = "tfevents"
NOTHING = ("", "na", "none", "null", "-")
REMEDY = "give a CSV with a head line, a column `epoch` or `step` and numbers, or a TensorBoard folder"


@dataclass(frozen=True)
class History:
    """A training log's quantities, and the hash of what they were read from."""

    sha256: str
    noted: tuple[Noted, ...]


def read(path: Path) -> History:
    """The quantities of a CSV file, or of a folder's (or a file of) TensorBoard events.

    Raises InputError where there is nothing to read or to plot.
    """
    if path.is_dir() or EVENTS in path.name:
        return _events(path)
    try:
        data = files.read(path, LARGEST_CSV_BYTES)
    except OSError as error:
        raise InputError(f"cannot read the training log {path}: {error.strerror}", REMEDY) from error
    return History(hashlib.sha256(data).hexdigest(), tuple(_csv(data, path.name)))


def _csv(data: bytes, name: str) -> list[Noted]:
    """Columns of numbers, over the first column that is named for steps, or over the rows."""
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{name} is no CSV: {error}", REMEDY) from error
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        raise InputError(f"{name} has no rows below its head", REMEDY)
    heads = [head.strip() for head in rows[0]]
    columns = {head: _numbers(rows, n, name) for n, head in enumerate(heads) if head}
    unit = next((head for head in columns if head.lower() in STEPS), "")
    steps = columns.pop(unit) if unit else np.arange(1.0, len(rows))
    found = [
        Noted(head, steps[there], values[there], unit.lower() or "row")
        for head, values in columns.items()
        if (there := np.isfinite(values) & np.isfinite(steps)).any()
    ]
    if not found:
        raise InputError(f"{name} has no column of numbers", REMEDY)
    return found


def _numbers(rows: list[list[str]], column: int, name: str) -> np.ndarray:
    """A column's cells; empty ones and words for nothing are NaN. Raises InputError for other words."""
    found = []
    for line, row in enumerate(rows[1:], start=2):
        cell = row[column].strip() if column < len(row) else ""
        try:
            found.append(math.nan if cell.lower() in NOTHING else float(cell))
        except ValueError as error:
            raise InputError(f"{name}:{line}: {cell[:40]!r} is no number", REMEDY) from error
    return np.array(found)


def _events(path: Path) -> History:
    """The scalars of TensorBoard's event files, of a run or of several below one folder."""
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError as error:
        raise InputError(
            f"{path} holds TensorBoard events, and tensorboard is not installed",
            "install it with `pip install tensorboard`, or give the curves as CSV",
        ) from error
    digest = hashlib.sha256()
    found = []
    for folder in _runs(path):
        logs = sorted(f for f in folder.iterdir() if EVENTS in f.name) if folder.is_dir() else [folder]
        for log in logs:
            digest.update(_log(log))
        run = "" if folder == path else f"{folder.relative_to(path).as_posix()}/"
        events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
        events.Reload()
        found += [Noted(f"{run}{tag}", *_points(events, tag), "step") for tag in _tags(events)]
    if not found:
        raise InputError(f"{path} holds no scalars of TensorBoard", REMEDY)
    return History(digest.hexdigest(), tuple(found))


def _log(log: Path) -> bytes:
    """The bytes of an event file. Raises InputError."""
    try:
        return files.read(log, LARGEST_EVENTS_BYTES)
    except OSError as error:
        raise InputError(f"cannot read the training log {log}: {error.strerror}", REMEDY) from error


def _runs(path: Path) -> Iterator[Path]:
    """The folders with event files at or below a path, or the file that it is."""
    if path.is_file():
        yield path
    for folder, _, names in sorted(os.walk(path)) if path.is_dir() else ():
        if any(EVENTS in name for name in names):
            yield Path(folder)


def _tags(events: Any) -> list[str]:
    tags = events.Tags()
    return [*tags["scalars"], *(tag for tag in tags["tensors"] if _is_scalar(events, tag))]


def _is_scalar(events: Any, tag: str) -> bool:
    """Whether a tag of newer writers, which note all as tensors, is one number a step."""
    metadata = events.SummaryMetadata(tag)
    return bool(metadata.plugin_data.plugin_name == "scalars")


def _points(events: Any, tag: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of a tag, in order; of a step that was noted twice the later value."""
    from tensorboard.util.tensor_util import make_ndarray

    if tag in events.Tags()["scalars"]:
        pairs = {e.step: e.value for e in events.Scalars(tag)}
    else:
        pairs = {e.step: float(make_ndarray(e.tensor_proto)) for e in events.Tensors(tag)}
    steps = sorted(step for step, value in pairs.items() if math.isfinite(value))
    return np.array(steps, np.float64), np.array([pairs[step] for step in steps], np.float64)
