"""The document as one HTML file: no request to anywhere, at most so many megabytes.

Its one script explores the maps; without it everything is still there to read.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from reportgen.evidence import Evidence, write_whole
from reportgen.report import layout
from reportgen.report.assets import Theme
from reportgen.report.cards import cards
from reportgen.report.maps import RawMap, png
from reportgen.report.rasters import Encoding, Raster, carried, kept, screen
from reportgen.report.sections import Document
from reportgen.report.wording import listed, plural

# what a file over its limit gives up, in this order; then cards, from the last
ENCODINGS = (
    Encoding(60, step=3),  # within one level of 255
    Encoding(58, 0.85, 3),
    Encoding(55, 0.7, 5),
    Encoding(48, 0.6, 9),
    Encoding(40, 0.5, 15),
    Encoding(40, 0.5, 0),
)
SAMPLED = 6  # cards that the first estimate of the size is made from


@dataclass(frozen=True)
class Fit:
    """How the pictures are encoded and how many cards are shown."""

    encoding: Encoding
    cards: int

    def words(self, document: Document, at_most_mb: float) -> str:
        """What was given up to stay within the limit, or nothing."""
        lost = []
        if self.encoding != ENCODINGS[0]:
            smaller = f" and at {self.encoding.scale:.0%} of their side"
            shrunk = smaller if self.encoding.scale < 1 else ""
            lost.append(f"pictures are stored at quality {self.encoding.quality}{shrunk}")
        if not self.encoding.step:
            lost.append("large maps are pictures without their raw values")
        missing = document.card_count - self.cards
        if missing:
            lost.append(f"{plural(missing, 'card is', 'cards are')} left out, from the last")
        return f"To stay within {at_most_mb:g} MB, {listed(lost)}." if lost else ""


def write(document: Document, evidence: Evidence, theme: Theme, path: Path, at_most_mb: float) -> None:
    """Writes the page, spending less on pictures, then on cards, until it fits."""
    limit = int(at_most_mb * 1e6)
    fit = _estimate(document, evidence, limit)
    while True:
        page = _page(document, evidence, theme, fit, at_most_mb).encode()
        if len(page) <= limit or not fit.cards:
            break
        fit = _less(fit, len(page) / limit)
    write_whole(path, page)


def _estimate(document: Document, evidence: Evidence, limit: int) -> Fit:
    """The best encoding at which all cards should fit, judged from a few of them."""
    sample = min(SAMPLED, document.card_count)
    for encoding in ENCODINGS[:-1]:
        base = len(_body(document, evidence, Fit(encoding, 0), 0))
        part = len(_body(document, evidence, Fit(encoding, sample), 0)) - base
        if base + part / max(sample, 1) * document.card_count <= limit:
            return Fit(encoding, document.card_count)
    return Fit(ENCODINGS[-1], document.card_count)


def _less(fit: Fit, excess: float) -> Fit:
    """The next cheaper way: a lower encoding, or as many fewer cards as the excess asks for."""
    at = ENCODINGS.index(fit.encoding)
    if at + 1 < len(ENCODINGS):
        return Fit(ENCODINGS[at + 1], fit.cards)
    return Fit(fit.encoding, min(fit.cards - 1, int(fit.cards / excess)))


def _body(document: Document, evidence: Evidence, fit: Fit, at_most_mb: float) -> str:
    def source(raster: Raster) -> str:
        made = screen(raster, fit.encoding)
        return f"data:{made.media_type};base64,{_base64(made.data)}"

    def levels(held: RawMap) -> str | None:
        """Nothing to add where the picture is the map itself; None where its values are given up."""
        if not carried(held, fit.encoding):
            return None
        return "" if held.alone else _base64(png(kept(held, fit.encoding)))

    shown = cards(evidence, document.trust, fit.cards, document.side)
    measured = [record for record in evidence.records() if record["measured"]]
    limits = fit.words(document, at_most_mb) if at_most_mb else ""
    return layout.render(
        source,
        "report.html.j2",
        levels,
        step=fit.encoding.step,
        document=document,
        cards=shown,
        limits=limits,
        left_out=measured[fit.cards :],
    )


def _page(document: Document, evidence: Evidence, theme: Theme, fit: Fit, at_most_mb: float) -> str:
    """The whole page. Its policy admits this style sheet and script, data: pictures and fonts,
    nothing else."""
    body = _body(document, evidence, fit, at_most_mb)
    style = layout.style(theme, "screen.css", body, "explorer.css", "find.css")
    script = layout.script()
    return layout.render(
        _no_picture,
        "page.html.j2",
        title=document.title,
        created=evidence.manifest["created"],
        policy=f"default-src 'none'; img-src data:; font-src data:; style-src '{_digest(style)}';"
        f" script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'",
        style=Markup(style),
        script=Markup(script),
        body=Markup(body),
    )


def _digest(text: str) -> str:
    """What a policy names a style sheet or script by."""
    return f"sha256-{_base64(hashlib.sha256(text.encode()).digest())}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _no_picture(raster: Raster) -> str:
    raise AssertionError("the page's shell holds no picture")
