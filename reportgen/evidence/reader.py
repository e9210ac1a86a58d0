"""Reads sealed evidence back, one image at a time."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from reportgen import files
from reportgen.errors import InputError
from reportgen.evidence.arrays import Stored
from reportgen.evidence.files import is_whole, sha256_of
from reportgen.evidence.records import Manifest, Record, Timing, TrustRecord
from reportgen.evidence.shards import (
    BATCH,
    BESIDE,
    CHANGED,
    MODEL,
    SCHEMA,
    SCORE,
    SET,
    TENSORS,
    TRUST,
    VERDICTS,
    Findings,
    is_of,
    read_findings,
)
from reportgen.findings import Array, Finding, Verdict, explaining
from reportgen.findings.verdicts import from_json

LARGEST_BYTES = 1 << 28  # of a manifest: of a million images


@dataclass(frozen=True)
class Evidence:
    """Reads sealed evidence back, one image at a time, so that memory does not grow with the set."""

    folder: Path

    @cached_property
    def manifest(self) -> Manifest:
        """Raises InputError where the folder holds no complete evidence."""
        try:
            manifest = json.loads(files.read(self.folder / "manifest.json", LARGEST_BYTES))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(
                f"{self.folder} holds no complete evidence ({type(error).__name__})",
                "name the folder that `reportgen run` wrote, or run it again to finish it",
            ) from error
        if manifest.get("schema") != SCHEMA:
            raise InputError(
                f"{self.folder} holds evidence of another version: {manifest.get('schema')!r}",
                "measure again with this version of reportgen",
            )
        return cast(Manifest, manifest)

    @cached_property
    def timing(self) -> Timing:
        """Durations in seconds and peak memory in bytes."""
        return cast(Timing, json.loads(files.read(self.folder / "timing.json", LARGEST_BYTES)))

    @cached_property
    def beside(self) -> Evidence | None:
        """The second model's evidence, where one was measured on the same images."""
        return Evidence(self.folder / BESIDE) if self.manifest.get("beside") else None

    @cached_property
    def _shards(self) -> dict[str, dict[str, Any]]:
        return {
            shard["name"]: json.loads(files.read(self.folder / f"{shard['name']}.json", files.largest()))
            for shard in self.manifest["shards"]
        }

    def records(self) -> list[Record]:
        """Every image of the set in order of id, rejected ones included.

        An image that was first scored and then measured in a second round has the second record.
        """
        by_id: dict[int, Record] = {}
        shards = {n: s for n, s in self._shards.items() if is_of(n, SCORE, BATCH)}
        for name, shard in sorted(shards.items(), reverse=True):  # score-… before batch-…
            for record in shard["records"]:
                known = by_id.get(record["number"])
                if known is None or record.get("measured"):
                    by_id[record["number"]] = cast(Record, {**record, "shard": name})
        return [by_id[number] for number in sorted(by_id)]

    def trust(self) -> list[TrustRecord]:
        """What putting the maps to the test gave, a record a sampled image, in order of number."""
        shards = [shard for name, shard in self._shards.items() if is_of(name, TRUST)]
        return sorted((r for s in shards for r in s["records"]), key=lambda r: int(r["number"]))

    def verdicts(self) -> dict[str, Verdict]:
        """What the checks say, by name, with their figures; none in older evidence."""
        if VERDICTS not in self._shards:
            return {}
        figures = self._findings(VERDICTS, None)
        return {
            record["name"]: from_json(record, *figures.get(f"check:{record['name']}", [()]))
            for record in self._shards[VERDICTS]["records"]
        }

    def model_findings(self) -> Findings:
        """Findings of scope `model` and `set`, whole."""
        whole = [name for name in (MODEL, SET) if name in self._shards]
        return {m: slots for name in whole for m, slots in self._findings(name, None).items()}

    def findings(
        self, record: Record, without: Collection[type[Finding]] = (), ends: bool = False
    ) -> Findings:
        """One measured image's findings: every per-image field without its leading axis.

        Those of a visualization that is measured once a target say which class that is. Kinds that nobody
        looks at are left out `without` being read. Where only the `ends` of maps are asked for, a map that is
        kept in levels, and so is finite, comes as a few numbers: its lowest and highest are among them.
        """
        found = record.get("measured")
        findings = self._findings(record["shard"], record["row"], without, ends) if found else {}
        targets = [target["class_index"] for target in record.get("targets", ())]
        for shown in self.manifest.get("visualizations", ()):
            if shown["per_target"] and shown["name"] in findings:
                slots = zip(findings[shown["name"]], targets, strict=True)
                findings[shown["name"]] = [explaining(several, target) for several, target in slots]
        return findings

    def array(self, record: Record, key: str) -> Array | None:
        """One image's row of a core array: `seen` (H, W, C) uint8, `logits` (C,), `input` (C, H, W)."""
        with self._open(record["shard"]) as tensors:
            if f"core/{key}" not in tensors.names():
                return None
            return tensors.of_image(f"core/{key}", cast(int, record["row"]))

    def logits(self, records: Sequence[Record]) -> Array:
        """The scores (n, C) of answered images, a row a record; each shard is opened once."""
        by_shard: dict[str, list[int]] = {}
        for at, record in enumerate(records):
            by_shard.setdefault(record["shard"], []).append(at)
        rows: dict[int, Array] = {}
        for name, places in by_shard.items():
            with self._open(name) as tensors:
                whole = tensors.whole("core/logits")
            rows |= {at: whole[records[at]["row"]] for at in places}
        return np.stack([rows[at] for at in range(len(records))]) if rows else np.zeros((0, 0))

    def tensors(self) -> tuple[list[Any], dict[str, Array]]:
        """What was kept of the network's tensors: a record each, and arrays of all of them, as
        `measure/tensors.py` has them; nothing in older evidence."""
        if TENSORS not in self._shards:
            return [], {}
        with self._open(TENSORS) as stored:
            arrays = {key: stored.whole(f"core/{key}") for key in ("sketch", "row_norm", "row_hash")}
        return self._shards[TENSORS]["records"], arrays

    def thumbnails(self) -> dict[str, Array]:
        """Small pictures (h, w, C) uint8 of images without figures, by id: of those that two models
        answer differently."""
        if CHANGED not in self._shards:
            return {}
        with self._open(CHANGED) as tensors:
            seen = tensors.whole("core/seen")
        return {record["id"]: seen[record["row"]] for record in self._shards[CHANGED]["records"]}

    def original(self, record: Record) -> bytes:
        """The image before resize and crop, as a JPEG of bounded size."""
        first, last = record["original_bytes"]
        with self._open(record["shard"]) as tensors:
            return tensors.bytes_of("core/originals", first, last)

    def _open(self, shard: str) -> Stored:
        return Stored(self.folder / f"{shard}.safetensors")

    def _findings(
        self, shard: str, row: int | None, without: Collection[type[Finding]] = (), ends: bool = False
    ) -> Findings:
        packed = self._shards[shard]["findings"]
        return read_findings(self.folder / f"{shard}.safetensors", packed, row, without, ends)

    def altered(self) -> Iterator[str]:
        """The names of files that are not as they were written (or are gone)."""
        for shard in self.manifest["shards"]:
            path = self.folder / f"{shard['name']}.json"
            if path.parent != self.folder or not _is_plain(path) or sha256_of(path) != shard["sha256"]:
                yield path.name
            elif not _is_plain(path.with_suffix(".safetensors")) or not is_whole(path):
                yield path.with_suffix(".safetensors").name
        if self.beside is not None:
            yield from (f"{BESIDE}/{name}" for name in self._altered_beside(self.beside))

    def _altered_beside(self, other: Evidence) -> Iterator[str]:
        sealed = other.folder / "manifest.json"
        if _is_plain(sealed) and sha256_of(sealed) == self.manifest["beside"]["manifest_sha256"]:
            yield from other.altered()
        else:  # what it says of its shards is not to be relied on
            yield sealed.name


def _is_plain(path: Path) -> bool:
    """Whether it is a regular file and no link, which may lead to what has no end."""
    return path.is_file() and not path.is_symlink()
