"""report.pdf as a reader of PDFs sees it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from reportgen.errors import RenderError
from reportgen.report import write_report
from reportgen.report.pictures.rasters import Encoded
from reportgen.report.render import pdf

weasyprint = pytest.importorskip("weasyprint")


@pytest.fixture(scope="module")
def reader(rendered: Path) -> PdfReader:
    return PdfReader(rendered / "report.pdf")


@pytest.fixture(scope="module")
def text(reader: PdfReader) -> str:
    return " ".join(" ".join(page.extract_text().split()) for page in reader.pages)


def test_pages_are_a4_and_numbered(reader: PdfReader) -> None:
    pages = len(reader.pages)
    assert 6 <= pages <= 12
    for number, page in enumerate(reader.pages, start=1):
        sides = sorted(float(side) for side in page.mediabox[2:])
        assert sides == pytest.approx([595.28, 841.89], abs=0.1)
        assert f"{number} / {pages}" in page.extract_text()


def test_the_numbers_and_ids_are_those_of_results_json(text: str, rendered: Path) -> None:
    results = json.loads((rendered / "results.json").read_bytes())
    for image in results["images"]:
        assert image["id"] in text
        for answer in image["predictions"][:1]:
            assert f"{answer['probability']:.3f}" in text
    assert results["model"]["checkpoint_sha256"] in text.replace(" ", "")
    assert "Requirements: 1 of 2 met" in text
    assert "<script>alert(1)</script>.png" in text


def test_bookmarks_lead_to_sections_and_cases(reader: PdfReader) -> None:
    def flat(held: list[Any]) -> list[Any]:
        return [x for item in held for x in (flat(item) if isinstance(item, list) else [item])]

    marks = {mark.title: reader.get_destination_page_number(mark) for mark in flat(reader.outline)}
    for title in ("Findings", "Images", "Cases", "The network", "How to read it", "Provenance"):
        assert title in marks
    cases = [page for title, page in marks.items() if "two & three.png" in title]
    assert cases and cases == sorted(cases)
    texts = [page.extract_text().split("\n") for page in reader.pages]
    (lines,) = (held for held in texts if "Contents" in held)
    names = lines[lines.index("Contents") + 1 : lines.index("About this document")]
    assert len(names) >= 7
    printed = [int(line) for line in lines if line.isdigit()]  # floats: the text has them in a row
    wanted = [marks[name] + 1 for name in names]
    assert wanted in [printed[at : at + len(wanted)] for at in range(len(printed))]


def test_a_case_is_a_page_with_its_figures_and_captions(reader: PdfReader) -> None:
    texts = [" ".join(page.extract_text().split()) for page in reader.pages]
    cases = [text for text in texts if "What it answered" in text]
    assert len(cases) == 2  # the wrong answer and the one without a label
    for text in cases:
        for words in ("As the model saw it", "Where it looked", "Reviewer", "All ", "report.html#i00000"):
            assert words in text


def test_photographs_pass_into_the_pdf_as_jpeg(reader: PdfReader) -> None:
    filters = [
        held.get_object()["/Filter"]
        for page in reader.pages
        for held in page["/Resources"].get("/XObject", {}).values()
        if held.get_object()["/Subtype"] == "/Image"
    ]
    assert filters.count("/DCTDecode") >= 6


def test_fonts_are_embedded(reader: PdfReader) -> None:
    names = {
        font.get_object()["/BaseFont"].split("+")[-1]
        for page in reader.pages
        for font in page["/Resources"]["/Font"].values()
    }
    assert {"Inter", "JetBrains-Mono"} <= names
    assert all("DejaVu" not in name for name in names), "every glyph is in a font of the theme"


def test_equal_evidence_gives_equal_bytes_in_another_process(rendered: Path, tmp_path: Path) -> None:
    shutil.copytree(rendered / "evidence", tmp_path / "evidence")
    code = "import sys, pathlib, reportgen.report as r; r.write_report(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=240)
    for name in ("report.html", "report.pdf"):
        assert (tmp_path / name).read_bytes() == (rendered / name).read_bytes()


def test_a_missing_picture_is_an_error_and_html_stays(
    small_evidence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forgetful(dict[str, Encoded]):
        def __setitem__(self, name: str, held: Encoded) -> None:
            if self.__len__() < 3:
                super().__setitem__(name, held)

    monkeypatch.setattr(pdf, "Pictures", Forgetful)
    problem = write_report(small_evidence).problem
    assert isinstance(problem, RenderError)
    assert "picture:" in problem.cause
    assert (small_evidence / "report.html").exists()
    assert not (small_evidence / "report.pdf").exists()


def test_without_pango_the_remedy_names_the_packages(
    small_evidence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Missing:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "weasyprint":
                raise OSError("cannot load library 'libpango-1.0-0'")

    for name in [name for name in sys.modules if name.split(".")[0] == "weasyprint"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    problem = write_report(small_evidence).problem
    assert isinstance(problem, RenderError)
    assert "libpango-1.0-0" in problem.remedy
    assert "brew install pango" in problem.remedy
    assert (small_evidence / "report.html").exists()


def test_a_page_cannot_fetch_anything_else(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    fetcher = pdf._fetcher(weasyprint, {})
    for url in (secret.as_uri(), "http://localhost/x.png", "data:text/plain,hello"):
        with pytest.raises(weasyprint.urls.FatalURLFetchingError):
            fetcher.fetch(url)
