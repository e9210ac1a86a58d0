"""`reportgen verify`: the seal of a report is looked at again, and a checkpoint of one file or several."""

from __future__ import annotations

from pathlib import Path

from reportgen.audit import seal


def altered_files(folder: Path, checkpoint: Path | None) -> list[str]:
    """The names of files that are not as the report's seal says, and the checkpoint's where it is another
    than the audited one. Raises InputError where the folder holds no report."""
    if checkpoint is None:
        return seal.verify(folder)
    from reportgen.inputs.checkpoints.shards import hash_at  # it loads torch

    return seal.verify(folder, checkpoint, hash_at)


def added_files(folder: Path) -> list[str]:
    """The names of what lies in the folder and is none of the report's."""
    return seal.added(folder)
