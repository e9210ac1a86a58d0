"""One of the two audits that are compared: its numbers, and its evidence where that can be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from reportgen.errors import InputError
from reportgen.evidence import Evidence, Record
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
    def names(self) -> dict[int, str]:
        """The names of classes by index: all of them, or of results alone those that were answered."""
        if self.classes is not None:
            return dict(enumerate(self.classes))
        answers = (answer for record in self.records for answer in record["predictions"])
        return {answer["class_index"]: answer["class_name"] for answer in answers}

    @cached_property
    def tensors(self) -> tuple[list[Any], dict[str, Any]]:
        """What was kept of the network's tensors; nothing in older evidence."""
        return self.evidence.tensors() if self.evidence is not None else ([], {})


def read_side(folder: Path, name: str | None = None) -> Side:
    """The audit in a report's folder, wherever a link to it leads later. Raises InputError where there is
    none, or its numbers are of another version."""
    place = folder.resolve()
    return Side(name or place.name, _results(place, folder), _evidence(place / "evidence"))


def still_there(side: Side) -> Side:
    """The side without its evidence where that was removed or altered since it was read."""
    if side.evidence is None or _is_whole(side.evidence):
        return side
    # what was read of it is let go, too: images and their answers are in the results
    return Side(side.name, side.results, None)


def told_apart(old: Side, new: Side, *folders: Path) -> tuple[Side, Side]:
    """The two sides under names that differ: of their folders (old, new), or with those above them."""
    if old.name != new.name:
        return old, new
    longer = [f"{folder.resolve().parent.name}/{folder.resolve().name}" for folder in folders]
    names = longer if longer[0] != longer[1] else ["old", "new"]
    return replace(old, name=names[0]), replace(new, name=names[1])


def _results(place: Path, named: Path) -> Any:
    path = place / "results.json"
    try:
        results = json.loads(path.read_bytes())
        schema = results["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        cause = f"{named} holds no report ({type(error).__name__} of results.json)"
        raise InputError(cause, REMEDY) from error
    if schema != RESULTS:
        cause = f"{named / path.name} is of another version: {schema!r}"
        raise InputError(cause, "audit that model again with this reportgen")
    return results


def _evidence(folder: Path) -> Evidence | None:
    """Evidence that this version reads and of which every file is as it was written, else None."""
    found = Evidence(folder)
    return found if _is_whole(found) else None


def _is_whole(evidence: Evidence) -> bool:
    try:
        manifest = json.loads((evidence.folder / "manifest.json").read_bytes())
        return manifest["schema"] == SCHEMA and not any(evidence.altered())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _record(image: Mapping[str, Any]) -> Record:
    record: Any = {**image, "number": int(image["id"]), "measured": False, "targets": [], "geometry": None}
    return cast(Record, record)
