"""Findings as arrays and JSON values, and back: `unpack` is the inverse of `pack`."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

from reportgen.findings.kinds import Finding
from reportgen.findings.tallies import Array as Array

KINDS: dict[str, type[Finding]] = {kind.__name__.lower(): kind for kind in get_args(Finding)}


def pack(finding: Finding) -> tuple[dict[str, Array], dict[str, Any]]:
    """A finding as (arrays by field, everything else as JSON values); `unpack` is its inverse."""
    fields = {f.name: getattr(finding, f.name) for f in dataclasses.fields(finding)}
    # a field that is None stays among the rest, which JSON can hold
    arrays = {name: fields.pop(name) for name in finding.arrays if fields[name] is not None}
    if fields.get("explains", arrays) is None:  # most say nothing of their own
        del fields["explains"]
    return arrays, {"kind": type(finding).__name__.lower(), **fields}


def unpack(arrays: dict[str, Array], rest: dict[str, Any]) -> Finding:
    """The finding that `pack` took apart. Raises KeyError for a kind that is not known."""
    fields = {name: value for name, value in rest.items() if name != "kind"}
    for name in ("labels", "limits", "sides"):  # JSON has lists only
        if fields.get(name) is not None:
            fields[name] = tuple(fields[name])
    if rest["kind"] == "table":
        fields["columns"] = tuple(fields["columns"])
        fields["rows"] = tuple(tuple(row) for row in fields["rows"])
        fields["total"] = tuple(fields["total"]) if fields["total"] else None
    if rest["kind"] == "picturegrid":
        fields["words"] = tuple(fields["words"])
    if rest["kind"] == "graph":
        fields["boxes"] = tuple((*box[:4], box[4] and tuple(box[4])) for box in fields["boxes"])
        fields["edges"] = tuple((start, end) for start, end in fields["edges"])
    make: Any = KINDS[rest["kind"]]
    finding: Finding = make(**arrays, **fields)
    return finding
