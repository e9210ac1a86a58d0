"""Many images: what keeps a long page quick: bytes, elements, and what is left undone off screen."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from reportgen.evidence import Evidence, Writer
from reportgen.report import write_report
from reportgen.report.render import html
from reportgen.report.render.themes import folder as part_of

pytest.importorskip("playwright.sync_api")

BATCHES, EACH, SIDE = 20, 3, 96
CARDS = BATCHES * EACH
ROWS = 700
AT_MOST_MB = 1.6


@pytest.fixture(scope="module")
def many(by_hand: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of 700 images; 60 have cards, and not all of those have room."""
    folder = tmp_path_factory.mktemp("many")
    writer = Writer(folder / "evidence", "key")
    writer.write("model", by_hand.model_findings())
    shown = {held["name"] for held in by_hand.manifest()["visualizations"] if held["applicable"]}
    draw = np.random.default_rng(0)
    for batch in range(BATCHES):
        first = batch * EACH
        records = [numbered(by_hand.record(n, 1, 0), first + n) for n in range(EACH)]
        if batch == BATCHES - 1:
            records += [unmeasured(by_hand.record(0, 1, 0), number) for number in range(CARDS, ROWS)]
        data = by_hand.jpeg(0)
        for record in records[:EACH]:
            record["original_bytes"] = [0, len(data)]
        found = {name: slots for name, slots in by_hand.image_findings(1, False).items() if name in shown}
        seen = draw.integers(0, 255, (EACH, SIDE, SIDE, 3), dtype=np.uint8)
        arrays = {"seen": seen, "logits": np.zeros((EACH, 3), np.float32)}
        writer.write(
            f"batch-{first:06d}", found, records, {**arrays, "originals": np.frombuffer(data, np.uint8)}
        )
    output = {"theme": "default", "html": {"at_most_mb": AT_MOST_MB}, "pdf": False}
    recipe = {**by_hand.manifest()["recipe"], "output": output}
    writer.seal(by_hand.manifest(recipe=recipe), {"seconds": {"total": 1.0}, "peak_memory_bytes": None})
    assert write_report(folder, pdf=False).problem is None
    return folder


def numbered(record: dict[str, Any], number: int) -> dict[str, Any]:
    return {**record, "number": number, "id": f"{number:06d}", "path": f"set/{number:06d}.jpg"}


def unmeasured(record: dict[str, Any], number: int) -> dict[str, Any]:
    return {**numbered(record, number), "measured": False, "row": None, "targets": []}


def test_the_limit_is_used_up_and_kept_and_the_page_says_how(many: Path) -> None:
    page = (many / "report.html").read_bytes()
    assert 0.8 * AT_MOST_MB * 1e6 < len(page) <= AT_MOST_MB * 1e6
    text = page.decode()
    shown = text.count('<article class="card')
    assert 0 < shown < CARDS
    assert f"large maps are pictures without their raw values and {CARDS - shown} cards are left out" in text
    assert html.ORDER in text
    listed = re.findall(r'<li id="i(\d{6})">', text)
    # in each batch the second is wrong, the third least sure
    worst_first = sorted(range(CARDS), key=lambda number: ((1, 2, 0).index(number % EACH), number))
    assert listed == [f"{number:06d}" for number in worst_first[shown:]], "from the last"


def test_a_card_has_few_elements_and_few_bytes_besides_its_pictures(
    watched: Callable[..., Any], many: Path
) -> None:
    page = watched(many)
    figures = page.locator("#i000001 figure").count()
    assert page.locator("#i000001 *").count() <= 20 * figures
    text = page.locator("#i000001").evaluate("card => card.outerHTML")
    words = re.sub(r'"data:[^"]*"|data-levels="[^"]*"', "", text)
    assert len(words) <= 1000 * figures


def test_what_is_off_screen_is_not_laid_out_or_painted(
    watched: Callable[..., Any], until: Callable[..., None], many: Path
) -> None:
    page = watched(many)
    left = """(selector) => [...document.querySelectorAll(selector)].filter(
      (held) => held.checkVisibility({ contentVisibilityAuto: true })).length"""
    assert page.evaluate(left, ".card .body") == 0
    page.locator("#i000034").evaluate("held => held.scrollIntoView()")
    until(page, "document.querySelector('#i000034 .body').checkVisibility({contentVisibilityAuto: true})")
    assert page.evaluate(left, ".card .body") <= 8 < page.locator("article.card").count() / 2
    until(page, "!document.querySelector('.images tr').checkVisibility({contentVisibilityAuto: true})")
    assert page.evaluate(left, "table.images tbody tr") == 0
    undecoded = "[...document.images].filter((held) => held.decoding !== 'async' && held.width > 16).length"
    assert page.evaluate(undecoded) == 0, "a swatch of a legend may be drawn at once"


def test_no_rule_is_asked_again_for_every_element_of_a_long_page() -> None:
    """A rule of `:has` whose subject is what many elements hang on is matched anew at each of them."""
    sheets = "".join(path.read_text() for path in (part_of("themes") / "default").glob("*.css"))
    without = re.sub(r"@media \(scripting: none\) \{.*?\n\}", "", sheets, flags=re.S)
    assert ":has(#show-" in sheets
    assert not re.findall(r"(?:html|body|main|\.page|section|\.card)\S*:has\(", without)


def test_a_map_is_decoded_only_when_it_is_looked_at(watched: Callable[..., Any], many: Path) -> None:
    page = watched(many)
    page.evaluate(
        "() => { window.made = 0; const was = window.DecompressionStream;"
        " window.DecompressionStream = class extends was { constructor(...a) { super(...a); made++; } }; }"
    )
    page.locator("#cards").evaluate("held => held.scrollIntoView()")
    assert page.evaluate("made") == 0
    page.locator("#i000001-grad-cam-map a.name").click()
    page.wait_for_selector("#explorer .stage[aria-busy=false]")
    assert page.evaluate("made") == 1


def test_every_row_is_found_though_not_every_card_is_there(watched: Callable[..., Any], many: Path) -> None:
    page = watched(many)
    page.locator(".find [name=q]").fill("set/0006")
    assert page.locator(".find .found output").inner_text() == f"{ROWS - 600} of {ROWS} shown"
    assert page.evaluate("document.querySelectorAll('.card:not(.out)').length") == 0
    assert len(Evidence(many / "evidence").records()) == ROWS
