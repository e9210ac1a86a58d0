"""Reports of many cards from few that were measured: what is rendered is what costs, not what is measured."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from reportgen.evidence.files import canonical_json, sha256_of


def repeated(evidence: Path, into: Path, times: int) -> int:
    """Evidence of every image so many times, each with an id of its own; how many images that are.

    Arrays are linked, and not copied: a report reads each anew.
    """
    into.mkdir(parents=True)
    manifest = json.loads((evidence / "manifest.json").read_bytes())
    batches = [shard["name"] for shard in manifest["shards"] if shard["name"].startswith("batch-")]
    for name in (shard["name"] for shard in manifest["shards"] if shard["name"] not in batches):
        for ending in ("json", "safetensors"):
            os.link(evidence / f"{name}.{ending}", into / f"{name}.{ending}")
    count = written = 0
    for _ in range(times):
        for name in batches:
            count += _batch(evidence / name, into / f"batch-{written:06d}", count)
            written += 1
    names = sorted(path.stem for path in into.glob("*.json"))
    manifest["shards"] = [{"name": name, "sha256": sha256_of(into / f"{name}.json")} for name in names]
    counted = dict.fromkeys(("ok", "shown", "total"), count)
    manifest["images"] = {**manifest["images"], **counted, "chosen": f"All {count} are shown."}
    os.link(evidence / "timing.json", into / "timing.json")
    (into / "manifest.json").write_bytes(canonical_json(manifest))
    return count


def _batch(shard: Path, into: Path, first: int) -> int:
    os.link(shard.with_suffix(".safetensors"), into.with_suffix(".safetensors"))
    body: dict[str, Any] = json.loads(shard.with_suffix(".json").read_bytes())
    for number, record in enumerate(body["records"], first):
        record |= {"id": f"{number:06d}", "number": number, "path": f"{number:06d}.jpg"}
    into.with_suffix(".json").write_bytes(canonical_json(body))
    return len(body["records"])
