"""A report's folder -> what a tracker keeps of it: numbers, parameters, tags and files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any

from reportgen.audit.compare.limits import OF_DIFF
from reportgen.audit.gate_numbers import OF_MAPS, OF_SET, OF_TWO
from reportgen.audit.results import Results
from reportgen.evidence import sha256_of
from reportgen.ownership import DOCUMENTS, PAGE_FILES, SUMS, owned

SUMMARY = "summary.md"
STATUSES = ("fault", "warning", "undecided", "clear", "untested")  # of checks


@dataclass(frozen=True)
class Facts:
    """What a tracker is given of one report.

    `digest` is the SHA-256 of its seal: a report that is given twice is known by it. `numbers` have the names
    that gates use, `params` what went into the audit, `tags` what came of it.
    """

    name: str
    title: str
    created: datetime
    digest: str
    passed: bool
    numbers: Mapping[str, float]
    params: Mapping[str, str]
    tags: Mapping[str, str]
    summary: str
    files: tuple[tuple[str, Path], ...]  # the folder below the report's that a file is in, and its path


def facts(folder: Path, results: Results, status: str) -> Facts:
    """The facts of a report whose seal was looked at; `status` is its one line."""
    gates = results["gates"]
    passed = all(gate["passed"] for gate in gates)
    text = folder / SUMMARY
    return Facts(
        name=folder.resolve().name,
        title=results["title"],
        created=datetime.fromisoformat(results["created"]),
        digest=sha256_of(folder / SUMS),
        passed=passed,
        numbers=dict(_finite(_numbers(results))),
        params=_params(results),
        tags={
            "reportgen.verdict": ("passed" if passed else "failed") if gates else "no requirements",
            "reportgen.status": status,
            "reportgen.title": results["title"],
            **{f"reportgen.check.{check['name']}": check["status"] for check in results["checks"]},
        },
        summary=text.read_text(encoding="utf-8") if text.is_file() else status,
        files=tuple(_files(folder)),
    )


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """The documents and the seal, not the evidence: those files of the folder that reportgen wrote."""
    for name in sorted(owned(folder)):
        room = name.rpartition("/")[0]
        if (name in (*DOCUMENTS, SUMS) or room == PAGE_FILES) and (folder / name).is_file():
            yield room, folder / name


def _params(results: Results) -> dict[str, str]:
    """What went into the audit, by name and hash."""
    model, identity, environment = results["model"], results["identity"], results["environment"]
    told = {
        "checkpoint": model["checkpoint"],
        "checkpoint_sha256": model["checkpoint_sha256"],
        "model": model["source"],
        "images_sha256": identity["images"],
        "labels_sha256": identity["labels"],
        "recipe_sha256": identity["recipe"],
        "code_sha256": identity.get("code"),
        **{key: environment.get(key) for key in ("reportgen", "torch", "device", "precision", "seed")},
    }
    if before := results.get("baseline"):
        told |= {"baseline": before["old"]["name"], "baseline_sha256": before["old"]["checkpoint_sha256"]}
    return {key: str(value) for key, value in told.items() if value is not None}


def _numbers(results: Results) -> Iterator[tuple[str, Any]]:
    """Every number that a gate may name, by that name; how requirements and checks came out; the cost."""
    metrics: Mapping[str, Any] = results["metrics"]
    yield from ((name, metrics.get(name)) for name in OF_SET)
    yield from ((f"accuracy.{end}", metrics.get(f"accuracy_{end}")) for end in ("low", "high"))
    if trust := results["trust"]:
        for method, tested in trust["methods"].items():
            yield from ((f"trust.{method}.{name}", _at(tested, name, trust["stage"])) for name in OF_MAPS)
    for check in results["checks"]:
        yield f"{check['name']}.effect", check["effect"]
        yield from ((f"{check['name']}.{name}", found["value"]) for name, found in check["numbers"].items())
    tests: Mapping[str, Any] = beside["tests"] if (beside := results.get("beside")) else {}
    yield from ((f"beside.{name}", tests.get(name)) for name in OF_TWO)
    changes: Mapping[str, Any] = before["numbers"] if (before := results.get("baseline")) else {}
    yield from ((f"diff.{name}", changes.get(name)) for name in OF_DIFF)
    yield from _counted(results)


def _counted(results: Results) -> Iterator[tuple[str, Any]]:
    gates, checks = results["gates"], results["checks"]
    yield "requirements.met", sum(gate["passed"] for gate in gates)
    yield "requirements.not_met", sum(not gate["passed"] for gate in gates)
    for status in STATUSES:
        yield f"checks.{status}", sum(check["status"] == status for check in checks)
    yield "cost.seconds", results["cost"]["seconds"].get("total")


def _at(tested: Mapping[str, Any], name: str, stage: str) -> Any:
    """A number of the maps' tests: of the stage that is judged, where there are several."""
    return tested[name][stage] if name == "randomised" else tested[name]


def _finite(numbers: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, float]]:
    for name, value in numbers:
        if isinstance(value, bool | int | float) and isfinite(value):
            yield name, float(value)
