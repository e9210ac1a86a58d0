"""From a count to the images that it counts, and back: links, filters, order, copies, in a real browser."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reportgen

axe_api = pytest.importorskip("axe_playwright_python.sync_playwright")

MNIST = Path(__file__).parents[3] / "examples" / "mnist"
IMAGES = 125
RECIPE = f"""\
model:
  source: {MNIST}/network.py:DigitNet
  classes: {MNIST}/classes.txt
  preprocessing: {{resize: null, crop: 28, mean: [0.1307], std: [0.3081]}}
images: {{labels: folder, show: {{at_most: 12, choose: [wrong, random]}}}}
run: {{device: cpu}}
visualizations: [predictions, grad-cam]
trust: false
checks: {{only: [accuracy, abstention, duplicates]}}
output: {{pdf: false}}
"""
WIDTHS = [(390, "dark"), (1280, "light"), (1920, "dark")]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a network that was trained for one epoch: every tenth answer is wrong."""
    folder = tmp_path_factory.mktemp("drill")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    files = sorted((MNIST / "digits").rglob("*.png"))[:: 500 // IMAGES]
    for file in files:
        (folder / "digits" / file.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder / "digits" / file.parent.name)
    first = folder / "digits" / files[0].parent.name
    shutil.copy(files[0], first / "once-more.png")  # a duplicate
    recipe = reportgen.load(folder / "recipe.yaml", [str(MNIST / "network.py")])
    checkpoint = MNIST / "checkpoints" / "epoch-01.safetensors"
    return reportgen.run(recipe, checkpoint, folder / "digits", folder / "out").folder


@pytest.fixture(scope="module")
def results(digits: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((digits / "results.json").read_bytes())
    return read


def shown(page: Any) -> list[str]:
    rows = page.locator("table.images tbody tr:not(.out)")
    return [held.removeprefix("row-") for held in rows.evaluate_all("rows => rows.map(row => row.id)")]


def answer(image: Any) -> str:
    return str(image["predictions"][0]["class_name"])


def follow(page: Any, link: Any) -> list[str]:
    link.evaluate("link => link.click()")
    return sorted(shown(page))


def test_every_cell_of_the_confusion_opens_the_images_that_it_counts(
    watched: Callable[..., Any], digits: Path, results: dict[str, Any]
) -> None:
    page = watched(digits)
    cells = page.locator("table.confusion td:not(.total) a")
    names = results["metrics"]["confusion"]["classes"]
    counts = results["metrics"]["confusion"]["counts"]
    assert cells.count() == sum(count > 0 for row in counts for count in row)
    wrong = page.locator("table.confusion td[class*=minus] a").all()
    assert wrong, "the network was trained for one epoch"
    for link in wrong[:3]:
        row = link.evaluate("link => link.closest('tr').rowIndex - 1")
        column = link.evaluate("link => link.closest('td').cellIndex - 1")
        truth = [
            i["id"] for i in results["images"] if i["label"] == names[row] and answer(i) == names[column]
        ]
        assert follow(page, link) == sorted(truth)
        assert len(truth) == int(link.text_content()) == counts[row][column]
    total = page.locator("table.confusion td.total a").nth(3)
    assert len(follow(page, total)) == int(total.text_content())


def test_rows_of_classes_and_bins_open_the_images_that_they_count(
    watched: Callable[..., Any], digits: Path
) -> None:
    page = watched(digits)
    for selector in ("table.classes td a", "table.bins td a"):
        links = page.locator(selector)
        assert links.count() > 6
        for link in links.all():
            assert len(follow(page, link)) == int(link.text_content()), link.get_attribute("href")


def test_points_of_the_reliability_diagram_open_the_images_of_their_bins(
    watched: Callable[..., Any], digits: Path
) -> None:
    page = watched(digits)
    points, rows = page.locator("#reliability svg a"), page.locator("table.bins td a")
    assert points.count() == rows.count() > 6
    for point, row in zip(points.all(), rows.all(), strict=True):
        point.dispatch_event("click")  # what is drawn has no `click` of its own
        opened = sorted(shown(page))
        assert len(opened) == int(row.text_content()) and opened == follow(page, row)
        assert point.get_attribute("aria-label").startswith(f"{row.text_content()} image")


def test_a_check_and_a_finding_open_the_images_that_they_show(
    watched: Callable[..., Any], digits: Path, results: dict[str, Any]
) -> None:
    page = watched(digits)
    checks = {check["name"]: check["exhibits"]["images"] for check in results["checks"]}
    assert len(checks["duplicates"]) == 2
    for name in ("duplicates", "accuracy"):
        links = page.locator(f"tr#check-{name} a[data-view]")
        assert links.count() == bool(checks[name])
        for link in links.all():
            assert follow(page, link) == sorted(checks[name])
    line = page.locator(".findings li", has_text="labelled answers are wrong").locator("a[data-view]")
    truth = sorted(image["id"] for image in results["images"] if image["correct"] is False)
    assert follow(page, line) == truth
    assert page.locator("#show-wrong").is_checked()
    assert page.evaluate("location.hash") == "#view?show=wrong"


def test_it_opens_with_the_worst_and_the_cards_follow_the_order(
    watched: Callable[..., Any], digits: Path, results: dict[str, Any]
) -> None:
    page = watched(digits)
    images = {image["id"]: image for image in results["images"]}
    wrong = [id_ for id_ in shown(page) if images[id_]["correct"] is False]
    assert shown(page)[: len(wrong)] == wrong == sorted(wrong, key=lambda id_: -images[id_]["loss"])
    rest = [images[id_]["predictions"][0]["probability"] for id_ in shown(page)[len(wrong) :]]
    assert rest == sorted(rest)
    cards = "[...document.querySelectorAll('article.card:not(.out)')].map(card => card.dataset.image)"
    first = page.evaluate(cards)
    assert first == [id_ for id_ in shown(page) if id_ in first]
    page.locator("table.images th[data-by=file] button").click()
    assert page.evaluate(cards) == sorted(first) != first
    after = page.locator(f"#i{sorted(first)[0]} .goto .after")
    assert after.get_attribute("href") == f"#i{sorted(first)[1]}"
    assert not page.locator(f"#i{sorted(first)[0]} .goto .before").is_visible()
    page.locator("#show-wrong").check(force=True)
    shown_cards = page.evaluate(cards)
    assert shown_cards == [id_ for id_ in sorted(first) if images[id_]["correct"] is False]
    last = page.locator(f"#i{shown_cards[-1]} .goto .after")
    assert not last.is_visible(), "past the cards that are shown"


def test_filters_of_label_and_answer_add_up(
    watched: Callable[..., Any], digits: Path, results: dict[str, Any]
) -> None:
    page = watched(digits)
    image = next(image for image in results["images"] if image["correct"] is False)
    page.locator(".find [name=label]").select_option(image["label"])
    page.locator(".find [name=answer]").select_option(answer(image))
    alike = {
        i["id"] for i in results["images"] if i["label"] == image["label"] and answer(i) == answer(image)
    }
    assert set(shown(page)) == alike
    page.locator("#show-right").check(force=True)
    assert shown(page) == []


def test_a_shared_link_keeps_how_the_map_was_looked_at(
    watched: Callable[..., Any], digits: Path, until: Callable[..., None]
) -> None:
    page = watched(digits)
    page.locator("article.card figure[data-low] a.name").first.evaluate("link => link.click()")
    page.wait_for_selector("#explorer .stage[aria-busy=false]")
    for name, value in (("opacity", "40"), ("threshold", "25")):
        page.locator(f"#explorer [name={name}]").fill(value)
    page.locator("#explorer [name=view][value=alone]").check()
    until(page, "location.hash.includes('threshold=25') && location.hash.includes('look=alone')")
    other = watched(digits)
    other.goto(page.url)
    other.reload()
    other.wait_for_selector("#explorer .stage[aria-busy=false]")
    assert other.locator("#explorer [name=opacity]").input_value() == "40"
    assert other.locator("#explorer [name=threshold]").input_value() == "25"
    assert other.locator("#explorer [name=view][value=alone]").is_checked()
    other.keyboard.press("Escape")
    until(other, "!location.hash.includes('opacity')")


@pytest.mark.parametrize("said", ["opacity=400&look=sideways&threshold=-1", "opacity=1e3&threshold=%00"])
def test_a_look_that_means_nothing_is_passed_over(
    watched: Callable[..., Any], digits: Path, said: str
) -> None:
    page = watched(digits)
    figure = page.locator("article.card figure[data-low]").first.get_attribute("id")
    page.goto(f"{page.url}#view?figure={figure}&{said}")
    page.reload()
    page.wait_for_selector("#explorer .stage[aria-busy=false]")
    assert page.locator("#explorer [name=opacity]").input_value() == "85"
    assert page.locator("#explorer [name=threshold]").input_value() == "0"


def test_a_slash_leads_to_the_search_and_stays_a_slash_in_a_field(
    watched: Callable[..., Any], digits: Path
) -> None:
    page = watched(digits)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"
    page.keyboard.press("/")
    assert page.locator(".find [name=q]").input_value() == "/"


def test_hashes_and_links_are_copied(
    watched: Callable[..., Any], digits: Path, results: dict[str, Any]
) -> None:
    page = watched(digits)
    page.evaluate(
        "navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }"
    )
    page.locator(".byline .copy").click()
    assert page.evaluate("copied") == results["model"]["checkpoint_sha256"]
    assert page.locator(".byline .copy").text_content() == "copied"
    card = page.locator("article.card").first
    number = card.get_attribute("data-image")
    card.locator("[data-copy]").evaluate("button => button.click()")
    assert page.evaluate("copied") == next(i["sha256"] for i in results["images"] if i["id"] == number)
    card.locator("[data-copy-link]").evaluate("button => button.click()")
    assert page.evaluate("copied").endswith(f"report.html#i{number}")
    page.locator("#show-wrong").check(force=True)
    page.locator(".find .copy").click()
    assert page.evaluate("copied").endswith("report.html#view?show=wrong")


def test_without_a_clipboard_of_its_own_the_page_still_copies(
    watched: Callable[..., Any], digits: Path, until: Callable[..., None]
) -> None:
    page = watched(digits)
    page.evaluate(
        """() => {
          navigator.clipboard.writeText = () => Promise.reject(new Error("not allowed"));
          document.addEventListener("copy", () => { window.copied = document.getSelection().toString(); });
        }"""
    )
    page.locator(".byline .copy").click()
    until(page, "document.querySelector('.byline .copy').textContent === 'copied'")
    assert page.locator("textarea").count() == 0


SIZES = """() => [...document.querySelectorAll("button, select, a[data-view], .goto a, a.name")]
  .filter((one) => one.checkVisibility() && !one.closest("dialog"))
  .map((one) => [one.outerHTML.slice(0, 90), one.getBoundingClientRect()])
  .filter(([, box]) => box.width < 23.9 || box.height < 23.9).map(([text]) => text)"""
RULES = [
    "target-size",
    "link-in-text-block",
    "link-name",
    "button-name",
    "aria-allowed-attr",
    "color-contrast",
]


@pytest.mark.parametrize(("width", "scheme"), WIDTHS)
def test_targets_are_large_enough(watched: Callable[..., Any], digits: Path, width: int, scheme: str) -> None:
    page = watched(digits, width, scheme)
    assert page.evaluate(SIZES) == []
    page.locator("article.card a.name").first.evaluate("link => link.click()")
    dialog = SIZES.replace('!one.closest("dialog")', 'one.closest("dialog") && one.closest(".film") === null')
    assert page.evaluate(dialog) == []


def test_axe_finds_no_target_that_is_too_small_and_no_link_that_looks_like_text(
    watched: Callable[..., Any], digits: Path
) -> None:
    page = watched(digits, 390, "dark")
    page.locator(".find [name=q]").fill("once-more")  # one row and no card: axe is slow on many
    page.wait_for_timeout(50)
    found = axe_api.Axe().run(page, options={"runOnly": RULES})
    held = found.response["violations"]
    assert [(v["id"], [n["html"][:160] for n in v["nodes"][:6]]) for v in held] == []


def test_a_table_that_is_cut_says_that_it_scrolls(
    watched: Callable[..., Any], digits: Path, until: Callable[..., None]
) -> None:
    page = watched(digits, 390)
    said = page.evaluate(
        """() => [...document.querySelectorAll(".scroll")].filter((frame) => frame.checkVisibility())
          .map((frame) => [frame.scrollWidth > frame.clientWidth + 1,
            frame.previousElementSibling?.matches(".cut") ?? false])"""
    )
    assert [cut for cut, _ in said] == [told for _, told in said]
    assert any(cut for cut, _ in said)
    page.set_viewport_size({"width": 1920, "height": 900})
    until(page, "document.querySelectorAll('.cut').length === 0")


def test_tints_are_printed(digits: Path) -> None:
    style = (digits / "report.html").read_text(encoding="utf-8").split("</style>")[0]
    printed = re.search(r"@media print \{(.*)\}", style, re.S)
    assert printed and re.search(r"tint-[^{]*\{[^}]*print-color-adjust: exact", printed[1])
