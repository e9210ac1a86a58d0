"""report.html: the document as one file, or as one with files beside it, of at most so many megabytes.

It makes no request to anywhere else. Its one script finds images and explores the maps; without it
everything is still there to read.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from reportgen.evidence import Evidence, write_whole
from reportgen.formats import Report
from reportgen.ownership import claim, discard, owned
from reportgen.report.cards.cards import cards, in_order
from reportgen.report.pictures.rasters import Encoding, Raster
from reportgen.report.render import templates
from reportgen.report.render.embedding import FOLDER, Embedding, Kind
from reportgen.report.render.themes import Theme
from reportgen.report.values.card import Fact
from reportgen.report.values.document import Document
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
ORDER = (
    "over it, first the quality and the side of pictures fall, then large maps become pictures without"
    " their values, then the last cards are left out"
)
SAMPLED = 6  # cards that the first estimate of the size is made from
WEIGHT = Markup("<!--weight-->")  # where the page says what it weighs; no text of it can hold this


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


def write(report: Report, folder: Path) -> None:
    """Writes report.html, spending less on pictures, then on cards, until it fits, and tells what it weighs.

    `page_files` puts what is not text into files beside it, for hosts that forbid what is inline.
    """
    document, evidence, beside = report.document, report.evidence, report.page_files
    at_most_mb = evidence.manifest["recipe"]["output"]["html"]["at_most_mb"]
    limit = int(at_most_mb * 1e6)
    fit = _estimate(document, evidence, limit, beside)
    while True:
        page, embedding, weight = _page(document, evidence, report.theme, fit, at_most_mb, beside)
        total = sum(weight.values())
        if total <= limit or not fit.cards:
            break
        fit = _less(fit, total / limit)
    _write_files(folder, embedding.files)
    claim(folder, ["report.html"])
    write_whole(folder / "report.html", embedding.filled(page))
    parts = ", ".join(f"{kind} {_mb(n_bytes)}" for kind, n_bytes in weight.items())
    report.tell(f"report.html has {_mb(total)} of {at_most_mb:g} MB: {parts}")


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """The files beside the page in `folder`; those of an older page go."""
    names = {f"{FOLDER}/{name}": data for name, data in files.items()}
    older = {name for name in owned(folder) if name.startswith(f"{FOLDER}/")}
    discard(folder, older - names.keys())
    claim(folder, names)
    if names:
        (folder / FOLDER).mkdir(exist_ok=True)
    for name, data in names.items():
        write_whole(folder / name, data)


def _mb(n_bytes: int) -> str:
    """Bytes in the unit of the recipe's limit."""
    return f"{n_bytes / 1e6:.2f} MB"


def _estimate(document: Document, evidence: Evidence, limit: int, beside: bool) -> Fit:
    """The best encoding at which all cards should fit, or as many cards as should at the least one,
    judged from a few of them."""

    def weighed(fit: Fit) -> int:
        body, embedding = _body(document, evidence, fit, 0, beside)
        return sum(embedding.weigh(body).values())

    sample = min(SAMPLED, document.card_count)
    if sample == document.card_count:  # the page itself is as soon made
        return Fit(ENCODINGS[0], sample)
    for encoding in ENCODINGS:
        base = weighed(Fit(encoding, 0))
        part = (weighed(Fit(encoding, sample)) - base) / sample
        if base + part * document.card_count <= limit:
            return Fit(encoding, document.card_count)
    return Fit(ENCODINGS[-1], max(0, int((limit - base) / part)))


def _less(fit: Fit, excess: float) -> Fit:
    """The next cheaper way: a lower encoding, or as many fewer cards as the excess asks for."""
    at = ENCODINGS.index(fit.encoding)
    if at + 1 < len(ENCODINGS):
        return Fit(ENCODINGS[at + 1], fit.cards)
    return Fit(fit.encoding, min(fit.cards - 1, int(fit.cards / excess)))


def _body(
    document: Document, evidence: Evidence, fit: Fit, at_most_mb: float, beside: bool
) -> tuple[str, Embedding]:
    embedding = Embedding(fit.encoding, beside)
    shown = cards(evidence, document.trust, fit.cards, document.side, changes=document.changes)
    measured = in_order(evidence, document.side, document.changes)
    body = templates.render(
        embedding.picture,
        "report.html.j2",
        embedding.levels,
        step=fit.encoding.step,
        document=document,
        cards=shown,
        limits=fit.words(document, at_most_mb) if at_most_mb else "",
        left_out=measured[fit.cards :],
        weight=WEIGHT,
        notes=(),
        logo="",  # stands above the page, in its shell
    )
    return templates.unbroken(body), embedding


def _page(
    document: Document, evidence: Evidence, theme: Theme, fit: Fit, at_most_mb: float, beside: bool
) -> tuple[str, Embedding, dict[Kind, int]]:
    """The whole page, what it carries, and the bytes of each kind of that."""
    body, embedding = _body(document, evidence, fit, at_most_mb, beside)
    style = templates.screen_style(theme, body, embedding.font)
    script = templates.script()
    page = templates.render(
        _no_picture,
        "page.html.j2",
        title=document.title,
        created=evidence.manifest["created"],
        policy=policy(style, script, beside),
        beside=beside,
        style=Markup(embedding.text("report.css", style, "text")),
        script=Markup(embedding.text("report.js", script, "script")),
        logo=embedding.logo(theme.logo()),
        body=Markup(body),
    )
    weight = embedding.weigh(page)
    page = page.replace(WEIGHT, _weight(weight, at_most_mb))
    return page, embedding, embedding.weigh(page)


def policy(style: str, script: str = "", beside: bool = False) -> str:
    """The page's policy: this style sheet and script, pictures and fonts inside it, nothing else; or
    what lies beside it, and nothing inline."""
    if beside:
        allowed = "img-src 'self'; font-src 'self'; style-src 'self'; script-src 'self'"
    else:
        allowed = (
            f"img-src data:; font-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'"
        )
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def _weight(weight: Mapping[Kind, int], at_most_mb: float) -> str:
    """What the page weighs, as the provenance says it. Saying it weighs a few bytes more."""
    facts = [Fact(kind, _mb(n_bytes)) for kind, n_bytes in weight.items()]
    facts.append(Fact("in all", _mb(sum(weight.values()))))
    facts.append(Fact("limit", f"{at_most_mb:g} MB; {ORDER}"))
    return templates.render(_no_picture, "weight.html.j2", facts=facts)


def _digest(text: str) -> str:
    """What a policy names a style sheet or script by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _no_picture(raster: Raster) -> str:
    raise AssertionError("the page's shell holds no picture")
