"""The keys of a recipe below `trust` and `gates`: how maps are put to the test, and limits that must hold."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import AfterValidator, Field, Strict, StrictStr, model_validator

from reportgen.audit.compare.limits import OF_DIFF, with_interval
from reportgen.audit.gate_numbers import OF_MAPS, OF_SET, OF_TWO, has_interval
from reportgen.audit.gate_numbers import check_of as of_check
from reportgen.audit.gates import AtWorst
from reportgen.errors import did_you_mean, nearest
from reportgen.recipe.fields import Number, Part, at


def metric_names() -> list[str]:
    """Every metric that a gate may name."""
    from reportgen.checks import questions
    from reportgen.probes import methods  # both import torch

    tested = [name for name, method in methods().items() if method.explains]
    beside = [f"beside.{number}" for number in OF_TWO]
    maps = [f"trust.{name}.{number}" for name in tested for number in OF_MAPS]
    asked = [f"{name}.{number}" for name, check in questions().items() for number in check.numbers]
    return [*OF_SET, *beside, *maps, *asked]


def tested_method(metric: str) -> str | None:
    """The method whose maps a gate is about, or None for a metric of the whole set."""
    return metric.split(".")[1] if metric.startswith("trust.") else None


def tested_check(metric: str) -> str | None:
    """The check whose number a gate is on, or None for a metric of another kind."""
    return of_check(metric)


def _is_metric(name: str) -> str:
    if name in OF_SET:
        return name
    if name not in (known := metric_names()):
        ends = [whole for whole in known if whole.rpartition(".")[2] == name]  # its last part alone
        close = ends[0] if len(ends) == 1 else nearest(name, known)
        raise at((), f"unknown metric {name!r}{did_you_mean(close)}")
    return name


def _is_check(name: str) -> str:
    from reportgen.checks import questions  # their needs import torch

    if name not in questions():
        raise at((), f"unknown check {name!r}{did_you_mean(nearest(name, questions()))}")
    return name


def _is_difference(name: str) -> str:
    if name not in OF_DIFF:
        raise at((), f"unknown change {name!r}{did_you_mean(nearest(name, OF_DIFF))}")
    return name


class TrustLimits(Part):
    """What a map has to reach to be told *yes*; they judge, and change no measurement."""

    randomised: Annotated[Number, Field(ge=0, le=1)] = Field(
        default=0.1,
        description="a number from 0 to 1: by how much the rank correlation with the map of shuffled weights"
        " may be above that of unrelated maps",
    )
    beats_random_sd: Number = Field(
        default=1.645,
        description="a number: how many standard deviations of random orders a map must surely beat them by",
    )
    same_class: Annotated[Number, Field(gt=0, le=1)] = Field(
        default=0.9,
        description="a number above 0 and up to 1: the share of its likeness to itself that a map may have to"
        " another class's",
    )
    steady: Annotated[Number, Field(ge=0, le=1)] = Field(
        default=0.5, description="a number from 0 to 1: the least rank correlation under a little noise"
    )


class TrustRecipe(Part):
    """How the maps themselves are put to the test; `trust: false` or `images: 0` turns it off."""

    images: Annotated[int, Strict(), Field(ge=0, le=10_000)] = Field(
        default=20,
        description="a whole number of at least 0 and at most 10,000: how many of the shown images, half of"
        " them wrong or unsure",
    )
    dear: Annotated[int, Strict(), Field(ge=0, le=10_000)] = Field(
        default=5,
        description="a whole number of at least 0 and at most 10,000: on how many of them maps of many"
        " forwards are made again",
    )
    steps: Annotated[int, Strict(), Field(ge=2, le=100)] = Field(
        default=3, description="a whole number from 2 to 100: the steps of the deletion and insertion curves"
    )
    random_orders: Annotated[int, Strict(), Field(ge=2, le=1000)] = Field(
        default=4,
        description="a whole number from 2 to 1000: the random orders of each image, each from both ends",
    )
    copies: Annotated[int, Strict(), Field(ge=1, le=100)] = Field(
        default=8, description="a whole number from 1 to 100: the noisy copies that maps are smoothed over"
    )
    noise_std: Annotated[Number, Field(gt=0, le=1)] = Field(
        default=0.05, description="a number above 0 and up to 1: the noise of these copies"
    )
    limits: TrustLimits = Field(
        default=TrustLimits(), description="a mapping with randomised, beats_random_sd, same_class and steady"
    )


class Gate(Part):
    """A limit on a metric, or on how bad a check's verdict may be; the exit code is 1 where it is not met."""

    metric: Annotated[StrictStr, AfterValidator(_is_metric)] | None = Field(
        default=None,
        description=f"one of {', '.join(OF_SET)}, "
        f"or beside.NUMBER with one of {', '.join(OF_TWO)}, "
        f"or trust.METHOD.NUMBER with one of {', '.join(OF_MAPS)}, "
        "or CHECK.NUMBER with a number of a check: `reportgen checks NAME` lists them",
    )
    diff: Annotated[StrictStr, AfterValidator(_is_difference)] | None = Field(
        default=None,
        description=f"what changed from a baseline (--baseline DIR): one of {', '.join(OF_DIFF)}",
    )
    check: Annotated[StrictStr, AfterValidator(_is_check)] | None = Field(
        default=None, description="the name of a check: `reportgen checks` lists them"
    )
    at_worst: AtWorst | None = Field(default=None, description=", ".join(get_args(AtWorst)))
    min: Number | None = Field(default=None, description="a number")
    max: Number | None = Field(default=None, description="a number")
    min_lower: Number | None = Field(
        default=None, description="a number, which the lower end of the 95 % interval must reach"
    )
    max_upper: Number | None = Field(
        default=None, description="a number, which the upper end of the 95 % interval must keep to"
    )
    within: Annotated[Number, Field(ge=0)] | None = Field(
        default=None, description="a number of at least 0: how much worse than the baseline's a metric may be"
    )
    at_least: Annotated[int, Strict(), Field(ge=1)] | None = Field(
        default=None, description="a whole number of at least 1: with fewer images the gate cannot be judged"
    )

    @model_validator(mode="after")
    def _has_limit(self) -> Gate:
        named = [name for name in (self.metric, self.check, self.diff) if name is not None]
        if not named:
            raise ValueError("a gate needs a metric or a check, or a diff")
        if len(named) > 1:
            raise ValueError("a gate is about a metric or about a check, not both, or about a diff alone")
        if self.check is None and self.at_worst is not None:
            raise ValueError("at_worst is of a gate on a check")
        if self.metric is None and self.within is not None:
            raise ValueError("within is of a gate on a metric: how far it may be from the baseline's")
        self._limits_fit(named[0])
        return self

    def _limits_fit(self, name: str) -> None:
        """Raises ValueError where the limits are none for what the gate is on."""
        ends = self.min_lower is not None or self.max_upper is not None
        limits = self.min is not None or self.max is not None or ends
        if self.check is not None and limits:
            raise ValueError("a gate on a check has no min and no max, but at_worst")
        if self.check is None and not limits and self.within is None:
            raise ValueError("a gate needs min, max, min_lower or max_upper")
        if self.check is None and ends:
            known = with_interval(name) if self.diff else has_interval(name)
            if not known:
                raise ValueError(f"{name} has no interval: ask for min or max")
