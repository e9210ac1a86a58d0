"""A set that is shared out: parts measured anywhere, in any order, are merged to the evidence of one run.

A part is a run that ends once its own spans are measured. It stays in its folder as an interrupted run does,
with a note of what was asked. The merge takes the shards of all parts and goes on where one run would be.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reportgen import files
from reportgen.errors import InputError, RecipeError
from reportgen.evidence import canonical_json, sha256_of, shards, write_whole
from reportgen.evidence.files import at_second_place, is_whole
from reportgen.evidence.writer import SHARD
from reportgen.inputs.images.sources.places import address_of
from reportgen.inputs.models.installed import LIBRARIES
from reportgen.inputs.models.permission import is_allowed
from reportgen.measure import measure_part
from reportgen.measure.audit import Audit, prepare
from reportgen.measure.spans import Part
from reportgen.pipeline.before import Before
from reportgen.progress import Progress, silent
from reportgen.recipe import Recipe
from reportgen.recipe.preset import with_preset
from reportgen.workspace import PART, check, unfinished, workspace
from reportgen.writing import kept_whole

SCHEMA = "reportgen.part/1"
LARGEST = 1 << 24  # bytes of a part's note


@dataclass(frozen=True)
class Request:
    """What a run is asked for, but where its report goes: enough to ask it again elsewhere."""

    recipe: Recipe
    checkpoint: Path
    images: Path
    limit: int | None = None
    save_maps: bool = False
    baseline: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """The request as JSON values; paths from the root of the file system."""
        return {
            "recipe": self.recipe.resolved(),
            "folder": os.path.abspath(self.recipe.folder),
            "checkpoint": _anywhere(self.checkpoint),
            "images": _anywhere(self.images),
            "limit": self.limit,
            "save_maps": self.save_maps,
            "baseline": _anywhere(self.baseline) if self.baseline else None,
        }

    @classmethod
    def of(cls, told: Mapping[str, Any], allow_code: Iterable[str] | None) -> Request:
        """The request that `as_json` gave; what its recipe's source may call is as in `Recipe.again`. Raises
        KeyError, TypeError and ValueError for what it did not."""
        baseline = told["baseline"]
        return cls(
            Recipe.again(told["recipe"], Path(told["folder"]), allow_code),
            Path(told["checkpoint"]),
            Path(told["images"]),
            told["limit"],
            told["save_maps"],
            Path(baseline) if baseline else None,
        )


@dataclass(frozen=True)
class Measured:
    """A part that is measured: which, of what, by which key, and where its shards are."""

    part: Part
    key: str
    request: Mapping[str, Any]
    shards: Mapping[str, str]  # by name, the hash of what each says
    evidence: Path
    shown: Path  # the folder as the user named it


def part_of(text: str) -> Part:
    """The part that K/N says. Raises RecipeError where it says none."""
    number, _, of = text.partition("/")
    if not re.fullmatch(r"[0-9]{1,9}/[0-9]{1,9}", text) or not 1 <= int(number) <= int(of):
        remedy = "give K/N, from 1/N to N/N: 3/16 is the third of sixteen"
        raise RecipeError(f"{text!r} is no part of a set", remedy)
    return Part(int(number), int(of))


def shard(request: Request, part: Part, out: Path, *, progress: Progress = silent) -> Path:
    """Measures a part of a set, for `merge`, and returns its folder. Interrupted, the same call goes on.

    Raises as `surveyed` does, and RecipeError where nothing can be written to `out`.
    """
    check(out)
    request = replace(request, recipe=with_preset(request.recipe))  # what it stands for is asked in the merge
    return measure(surveyed(request), request, part, out, progress)


def refuse_budget(recipe: Recipe) -> None:
    """Raises RecipeError where a set that is shared out has a budget."""
    if recipe.run.budget:
        raise RecipeError(
            "run.budget cannot be kept by parts: each machine would leave out something else",
            "leave the budget out, or name run.preset",
        )


def surveyed(request: Request) -> Audit:
    """The audit whose parts are measured, with its network and the list of its images.

    Raises RecipeError and InputError as a run does, and RecipeError where a budget is set: what fits into it
    would be another choice on each machine.
    """
    recipe = with_preset(request.recipe)
    refuse_budget(recipe)
    before = Before.of(recipe.model_copy(update={"history": None}), request.baseline, Path())
    asked = (request.checkpoint, request.images, request.limit, request.save_maps)
    return prepare(recipe, *asked, before.answers)


def measure(audit: Audit, request: Request, part: Part, out: Path, progress: Progress = silent) -> Path:
    """Measures a part of an audit that `surveyed` gave, into the folder `out`, which is returned."""
    with workspace(out) as folder, kept_whole(out, folder):
        (folder / PART).unlink(missing_ok=True)  # of what was asked there before
        measure_part(audit, folder / "evidence", part, progress)
        body = {
            "schema": SCHEMA,
            "part": part.number,
            "of": part.of,
            "key": audit.key(audit.main),
            "request": request.as_json(),
            "shards": _hashes(folder / "evidence"),
        }
        write_whole(folder / PART, canonical_json(body))
    return out


def asked(folders: Sequence[Path], allow_code: Iterable[str] = ()) -> Request:
    """What the parts in these folders were asked. Raises InputError as `measured` does, and where a part does
    not say it; RecipeError where it names code that nobody here has allowed.

    A part is data of whoever measured it, and it says itself where its recipe lay. So code beside that recipe
    may be called only where the merge runs in that folder or above it, or the command line allows it.
    """
    first = measured(folders)[0]
    try:
        request = Request.of(first.request, allow_code)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{first.shown} does not say what was asked", "measure the part again by this version"
        ) from error
    for recipe in filter(None, (request.recipe, request.recipe.second())):
        _refuse_code_elsewhere(recipe, first.shown)
    return request


def _refuse_code_elsewhere(recipe: Recipe, shown: Path) -> None:
    folder, here = recipe.folder.resolve(), Path.cwd().resolve()
    where = (recipe.model.source or "").rpartition(":")[0]
    is_library = where.partition(".")[0] in LIBRARIES and not where.endswith(".py")
    if not where or is_library or here == folder or here in folder.parents:
        return
    if not is_allowed(where, folder, recipe.allowed_code or ()):
        raise RecipeError(
            f"{shown} was measured with code of another folder, {folder}: {where}",
            f"run the merge there, or, where you trust that code, add --allow-code {where}",
        )


def measured(folders: Sequence[Path]) -> list[Measured]:
    """The parts that lie in these folders, by number; of one that is there twice the first.

    Raises InputError where a folder holds none, where they are of several runs, and where one is missing.
    """
    parts = [_read(folder) for folder in folders]
    first = parts[0]
    for other in parts[1:]:
        if (other.key, other.part.of) != (first.key, first.part.of):
            raise InputError(
                f"{other.shown} and {first.shown} are no parts of one run",
                "measure all parts by one recipe, checkpoint and image set, with one run.batch_size",
            )
    known = {part.part.number: part for part in reversed(parts)}
    if missing := [n for n in range(1, first.part.of + 1) if n not in known]:
        named = ", ".join(f"{n}/{first.part.of}" for n in missing[:10])
        raise InputError(
            f"{len(missing)} of {first.part.of} parts are missing: {named}",
            "measure them (`reportgen shard K/N`) and name their folders too",
        )
    return [known[number] for number in sorted(known)]


def gather(parts: Sequence[Measured], audit: Audit, evidence: Path) -> None:
    """Puts the shards of all parts into the evidence of a run, where they are as that run would write them.

    Raises InputError where the parts are of another run, or a shard is not as it was written.
    """
    key = audit.key(audit.main)
    for part in parts:
        if part.key != key or not _has_key(part.evidence, key):
            raise InputError(
                f"{part.shown} was measured by another recipe, checkpoint or image set than there is now",
                "measure the parts again, or put back what they were measured by",
            )
    if not _has_key(evidence, key):
        shutil.rmtree(evidence, ignore_errors=True)
        evidence.mkdir(parents=True)
        write_whole(evidence / "key", key.encode())
    for part in parts:
        for name in part.shards:
            _take(part, name, evidence)


def _take(part: Measured, name: str, evidence: Path) -> None:
    """One shard of a part: its arrays first, as a shard is known by its .json."""
    if (evidence / f"{name}.json").exists():
        return
    body, arrays = part.evidence / f"{name}.json", part.evidence / f"{name}.safetensors"
    if not body.is_file() and not arrays.is_file():
        return  # the run measures it again
    if not is_whole(body) or sha256_of(body) != part.shards[name]:
        raise InputError(
            f"{part.shown}: the shard {name} is not as it was written",
            f"remove the folder, and measure `reportgen shard {part.part}` again",
        )
    for file in (arrays, body):
        at_second_place(file, evidence / file.name)


def _anywhere(path: Path) -> str:
    """A path from the root of the file system, links as they are, or an address as it is."""
    return str(path) if address_of(path) else os.path.abspath(path)


def _hashes(evidence: Path) -> dict[str, str]:
    """The shards of images of a part, by name, with the hash of what each says of its images and arrays."""
    files = sorted(evidence.glob("*.json"))
    return {file.stem: sha256_of(file) for file in files if _is_of_images(file.stem)}


def _is_of_images(shard: str) -> bool:
    return shards.is_of(shard, shards.SCORE, shards.BATCH)


def _has_key(evidence: Path, key: str) -> bool:
    try:
        return (evidence / "key").read_text() == key
    except OSError:
        return False


def _read(folder: Path) -> Measured:
    work = unfinished(folder)
    try:
        if work is None:
            raise ValueError(folder)
        told = json.loads(files.read(work / PART, LARGEST))
        if told["schema"] != SCHEMA:
            raise ValueError(told["schema"])
        part = Part(int(told["part"]), int(told["of"]))
        hashes = {str(name): str(digest) for name, digest in told["shards"].items()}
        if not all(SHARD.fullmatch(name) and _is_of_images(name) for name in hashes):
            raise ValueError(folder)
        return Measured(part, str(told["key"]), dict(told["request"]), hashes, work / "evidence", folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{folder} holds no part that is wholly measured",
            "`reportgen shard K/N … --out DIR` writes one, and goes on where it was interrupted",
        ) from error
