"""Findings with the picture that shows each best: an image of the set, or a map that failed its test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from reportgen.evidence import Evidence
from reportgen.findings import Heatmap
from reportgen.report.cards.blocks import unfit
from reportgen.report.pictures import figures
from reportgen.report.pictures.rasters import Raster
from reportgen.report.pictures.scales import scale
from reportgen.report.values.document import ADVICE, FindingLine, ImageRow, TrustSection

THUMBNAIL_PX = 72


def illustrated(
    lines: Iterable[FindingLine],
    rows: Sequence[ImageRow],
    evidence: Evidence,
    trust: TrustSection | None,
) -> tuple[FindingLine, ...]:
    """The findings with pictures where there are some: of the image that is named, or of the worst map."""
    pictures = {row.number: row.picture for row in rows}
    failed = _failed(evidence, trust)
    return tuple(
        replace(line, picture=failed if line.tag == ADVICE else pictures.get(line.image)) for line in lines
    )


def _failed(evidence: Evidence, trust: TrustSection | None) -> Raster | None:
    """The first tested image's map of the visualization that failed worst."""
    worst = next((row.method for row in trust.rows if row.word.text == ADVICE), None) if trust else None
    tested = {record["id"] for record in evidence.trust()} if worst else ()
    record = next((one for one in evidence.records() if one["id"] in tested), None)
    photo = evidence.array(record, "seen") if record else None
    if record is None or worst is None or photo is None:
        return None
    for finding in evidence.findings(record).get(worst, ((),))[0]:
        if isinstance(finding, Heatmap) and not unfit(finding):
            by = scale(finding.values, finding.signed)
            shown = figures.photo(photo)
            drawn = (
                figures.overlay(finding.values, by, shown)
                if finding.overlay
                else figures.heat(finding.values, by)
            )
            return figures.fit(drawn.pixels, THUMBNAIL_PX)
    return None
