"""The docstring of a visualization or a check, which is its page in the report, taken apart."""

from __future__ import annotations

from collections.abc import Mapping


def taken_apart(doc: str, labels: Mapping[str, str]) -> tuple[str, str, dict[str, str]]:
    """The title and what follows it in the first paragraph ("Title: what it is"), and by their names in
    `labels` the paragraphs that begin with a label of it ("Reading.")."""
    head, *paragraphs = (" ".join(part.split()) for part in doc.split("\n\n"))
    title, _, first = head.partition(": ")
    labelled = (paragraph.partition(" ") for paragraph in paragraphs)
    return title, first, {labels[label]: text for label, _, text in labelled if label in labels}
