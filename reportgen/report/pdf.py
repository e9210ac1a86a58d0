"""The document as a PDF for print and mail: the same numbers and ids, its own layout."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

from markupsafe import Markup

from reportgen.errors import RenderError
from reportgen.evidence import Evidence, write_whole
from reportgen.report import layout
from reportgen.report.assets import Theme
from reportgen.report.cards import cards
from reportgen.report.rasters import Encoded, Encoding, Raster, jpeg_or_png
from reportgen.report.sections import Document

ENCODING = Encoding(85)
SCHEME = "picture:"
REMEDY = (
    "install Pango: `apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0`"
    " on Debian, `brew install pango` on macOS; then `reportgen render` on this folder"
)


def _weasyprint() -> Any:
    """WeasyPrint, imported when it is needed. Raises RenderError where Pango is missing."""
    from PIL import ImageFile

    lenient = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        import weasyprint
    except OSError as error:  # its libraries are loaded when it is imported
        cause = str(error).splitlines()[0]
        raise RenderError(f"the PDF was not written: {cause}", REMEDY) from error
    finally:
        # WeasyPrint makes Pillow accept truncated images in the whole process; ours are rejected
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient
    return weasyprint


class Pictures(dict[str, Encoded]):
    """The encoded pictures of one PDF by name, in memory."""


def write(document: Document, evidence: Evidence, theme: Theme, path: Path) -> None:
    """Writes the PDF. Raises RenderError where Pango is missing or the layout fails."""
    weasyprint = _weasyprint()
    pictures = Pictures()

    def source(raster: Raster) -> str:
        made = jpeg_or_png(raster, ENCODING)
        # by content: a picture that stands twice is stored once
        name = SCHEME + hashlib.sha256(made.data).hexdigest()[:32]
        pictures[name] = made
        return name

    shown = cards(evidence, document.trust, side=document.side)
    body = layout.render(source, "print.html.j2", document=document, cards=shown)
    page = layout.render(
        source,
        "page.html.j2",
        title=document.title,
        created=evidence.manifest["created"],
        policy="default-src 'none'",
        style=Markup(layout.style(theme, "print.css", body)),
        body=Markup(body),
    )
    try:
        made = weasyprint.HTML(
            string=page, url_fetcher=_fetcher(weasyprint, pictures), base_url="about:blank"
        )
        data = made.write_pdf(pdf_identifier=hashlib.sha256(page.encode()).digest()[:16])
    except _failures(weasyprint) as error:
        raise RenderError(
            f"the PDF was not written: {type(error).__name__}: {error}",
            "report.html is whole; `reportgen render` on this folder tries the PDF again",
        ) from error
    write_whole(path, data)


def _fetcher(weasyprint: Any, pictures: Pictures) -> Any:
    """A fetcher confined to the pictures in memory and to the fonts inside the style sheet."""

    class Fetcher(weasyprint.urls.URLFetcher):  # type: ignore[misc]
        def fetch(self, url: str, headers: dict[str, str] | None = None) -> Any:
            if url.startswith("data:font/"):
                return super().fetch(url, headers)
            if url not in pictures:
                raise weasyprint.urls.FatalURLFetchingError(f"not a picture of this report: {url}")
            held = pictures[url]
            return weasyprint.urls.URLFetcherResponse(
                url, io.BytesIO(held.data), {"Content-Type": held.media_type}
            )

    return Fetcher()


def _failures(weasyprint: Any) -> tuple[type[BaseException], ...]:
    """What a failing layout raises; a fatal fetch is a BaseException on purpose."""
    return (weasyprint.urls.FatalURLFetchingError, OSError, ValueError, RuntimeError)
