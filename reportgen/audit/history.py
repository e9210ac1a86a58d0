"""Earlier audits of one kind, from their results.json: what each gave, jumps beyond their spread, and since
when something fails."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from typing_extensions import TypedDict

from reportgen import files
from reportgen.audit.quantities import Sha256, Share
from reportgen.errors import RecipeError
from reportgen.findings import Status

SCHEMA = "reportgen.results/1"
LARGEST_BYTES = 1 << 30  # of a results.json: of a million images
AT_MOST = 60  # the latest audits that are kept
FEWEST = 3  # earlier audits from which on there is a spread
DEVIATIONS = 3.0  # from the median, as multiples of the scaled median absolute deviation
SCALED = 1.4826  # makes that deviation a standard deviation where values are normal
LEAST = 0.005  # of a share: half a point is no jump, however steady the nights before were
LEAST_RATIO = 1.5  # of a time


class PastGate(TypedDict):
    """A requirement of an audit."""

    name: str
    metric: str
    value: float | None
    limit: float
    passed: bool


class Past(TypedDict):
    """One audit of the history."""

    name: Annotated[str, "its folder"]
    created: str
    checkpoint_sha256: Sha256
    met: Annotated[bool, "whether every requirement was"]
    accuracy: Share | None
    low: Annotated[Share | None, "the 95 % interval of the accuracy"]
    high: Share | None
    gates: list[PastGate]
    checks: dict[str, Status]
    seconds: Annotated[float | None, "of measuring; null where durations are left out"]


class PastFinding(TypedDict):
    """What only the history shows."""

    kind: Literal["jump", "since", "mended"]
    what: Annotated[str, "accuracy, seconds, a gate's name, or check.NAME"]
    value: float | None
    median: Annotated[float | None, "of the earlier audits, for a jump"]
    since: Annotated[str | None, "the audit from which on it fails, or failed, without a break"]
    audits: Annotated[
        int, "for how many audits, this one counted where it fails; of a jump how many it is held against"
    ]


class History(TypedDict):
    """The earlier audits, the latest last, and what they show of the present one, which is not among them."""

    audits: list[Past]
    findings: list[PastFinding]


def read_history(folder: Path, title: str, out: Path) -> list[Past]:
    """The audits of one title whose results.json lies in a folder, or in a folder of it; the oldest first.
    That in `out`, which is written anew, is none of them. Raises RecipeError where it is a file."""
    if folder.exists() and not folder.is_dir():
        raise RecipeError(f"history: {folder} is a file", "name a folder of reports")
    here = out.resolve()
    files = {path.resolve() for path in (*folder.glob("*.json"), *folder.glob("*/results.json"))}
    found = [past for path in sorted(files) if path.parent != here and (past := _read(path, title))]
    return sorted(found, key=lambda past: (past["created"], past["name"]))[-AT_MOST:]


def _read(path: Path, title: str) -> Past | None:
    """An audit; None of other JSON files, other versions and other titles."""
    try:
        results = json.loads(files.read(path, LARGEST_BYTES))
        if results["schema"] != SCHEMA or results["title"] != title:
            return None
        return past_of(results, path.parent.name if path.name == "results.json" else path.stem)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def past_of(results: Mapping[str, Any], name: str) -> Past:
    """What the history keeps of an audit."""
    metrics, seconds = results["metrics"], results["cost"]["seconds"]
    return {
        "name": name,
        "created": results["created"],
        "checkpoint_sha256": results["model"]["checkpoint_sha256"],
        "met": all(gate["passed"] for gate in results["gates"]),
        "accuracy": metrics["accuracy"],
        "low": metrics["accuracy_low"],
        "high": metrics["accuracy_high"],
        "gates": [
            PastGate(
                name=gate["name"],
                metric=gate["metric"],
                value=gate["value"],
                limit=gate["limit"],
                passed=gate["passed"],
            )
            for gate in results["gates"]
        ],
        "checks": {check["name"]: check["status"] for check in results["checks"]},
        "seconds": seconds["total"] - (seconds["render"] or 0.0),
    }


def history(before: Sequence[Past], now: Past) -> History:
    """The history with what it shows of the present audit."""
    found = (*_since(before, now), *_jumps(before, now), *_mended(before, now))
    return {"audits": list(before), "findings": list(found)}


def _since(before: Sequence[Past], now: Past) -> Iterator[PastFinding]:
    """Since which audit what fails now has failed."""
    for gate in now["gates"]:
        if not gate["passed"]:
            yield _streak(f"{gate['name']}", [_passed(past, gate["name"]) for past in before], before, now)
    for name, status in now["checks"].items():
        if status == "fault":
            said = [past["checks"].get(name) for past in before]
            fine = [None if one is None else one != "fault" for one in said]
            yield _streak(f"check.{name}", fine, before, now)


def _mended(before: Sequence[Past], now: Past) -> Iterator[PastFinding]:
    """What failed in the audit before this one, and for how many audits, and fails no more."""
    last = before[-1] if before else None
    for gate in last["gates"] if last else ():
        if not gate["passed"] and _passed(now, gate["name"]):
            yield _ended(gate["name"], [_passed(past, gate["name"]) for past in before], before)
    for name, status in last["checks"].items() if last else ():
        if status == "fault" and now["checks"].get(name) in ("clear", "warning"):
            said = [past["checks"].get(name) for past in before]
            yield _ended(f"check.{name}", [None if one is None else one != "fault" for one in said], before)


def _ended(what: str, fine: Sequence[bool | None], before: Sequence[Past]) -> PastFinding:
    """A streak that the audit before this one is the last of."""
    return {**_streak(what, fine[:-1], before[:-1], before[-1]), "kind": "mended"}


def _passed(past: Past, name: str) -> bool | None:
    return next((gate["passed"] for gate in past["gates"] if gate["name"] == name), None)


def _streak(what: str, fine: Sequence[bool | None], before: Sequence[Past], now: Past) -> PastFinding:
    """How long it has failed: back to the last audit that did not, or had no such thing."""
    length = next((n for n, passed in enumerate(reversed(fine)) if passed is not False), len(fine))
    first = before[len(before) - length]["name"] if length else now["name"]
    return {
        "kind": "since",
        "what": what,
        "value": None,
        "median": None,
        "since": first,
        "audits": length + 1,
    }


def _jumps(before: Sequence[Past], now: Past) -> Iterator[PastFinding]:
    for what, value, earlier, least in _series(before, now):
        known = [number for number in earlier if number is not None]
        if value is None or len(known) < FEWEST:
            continue
        median = statistics.median(known)
        spread = SCALED * statistics.median(abs(number - median) for number in known)
        beyond = not min(known) <= value <= max(known)
        if beyond and abs(value - median) > max(DEVIATIONS * spread, least(median)):
            yield {
                "kind": "jump",
                "what": what,
                "value": value,
                "median": median,
                "since": None,
                "audits": len(known),
            }


def _series(before: Sequence[Past], now: Past) -> Iterable[tuple[str, float | None, list[float | None], Any]]:
    """What is followed from audit to audit: a name, the present value, the earlier ones, the least jump."""
    yield "accuracy", now["accuracy"], [past["accuracy"] for past in before], lambda median: LEAST
    for gate in now["gates"]:
        earlier = [_value(past, gate["name"]) for past in before]
        if gate["metric"] != "accuracy" and not gate["metric"].startswith("check."):
            yield gate["name"], gate["value"], earlier, lambda median: max(LEAST, LEAST * abs(median))
    yield (
        "seconds",
        now["seconds"],
        [past["seconds"] for past in before],
        lambda median: (LEAST_RATIO - 1) * median,
    )


def _value(past: Past, name: str) -> float | None:
    return next((gate["value"] for gate in past["gates"] if gate["name"] == name), None)
