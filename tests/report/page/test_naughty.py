"""Names that try to break out of the page, in every field, in a real browser: they stay text."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from reportgen.evidence import Writer
from reportgen.findings import Flag, Gallery, Heatmap, Remark, Scalar, Table
from reportgen.report import write_report
from reportgen.report.render import templates
from reportgen.report.render.themes import folder
from reportgen.shown import visible

pytest.importorskip("playwright.sync_api")

NAUGHTY: list[str] = json.loads((Path(__file__).parent / "naughty.json").read_text(encoding="utf-8"))
MEASURED, SIDE = 3, 96  # images with a card, and their pixels: as conftest.py writes them
COUNT = len(NAUGHTY)
ALL = " ¦ ".join(NAUGHTY)  # what breaks out of a place does so among others, too
SHOWN = [visible(name) for name in NAUGHTY]  # what is hidden in a name stands there as an escape
SHIFT = 7  # a label is another name than the answer
MAPS = 40  # names that a card's figures carry; each has its own title, quantity and layer


def test_there_are_many_of_them() -> None:
    assert COUNT == len(set(NAUGHTY)) >= 200


def rows(by_hand: SimpleNamespace) -> list[dict[str, Any]]:
    """A record for every name, as file, answer and label, and a rejected one, as file and reason."""
    held = [by_hand.record(number, 1, 0) for number in range(MEASURED)]
    for number in range(MEASURED, COUNT):
        held.append(
            {
                **by_hand.record(0, 1, 0),
                "number": number,
                "id": f"{number:06d}",
                "measured": False,
                "row": None,
            }
        )
    for number, name in enumerate(NAUGHTY):
        other = NAUGHTY[(number + SHIFT) % COUNT]
        answers = [
            {"class_index": at % COUNT, "class_name": NAUGHTY[at % COUNT], "logit": 1.0, "probability": p}
            for at, p in ((number, 0.5), (number + 1, 0.2))
        ]
        label: dict[str, Any] = {"loss": 1.0}  # equally bad
        label |= {"label": other, "label_index": (number + SHIFT) % COUNT, "correct": False}
        targets = [{"slot": 0, "kind": "predicted", "note": name, **answers[0]}] if number < MEASURED else []
        held[number] |= {"path": name, "predictions": answers, "targets": targets, **label, "notes": [name]}
    rejected = {**by_hand.record(MEASURED, 1, 0), "original_bytes": [0, 0]}
    for place, name in enumerate(NAUGHTY):
        number = COUNT + place
        held.append({**rejected, "number": number, "id": f"{number:06d}", "path": name, "reason": name})
    return held


def findings(by_hand: SimpleNamespace) -> dict[str, list[tuple[Any, ...]]]:
    """What the image visualizations found, with names in all that a finding says."""
    found = by_hand.image_findings(1, dead=False)
    cells = np.abs(np.random.default_rng(0).normal(size=(MEASURED, 4, 4))).astype(np.float32)
    maps = [Heatmap(f"map-{n}", text, cells, text, layer=text) for n, text in enumerate(NAUGHTY[:MAPS])]
    flagged = np.ones(MEASURED, bool)
    said = (
        Flag("flag", ALL, flagged),
        Remark("remark", ALL),
        Scalar("scalar", ALL, np.ones(MEASURED), "<b>px</b>"),
        Gallery("g", ALL, cells[:, None], np.zeros((MEASURED, 1), int), ALL, layer=ALL),
    )
    return {**found, "grad-cam": [(*maps, *said)]}


def of_model(by_hand: SimpleNamespace) -> dict[str, list[tuple[Any, ...]]]:
    lines = tuple((name, name) for name in NAUGHTY)
    found = by_hand.model_findings()
    return {**found, "architecture": [(*found["architecture"][0], Table("parts", ALL, (ALL, "part"), lines))]}


def described(by_hand: SimpleNamespace) -> dict[str, Any]:
    """The manifest, with names in what it says of the model, the run and each visualization."""
    held = by_hand.manifest()
    words = {"title": ALL, **dict.fromkeys(("summary", "definition", "reading", "limits", "source"), ALL)}
    visualizations = [
        {**v, **words, "group": v["group"], "options": {ALL: ALL}} for v in held["visualizations"]
    ]
    recipe = {**held["recipe"], "title": ALL, "model": {"source": ALL, "classes": NAUGHTY}}
    model = {**held["model"], "source": ALL, "classes": NAUGHTY, "class_count": COUNT, "notes": NAUGHTY}
    return {
        **held,
        "title": ALL,
        "checkpoint": {**held["checkpoint"], "name": ALL, "format": ALL},
        "model": {**model, "arguments": {ALL: ALL}, "smooth_activations": NAUGHTY},
        "images": {**held["images"], "chosen": ALL, "source": ALL, "total": 2 * COUNT},
        "recipe": recipe,
        "visualizations": visualizations,
        "plan": NAUGHTY,
        "environment": {**held["environment"], "device": ALL, "platform": ALL},
    }


@pytest.fixture(scope="module")
def hostile(by_hand: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report in which every field that can hold text holds naughty strings."""
    folder = tmp_path_factory.mktemp("hostile")
    writer = Writer(folder / "evidence", "key")
    writer.write("model", of_model(by_hand))
    data = by_hand.jpeg(0)
    held = rows(by_hand)
    for number in range(MEASURED):
        held[number]["original_bytes"] = [0, len(data)]
    arrays = {
        "seen": np.zeros((MEASURED, SIDE, SIDE, 3), np.uint8),
        "logits": np.zeros((MEASURED, COUNT), np.float32),
        "originals": np.frombuffer(data, np.uint8),
    }
    shown = {v["name"] for v in by_hand.manifest()["visualizations"] if v["applicable"]}
    kept = {name: slots for name, slots in findings(by_hand).items() if name in shown}
    writer.write("batch-000000", kept, held, arrays)
    writer.seal(described(by_hand), {"seconds": {"total": 1.0}, "peak_memory_bytes": None})
    assert write_report(folder, pdf=False).problem is None
    return folder


@pytest.fixture(scope="module")
def opened(browser: Any, hostile: Path) -> Iterator[Any]:
    """The report in a browser; in the end nothing was asked for, opened, run or complained of."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    heard: list[str] = []
    context.add_init_script(
        "window.alert = window.confirm = window.prompt = (...held) => console.log('ran', held)"
    )
    page = context.new_page()
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("dialog", lambda dialog: (heard.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: heard.append(request.url[:200]))
    context.on("page", lambda page: heard.append("a window was opened"))
    page.goto((hostile / "report.html").as_uri())
    yield page
    url = (hostile / "report.html").as_uri()
    assert [held for held in heard if held != url and not held.startswith(("data:", "blob:"))] == []
    context.close()


def texts(page: Any, selector: str) -> list[str]:
    return list(page.locator(selector).evaluate_all("held => held.map(one => one.textContent)"))


def test_the_page_has_no_element_that_a_name_made(opened: Any, hostile: Path) -> None:
    assert opened.evaluate("document.scripts.length") == 1
    assert opened.evaluate("document.styleSheets.length") == 1
    foreign = "iframe, object, embed, base, form, video, audio, marquee, template, noscript, math, link, use"
    assert opened.locator(foreign).count() == 0
    assert opened.locator("meta").count() == 6
    handlers = """() => [...document.querySelectorAll("*")].flatMap((one) => one.getAttributeNames())
      .filter((name) => name.startsWith("on") || name === "style" || name === "srcset")"""
    assert opened.evaluate(handlers) == []
    assert all(
        href.startswith("#")
        for href in opened.evaluate("[...document.links].map(a => a.getAttribute('href'))")
    )


@pytest.mark.parametrize(
    ("field", "selector", "shift"),
    [
        ("file names", "table.images td.file", 0),
        ("answers", "table.images td:nth-child(4)", 0),
        ("labels", "table.images td:nth-child(6)", SHIFT),
        ("reasons", "#rejected ~ .scroll td:nth-child(3)", 0),
        ("rejected files", "#rejected ~ .scroll td.file", 0),
        ("table cells", "[id$='-parts'] td:last-child", 0),
    ],
)
def test_the_text_shown_is_the_text_given(opened: Any, field: str, selector: str, shift: int) -> None:
    assert texts(opened, selector) == SHOWN[shift:] + SHOWN[:shift], field


def test_layers_titles_and_quantities_of_figures_are_as_given(opened: Any) -> None:
    figures = opened.locator("#i000000 figure[data-layer]")
    titles = figures.evaluate_all("held => held.map(one => one.querySelector('.name').textContent)")
    layers = figures.evaluate_all("held => held.map(one => one.dataset.layer)")
    assert titles[:MAPS] == layers[:MAPS] == NAUGHTY[:MAPS]


def test_long_fields_hold_all_names_as_they_are(opened: Any) -> None:
    every = visible(ALL)
    assert opened.locator("h1").evaluate("held => held.textContent") == every
    assert opened.evaluate("document.head.querySelector('title').textContent") == every
    assert every in texts(opened, ".checkpoint span")
    assert every in "".join(texts(opened, "#provenance ~ .sheets dd"))
    assert every in texts(opened, "#how-grad-cam .source")
    assert any(every in text for text in texts(opened, "#i000000 .detail.said"))
    assert any(every in text for text in texts(opened, ".findings .said"))


def test_a_name_from_right_to_left_turns_nothing_around_it(opened: Any) -> None:
    for held in (".card .answer", ".card .who", ".card .name", ".explains b", ".byline span"):
        assert opened.locator(held).first.evaluate("held => getComputedStyle(held).unicodeBidi") == "isolate"


def test_the_recipe_reads_back_as_it_was(opened: Any) -> None:
    shown = yaml.safe_load(texts(opened, "#provenance ~ details pre")[-1])
    assert shown["model"]["classes"] == SHOWN
    assert shown["title"] == shown["model"]["source"] == visible(ALL)


def test_style_and_script_elements_hold_nothing_but_what_is_rebuilt_or_ours() -> None:
    """No name, title or class goes into the text of a <style> or <script>, where it could not be escaped."""
    inside = re.compile(r"<(style|script)\b[^>]*>(.*?)</\1>", re.S)
    found = []
    for path in folder("templates").rglob("*.j2"):
        text = path.read_text(encoding="utf-8")
        found += [held[2].strip() for held in inside.finditer(text)]
        unquoted = re.findall(r"=\s*\{\{", re.sub(r"\{%.*?%\}", "", text))
        assert unquoted == [], path.name
    assert sorted(filter(None, found)) == ["{{ script }}", "{{ style }}"]
    assert not re.search(r"</|<!--", templates.script())


@pytest.mark.parametrize("start", range(0, COUNT, COUNT // 4))
def test_search_finds_each_name_and_its_link_says_it(opened: Any, start: int) -> None:
    field = opened.locator(".find [name=q]")
    for name in SHOWN[start : start + 12]:
        field.fill(name)
        if not field.input_value().strip():
            continue
        shown = texts(opened, "table.images tr:not(.out) td.file")
        assert name in shown, name
    opened.locator(".find .clear").evaluate("held => held.click()")


def test_the_class_filter_offers_each_name_and_its_address_leads_back(opened: Any) -> None:
    offered = texts(opened, ".find [name=class] option")[1:]
    assert sorted(offered) == sorted(SHOWN)
    for name in SHOWN[::9]:
        opened.locator(".find [name=class]").evaluate(
            """(held, name) => {
              held.value = name;
              held.dispatchEvent(new Event("change", { bubbles: true }));
            }""",
            name,
        )
        said = opened.evaluate(
            "new URLSearchParams(location.hash.split('?').slice(1).join('?')).get('class')"
        )
        assert said == name
        assert name in texts(opened, "table.images tr:not(.out) td:nth-child(4)")
    opened.locator(".find .clear").evaluate("held => held.click()")


def test_downloads_hold_each_name_and_no_formula(opened: Any) -> None:
    with opened.expect_download() as caught:
        opened.get_by_role("button", name="JSON").click()
    held = json.loads(Path(caught.value.path()).read_bytes())
    assert [row["file"] for row in held] == SHOWN
    with opened.expect_download() as caught:
        opened.get_by_role("button", name="CSV", exact=True).click()
    text = Path(caught.value.path()).read_bytes().decode("utf-8-sig")
    read = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["file"].removeprefix("'") for row in read] == [name.removeprefix("'") for name in SHOWN]
    cells = [value for row in read for key, value in row.items() if key != "probability"]
    assert not [value for value in cells if value.lstrip()[:1] in tuple("=+-@＝＋－＠")]


def test_the_explorer_says_the_names_as_they_are(opened: Any, until: Callable[..., None]) -> None:
    opened.locator("#i000000 figure[data-layer] a.name").first.click()
    for name in NAUGHTY[:12]:
        until(opened, f"document.querySelector('#explorer h2').textContent === {json.dumps(name.strip())}")
        opened.wait_for_selector("#explorer .stage[aria-busy=false]")
        opened.keyboard.press("ArrowRight")
    assert sorted(texts(opened, "#explorer [name=layer] option"))[0] in NAUGHTY
    opened.keyboard.press("Escape")
