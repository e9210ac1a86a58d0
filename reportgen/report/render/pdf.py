"""The document as a PDF for print and mail: the same numbers and ids, its own layout."""

from __future__ import annotations

import gc
import hashlib
import io
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from reportgen.audit.results import without_clock
from reportgen.errors import RenderError
from reportgen.evidence import write_whole
from reportgen.formats import Report
from reportgen.ownership import claim, discard
from reportgen.report.cards.cards import cards
from reportgen.report.pictures import figures
from reportgen.report.pictures.rasters import Encoded, Encoding, Raster, jpeg_or_png
from reportgen.report.render import templates
from reportgen.report.render.glyphs import beyond, warning, without
from reportgen.report.render.print_selection import cases, printed
from reportgen.report.render.sheets import sealed
from reportgen.report.render.themes import Theme, data_uri
from reportgen.report.values.document import Document
from reportgen.shown import visible, visible_json

log = logging.getLogger("reportgen")
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


def write(report: Report, folder: Path) -> RenderError | None:
    """Writes report.pdf, in place of an older one, if it was asked for.

    Returns the error where Pango is missing or the layout fails.
    """
    discard(folder, ["report.pdf"])
    if not report.pdf:
        return None
    claim(folder, ["report.pdf"])
    try:
        write_whole(folder / "report.pdf", _printed(report))
    except RenderError as error:
        return error
    return None


def _printed(report: Report) -> bytes:
    """The PDF/A-3a with the results and the recipe attached.

    Says on the log which characters no font can show. Raises RenderError where Pango is missing or
    the layout fails.
    """
    document, evidence, theme, results = report.document, report.evidence, report.theme, report.results
    weasyprint = _weasyprint()
    pictures = Pictures()

    def source(raster: Raster) -> str:
        encoded = jpeg_or_png(raster, ENCODING)
        # by content: a picture that stands twice is stored once
        name = SCHEME + hashlib.sha256(encoded.data).hexdigest()[:32]
        pictures[name] = encoded
        return name

    manifest = evidence.manifest
    selection = printed(document, manifest["recipe"]["output"]["pdf"])

    emblem = ""
    if drawn := theme.logo():
        emblem = f"{SCHEME}logo"
        pictures[emblem] = drawn
    names = json.dumps([results, manifest], ensure_ascii=False)  # every word that is not our own
    absent = missing(weasyprint, names, theme)
    if lacking := warning(absent):
        log.warning("%s", lacking)
    text = templates.render(
        source,
        "print.html.j2",
        document=selection.document,
        logo=emblem,
        form=selection.form,
        cards=cards(evidence, document.trust, side=document.side, changes=document.changes)
        if selection.form == "full"
        else (),
        cases=cases(evidence, document, selection),
        notes=[note for note in (selection.cut, lacking) if note],
        limits="",
        left_out=(),
        weight="",
    )
    text = templates.unbroken(without(text, absent), templates.in_one_in_print)
    bars = {palette: source(strip) for palette, strip in figures.palette_strips().items()}
    page = templates.render(
        source,
        "page.html.j2",
        title=document.title,
        created=manifest["created"],
        policy="default-src 'none'",
        style=Markup(templates.print_style(theme, text, bars)),
        body=Markup(text),
    )
    files = _attachments(weasyprint, document, manifest, results)
    return _laid_out(weasyprint, page, pictures, files)


def _laid_out(weasyprint: Any, page: str, pictures: Pictures, files: list[Any]) -> bytes:
    """The page as PDF/A-3a, with files attached. Raises RenderError where the layout fails."""
    with _told(weasyprint), _unswept():
        laid_out = weasyprint.HTML(
            string=page, url_fetcher=_fetcher(weasyprint, pictures), base_url="about:blank"
        )
        return bytes(
            laid_out.write_pdf(
                pdf_variant="pdf/a-3a",
                pdf_identifier=hashlib.sha256(page.encode()).digest()[:16],
                attachments=files,
            )
        )


@contextmanager
def _told(weasyprint: Any) -> Iterator[None]:
    """A layout that fails, or asks for what is none of the report's, is told. Raises RenderError."""
    try:
        yield
    except _failures(weasyprint) as error:
        raise RenderError(
            f"the PDF was not written: {type(error).__name__}: {error}",
            "report.html is whole; `reportgen render` on this folder tries the PDF again",
        ) from error


@contextmanager
def _unswept() -> Iterator[None]:
    """Without the search for reference cycles: nearly all of a layout lives until its end, and looking
    through it again and again takes a tenth of the time."""
    swept = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if swept:
            gc.enable()


def _attachments(
    weasyprint: Any, document: Document, manifest: Mapping[str, Any], results: Mapping[str, Any]
) -> list[Any]:
    """The recipe that the report was made from, and its numbers; sorted by name, as PDF asks."""
    moment = datetime.fromisoformat(manifest["created"]).astimezone(timezone.utc)
    if manifest["reproducible"]:  # equal inputs give equal bytes: nothing that a clock measured
        results = without_clock(results)
    files = (
        ("recipe.yaml", visible(document.recipe), "Source", "The recipe of the audit, defaults included"),
        (
            "results.json",
            visible_json(json.dumps(results, ensure_ascii=False, indent=1)) + "\n",
            "Data",
            "Every number of the report",
        ),
    )
    return [
        weasyprint.Attachment(
            file_obj=io.BytesIO(text.encode()),
            name=name,
            description=words,
            relationship=relationship,
            created=moment,
            modified=moment,
        )
        for name, text, relationship, words in files
    ]


def missing(weasyprint: Any, text: str, theme: Theme) -> frozenset[str]:
    """The characters of `text` that neither the theme nor any font of this machine can show."""
    asked = sorted(beyond(text, theme))
    if not asked:
        return frozenset()
    # Pango is asked: it draws what the theme lacks with whatever font the machine has, and
    # WeasyPrint logs each character that it found in none
    fonts = theme.fonts("".join(asked), data_uri)
    style = f"{fonts} p {{ font-family: {theme.variables()['--sans']} }}"
    page = f"<style>{sealed(style)}</style>"
    page += "".join(f"<p>{escape(letter)}</p>" for letter in asked)
    heard = _Missing()
    logger = logging.getLogger("weasyprint")
    logger.addHandler(heard)
    try:
        with _told(weasyprint):
            weasyprint.HTML(string=page, url_fetcher=_fetcher(weasyprint, Pictures())).write_pdf()
    finally:
        logger.removeHandler(heard)
    return frozenset(heard.characters) & frozenset(asked)


class _Missing(logging.Handler):
    """Hears WeasyPrint say which characters it drew as boxes."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.characters: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the code point of a `.notdef` warning."""
        if str(record.msg).startswith(".notdef") and isinstance(record.args, tuple):
            self.characters.add(str(record.args[0]))


def _fetcher(weasyprint: Any, pictures: Pictures) -> Any:
    """A fetcher confined to the pictures in memory and to the fonts inside the style sheet."""

    class Fetcher(weasyprint.urls.URLFetcher):  # type: ignore[misc]
        def fetch(self, url: str, headers: dict[str, str] | None = None) -> Any:
            if url.startswith("data:font/"):
                return super().fetch(url, headers)
            if url not in pictures:
                raise weasyprint.urls.FatalURLFetchingError(f"not a picture of this report: {url}")
            picture = pictures[url]
            return weasyprint.urls.URLFetcherResponse(
                url, io.BytesIO(picture.data), {"Content-Type": picture.media_type}
            )

    return Fetcher()


def _failures(weasyprint: Any) -> tuple[type[BaseException], ...]:
    """What a failing layout raises, which is another's code; a fatal fetch is a BaseException on purpose."""
    return (weasyprint.urls.FatalURLFetchingError, Exception)
