"""The questions that an audit answers, a file (or folder) each, and the registry that finds them.

A check is a frozen dataclass: its fields are its YAML options, its docstring is its page in the report. It
says what it needs measured and judges what was measured, with numpy, scipy and scikit-learn only.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as checked_dataclass
from typing_extensions import dataclass_transform

from reportgen.docstrings import taken_apart, written

# what a check is about, in the report's order
Group = Literal[
    "the images",
    "the labels",
    "the preprocessing",
    "the answers",
    "the limits of use",
    "shortcuts",
    "the network",
    "the maps",
]
GROUPS: tuple[Group, ...] = get_args(Group)
T = TypeVar("T")
LABELS = {
    "Measurement.": "measurement",
    "Reading.": "reading",
    "Limits.": "limits",
    "Remedy.": "remedy",
    "Source.": "source",
}


@dataclass(frozen=True)
class Question:
    """What the registry knows of one check: the words are read from the docstring."""

    name: str
    group: Group
    training: bool
    foreign: bool
    any_head: bool
    things: bool
    numbers: Mapping[str, str]
    judges: tuple[str, ...]  # the visualizations whose numbers it decides upon
    check: type
    title: str
    question: str
    measurement: str
    reading: str
    limits: str
    remedy: str
    source: str

    def options(self) -> dict[str, Any]:
        """The option names with their defaults."""
        return {f.name: getattr(self.check(), f.name) for f in dataclasses.fields(self.check)}

    def words(self) -> dict[str, Any]:
        """The check's text as JSON values, for the evidence and for `reportgen checks --json`."""
        return {key: getattr(self, key) for key in ("name", "group", "title", "question", *LABELS.values())}


@dataclass_transform(frozen_default=True)
def check(
    name: str,
    *,
    group: Group,
    training: bool = False,
    foreign: bool = False,
    any_head: bool = False,
    things: bool = False,
) -> Callable[[type[T]], type[T]]:
    """Registers a class as the check `name`. Its fields are validated; extras are refused.

    It has `judge(case) -> Verdict`, and what it needs of these:

    - `needs(model) -> Sequence[Need]`, what is asked of the network for each image of the sample, and
      `observe(tape) -> dict[str, Tensor]`, what is kept of a batch of it: a row an image, of a fixed size;
    - `tally(tape) -> Tally`, what is kept of a batch of the sample in sum;
    - `views(model) -> Sequence[View]`, other ways to preprocess the sample, whose answers are kept;
    - `interventions(case) -> Sequence[Intervention]`, experiments on pictures of the sample, asked for again
      with what was answered (`case.sample.outcomes`) until nothing new is named, and
      `interventions_at_most(images, model) -> int` of them for a sample of so many images;
    - `screens(model, images, seed) -> Triggers | None`, the smallest patterns that turn pictures to some
      classes, sought on half A of a sample of so many images and pasted into half B (`case.sample.screened`:
      `classes`, `sizes` and `followed` (K,), `looks` (K, h, w, C); of the held-back pictures' `numbers` (n,)
      what is answered `before` (n,), and `turned` and `moved` (K, n) with the patterns, and with these moved
      by half the picture);
    - `asks(case) -> Mapping[str, int]`, where what it asks next depends on what was answered: by the names of
      its views, of how many images of the sample each is to be known, round after round until nothing new is
      named; with it `asks_at_most(model, drawn) -> int`, the most forwards that this costs, in images;
    - `numbers`, a mapping in the class: the numbers of its verdict that gates may be on, and what each is;
    - `without(case, verdict) -> Case`, the case as it would be without the cause that the verdict names: the
      checks that the verdict `explains` are judged again on it.

    `training` says that it looks at the pictures of `images.training`, `foreign` that its needs are asked of
    those of `images.foreign`, too, of which it observes the same, `things` that its experiments are on
    pictures only of which masks or boxes say where the thing is, and `any_head` that it holds for
    models that do not choose one class of several, too: for labels each by itself, and for values.
    Raises ValueError where the docstring lacks one of its labelled paragraphs.
    """

    def register(cls: type[T]) -> type[T]:
        words = _words(name, inspect.getdoc(cls) or "")
        checked: Any = checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))(cls)
        numbers, judges = getattr(cls, "numbers", {}), getattr(cls, "judges", ())
        checked.asked = Question(
            name, group, training, foreign, any_head, things, numbers, judges, checked, **words
        )
        return cast(type[T], checked)

    return register


def _words(name: str, doc: str) -> dict[str, str]:
    """The title, the question and the labelled paragraphs of a check's docstring."""
    title, question, labelled = taken_apart(doc, LABELS)
    words = {"title": title, "question": question, **labelled}
    missing = [label for label, key in LABELS.items() if not words.get(key)]
    if missing or not question.endswith("?"):
        raise ValueError(f"check {name!r}: its docstring lacks {missing or ['a question']}")
    return words


def listed() -> list[tuple[str, str, str]]:
    """The group, the name and the question of every check, in the order of `questions`. None is imported:
    that would import scikit-learn and torch, which takes seconds."""
    every = written(Path(__file__).parent, check.__name__)
    found = [(options["group"], name, _words(name, doc)["question"]) for name, options, doc in every]
    return sorted(found, key=lambda row: (GROUPS.index(row[0]), row[1]))


@cache
def questions() -> dict[str, Question]:
    """Every check by name, group by group in the report's order, and in a group by name."""
    found: list[Question] = []
    for module_info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{module_info.name}")
        for value in vars(module).values():
            asked = getattr(value, "asked", None)
            if isinstance(asked, Question) and value.__module__ == module.__name__:
                found.append(asked)
    found.sort(key=lambda asked: (GROUPS.index(asked.group), asked.name))
    return {asked.name: asked for asked in found}
