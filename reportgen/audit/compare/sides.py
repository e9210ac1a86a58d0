"""One of the two audits that are compared: its numbers, and its evidence where that can be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from reportgen.errors import InputError
from reportgen.evidence import Evidence, Record
from reportgen.evidence.files import sha256_of
from reportgen.evidence.shards import SCHEMA

RESULTS = "reportgen.results/1"
REMEDY = "name the folder that `reportgen run` wrote"


@dataclass(frozen=True)
class Side:
    """An audit by its results, as results.json has them. `evidence` is None where it is of another version,
    or gone: maps, logits and tensors are not compared then."""

    name: str  # what it is called: a folder, an epoch
    results: Mapping[str, Any]
    evidence: Evidence | None

    @cached_property
    def records(self) -> list[Record]:
        """Every image, as the evidence has it; of results alone with what these say of it."""
        if self.evidence is not None:
            return self.evidence.records()
        return [_record(image) for image in self.results["images"]]

    @cached_property
    def classes(self) -> list[str] | None:
        """The names of the model's classes in its order, where they are known."""
        return list(self.evidence.manifest["model"]["classes"]) if self.evidence is not None else None

    @cached_property
    def tensors(self) -> tuple[list[Any], dict[str, Any]]:
        """What was kept of the network's tensors; nothing in older evidence."""
        return self.evidence.tensors() if self.evidence is not None else ([], {})


def read_side(folder: Path, name: str | None = None) -> Side:
    """The audit in a report's folder. Raises InputError where there is none, or its numbers are of another
    version."""
    path = folder / "results.json"
    try:
        results = json.loads(path.read_bytes())
        schema = results["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        cause = f"{folder} holds no report ({type(error).__name__} of results.json)"
        raise InputError(cause, REMEDY) from error
    if schema != RESULTS:
        raise InputError(
            f"{path} is of another version: {schema!r}", "audit that model again with this reportgen"
        )
    return Side(name or folder.resolve().name, results, _evidence(folder / "evidence"))


def _evidence(folder: Path) -> Evidence | None:
    """Evidence that this version reads, else None."""
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        return Evidence(folder) if manifest["schema"] == SCHEMA else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def identity_of(folder: Path) -> str:
    """What an audit is known by: the SHA-256 of its results.json. Raises InputError where there is none."""
    read_side(folder)
    return sha256_of(folder / "results.json")


def _record(image: Mapping[str, Any]) -> Record:
    record: Any = {**image, "number": int(image["id"]), "measured": False, "targets": [], "geometry": None}
    return cast(Record, record)
