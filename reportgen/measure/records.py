"""What the evidence says of one image beside its maps: who it is, and what the model answered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from reportgen.engine.network.head import SOFTMAX, THRESHOLD, Head
from reportgen.engine.network.output import answers
from reportgen.engine.targets import Slot
from reportgen.evidence.records import Prediction, Record, Target
from reportgen.findings import Array
from reportgen.inputs.images.loading import Decoded, ImageFile, Rejected
from reportgen.stats import finite

TOP = 5  # answers that every record lists


def of_image(file: ImageFile, status: str, reason: str | None) -> Record:
    """What is known of any image, whatever became of it."""
    return {
        "status": status,
        "reason": reason,
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


def unanswered(logits: Array, head: Head = SOFTMAX) -> str | None:
    """Why logits (C,) are no answer, in words; None where they are one. A class may be masked out, at
    -inf; of labels and values each has to be a number."""
    if bool(answers(torch.as_tensor(logits)) >= 0) and (head.exclusive or np.isfinite(logits).all()):
        return None
    count = f"{int((~np.isfinite(logits)).sum())} of {logits.size} logits are NaN or infinite"
    return f"no answer: the model's output is not finite ({count})"


def of_rejected(rejected: Rejected) -> Record:
    """An image that could not be used, with its reason."""
    return of_image(rejected.file, "rejected", rejected.reason)


def of_scored(
    image: Decoded, row: int, logits: Array, classes: Sequence[str], head: Head = SOFTMAX
) -> Record:
    """An image and the model's answers, given its logits (C,). `row` is its place in the shard.

    Of logits that are no answer nothing is claimed: no prediction, neither right nor wrong, no loss.
    """
    record = of_image(image.file, "ok", unanswered(logits, head))
    record["row"] = row
    record["geometry"] = image.geometry.as_json()
    record["notes"] = list(image.notes)
    if head.kind == "labels":
        record["label_indices"] = None if image.file.labels is None else list(image.file.labels)
        record["answered_indices"] = []
    if head.kind == "values":
        record["truth"] = None if image.file.values is None else list(image.file.values)
    if not record["reason"]:
        _answer(record, logits, classes, head)
    return record


def _answer(record: Record, logits: Array, classes: Sequence[str], head: Head) -> None:
    """Says what an answer claims, given its logits (C,), and how it is judged by the label."""
    label = record["label_index"]
    p, logs = _probabilities(logits, head)
    wide = logits.astype(np.float64)
    # values are no rivals: they keep their order
    order = np.arange(len(wide)) if head.kind == "values" else np.argsort(-wide, kind="stable")
    record["predictions"] = [_prediction(int(k), logits, p, classes) for k in order[:TOP]]
    if head.kind == "labels":
        _judge_labels(record, wide, p)
    elif head.exclusive and label is not None:
        record["correct"] = bool(order[0] == label)
        record["loss"] = finite(-logs[label])
        record["label_probability"] = finite(p[label])


def _judge_labels(record: Record, logits: Array, p: Array) -> None:
    """Which labels are answered: those from 1/2 on. Right is an image whose labels are exactly these; its
    loss is the mean binary cross entropy of all labels, in nats."""
    answered = np.flatnonzero(p >= THRESHOLD).tolist()
    record["answered_indices"] = answered
    if (given := record["label_indices"]) is None:
        return
    holds = np.zeros(len(p), bool)
    holds[given] = True
    # log(1 + e^-z) of what holds, log(1 + e^z) of what does not
    record["loss"] = finite(np.logaddexp(0, np.where(holds, -logits, logits)).mean())
    record["correct"] = sorted(given) == answered


def _probabilities(logits: Array, head: Head) -> tuple[Array, Array]:
    """The probabilities (C,) of scores (C,) and their logarithms, in double."""
    logs = head.log_probabilities(torch.as_tensor(logits).double()).numpy()
    return np.exp(logs), logs


def picture_facts(images: Sequence[Decoded]) -> dict[str, Array]:
    """The facts of a batch's pictures, a row each: none where they were not asked for."""
    known = [image.facts for image in images if image.facts is not None]
    if not known or len(known) < len(images):
        return {}
    return {
        "facts": np.stack([facts.values for facts in known]).astype(np.float64),
        "pixel_hash": np.stack([facts.pixels for facts in known]),
        "perceptual": np.stack([facts.perceptual for facts in known]),
    }


def of_target(
    slot: Slot,
    number: int,
    chosen: int,
    logits: Array,
    classes: Sequence[str],
    labelled: bool,
    head: Head = SOFTMAX,
) -> Target:
    """What slot `number` explains in one image: class index `chosen`, and why that class."""
    p, _ = _probabilities(logits, head)
    kind = slot.kind if slot.kind != "predicted" or slot.number == 1 else f"top-{slot.number}"
    missing = slot.kind == "label" and not labelled
    return {
        "slot": number,
        "kind": kind,
        **_prediction(chosen, logits, p, classes),
        "note": "the image has no label: the predicted class is explained" if missing else None,
    }


def _prediction(index: int, logits: Array, p: Array, classes: Sequence[str]) -> Prediction:
    """A class of an answer, given its logits (C,) and their probabilities, NaN where there are none."""
    return {
        "class_index": index,
        "class_name": classes[index],
        "logit": finite(logits[index]),
        "probability": finite(p[index]),
    }
