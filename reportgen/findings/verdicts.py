"""What a check returns: a verdict with its size, its limit, its sentence, and what shows it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from reportgen.findings.kinds import Finding

# fault: the harm is shown; warning: it is likely, or smaller; clear: a harm of the stated size is excluded;
# undecided: the images do not decide it; untested: it could not be asked
Status: TypeAlias = Literal["fault", "warning", "clear", "undecided", "untested"]
STATUSES: tuple[Status, ...] = get_args(Status)
GRAVE: tuple[Status, ...] = ("fault", "warning")


@dataclass(frozen=True)
class Exhibits:
    """What shows a verdict: images by number, layers by name, channels as (layer, number), and settings as
    keys of the recipe. Its figures stand by themselves."""

    images: tuple[int, ...] = ()
    layers: tuple[str, ...] = ()
    channels: tuple[tuple[str, int], ...] = ()
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Number:
    """A number of a verdict that a gate may be on. Where its value is not decided, `low` and `high` are the
    ends that it lies between, and a gate within them cannot be judged."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Verdict:
    """The answer to a check's question.

    `effect` is the size of the harm in `unit`, `low` and `high` its 95 % interval over images, `limit` the
    size from which it matters, for `limit_reason`. `n` counts the images that it rests on, `sample` how many
    were drawn where not all were asked. `explains` names checks whose verdicts follow from this one: where
    they are no better off, they are folded under it. `numbers` are those that gates may be on, by name. The
    mechanism fills in the last three: which check explains this one, the sentence as it would be without that
    cause, and the error of a check that failed.
    """

    status: Status
    sentence: str
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    limit: float | None = None
    limit_reason: str = ""
    n: int | None = None
    sample: int | None = None
    remedy: str = ""
    exhibits: Exhibits = Exhibits()
    figures: tuple[Finding, ...] = ()
    numbers: Mapping[str, Number] = field(default_factory=dict)
    explains: tuple[str, ...] = ()
    explained_by: str = ""
    otherwise: str = ""
    error: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"{self.status!r} is no status of a verdict ({', '.join(STATUSES)})")
        if not self.sentence:
            raise ValueError("a verdict says its finding in a sentence")

    @property
    def grave(self) -> bool:
        """Whether a reader has to act on it."""
        return self.status in GRAVE


def as_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON values, but for its figures."""
    fields = {
        field.name: getattr(verdict, field.name)
        for field in dataclasses.fields(verdict)
        if field.name != "figures"
    }
    fields["exhibits"] = dataclasses.asdict(verdict.exhibits)
    fields["numbers"] = {name: dataclasses.asdict(number) for name, number in verdict.numbers.items()}
    return fields


def from_json(fields: Mapping[str, Any], figures: tuple[Finding, ...] = ()) -> Verdict:
    """The verdict that `as_json` took apart; keys that it does not know are passed over."""
    known = {field.name for field in dataclasses.fields(Verdict)}
    own = {name: value for name, value in fields.items() if name in known}
    shown = own["exhibits"]
    own["exhibits"] = Exhibits(
        images=tuple(shown["images"]),
        layers=tuple(shown["layers"]),
        channels=tuple((layer, number) for layer, number in shown["channels"]),
        settings=tuple(shown["settings"]),
    )
    own["numbers"] = {name: Number(**number) for name, number in own.get("numbers", {}).items()}
    return Verdict(**{**own, "explains": tuple(own["explains"]), "figures": figures})
