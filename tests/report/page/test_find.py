"""Finding in the page, in a real browser: filter, search, sort, addresses, contents, downloads."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_heads import audited

axe_api = pytest.importorskip("axe_playwright_python.sync_playwright")

WORST_FIRST = ["000001", "000002", "000000"]  # wrong, without a label at 0.35, right
HOSTILE = "<script>alert(1)</script>.png"
OVER = "i000000-grad-cam-map"


def shown(page: Any) -> list[str]:
    """The ids of the rows that are shown, in their order."""
    rows = page.locator("table.images tbody tr:visible")
    return [held.removeprefix("row-") for held in rows.evaluate_all("rows => rows.map(row => row.id)")]


def cards(page: Any) -> list[str]:
    found = page.locator("article.card:visible")
    return [held.removeprefix("i") for held in found.evaluate_all("cards => cards.map(card => card.id)")]


def address(page: Any) -> str:
    return str(page.evaluate("location.hash")).removeprefix("#")


@pytest.fixture
def arrives(until: Callable[..., None]) -> Callable[..., None]:
    """Waits until the page is at an address and has been told: the browser does so a turn later."""

    def wait(page: Any, said: str) -> None:
        until(page, f"location.hash.replace('#', '') === {json.dumps(said)}")
        page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")

    return wait


def head(page: Any, name: str) -> Any:
    return page.locator(f"table.images th[data-by={name}]")


def test_the_table_sorts_by_every_head_and_says_so(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered)
    orders = {
        "probability": (["000000", "000001", "000002"], ["000002", "000001", "000000"]),
        "answer": (["000000", "000001", "000002"], ["000001", "000002", "000000"]),  # cat, dog, dog
        "verdict": (["000001", "000000", "000002"], ["000002", "000000", "000001"]),
        "file": (["000001", "000000", "000002"], ["000002", "000000", "000001"]),
    }
    for name, (first, second) in orders.items():
        for expected, way in zip((first, second), ("ascending", "descending"), strict=True):
            head(page, name).get_by_role("button").click()
            assert shown(page) == expected, (name, way)
            wanted = (
                {"ascending": "descending", "descending": "ascending"}[way] if name == "probability" else way
            )
            assert head(page, name).get_attribute("aria-sort") == wanted
            assert page.locator("table.images th[aria-sort]").count() == 1
    head(page, "file").get_by_role("button").click()
    assert shown(page) == WORST_FIRST, "a third time: the worst first, as it opens"
    assert page.locator("table.images th[aria-sort]").count() == 0


@pytest.mark.parametrize(
    ("name", "value", "left"),
    [
        ("q", "DOGS/two", ["000002"]),
        ("q", "<script>", ["000001"]),
        ("q", "cat", ["000001", "000000"]),  # a file of cats, and the label of the next
        ("q", "nothing is called this", []),
        ("class", "cat", ["000001", "000000"]),  # the answer, and the label
        ("flag", "Saliency", ["000001"]),
        ("from", "0.7", ["000001", "000000"]),
        ("to", "0.4", ["000002"]),
    ],
)
def test_cards_follow_the_filter_of_the_table(
    watched: Callable[..., Any], rendered: Path, name: str, value: str, left: list[str]
) -> None:
    page = watched(rendered)
    field = page.locator(f".find [name={name}]")
    if name in ("class", "flag"):
        field.select_option(value)
    else:
        field.fill(value)
    assert shown(page) == left
    assert cards(page) == left
    assert page.locator(".find .found output").inner_text() == f"{len(left)} of 3 shown"
    answers = page.locator(".verdicts li:visible")
    assert answers.count() == len([held for held in left if held != "000002"]), "the third has no label"
    page.get_by_role("button", name="show all").click()
    assert cards(page) == WORST_FIRST


def test_filters_add_up_and_the_radio_is_one_of_them(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered)
    page.locator(".find [name=class]").select_option("dog")
    assert shown(page) == ["000001", "000002"]
    page.get_by_label("wrong").check(force=True)
    assert shown(page) == ["000001"]
    page.locator(".find [name=to]").fill("0.5")
    assert shown(page) == []


def test_a_link_opens_the_same_view(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered)
    page.locator(".find [name=class]").select_option("dog")
    head(page, "probability").get_by_role("button").click()
    head(page, "probability").get_by_role("button").click()
    page.locator(".find [name=q]").fill("<SCRIPT>alert(1)</script>.png")
    page.wait_for_url("**#view?*q=*")
    other = watched(rendered)
    other.goto(page.url)
    other.reload()
    assert shown(other) == shown(page) == ["000001"]
    assert other.locator(".find [name=q]").input_value() == "<SCRIPT>alert(1)</script>.png"
    assert other.locator(".find [name=class]").input_value() == "dog"
    assert head(other, "probability").get_attribute("aria-sort") == "ascending"


def test_a_link_to_a_view_leads_to_the_table(watched: Callable[..., Any], rendered: Path) -> None:
    url = watched(rendered).url
    page = watched(rendered).context.new_page()
    page.goto(f"{url}#view?class=dog")
    assert abs(page.locator("#images").bounding_box()["y"]) < 100
    assert shown(page) == ["000001", "000002"]


def test_back_and_forward_walk_through_the_views(
    watched: Callable[..., Any], arrives: Callable[..., None], rendered: Path
) -> None:
    page = watched(rendered)
    page.get_by_label("wrong").check(force=True)
    head(page, "probability").get_by_role("button").click()
    page.locator("#row-000001").get_by_role("link").click()
    arrives(page, "i000001")  # an anchor is an anchor
    assert shown(page) == ["000001"], "and leaves the filter as it is"
    page.go_back()
    arrives(page, "view?show=wrong&sort=-probability")
    page.go_back()
    arrives(page, "view?show=wrong")
    assert shown(page) == ["000001"]
    page.go_back()
    arrives(page, "")
    assert len(shown(page)) == 3
    assert page.locator("#show-all").is_checked()
    for said in ("view?show=wrong", "view?show=wrong&sort=-probability", "i000001"):
        page.go_forward()
        arrives(page, said)
    assert shown(page) == ["000001"]
    assert page.locator("#show-wrong").is_checked()


def test_what_is_typed_is_one_entry_of_the_history(
    watched: Callable[..., Any], arrives: Callable[..., None], rendered: Path
) -> None:
    page = watched(rendered)
    page.locator(".find [name=q]").press_sequentially("two", delay=20)
    page.wait_for_url("**#view?q=two")
    page.locator(".find [name=q]").press_sequentially(" &", delay=20)
    page.wait_for_url("**#view?q=two+%26")
    assert page.evaluate("document.activeElement.name") == "q", "focus stays"
    page.go_back()
    arrives(page, "")
    assert len(shown(page)) == 3
    assert page.locator(".find [name=q]").input_value() == ""


def test_a_figure_of_the_explorer_has_an_address(
    watched: Callable[..., Any], until: Callable[..., None], arrives: Callable[..., None], rendered: Path
) -> None:
    page = watched(rendered)
    dialog = page.locator("#explorer")
    page.locator(f"#{OVER} a.name").click()
    arrives(page, f"view?figure={OVER}")
    page.go_back()
    arrives(page, "")
    assert not dialog.is_visible()
    page.go_forward()
    arrives(page, f"view?figure={OVER}")
    assert dialog.is_visible()
    page.keyboard.press("ArrowRight")
    until(page, f"location.hash && !location.hash.endsWith('{OVER}')")
    following = address(page)
    page.keyboard.press("Escape")
    until(page, "location.hash === ''")
    assert not dialog.is_visible()
    other = watched(rendered)
    other.goto(page.url.partition("#")[0] + "#" + following)
    other.reload()
    assert other.locator("#explorer").is_visible()
    other.keyboard.press("Escape")
    until(other, "location.hash === '#view'")


@pytest.mark.parametrize(
    "said",
    [
        "view?show=<img>&sort=__proto__&class=nobody&flag=%00&from=x&to=9&figure=explorer",
        "view?figure=i000000",
        "view?show=all%22]&from=-1&nothing=1",
        "view?%%%&=&&show=constructor",
    ],
)
def test_an_address_that_means_nothing_changes_nothing(
    watched: Callable[..., Any], rendered: Path, said: str
) -> None:
    page = watched(rendered)
    page.goto(f"{page.url}#{said}")
    page.reload()
    assert shown(page) == cards(page) == WORST_FIRST
    assert not page.locator("#explorer").is_visible()


def downloaded(page: Any, press: Callable[[], None]) -> tuple[str, bytes]:
    with page.expect_download() as caught:
        press()
    return caught.value.suggested_filename, Path(caught.value.path()).read_bytes()


def test_the_shown_rows_download_as_csv_and_json(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered)
    head(page, "probability").get_by_role("button").click()
    page.locator(".find [name=to]").fill("0.8")
    name, data = downloaded(page, lambda: page.get_by_role("button", name="CSV").first.click())
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert name == "images.csv"
    assert [row["id"] for row in rows] == ["000001", "000002"]
    name, data = downloaded(page, lambda: page.get_by_role("button", name="JSON").click())
    held = json.loads(data)
    assert name == "images.json"
    results = json.loads((rendered / "results.json").read_bytes())["images"]
    for row, text in zip(held, rows, strict=True):
        truth = results[int(row["id"])]
        assert row["file"] == text["file"] == truth["path"]
        assert row["probability"] == float(text["probability"]) == truth["predictions"][0]["probability"]
        assert row["label"] == truth["label"]
        assert row["answer"] == truth["predictions"][0]["class_name"]
        assert row["label_probability"] == (truth["loss"] and pytest.approx(math.exp(-truth["loss"])))
        first, second = (one["probability"] for one in truth["predictions"][:2])
        assert row["margin"] == first - second
        assert row["loss"] == truth["loss"]
        assert row["sha256"] == text["sha256"] == truth["sha256"]
    assert [row["flags"] for row in held] == [["Saliency"], ["Occlusion"]]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1", "＝1", 'a"b,c\n=d'])
def test_no_cell_of_the_csv_is_a_formula(browser: Any, text: str) -> None:
    source = (Path(__file__).parents[3] / "templates/script/save.js").read_text(encoding="utf-8")
    page = browser.new_page()
    written = page.evaluate(f"(text) => {{ {source}; return cell(text); }}", text)
    page.close()
    (row,) = csv.reader(io.StringIO(written, newline=""))
    assert row == [text if text.startswith("a") else f"'{text}"]


def test_a_map_downloads_as_it_is_drawn_and_as_values(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered)
    page.locator(f"#{OVER} a.name").click()
    page.wait_for_selector("#explorer .stage[aria-busy=false]")
    name, data = downloaded(page, lambda: page.get_by_role("button", name="PNG").click())
    assert name == f"{OVER}.png"
    assert Image.open(io.BytesIO(data)).size == (96, 96)
    name, data = downloaded(page, lambda: page.get_by_role("button", name="values as CSV").click())
    assert name == f"{OVER}.csv"
    values = np.array(list(csv.reader(io.StringIO(data.decode("utf-8-sig")))), float)
    expected = np.zeros((6, 6))
    expected[0, 5] = 2
    np.testing.assert_allclose(values, expected, atol=0.005)


def test_the_contents_follow_the_scroll(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered)
    for name in ("images", "cards", "provenance"):
        page.locator(f"#{name}").evaluate("held => held.scrollIntoView()")
        page.wait_for_selector(f".contents a[href='#{name}'][aria-current=true]")
        assert page.locator(".contents [aria-current]").count() == 1


def test_in_a_narrow_window_the_contents_fold_up(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered, 1000)
    assert not page.locator(".contents a[href='#provenance']").is_visible()
    page.locator(".contents summary").click()
    page.locator(".contents a[href='#provenance']").click()
    assert address(page) == "provenance"
    assert not page.locator(".contents a").first.is_visible()
    page.set_viewport_size({"width": 1300, "height": 900})
    page.wait_for_selector(".contents a[href='#provenance']:visible")


def test_without_script_the_contents_and_the_radio_are_there_and_nothing_dead(
    watched: Callable[..., Any], rendered: Path
) -> None:
    page = watched(rendered, 390, java_script_enabled=False)
    assert page.locator(".contents a").first.is_visible()
    assert not page.locator(".find").is_visible()
    assert page.locator("button:visible").count() == 0
    page.get_by_label("wrong").check(force=True)
    assert page.locator("article.card:visible").count() == 1


def test_every_section_image_and_figure_has_an_anchor_that_can_be_copied(
    watched: Callable[..., Any], rendered: Path
) -> None:
    page = watched(rendered)
    lost = page.evaluate(
        """() => [...document.querySelectorAll("main > section, article.card, main figure, tr[data-image]")]
          .filter((held) => {
            const named = held.id || held.querySelector("h2").id;
            return !document.querySelector(`a[href="#${CSS.escape(named)}"]`);
          }).map((held) => held.outerHTML.slice(0, 90))"""
    )
    assert lost == []


FILTERED = "#view?show=wrong&sort=-probability&class=dog"


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_a_filtered_view_fits_the_window(watched: Callable[..., Any], rendered: Path, width: int) -> None:
    page = watched(rendered, width)
    page.goto(page.url + FILTERED)
    page.locator(".contents summary").evaluate("held => (held.parentElement.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_axe_finds_nothing_in_a_filtered_view(
    watched: Callable[..., Any], rendered: Path, width: int, scheme: str
) -> None:
    page = watched(rendered, width, scheme)
    page.goto(page.url + FILTERED)
    found = axe_api.Axe().run(page)
    page.locator(".contents summary").evaluate("held => (held.parentElement.open = true)")
    found_open = axe_api.Axe().run(page, ".contents")
    for result in (found, found_open):
        held = result.response["violations"]
        assert [(v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in held] == []


def test_values_are_answers_that_sort_and_download_without_a_probability(
    watched: Callable[..., Any], tmp_path: Path
) -> None:
    labels = {"red": "10", "green": "1", "blue": "0.5", "both": "11"}
    outcome = audited(
        tmp_path, labels, [[-12.0, 0.0, 0.0]], [5.0], "  head: scores\n", visualizations="[predictions]"
    )
    page = watched(outcome.folder)
    head(page, "answer").get_by_role("button").click()
    order = shown(page)
    _, data = downloaded(page, lambda: page.get_by_role("button", name="CSV").first.click())
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert list(rows[0]) == ["id", "file", "answer", "label", "loss", "verdict", "flags", "checks", "sha256"]
    said = {image["id"]: image["predictions"][0]["logit"] for image in outcome.results["images"]}
    assert [row["id"] for row in rows] == order == sorted(sorted(order), key=said.get)
    for row in rows:
        assert float(row["answer"].lstrip("'").replace("−", "-")) == pytest.approx(said[row["id"]], rel=1e-2)
        assert row["label"].lstrip("'") == labels[row["file"].removesuffix(".png")]
    assert not page.locator(".find [name=class]").is_visible()
