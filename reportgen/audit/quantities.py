"""The kinds of numbers and words that results.json is made of, and the mark of those that a gate may name.

What stands in an `Annotated` is read by `audit/schema.py`; a string there describes the value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from typing_extensions import get_type_hints


@dataclass(frozen=True)
class Within:
    """The mark of a value that has bounds: of a number, of the length of a list, or of a text's letters."""

    minimum: float | None = None
    maximum: float | None = None
    length: int | None = None
    pattern: str | None = None

    def keywords(self) -> dict[str, Any]:
        """The bounds in JSON Schema."""
        bounds = {
            "minimum": self.minimum,
            "maximum": self.maximum,
            "minItems": self.length,
            "maxItems": self.length,
            "pattern": self.pattern,
        }
        return {word: bound for word, bound in bounds.items() if bound is not None}


Count: TypeAlias = Annotated[int, Within(0)]
Share: TypeAlias = Annotated[float, Within(0, 1)]
Change: TypeAlias = Annotated[float, Within(-1, 1)]  # of a share
Rho: TypeAlias = Annotated[float, Within(-1.000001, 1.000001)]  # but for rounding
Interval: TypeAlias = Annotated[list[float], Within(length=2)]
Sha256: TypeAlias = Annotated[str, Within(pattern="^[0-9a-f]{64}$")]
ImageId: TypeAlias = Annotated[str, Within(pattern="^[0-9]{6,}$")]


@dataclass(frozen=True)
class Gated:
    """The mark of a number that a gate may name: what it rests on, and the unit that it is told in.

    `counted` numbers are exact whatever the model answers; those of `answers` or of `labelled` images are
    not known where an answer of the set is missing. With a unit the number is told in hundredths.
    """

    rests_on: Literal["counted", "answers", "labelled", "maps"]
    unit: str = ""


@dataclass(frozen=True)
class Others:
    """The mark of an object that may have other keys than the named ones, of values of this type."""

    type: Any


def gated(typed: Any) -> dict[str, Gated]:
    """The keys of a TypedDict that a gate may name, in its order."""
    marks = {key: getattr(hint, "__metadata__", ()) for key, hint in hints(typed).items()}
    return {key: mark for key, of_key in marks.items() for mark in of_key if isinstance(mark, Gated)}


def hints(typed: Any) -> dict[str, Any]:
    """The types of a TypedDict's values by key, with all that stands in their `Annotated`."""
    return dict(get_type_hints(typed, include_extras=True))
