"""What the numbers are about, by hash: two reports of the same files, labels and recipe say the same here.
The recipe is the one that was measured, after what a budget left out."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from typing_extensions import NotRequired, TypedDict

from reportgen.audit.quantities import Count, Sha256
from reportgen.shown import visible_json


class Identity(TypedDict):
    """Hashes of what went into the audit beside the checkpoint, and how many images a label has."""

    images: Annotated[Sha256, "of a line an image, sorted: its SHA-256, two spaces and its path"]
    code: NotRequired[
        Annotated[Sha256 | None, "of the file that defines the network; null of a library's, or without one"]
    ]
    labels: Annotated[Sha256 | None, "the same of path, tab and label; null without any label"]
    recipe: Annotated[Sha256, "of the resolved recipe as JSON, keys sorted, without spaces"]
    classes: Annotated[dict[str, Count], "images by label, readable ones only"]


def identity(
    records: Sequence[Mapping[str, Any]], recipe: Mapping[str, Any], code: str | None = None
) -> Identity:
    """The identity of the images, labels and recipe of some evidence, and the hash of the network's `code`.
    A file that could not be read has no hash of its own: its line has a dash in its place."""
    labelled = [record for record in records if record["label"] is not None]
    files = (f"{record['sha256'] or '-'}  {record['path']}" for record in records)
    text = json.dumps(recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    counts = Counter(record["label"] for record in labelled if record["status"] == "ok")
    text = visible_json(text)
    return {
        "images": _of_lines(files),
        "code": code,
        "labels": _of_lines(f"{one['path']}\t{one['label']}" for one in labelled) if labelled else None,
        "recipe": hashlib.sha256(text.encode()).hexdigest(),
        "classes": dict(sorted(counts.items())),
    }


def _of_lines(lines: Iterable[str]) -> str:
    """The SHA-256 of lines in sorted order; paths may hold bytes that are no UTF-8."""
    text = "".join(f"{line}\n" for line in sorted(lines))
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
