"""report.html as a parser sees it: self-contained, escaped, whole, within its size."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from reportgen.evidence import Evidence
from reportgen.report import write_report
from reportgen.report.document.document import document
from reportgen.report.render import html


class Page(HTMLParser):
    """Every start tag with its attributes, and the text outside style sheets."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.style = ""
        self.script = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.style += data
        elif self._inside == "script":
            self.script += data
        else:
            self.text += data

    def values(self, attribute: str) -> list[str]:
        return [held[attribute] for _, held in self.tags if attribute in held]


@pytest.fixture(scope="module")
def page(rendered: Path) -> Page:
    return Page((rendered / "report.html").read_text(encoding="utf-8"))


def test_the_page_asks_nothing_of_anyone(page: Page) -> None:
    assert all(source.startswith("data:image/") for source in page.values("src"))
    assert all(target.startswith("#") for target in page.values("href"))
    urls = re.findall(r"url\(([^)]{0,30})", page.style)
    assert urls
    assert all(url.startswith('"data:font/woff2') for url in urls)
    assert "@import" not in page.style


def test_there_is_one_script_and_no_inline_style_or_handler(page: Page) -> None:
    names = [tag for tag, _ in page.tags]
    assert not set(names) & {"iframe", "object", "embed", "link", "base"}
    assert names.count("script") == 1
    assert [held for tag, held in page.tags if tag == "script"] == [{}], "nothing is loaded"
    attributes = {key for _, held in page.tags for key in held}
    assert "style" not in attributes
    assert not [key for key in attributes if key.startswith("on")]


def test_the_script_makes_no_markup_of_text_and_speaks_to_nobody(page: Page) -> None:
    assert "DecompressionStream" in page.script
    assert not re.findall(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|fetch\(|XMLHttp|WebSocket"
        r"|import\(|localStorage|cookie|setAttribute\(.style",
        page.script,
    )


@pytest.mark.parametrize("kind", ["style", "script"])
def test_the_policy_admits_exactly_the_style_sheet_and_the_script_of_the_page(page: Page, kind: str) -> None:
    (policy,) = [h["content"] for _, h in page.tags if h.get("http-equiv")]
    digest = base64.b64encode(hashlib.sha256(getattr(page, kind).encode()).digest()).decode()
    assert f"{kind}-src 'sha256-{digest}';" in policy
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")


def test_names_of_files_and_classes_stay_text(page: Page) -> None:
    assert "<script>alert(1)</script>.png" in page.text
    assert "<b>bird</b>" in page.text
    assert "Cats & <dogs>" in page.text


def test_ids_are_unique_and_every_link_leads_somewhere(page: Page) -> None:
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {target[1:] for target in page.values("href")} <= set(ids)
    labels = [name for held in page.values("aria-labelledby") for name in held.split()]
    assert set(labels) <= set(ids)


def test_every_picture_has_a_text_and_a_size(page: Page) -> None:
    pictures = [held for tag, held in page.tags if tag == "img"]
    assert len(pictures) > 30
    assert all("alt" in held and int(held["width"]) and int(held["height"]) for held in pictures)
    assert any("largest at the upper right" in held["alt"] for held in pictures)


def test_the_page_and_results_json_say_the_same(page: Page, rendered: Path) -> None:
    results = json.loads((rendered / "results.json").read_bytes())
    for image in results["images"]:
        assert image["id"] in page.text
        for answer in image["predictions"]:
            assert f"{answer['probability']:.3f}" in page.text
    assert f"{100 * results['metrics']['accuracy']:.1f} %" in page.text


def test_a_font_is_carried_only_for_characters_that_occur(page: Page) -> None:
    faces = re.findall(r'font-family: "([^"]+)";\s+font-weight', page.style)
    assert "Inter" in faces
    assert "Inter Greek" in faces, "the caption of Grad-CAM has a capital sigma"
    assert "Inter Latin Ext" not in faces


@pytest.mark.parametrize("at_most_mb", [0.35, 0.29])
def test_a_page_over_its_limit_says_what_it_gave_up(
    write_evidence: Callable[..., Path], tmp_path: Path, at_most_mb: float
) -> None:
    recipe = {
        "gates": [],
        "output": {"theme": "default", "html": {"at_most_mb": at_most_mb}, "pdf": False},
    }
    folder = write_evidence(tmp_path, recipe=recipe)
    assert write_report(folder, pdf=False).problem is None
    written = (folder / "report.html").read_bytes()
    assert len(written) <= at_most_mb * 1e6
    assert f"To stay within {at_most_mb} MB, pictures are stored at quality" in written.decode()


def test_at_the_least_large_maps_are_pictures_and_small_ones_keep_their_values(
    write_evidence: Callable[..., Path], tmp_path: Path, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_evidence(tmp_path, trust=True)
    monkeypatch.setattr(html, "ENCODINGS", html.ENCODINGS[-1:])
    assert write_report(folder, pdf=False).problem is None
    least = Page((folder / "report.html").read_text(encoding="utf-8"))

    def figures(held: Page, *attributes: str) -> set[str]:
        named = [found for tag, found in held.tags if tag == "figure"]
        return {found["id"] for found in named if all(key in found for key in attributes)}

    assert figures(least) == figures(page)
    lost = figures(page, "data-low") - figures(least, "data-low")
    assert {"i000000-saliency-map", "i000000-hypercolumns-map"} <= lost, "96 × 96, drawn alone"
    assert {"i000000-grad-cam-map", "i000000-occlusion-map"} <= figures(least, "data-low")


def test_a_page_says_that_large_maps_lost_their_values(rendered: Path) -> None:
    evidence = Evidence(rendered / "evidence")
    made = document(evidence, json.loads((rendered / "results.json").read_bytes()))
    words = html.Fit(html.ENCODINGS[-1], made.card_count).words(made, 1)
    assert words == (
        "To stay within 1 MB, pictures are stored at quality 40 and at 50% of their side"
        " and large maps are pictures without their raw values."
    )


def test_links_hold_where_cards_were_left_out(write_evidence: Callable[..., Path], tmp_path: Path) -> None:
    recipe = {"gates": [], "output": {"theme": "default", "html": {"at_most_mb": 0.21}, "pdf": False}}
    folder = write_evidence(tmp_path, recipe=recipe)
    assert write_report(folder, pdf=False).problem is None
    short = Page((folder / "report.html").read_text(encoding="utf-8"))
    assert "left out, from the last" in short.text
    assert {target[1:] for target in short.values("href")} <= set(short.values("id"))


def test_rendering_again_gives_the_same_bytes(small_evidence: Path) -> None:
    write_report(small_evidence, pdf=False)
    first = (small_evidence / "report.html").read_bytes()
    write_report(small_evidence, pdf=False)
    assert (small_evidence / "report.html").read_bytes() == first
