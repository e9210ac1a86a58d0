"""The narrow waist: an immutable, hashed folder of what was measured. numpy, JSON and text only.

    manifest.json                 written last: its presence means that the evidence is complete
    timing.json                   durations and peak memory, kept apart so that the rest repeats
    model.json, .safetensors      findings that need no image
    set.json, .safetensors        findings that need them all
    score-000000.json, …          shards of a first round: records and logits of every image
    batch-000000.json, …          shards: records of images, their arrays and findings
    sample-000100-000000.json, …  shards: what is summed up of 100 images drawn at random
    trust-000000.json, …          shards: what putting the maps to the test gave
    changed.json, .safetensors    small pictures of images that a second model answers differently
    beside/                       evidence of its own: a second model on the same images

Every file is written under a temporary name, flushed and renamed. A shard's .json is written
after its .safetensors and carries its hash, so a shard is whole or absent, and a run resumes.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from reportgen.errors import InputError
from reportgen.findings import KINDS, Array, Finding, Tally, explaining, pack, unpack

SCHEMA = "reportgen.evidence/2"
BESIDE = "beside"  # the folder of a second model's evidence
TALLIED = ("sums", "highs", "lows", "tops")
Record: TypeAlias = dict[str, Any]
# visualization name -> one tuple of findings a target slot (a single slot where it has no target)
Findings: TypeAlias = dict[str, list[tuple[Finding, ...]]]


def best(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """The answer to an image, its most probable class; None where there is none: the image could not
    be used, or the model's output for it is not finite."""
    return record["predictions"][0] if record["predictions"] else None


def is_unanswered(record: Mapping[str, Any]) -> bool:
    """Whether the model saw the image and gave no answer, its output not being finite."""
    return record["status"] == "ok" and best(record) is None


def sha256_of(data: bytes | Path) -> str:
    """The hex digest of bytes or of a file's content."""
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest()
    digest = hashlib.sha256()
    with data.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def canonical_json(value: Any) -> bytes:
    """UTF-8 JSON with sorted keys: equal values give equal bytes. NaN is refused (ValueError)."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1)
    return text.encode() + b"\n"


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file so that it is never seen half written, by way of a new name that nobody has taken."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


class Writer:
    """Writes shards into `folder`; those that an interrupted run with the same key left are kept."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self.finished: dict[str, dict[str, Any]] = {}  # shard name -> what its .json holds
        mark = folder / "key"
        if not (mark.exists() and mark.read_text() == key):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            write_whole(mark, key.encode())
        for path in folder.glob(".*.tmp"):  # a process that was killed while it wrote
            path.unlink()
        for path in sorted(folder.glob("*.json")):
            if path.name not in ("manifest.json", "timing.json") and _is_whole(path):
                self.finished[path.stem] = json.loads(path.read_bytes())

    def write(
        self,
        name: str,
        findings: Mapping[str, Sequence[tuple[Finding, ...]]],
        records: Sequence[Record] = (),
        arrays: Mapping[str, Array] | None = None,
        cost: Mapping[str, int] | None = None,
        tallies: Mapping[str, Tally] | None = None,
    ) -> None:
        """Writes one shard: records of its images, arrays with a leading axis of rows, findings, what
        it cost in images (forwards, backwards, …), and the tallies of scope `set`."""
        tensors = {f"core/{key}": value for key, value in (arrays or {}).items()}
        for method, tally in (tallies or {}).items():
            for how in TALLIED:
                held = getattr(tally, how)
                tensors |= {f"tally/{method}/{how}/{key}": value for key, value in held.items()}
        packed: dict[str, list[list[dict[str, Any]]]] = {}
        for method, slots in findings.items():
            packed[method] = []
            for slot, found in enumerate(slots):
                parts = [pack(finding) for finding in found]
                packed[method].append([rest for _, rest in parts])
                for held, rest in parts:
                    prefix = f"{method}/{slot}/{rest['name']}"
                    tensors |= {f"{prefix}/{field}": value for field, value in held.items()}
        data = save(tensors)
        write_whole(self.folder / f"{name}.safetensors", data)
        body = {
            "arrays_sha256": sha256_of(data),
            "records": list(records),
            "findings": packed,
            "cost": dict(cost or {}),
        }
        write_whole(self.folder / f"{name}.json", canonical_json(body))
        self.finished[name] = body

    def records(self, kind: str = "") -> list[Record]:
        """The records of every finished shard whose name begins with `kind`."""
        names = [name for name in sorted(self.finished) if name.startswith(kind)]
        return [record for name in names for record in self.finished[name]["records"]]

    def place(self, number: int) -> tuple[str, Record]:
        """The shard that holds the figures of an image, and its record there. Raises KeyError."""
        for name in sorted(self.finished):
            for record in self.finished[name]["records"] if name.startswith("batch") else ():
                if record["number"] == number and record["measured"]:
                    return name, record
        raise KeyError(number)

    def findings(self, shard: str, row: int) -> Findings:
        """What was measured of one image, read back from its shard."""
        return _read(self.folder / f"{shard}.safetensors", self.finished[shard]["findings"], row)

    def tally(self, method: str) -> Tally | None:
        """What every finished shard holds of a method's tally, merged; None where none does."""
        total: Tally | None = None
        for name in sorted(self.finished):
            with safe_open(self.folder / f"{name}.safetensors", framework="numpy") as tensors:
                parts: dict[str, dict[str, Array]] = {how: {} for how in TALLIED}
                for path in tensors.keys():  # noqa: SIM118 - not a dict
                    room, owner, *rest = path.split("/", 3)
                    if (room, owner) == ("tally", method):
                        parts[rest[0]][rest[1]] = tensors.get_tensor(path)
            if any(parts.values()):
                found = Tally(**parts)
                total = found if total is None else total.merged(found)
        return total

    def cost(self) -> dict[str, int]:
        """What the finished shards cost, added up."""
        total: dict[str, int] = {}
        for shard in self.finished.values():
            for key, value in shard["cost"].items():
                total[key] = total.get(key, 0) + value
        return total

    def seal(self, manifest: Mapping[str, Any], timing: Mapping[str, Any]) -> None:
        """Writes timing and, last, the manifest with the hash of every shard."""
        shards = [
            {"name": name, "sha256": sha256_of(self.folder / f"{name}.json")}
            for name in sorted(self.finished)
        ]
        write_whole(self.folder / "timing.json", canonical_json(dict(timing)))
        body = {"schema": SCHEMA, **manifest, "shards": shards}
        write_whole(self.folder / "manifest.json", canonical_json(body))


def _is_whole(shard: Path) -> bool:
    """Whether a shard's record file is readable and its arrays are those it was written with."""
    arrays = shard.with_suffix(".safetensors")
    try:
        expected = json.loads(shard.read_bytes())["arrays_sha256"]
        return bool(sha256_of(arrays) == expected)
    except (OSError, ValueError, KeyError):
        return False


@dataclass(frozen=True)
class Evidence:
    """Reads sealed evidence back, one image at a time, so that memory does not grow with the set."""

    folder: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Raises InputError where the folder holds no complete evidence."""
        try:
            manifest = json.loads((self.folder / "manifest.json").read_bytes())
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.folder} holds no complete evidence ({type(error).__name__})",
                "name the folder that `reportgen run` wrote, or run it again to finish it",
            ) from error
        if manifest.get("schema") != SCHEMA:
            raise InputError(
                f"{self.folder} holds evidence of another version: {manifest.get('schema')!r}",
                "measure again with this version of reportgen",
            )
        return dict(manifest)

    @cached_property
    def timing(self) -> dict[str, Any]:
        """Durations in seconds and peak memory in bytes."""
        return dict(json.loads((self.folder / "timing.json").read_bytes()))

    @cached_property
    def beside(self) -> Evidence | None:
        """The second model's evidence, where one was measured on the same images."""
        return Evidence(self.folder / BESIDE) if self.manifest.get("beside") else None

    @cached_property
    def _shards(self) -> dict[str, dict[str, Any]]:
        return {
            shard["name"]: json.loads((self.folder / f"{shard['name']}.json").read_bytes())
            for shard in self.manifest["shards"]
        }

    def records(self) -> list[Record]:
        """Every image of the set in order of id, rejected ones included.

        An image that was first scored and then measured in a second round has the second record.
        """
        by_id: dict[int, Record] = {}
        shards = {n: s for n, s in self._shards.items() if n.startswith(("score-", "batch-"))}
        for name, shard in sorted(shards.items(), reverse=True):  # score-… before batch-…
            for record in shard["records"]:
                known = by_id.get(record["number"])
                if known is None or record.get("measured"):
                    by_id[record["number"]] = {**record, "shard": name}
        return [by_id[number] for number in sorted(by_id)]

    def trust(self) -> list[Record]:
        """What putting the maps to the test gave, a record a sampled image, in order of number."""
        shards = [shard for name, shard in self._shards.items() if name.startswith("trust-")]
        return sorted((r for s in shards for r in s["records"]), key=lambda r: int(r["number"]))

    def model_findings(self) -> Findings:
        """Findings of scope `model` and `set`, whole."""
        whole = [name for name in ("model", "set") if name in self._shards]
        return {m: found for name in whole for m, found in self._findings(name, None).items()}

    def findings(self, record: Record) -> Findings:
        """One measured image's findings: every per-image field without its leading axis.

        Those of a visualization that is measured once a target say which class that is.
        """
        found = self._findings(record["shard"], record["row"]) if record.get("measured") else {}
        targets = [target["class_index"] for target in record.get("targets", ())]
        for shown in self.manifest.get("visualizations", ()):
            if shown["per_target"] and shown["name"] in found:
                slots = zip(found[shown["name"]], targets, strict=True)
                found[shown["name"]] = [explaining(held, target) for held, target in slots]
        return found

    def array(self, record: Record, key: str) -> Array | None:
        """One image's row of a core array: `seen` (H, W, C) uint8, `logits` (C,), `input` (C, H, W)."""
        with self._open(record["shard"]) as tensors:
            if f"core/{key}" not in tensors.keys():  # noqa: SIM118 - not a dict
                return None
            return np.asarray(tensors.get_slice(f"core/{key}")[record["row"]])

    def thumbnails(self) -> dict[str, Array]:
        """Small pictures (h, w, C) uint8 of images without figures, by id: of those that two models
        answer differently."""
        if "changed" not in self._shards:
            return {}
        with self._open("changed") as tensors:
            seen = tensors.get_tensor("core/seen")
        return {record["id"]: seen[record["row"]] for record in self._shards["changed"]["records"]}

    def original(self, record: Record) -> bytes:
        """The image before resize and crop, as a JPEG of bounded size."""
        first, last = record["original_bytes"]
        with self._open(record["shard"]) as tensors:
            return bytes(tensors.get_slice("core/originals")[first:last].tobytes())

    def _open(self, shard: str) -> Any:
        return safe_open(self.folder / f"{shard}.safetensors", framework="numpy")

    def _findings(self, shard: str, row: int | None) -> Findings:
        return _read(self.folder / f"{shard}.safetensors", self._shards[shard]["findings"], row)

    def altered(self) -> Iterator[str]:
        """The names of files that are not as they were written (or are gone)."""
        for shard in self.manifest["shards"]:
            path = self.folder / f"{shard['name']}.json"
            if not path.exists() or sha256_of(path) != shard["sha256"]:
                yield path.name
            elif not _is_whole(path):
                yield path.with_suffix(".safetensors").name
        if self.beside is not None:
            yield from (f"{BESIDE}/{name}" for name in self._altered_beside(self.beside))

    def _altered_beside(self, other: Evidence) -> Iterator[str]:
        sealed = other.folder / "manifest.json"
        if sealed.exists() and sha256_of(sealed) == self.manifest["beside"]["manifest_sha256"]:
            yield from other.altered()
        else:  # what it says of its shards is not to be relied on
            yield sealed.name


def _read(arrays: Path, packed: dict[str, Any], row: int | None) -> Findings:
    """A shard's findings: whole, or their row for one image."""
    with safe_open(arrays, framework="numpy") as tensors:
        names = frozenset(tensors.keys())
        return {
            method: [
                tuple(_load(tensors, names, f"{method}/{slot}", rest, row) for rest in found)
                for slot, found in enumerate(slots)
            ]
            for method, slots in packed.items()
        }


def _load(
    tensors: Any, names: Collection[str], prefix: str, rest: dict[str, Any], row: int | None
) -> Finding:
    """One finding from a shard: whole, or its row for one image."""
    kind = KINDS[rest["kind"]]
    arrays = {}
    if row is not None:  # words of which every image has its own
        rest = rest | {name: rest[name][row] for name in kind.per_image if isinstance(rest.get(name), list)}
    for field in (name for name in kind.arrays if name not in rest):
        key = f"{prefix}/{rest['name']}/{field}"
        if field == "explains" and key not in names:
            continue  # it names no class of its own
        if row is not None and field in kind.per_image:
            arrays[field] = tensors.get_slice(key)[row]
        else:  # whole: a slice cannot hold a number without axes
            arrays[field] = tensors.get_tensor(key)
    return unpack(arrays, rest)
