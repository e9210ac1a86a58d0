"""What the evidence says of one image, beside its maps: who it is and what the model answered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from reportgen.engine.network.output import answers
from reportgen.engine.targets import Slot
from reportgen.evidence import Record
from reportgen.findings import Array
from reportgen.inputs.images import Decoded, ImageFile, Rejected

TOP = 5  # answers that every record lists


def of_image(file: ImageFile) -> Record:
    """What is known of any image; every record has all of these fields."""
    return {
        "number": file.number,
        "id": file.id,
        "path": file.shown,
        "sha256": file.sha256,
        "label": file.label,
        "label_index": file.label_index,
        "row": None,  # its place in the shard's arrays
        "measured": False,  # whether it has figures
        "geometry": None,
        "notes": [],
        "predictions": [],
        "targets": [],
        "correct": None,
        "loss": None,
        "label_probability": None,
        "original_bytes": None,
    }


def unanswered(logits: Array) -> str | None:
    """Why logits (C,) are no answer, in words; None where they are one."""
    if bool(answers(torch.as_tensor(logits)) >= 0):
        return None
    told = f"{int((~np.isfinite(logits)).sum())} of {logits.size} logits are NaN or infinite"
    return f"no answer: the model's output is not finite ({told})"


def of_rejected(rejected: Rejected) -> Record:
    """An image that could not be used, with its reason."""
    return {
        **of_image(rejected.file),
        "status": "rejected",
        "reason": rejected.reason,
    }


def of_scored(image: Decoded, row: int, logits: Array, classes: Sequence[str]) -> Record:
    """An image and the model's answers, given its logits (C,). `row` is its place in the shard.

    Of logits that are no answer nothing is claimed: no prediction, neither right nor wrong, no loss.
    """
    found: Record = {
        **of_image(image.file),
        "status": "ok",
        "reason": unanswered(logits),
        "row": row,
        "geometry": image.geometry.as_json(),
        "notes": list(image.notes),
    }
    return found if found["reason"] else found | _claims(logits, image.file.label_index, classes)


def _claims(logits: Array, label: int | None, classes: Sequence[str]) -> Record:
    """What an answer says, given its logits (C,), and how it is judged by the label's index."""
    wide = logits.astype(np.float64)
    highest = wide.max()
    logs = wide - highest - np.log(np.exp(wide - highest).sum())  # log-softmax
    order = np.argsort(-wide, kind="stable")
    return {
        "predictions": [_answer(int(k), logits, logs, classes) for k in order[:TOP]],
        "correct": None if label is None else bool(order[0] == label),
        "loss": None if label is None else _finite(-logs[label]),
        "label_probability": None if label is None else _finite(math.exp(logs[label])),
    }


def of_target(
    slot: Slot, number: int, chosen: int, logits: Array, classes: Sequence[str], labelled: bool
) -> dict[str, Any]:
    """What slot `number` explains in one image: class index `chosen`, and why that class."""
    wide = logits.astype(np.float64)
    logs = wide - wide.max() - np.log(np.exp(wide - wide.max()).sum())
    kind = slot.kind if slot.kind != "predicted" or slot.number == 1 else f"top-{slot.number}"
    missing = slot.kind == "label" and not labelled
    return {
        "slot": number,
        "kind": kind,
        **_answer(chosen, logits, logs, classes),
        "note": "the image has no label: the predicted class is explained" if missing else None,
    }


def _answer(index: int, logits: Array, logs: Array, classes: Sequence[str]) -> dict[str, Any]:
    return {
        "class_index": index,
        "class_name": classes[index],
        "logit": _finite(logits[index]),
        "probability": _finite(math.exp(logs[index])),
    }


def _finite(value: float) -> float | None:
    """JSON has no NaN: a number that is none is null, and the report says so."""
    return float(value) if math.isfinite(value) else None
