"""Findings -> the numbers that results.json has of them: scalars, curves, comparisons, tables, flags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias, get_args

import numpy as np
from typing_extensions import NotRequired, TypedDict, assert_never

from reportgen.audit.quantities import Others
from reportgen.findings import (
    ClassMap,
    Comparison,
    Curve,
    Distribution,
    Embedding,
    Finding,
    Flag,
    Gallery,
    Graph,
    Heatmap,
    Mask,
    Picture,
    PictureGrid,
    Remark,
    Scalar,
    Segments,
    Table,
    faults,
)

# findings that are in results.json elsewhere, or only in the report and the evidence
Pictured = Picture | Mask | Segments | ClassMap | Gallery | PictureGrid | Embedding
PICTURED: tuple[type[Finding], ...] = get_args(Pictured)
Elsewhere = Pictured | Distribution | Curve | Comparison | Remark | Table | Graph
Row: TypeAlias = list[float | None]


class CurveNumbers(TypedDict):
    """A curve's axes, its lines by label, and the lower and the upper limit of the last one."""

    x_label: str
    y_label: str
    x: list[float]
    lines: dict[str, Row]
    band: list[Row] | None


class ComparedNumber(TypedDict):
    """A number, and its reference's low, middle and high end."""

    value: float | None
    reference: Row


class ComparisonNumbers(TypedDict):
    """Numbers by label, each beside its reference."""

    title: str
    quantity: str
    rows: dict[str, ComparedNumber]


class TableNumbers(TypedDict):
    """A table's heads and rows, as they are in the report but for the printing of numbers."""

    title: str
    columns: list[str]
    rows: list[list[str | float | None]]


class NamedNumbers(TypedDict):
    """What a visualization found: besides these keys its scalars, by name."""

    flags: Annotated[list[str], "sentences that a reader must see"]
    curves: NotRequired[dict[str, CurveNumbers]]
    comparisons: NotRequired[dict[str, ComparisonNumbers]]
    tables: NotRequired[dict[str, TableNumbers]]
    target: NotRequired[Annotated[str, "the class that is explained, of those that explain one"]]
    targets: NotRequired[Annotated[list[dict[str, Any]], "the same for further classes"]]


# a TypedDict cannot say that it has other keys
Numbers: TypeAlias = Annotated[dict[str, Any], Others(float | None), NamedNumbers]


def numbers(findings: Sequence[Finding]) -> Numbers:
    """The scalars by name, `curves`, `comparisons` and `tables` where there are any, and under `flags` the
    sentences that a reader must see."""
    named: Numbers = {}
    if curves := {curve.name: _curve(curve) for curve in findings if isinstance(curve, Curve)}:
        named["curves"] = curves
    if compared := {rows.name: _comparison(rows) for rows in findings if isinstance(rows, Comparison)}:
        named["comparisons"] = compared
    if tables := {table.name: _table(table) for table in findings if isinstance(table, Table)}:
        named["tables"] = tables
    flags = []
    for finding in findings:
        if isinstance(finding, Scalar):
            named[finding.name] = float(finding.values)
        elif isinstance(finding, Flag) and bool(finding.values):
            flags.append(finding.text)
        elif isinstance(finding, Heatmap) and (fault := faults(finding.values)):
            flags.append(f"{finding.name}: {fault}")
        elif not isinstance(finding, Elsewhere | Flag | Heatmap):
            assert_never(finding)
    return named | {"flags": flags}


def _curve(curve: Curve) -> CurveNumbers:
    return {
        "x_label": curve.x_label,
        "y_label": curve.y_label,
        "x": curve.x.tolist(),
        "lines": {label: line.tolist() for label, line in zip(curve.labels, curve.values, strict=True)},
        "band": curve.band.tolist() if np.ndim(curve.band) else None,
    }


def _table(table: Table) -> TableNumbers:
    return {"title": table.title, "columns": list(table.columns), "rows": [list(row) for row in table.rows]}


def _comparison(compared: Comparison) -> ComparisonNumbers:
    rows = zip(compared.labels, compared.values.tolist(), compared.reference.tolist(), strict=True)
    return {
        "title": compared.title,
        "quantity": compared.quantity,
        "rows": {label: {"value": value, "reference": reference} for label, value, reference in rows},
    }
