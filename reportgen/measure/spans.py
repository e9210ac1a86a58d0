"""The unit of the work on a set: spans of its files, each measured by itself and written under its own name.

A span depends on the model, the plan and its files only, never on what was measured before. So a set can be
shared out among processes and machines: whoever measures a span, and when, writes the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.inputs import ImageFile

MOST = 8192  # spans of a scored set: past that they grow, or their files would be more than a folder likes


@dataclass(frozen=True)
class Part:
    """Part `number`, from 1, of `of` equal ones: every `of`-th span."""

    number: int = 1
    of: int = 1

    def has(self, span: int) -> bool:
        """Whether a span, by its number from 0, belongs to this part."""
        return span % self.of == self.number - 1

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left to others."""
        return self.of == 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


WHOLE = Part()


@dataclass(frozen=True)
class Span:
    """Some files in a row; `number` counts from 0."""

    number: int
    files: Sequence[ImageFile]


def spans(files: Sequence[ImageFile], size: int) -> list[Span]:
    """The files in spans of `size`, the last of which may be shorter."""
    return [Span(at // size, files[at : at + size]) for at in range(0, len(files), size)]


def scored_at_once(files: int, batch_size: int) -> int:
    """How many files a span has where a set of so many is scored only: whole batches, one in most sets."""
    return batch_size * max(1, -(-files // (MOST * batch_size)))
