"""The parts of a recipe that ask: which checks, on how many images; and what the reader is told that no one
measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, Strict, StrictStr, field_validator

from reportgen.recipe.fields import Chosen, Part, at


class Check(Chosen):
    """A check's name and the options that were given for it; `check` has the rest."""

    noun: ClassVar[str] = "check"
    lists: ClassVar[str] = "checks"

    @classmethod
    def registry(cls) -> Mapping[str, type]:
        """Every check by name."""
        from reportgen.checks import questions  # their needs import torch

        return {name: asked.check for name, asked in questions().items()}

    @property
    def check(self) -> Any:
        """The check with these options: a frozen dataclass of reportgen/checks."""
        return self.made


def default_checks() -> tuple[Check, ...]:
    """Every check there is, in the report's order."""
    return tuple(Check(name=name) for name in Check.registry())


def _as_only(value: Any) -> Any:
    """`only: all` is every check."""
    return default_checks() if value == "all" else value


def as_checks(value: Any) -> Any:
    """`checks: all`, `checks: false` and `checks: [duplicates, …]` as mappings."""
    if value is False:
        return {"only": ()}
    if value is True or value == "all":
        return {}
    return {"only": value} if isinstance(value, list | tuple) else value


class ChecksRecipe(Part):
    """Which questions the audit answers, and on how many images those that cost much are asked."""

    sample: Annotated[int, Strict(), Field(ge=1, le=1_000_000)] = Field(
        default=400, description="a whole number of at least 1 and at most 1,000,000"
    )
    only: Annotated[
        tuple[Check, ...],
        BeforeValidator(_as_only, json_schema_input_type=Literal["all"] | tuple[Check, ...]),
    ] = Field(
        default_factory=default_checks,
        description="all, or a list of checks: a name, or `name: {option: value}`",
    )

    @field_validator("only")
    @classmethod
    def _names_are_unique(cls, asked: tuple[Check, ...]) -> tuple[Check, ...]:
        names = [check.name for check in asked]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise at((number,), f"the check '{name}' is there twice")
        return asked

    def resolved(self) -> dict[str, Any]:
        """As JSON values, every option spelled out."""
        return {"sample": self.sample, "only": [check.resolved() for check in self.only]}


class StatementRecipe(Part):
    """What a reader is told that nobody measured: the report prints it as stated."""

    prose = frozenset({"intended_use", "images", "limits", "owner", "reasons"})
    intended_use: StrictStr | None = Field(default=None, min_length=1, description="text")
    images: StrictStr | None = Field(default=None, min_length=1, description="text")
    limits: StrictStr | None = Field(default=None, min_length=1, description="text")
    owner: StrictStr | None = Field(default=None, min_length=1, description="text")
    reasons: StrictStr | None = Field(default=None, min_length=1, description="text")
