"""Results -> statement.intoto.json: what was tested, by what and with what outcome, as an in-toto statement.

It is not signed: whoever runs the audit signs it, with a key that reportgen never sees.

in-toto Attestation Framework, Statement v1 and the predicate Test Result v0.1.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reportgen.audit.results import Results
from reportgen.evidence import Evidence, sha256_of, write_whole
from reportgen.ownership import DOCUMENTS, STATEMENT, claim
from reportgen.shown import visible_json

TYPE = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"


def write(folder: Path, evidence: Evidence, results: Results) -> None:
    """Writes the statement of a report whose other files are written."""
    claim(folder, [STATEMENT])
    text = json.dumps(statement(folder, evidence, results), ensure_ascii=False, indent=1)
    write_whole(folder / STATEMENT, f"{visible_json(text)}\n".encode())


def statement(folder: Path, evidence: Evidence, results: Results) -> dict[str, Any]:
    """The checkpoint as the subject; recipe, images, labels and code as the configuration; the requirements
    as tests; and, beyond what the predicate has, the report's files as by-products."""
    gates = results["gates"]
    return {
        "_type": TYPE,
        "subject": [_file(results["model"]["checkpoint"], results["model"]["checkpoint_sha256"])],
        "predicateType": PREDICATE,
        "predicate": {
            "result": "PASSED" if all(gate["passed"] for gate in gates) else "FAILED",
            "configuration": list(_configuration(evidence, results)),
            "passedTests": [gate["name"] for gate in gates if gate["passed"]],
            "warnedTests": [c["name"] for c in results["checks"] if c["status"] in ("warning", "fault")],
            "failedTests": [gate["name"] for gate in gates if not gate["passed"]],
            "byproducts": list(_written(folder)),
        },
    }


def _file(name: str, digest: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": digest}}


def _configuration(evidence: Evidence, results: Results) -> Iterator[dict[str, Any]]:
    identity, environment = results["identity"], results["environment"]
    yield _file("recipe, resolved", identity["recipe"])
    yield _file("images", identity["images"])
    if signature := evidence.manifest["checkpoint"].get("signature"):
        yield _file(signature["name"], signature["sha256"])
    if identity["labels"]:
        yield _file("labels", identity["labels"])
    if identity["code"]:
        yield _file(evidence.manifest["model"]["source"], identity["code"])
    if beside := results["beside"]:
        yield _file(f"beside: {beside['model']['checkpoint']}", beside["model"]["checkpoint_sha256"])
    if before := results["baseline"]:
        yield _file(f"baseline: {before['old']['checkpoint']}", before["old"]["checkpoint_sha256"])
    told = {key: value for key, value in environment.items() if isinstance(value, str | int | float | bool)}
    source = evidence.manifest["model"]["source"]
    yield {"name": "reportgen", "annotations": {"model": source, **told}}


def _written(folder: Path) -> Iterator[dict[str, Any]]:
    """The report's files but this one, and the evidence by its manifest, which has every shard's hash."""
    for name in (*DOCUMENTS, "evidence/manifest.json"):
        if name != STATEMENT and (folder / name).is_file():
            yield _file(name, sha256_of(folder / name))
