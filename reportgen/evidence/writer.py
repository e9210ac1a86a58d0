"""Writes evidence, a shard at a time; a run that was interrupted goes on from what is whole."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from reportgen.evidence.arrays import Stored
from reportgen.evidence.contents import Contents
from reportgen.evidence.files import canonical_json, is_whole, sha256_of, write_whole
from reportgen.evidence.records import ManifestBody, Record, Timing
from reportgen.evidence.shards import BATCH, SCHEMA, SCORE, TALLIED, Findings, is_of, read_findings
from reportgen.findings import Array, Finding, Tally

SHARD = re.compile(r"[a-z]+(-\d+)*")


class Bodies(MutableMapping[str, dict[str, Any]]):
    """What the .json of each finished shard holds, by its name: read when it is asked for. Kept in memory, a
    record takes ten times what it does on the disk, and there is one an image."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.costs: dict[str, dict[str, int]] = {}  # by name, for they are asked for again and again
        self.latest: tuple[str, dict[str, Any]] | None = None

    def __getitem__(self, name: str) -> dict[str, Any]:
        if name not in self.costs:
            raise KeyError(name)
        if self.latest is None or self.latest[0] != name:
            self.latest = name, json.loads((self.folder / f"{name}.json").read_bytes())
        return self.latest[1]

    def __setitem__(self, name: str, body: dict[str, Any]) -> None:
        self.costs[name] = body["cost"]
        self.latest = None

    def __delitem__(self, name: str) -> None:
        del self.costs[name]
        self.latest = None

    def __iter__(self) -> Iterator[str]:
        return iter(self.costs)

    def __len__(self) -> int:
        return len(self.costs)

    def clear(self) -> None:
        """Forgets all of them: the files may be gone."""
        self.costs.clear()
        self.latest = None


class Writer:
    """Writes shards into `folder`; those that an interrupted run with the same key left are kept.

    Maps of many places are kept in levels, their ends exact; all of each where `exact` is true.
    """

    def __init__(self, folder: Path, key: str, exact: bool = False) -> None:
        self.folder = folder
        self.exact = exact
        self.finished = Bodies(folder)  # shard name -> what its .json holds
        mark = folder / "key"
        if not (mark.exists() and mark.read_text() == key):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            write_whole(mark, key.encode())
        for path in folder.glob(".*.tmp"):  # a process that was killed while it wrote
            path.unlink()
        for path in sorted(folder.glob("*.json")):
            if path.name not in ("manifest.json", "timing.json") and is_whole(path):
                self.finished[path.stem] = json.loads(path.read_bytes())

    def write(
        self,
        name: str,
        findings: Mapping[str, Sequence[tuple[Finding, ...]]],
        records: Sequence[Mapping[str, object]] = (),
        arrays: Mapping[str, Array] | None = None,
        cost: Mapping[str, int] | None = None,
        tallies: Mapping[str, Tally] | None = None,
    ) -> None:
        """Writes one shard: records of its images, arrays with a leading axis of rows, findings, what
        it cost in images (forwards, backwards, …), and the tallies of scope `set`. Raises ValueError for a
        name that no file of a report has: the shard would be left behind when the report is put in place."""
        if not SHARD.fullmatch(name):
            raise ValueError(f"no shard is named {name!r}")
        contents = Contents(name, self.exact)
        contents.add_core(arrays or {})
        contents.add_tallies(tallies or {})
        contents.add_findings(findings)
        data = contents.data()
        write_whole(self.folder / f"{name}.safetensors", data)
        body = {
            "arrays_sha256": sha256_of(data),
            "records": list(records),
            "findings": contents.findings,
            "cost": dict(cost or {}),
        }
        write_whole(self.folder / f"{name}.json", canonical_json(body))
        self.finished[name] = body

    def discard(self) -> None:
        """Removes all that was written: nothing can be made of it."""
        shutil.rmtree(self.folder)
        self.finished.clear()

    def shards(self, kind: str) -> list[str]:
        """The names of the finished shards of a kind, in order."""
        return [name for name in sorted(self.finished) if is_of(name, kind)]

    def next(self, kind: str) -> str:
        """The name of the next shard of a kind that has one a batch."""
        return f"{kind}-{len(self.shards(kind)):06d}"

    def free(self, name: str) -> str:
        """The name for more of a shard: its own while there is none, else with the next number behind it."""
        rest = len(self.shards(name))
        return f"{name}-{rest - 1:03d}" if rest else name

    def records(self, kind: str) -> list[Any]:
        """The records of every finished shard of a kind: those that `evidence.records` has for it."""
        return [record for name in self.shards(kind) for record in self.finished[name]["records"]]

    def of_set(self) -> list[Record]:
        """The records that speak for the whole set: those of the first round where there is one, as the
        second sees only the images that are shown; else those of the only one."""
        return self.records(SCORE if self.shards(SCORE) else BATCH)

    def measured(self, number: int) -> tuple[str, Record]:
        """The shard that holds the figures of an image, and its record there. Raises KeyError."""
        for name in self.shards(BATCH):
            for record in self.finished[name]["records"]:
                if record["number"] == number and record["measured"]:
                    return name, record
        raise KeyError(number)

    def findings(self, shard: str, row: int | None) -> Findings:
        """What was measured of one image, read back from its shard."""
        return read_findings(self.folder / f"{shard}.safetensors", self.finished[shard]["findings"], row)

    def tally(self, method: str) -> Tally | None:
        """What every finished shard holds of a method's tally, merged; None where none does."""
        total: Tally | None = None
        for name in sorted(self.finished):
            with Stored(self.folder / f"{name}.safetensors") as tensors:
                parts: dict[str, dict[str, Array]] = {how: {} for how in TALLIED}
                for path in tensors.names():
                    room, owner, *rest = path.split("/", 3)
                    if (room, owner) == ("tally", method):
                        parts[rest[0]][rest[1]] = tensors.whole(path)
            if any(parts.values()):
                tally = Tally(**parts)
                total = tally if total is None else total.merged(tally)
        return total

    def keys(self, shard: str, prefix: str = "") -> list[str]:
        """The names of a shard's arrays of rows that begin so."""
        with Stored(self.folder / f"{shard}.safetensors") as tensors:
            named = [key.removeprefix("core/") for key in tensors.names() if key.startswith("core/")]
        return sorted(key for key in named if key.startswith(prefix))

    def array(self, shard: str, key: str) -> Array:
        """One array of rows of a shard. Raises SafetensorError where it has none of that name."""
        with Stored(self.folder / f"{shard}.safetensors") as tensors:
            return tensors.whole(f"core/{key}")

    def cost(self) -> dict[str, int]:
        """What the finished shards cost, added up."""
        total: dict[str, int] = {}
        for cost in self.finished.costs.values():
            for key, value in cost.items():
                total[key] = total.get(key, 0) + value
        return total

    def seal(self, manifest: ManifestBody, timing: Timing) -> None:
        """Writes timing and, last, the manifest with the hash of every shard."""
        shards = [
            {"name": name, "sha256": sha256_of(self.folder / f"{name}.json")}
            for name in sorted(self.finished)
        ]
        write_whole(self.folder / "timing.json", canonical_json(dict(timing)))
        body = {"schema": SCHEMA, **manifest, "shards": shards}
        write_whole(self.folder / "manifest.json", canonical_json(body))
