"""What can go wrong, in the user's words: one line of cause, one of remedy, one exit code."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from itertools import islice
from typing import ClassVar

from reportgen.shown import visible

ASKED = re.compile(r"(?:allocate|allocate:) ([\d.]+) ?(bytes?|[KMGTPE]?i?B)", re.IGNORECASE)
LONGEST_WORD, MOST_CHOICES = 200, 20_000  # that a mistyped name is sought among


class ReportgenError(Exception):
    """An expected failure. `cause` and `remedy` are one line each; `exit_code` is the process's."""

    exit_code: ClassVar[int] = 1

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[ReportgenError], tuple[str, str]]:
        return type(self), (self.cause, self.remedy)  # it may come from another process


class RecipeError(ReportgenError):
    """Usage or recipe error; `cause` begins with file:line:column where there is a file."""

    exit_code = 2


class Unwritable(RecipeError):
    """The system refuses to write where a report is to be. What was written before is whole: an old report,
    and the evidence so far."""

    exit_code = 4


class InputError(ReportgenError):
    """The checkpoint, the model or the image set cannot be used."""

    exit_code = 3


class RenderError(ReportgenError):
    """The evidence is whole, but a document could not be rendered from it."""

    exit_code = 4


class Fault(ReportgenError):
    """A part of reportgen itself failed, and the caller asked not to go on without it."""

    exit_code = 70


def asked_for(error: BaseException) -> str:
    """How much memory was asked for when there was too little, as the tail of a cause: torch, numpy and CUDA
    say it in their messages. "" where this one does not."""
    found = ASKED.search(str(error))
    if found is None:
        return ""
    figure = f"{int(found[1]) / 1e6:,.0f} MB" if found[2].startswith("byte") else f"{found[1]} {found[2]}"
    return f" ({figure} more were asked for)"


class UnknownName(Exception):
    """A name in the recipe (a layer, a class) that the model does not have.

    Raised by the rooms that know the names; the recipe's room adds file:line:column.
    """

    def __init__(self, kind: str, value: object, choices: Iterable[str]) -> None:
        self.kind = kind
        self.value = value
        self.nearest = nearest(str(value), choices)
        quoted = f"'{visible(value)}'" if isinstance(value, str) else repr(value)
        super().__init__(f"unknown {kind} {quoted}{did_you_mean(self.nearest)}")


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice most like `word`, case aside, or None where nothing comes close."""
    by_fold = {choice.casefold(): choice for choice in islice(choices, MOST_CHOICES)}
    if len(word) > LONGEST_WORD:  # nobody mistypes so many letters, and to compare them takes long
        return None
    found = difflib.get_close_matches(word.casefold(), by_fold, n=1, cutoff=0.5)
    return by_fold[found[0]] if found else None


def did_you_mean(name: str | None) -> str:
    """The tail of an error message: ` (did you mean 'layer4'?)`, or nothing."""
    return f" (did you mean '{name}'?)" if name else ""
