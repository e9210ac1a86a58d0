"""The first screen and the cover: what was required, what was found, and whether that suffices to say so."""

from __future__ import annotations

from dataclasses import dataclass

from reportgen.report.values.card import Fact, Sign


@dataclass(frozen=True)
class Requirement:
    """One number: what was required of it, or a dash, and what was found, each in words."""

    name: str
    required: str
    found: str
    interval: str  # 95 %, or a dash
    n: str  # images that it rests on, or a dash
    result: Sign
    words: str
    href: str
    view: str = ""  # the images that it rests on, in the table
    found_view: str = ""  # the images that it found


@dataclass(frozen=True)
class Asked:
    """A question that the audit asked, and what came of it."""

    title: str
    text: str
    href: str


@dataclass(frozen=True)
class Alike:
    """Questions of which the same is said, told once."""

    rows: tuple[Asked, ...]
    text: str


@dataclass(frozen=True)
class Summary:
    """What the one who signs has to know."""

    met: Sign
    counts: tuple[str, ...]  # of right answers, and of images without one
    evidence: Sign
    why: tuple[str, ...]  # the evidence does not suffice
    required: tuple[Requirement, ...]
    measured: tuple[Requirement, ...]
    clear: tuple[Asked, ...]  # asked, and a harm of the stated size is excluded
    undecided: tuple[Asked, ...]  # asked, and the images do not say: what would
    untested: tuple[Asked, ...]
    to_test: tuple[Alike, ...]  # the same, by how it can be tested
    limits: tuple[str, ...]
    next: tuple[str, ...]
    identity: tuple[Fact, ...]
    classes: str  # images by label
    stated: tuple[Fact, ...]  # by the recipe; nobody measured it
