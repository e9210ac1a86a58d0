"""The docstring of a visualization or a check, which is its page in the report, taken apart."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def taken_apart(doc: str, labels: Mapping[str, str]) -> tuple[str, str, dict[str, str]]:
    """The title and what follows it in the first paragraph ("Title: what it is"), and by their names in
    `labels` the paragraphs that begin with a label of it ("Reading.")."""
    head, *paragraphs = (" ".join(part.split()) for part in doc.split("\n\n"))
    title, _, first = head.partition(": ")
    labelled = (paragraph.partition(" ") for paragraph in paragraphs)
    return title, first, {labels[label]: text for label, _, text in labelled if label in labels}


def written(package: Path, decorator: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Of every class at the top of a package's modules that has this decorator the name and the options that
    are given to it, and the docstring: read from the source, of which nothing is run or imported."""
    for file in sorted((*package.glob("*.py"), *package.glob("*/__init__.py"))):
        for statement in ast.parse(file.read_text(encoding="utf-8")).body:
            if not isinstance(statement, ast.ClassDef):
                continue
            for call in statement.decorator_list:
                if isinstance(call, ast.Call) and ast.unparse(call.func) == decorator:
                    options = {word.arg or "": ast.literal_eval(word.value) for word in call.keywords}
                    yield ast.literal_eval(call.args[0]), options, ast.get_docstring(statement) or ""
