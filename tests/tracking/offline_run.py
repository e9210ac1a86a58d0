"""Reads the file of an offline run of W&B: a log as LevelDB writes it, of protobuf records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

HEAD, BLOCK, RECORD_HEAD = 7, 32768, 7  # bytes
LAST = (1, 4)  # a record that is whole, and the last part of one


def records(file: Path) -> Iterator[Any]:
    """The records in their order."""
    from wandb.proto import wandb_internal_pb2

    for data in _whole(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        yield record


def _whole(data: bytes) -> Iterator[bytes]:
    place, parts = HEAD, b""
    while place < len(data):
        room = BLOCK - place % BLOCK
        if room < RECORD_HEAD:  # the rest of a block is padding
            place += room
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        if kind == 0:
            return
        parts += data[place + RECORD_HEAD : place + RECORD_HEAD + length]
        place += RECORD_HEAD + length
        if kind in LAST:
            yield parts
            parts = b""
