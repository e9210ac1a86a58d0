"""The visualizations, a file (or folder) of its own name each, and the registry that finds them.

A probe is a frozen dataclass: its fields are its YAML options, its docstring is its method text.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as checked_dataclass
from typing_extensions import dataclass_transform

from reportgen.docstrings import taken_apart, written

Scope = Literal["model", "set", "image"]
Group = Literal["answers", "gradients", "class activation maps", "perturbations", "inside the network"]
# what two models side by side show of it: nothing, its printed numbers, or its first gallery or table, too
Compare = Literal["nothing", "numbers", "beside"]
T = TypeVar("T")


@dataclass(frozen=True)
class Method:
    """What the registry knows of one visualization: the words are read from the docstring."""

    name: str
    scope: Scope
    group: Group
    explains: bool
    compare: Compare
    probe: type
    title: str
    summary: str
    definition: str
    reading: str
    limits: str
    source: str
    needs: str = ""  # of the network, in words
    by_default: bool = True  # whether a recipe that lists no visualizations has it

    def options(self) -> dict[str, Any]:
        """The option names with their defaults."""
        return {f.name: getattr(self.probe(), f.name) for f in dataclasses.fields(self.probe)}

    def words(self) -> dict[str, Any]:
        """The method text as JSON values, for the evidence and for `reportgen methods --json`."""
        keys = ("name", "scope", "group", "explains", "compare", "title", "summary", *LABELS.values())
        return {key: getattr(self, key) for key in keys}


@dataclass_transform(frozen_default=True)
def probe(
    name: str,
    *,
    scope: Scope,
    group: Group = "inside the network",
    explains: bool = False,
    compare: Compare = "numbers",
    by_default: bool = True,
) -> Callable[[type[T]], type[T]]:
    """Registers a class as the visualization `name`. Its fields are validated; extras are refused.

    `group` is the heading that its figures stand under on an image's card. A visualization that
    `explains` the answer gives a Heatmap named `map`: this one is put to the test, and a gate may
    name what the test gives. Only one of scope `image` can. `compare` says what the section on two
    models takes of one of scope `model` or `set`. One that is dear and seldom asked for is not measured
    `by_default`, but where a recipe lists it.
    Raises ValueError where the docstring lacks one of its labelled paragraphs, or where what has no
    single image says that it explains the answer to one.
    """

    def register(cls: type[T]) -> type[T]:
        words = _words(name, inspect.getdoc(cls) or "")
        if explains and scope != "image":
            raise ValueError(f"probe {name!r}: only a probe of scope 'image' can explain an answer")
        checked: Any = checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))(cls)
        checked.method = Method(
            name, scope, group, explains, compare, checked, by_default=by_default, **words
        )
        return cast(type[T], checked)

    return register


LABELS = {
    "Definition.": "definition",
    "Reading.": "reading",
    "Limits.": "limits",
    "Source.": "source",
}

NEEDS = "Needs."  # what it asks of the network, for `reportgen methods`: a paragraph that may be left out


def _words(name: str, doc: str) -> dict[str, str]:
    """The title, the summary and the labelled paragraphs of a probe's docstring."""
    title, summary, labelled = taken_apart(doc, {**LABELS, NEEDS: "needs"})
    words = {"title": title, "summary": summary, **labelled}
    missing = [label for label, key in LABELS.items() if not words.get(key)]
    if missing or not summary:
        raise ValueError(f"probe {name!r}: its docstring lacks {missing or ['a summary']}")
    return words


def listed() -> list[tuple[str, str, str]]:
    """The name, the summary and the needs of every visualization, in alphabetical order. None is imported:
    that would import torch, which takes seconds."""
    found = [(name, _words(name, doc)) for name, _, doc in written(Path(__file__).parent, probe.__name__)]
    return sorted((name, words["summary"], words.get("needs", "")) for name, words in found)


@cache
def methods() -> dict[str, Method]:
    """Every visualization by name, in alphabetical order."""
    by_name: dict[str, Method] = {}
    for module_info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{module_info.name}")
        for value in vars(module).values():
            method = getattr(value, "method", None)
            if isinstance(method, Method) and value.__module__ == module.__name__:
                by_name[method.name] = method
    return dict(sorted(by_name.items()))
