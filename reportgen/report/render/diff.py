"""A comparison of two audits -> diff.html, one file that opens offline, and diff.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from reportgen.audit.compare.comparison import Comparison
from reportgen.audit.compare.kept import MapsBefore
from reportgen.evidence import Evidence, write_together
from reportgen.report.document.between import Between
from reportgen.report.document.change import change
from reportgen.report.pictures.rasters import Encoding, Raster
from reportgen.report.render import templates
from reportgen.report.render.embedding import Embedding
from reportgen.report.render.html import policy
from reportgen.report.render.themes import Theme
from reportgen.shown import visible_json

PAGE, NUMBERS = "diff.html", "diff.json"


def write(
    folder: Path, found: Comparison, evidence: Evidence | None, maps: Sequence[MapsBefore], theme: Theme
) -> None:
    """Writes both files into a folder that is there. `evidence` is the new audit's, where there is any."""
    numbers, page = as_json(found), _page(found, evidence, maps, theme)
    write_together({folder / NUMBERS: numbers.encode(), folder / PAGE: page})


def as_json(found: Comparison) -> str:
    """The text of diff.json."""
    return visible_json(json.dumps(found, ensure_ascii=False, allow_nan=False, indent=1)) + "\n"


def _page(found: Comparison, evidence: Evidence | None, maps: Sequence[MapsBefore], theme: Theme) -> bytes:
    title = found["new"]["title"]
    embedding = Embedding(Encoding(80), beside=False)
    shown = change(found, evidence, maps, anchor="changes", since=Between("Changes"), linked=False)
    body = templates.render(embedding.picture, "diff.html.j2", embedding.levels, title=title, change=shown)
    style = templates.screen_style(theme, body, embedding.font)
    page = templates.render(
        _no_picture,
        "page.html.j2",
        title=f"{title}: {shown.old} → {shown.new}",
        created=found["new"]["created"],
        policy=policy(style),
        style=Markup(embedding.text("report.css", style, "text")),
        logo=embedding.logo(theme.logo()),
        body=Markup(body),
    )
    return b"".join(embedding.filled(page))


def _no_picture(raster: Raster) -> str:
    raise AssertionError("the page's shell holds no picture")
