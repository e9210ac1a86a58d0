"""What the network made of the images with figures -> a grid: near each other what it takes for alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from reportgen.audit.checks import CheckResult
from reportgen.evidence import Evidence
from reportgen.findings import Array, Embedding, Finding
from reportgen.projection import projected
from reportgen.report.pictures import figures
from reportgen.report.pictures.set_map import on_grid
from reportgen.report.values.document import ImageRow
from reportgen.report.values.set_map import SetMap, Spot
from reportgen.report.wording import listed, plural

FEWEST = 4  # images; fewer are told at a glance
SPOT_PX = 40
OTHERS = tuple(kind for kind in get_args(Finding) if kind is not Embedding)


@dataclass(frozen=True)
class Embedded:
    """The images (n) that have an embedding of one visualization, and their features (n, F)."""

    name: str
    title: str
    ids: tuple[str, ...]
    features: Array


def set_maps(
    evidence: Evidence, rows: Sequence[ImageRow], checks: Sequence[CheckResult]
) -> tuple[SetMap, ...]:
    """A map for each visualization that gave an embedding of images enough."""
    titles = {check["name"]: check["title"] for check in checks}
    pictured = {row.number: row for row in rows if row.picture is not None}
    return tuple(
        _map(one, pictured, titles) for one in _embedded(evidence, pictured) if len(one.ids) >= FEWEST
    )


def _embedded(evidence: Evidence, pictured: Mapping[str, ImageRow]) -> Iterator[Embedded]:
    found: dict[str, dict[str, Array]] = {}
    for record in evidence.records():
        if record["id"] not in pictured or not record["measured"]:
            continue
        for name, slots in evidence.findings(record, without=OTHERS).items():
            for finding in slots[0]:
                if isinstance(finding, Embedding) and np.isfinite(finding.values).all():
                    found.setdefault(name, {})[record["id"]] = finding.values.ravel()
    words: Mapping[str, Any] = {one["name"]: one["title"] for one in evidence.manifest["visualizations"]}
    for name, by_id in found.items():
        yield Embedded(name, words[name], tuple(by_id), np.stack(list(by_id.values())))


def _map(one: Embedded, pictured: Mapping[str, ImageRow], titles: Mapping[str, str]) -> SetMap:
    positions, how = projected(one.features)
    places, n_rows, n_columns = on_grid(positions)
    grid: list[list[Spot | None]] = [[None] * n_columns for _ in range(n_rows)]
    for id_, (row, column) in zip(one.ids, places.tolist(), strict=True):
        grid[row][column] = _spot(pictured[id_], titles)
    marking = sorted({titles[name] for id_ in one.ids for name in pictured[id_].checks})
    return SetMap(
        id=one.name,
        title=one.title,
        lead=f"{plural(len(one.ids), 'image')} with figures, {how}: near each other is what the network takes"
        " for alike. Distances mean little.",
        rows=tuple(map(tuple, grid)),
        marks=f"Marked: images that {listed(marking)} {'shows' if len(marking) == 1 else 'show'}."
        if marking
        else "",
    )


def _spot(row: ImageRow, titles: Mapping[str, str]) -> Spot:
    assert row.picture is not None
    shown = f"; shown by {listed([titles[name] for name in row.checks])}" if row.checks else ""
    label = f", label {row.label}" if row.labelled else ""
    return Spot(
        href=row.href or f"#row-{row.number}",
        number=row.number,
        words=f"{row.number} {row.path}: answered {row.answer}{label}, {row.mark.text}{shown}",
        level=row.mark.level,
        marked=bool(row.checks),
        picture=figures.fit(row.picture.pixels, SPOT_PX),
    )
