"""`reportgen verify`: the seal of a report is looked at again, and a checkpoint of one file or several."""

from __future__ import annotations

from pathlib import Path

from reportgen.audit import seal
from reportgen.evidence import Evidence, sha256_of


def signature_words(folder: Path) -> str | None:
    """What the audit found of a signature beside the checkpoint, in a line; None where there was none."""
    found = Evidence(folder / "evidence").manifest["checkpoint"].get("signature")
    return f"{found['name']}: {found['words']}" if found else None


def altered_files(folder: Path, checkpoint: Path | None) -> list[str]:
    """The names of files that are not as the report's seal says, and the checkpoint's where it is another
    than the audited one. Raises InputError where the folder holds no report."""
    if checkpoint is None:
        return seal.verify(folder)
    from reportgen.inputs.checkpoints.shards import hash_at  # it loads torch

    altered = seal.verify(folder, checkpoint, hash_at)
    if another := _other_signature(folder, checkpoint):
        altered.append(another)
    return altered


def _other_signature(folder: Path, checkpoint: Path) -> str | None:
    """The file of the signature beside a checkpoint, where it is another than at the audit, or gone."""
    from reportgen.inputs.checkpoints.signature import find

    found = Evidence(folder / "evidence").manifest["checkpoint"].get("signature")
    if not found:
        return None
    beside = find(checkpoint)
    if beside is not None and sha256_of(beside) == found["sha256"]:
        return None
    return str(beside or checkpoint.absolute().with_name(found["name"]))


def added_files(folder: Path) -> list[str]:
    """The names of what lies in the folder and is none of the report's."""
    return seal.added(folder)
