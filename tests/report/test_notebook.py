"""What a notebook shows of a report: the numbers of results.json, links that lead to files, names as text."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from reportgen.errors import InputError
from reportgen.pipeline import Outcome
from reportgen.report.notebook import plain
from reportgen.shown import visible

NAUGHTY = json.loads((Path(__file__).parent / "page" / "naughty.json").read_text(encoding="utf-8"))


@pytest.fixture
def outcome(rendered: Path, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    monkeypatch.chdir(rendered.parent)
    results: Any = json.loads((rendered / "results.json").read_bytes())
    return Outcome(rendered, results)


def test_html_has_the_statements_the_numbers_and_links_that_lead_to_files(outcome: Outcome) -> None:
    page = outcome._repr_html_()
    text = unescape(re.sub(r"<[^>]*>", " ", page))
    assert "Cats & <dogs>" in text and "<dogs>" not in page
    assert "Requirements: 1 of 2 met" in text and "50.0 %" in text and "9.5 % to 90.5 %" in text
    links = re.findall(r'href="([^"]+)"', page)
    assert [Path(link).name for link in links] == ["report.html", "report.pdf", "results.json"]
    assert all(Path(link).exists() for link in links)


def test_markdown_says_the_same(outcome: Outcome) -> None:
    said = outcome._repr_markdown_()
    assert r"**Cats & \<dogs\>**" in said
    assert "| Accuracy | ≥ 90 % | 50.0 % | 9.5 % to 90.5 % | 2 | not met" in said
    assert all(Path(link).exists() for link in re.findall(r"\]\(([^)]+)\)", said))


@pytest.mark.parametrize("start", range(0, len(NAUGHTY), 50))
def test_a_name_stays_text(outcome: Outcome, start: int) -> None:
    for name in NAUGHTY[start : start + 50]:
        results: Any = {**outcome.results, "title": name}
        page = Outcome(outcome.folder, results)._repr_html_()
        assert re.findall(r"<(?!/?(?:div|p|strong|table|thead|tbody|tr|th|td|ul|li|a)\b)[^ =\d]", page) == []
        assert unescape(page.split("<strong>")[1].split("</strong>")[0]) == visible(name)
        assert "\n" not in plain(name) and not re.search(r"(?<!\\)[<|\[]", plain(name).replace(r"\\", ""))


def test_an_image_is_found_by_its_name(outcome: Outcome) -> None:
    assert outcome.image("cats/one.png")["predictions"] == outcome.results["images"][0]["predictions"]
    with pytest.raises(InputError, match=r"no image is called 'cats/two\.png'"):
        outcome.image("cats/two.png")
