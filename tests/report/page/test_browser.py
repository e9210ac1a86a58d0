"""report.html in a real browser: no request, no error, no overflow, accessible, light and dark."""

from __future__ import annotations

from pathlib import Path

import pytest

axe_api = pytest.importorskip("axe_playwright_python.sync_playwright")


@pytest.fixture
def opened(browser, rendered: Path, request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    """The report in a window of a width and a colour scheme; what it asked for and complained of."""
    width, scheme = getattr(request, "param", (1280, "light"))
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.heard = []
    page.asked = []
    page.on("console", lambda message: page.heard.append(message.text))
    page.on("pageerror", lambda error: page.heard.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto((rendered / "report.html").as_uri())
    yield page
    context.close()


VIEWS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark"), (1920, "light")]


@pytest.mark.parametrize("opened", VIEWS, indirect=True)
def test_it_opens_quietly_and_fits_the_window(opened) -> None:  # type: ignore[no-untyped-def]
    assert opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert opened.heard == []
    assert [url for url in opened.asked if not url.startswith(("file:", "data:"))] == []
    assert opened.evaluate("document.fonts.check('16px Inter')")
    sizes = opened.evaluate("[...document.images].map(i => i.loading = 'eager')")
    assert len(sizes) > 30
    opened.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth > 0)")


# colours are a scheme's, what there is room for a width's: either of both once
@pytest.mark.parametrize("opened", [VIEWS[0], VIEWS[3]], indirect=True)
def test_axe_finds_nothing_to_mend(opened) -> None:  # type: ignore[no-untyped-def]
    # content-visibility hides what is far away, from axe too
    opened.evaluate("document.querySelectorAll('.card').forEach(c => c.style.contentVisibility = 'visible')")
    found = axe_api.Axe().run(opened)
    violations = found.response["violations"]
    assert [(v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in violations] == []


# Boxes of the page in which there is nothing to see: larger than `side` px both ways and without a word or
# picture, or coloured and more than half a `tall` box of colour alone. What a figure has instead of its
# picture may be a sentence in a square; cells of a table may be empty.
EMPTY = """({side, tall}) => {
  const SEEN = "img, svg, canvas, input, select, button, textarea, video";
  const shown = (held) => held.checkVisibility({visibilityProperty: true, opacityProperty: true});
  const words = (held) => [...held.childNodes].filter((n) => n.nodeType === 3 && n.data.trim());
  function rects(held) {
    const found = [];
    for (const one of [held, ...held.querySelectorAll("*")]) {
      if (!shown(one)) continue;
      if (one.matches(SEEN)) found.push(one.getBoundingClientRect());
      for (const text of words(one)) {
        const range = document.createRange();
        range.selectNodeContents(text);
        found.push(...range.getClientRects());
      }
    }
    return found.filter((r) => r.width > 1 && r.height > 1);
  }
  const coloured = (held) => {
    const [own, under] = [held, held.parentElement].map((h) => getComputedStyle(h).backgroundColor);
    return own !== under && !/, 0\\)$|transparent/.test(own);
  };
  const empty = [];
  for (const held of document.querySelectorAll("main *")) {
    if (!shown(held) || held.closest("figure, svg, td, th") || held.matches(SEEN)) continue;
    const box = held.getBoundingClientRect();
    if (Math.min(box.width, box.height) < side) continue;
    const inside = rects(held);
    const [tops, ends] = ["top", "bottom"].map((edge) => inside.map((r) => r[edge]));
    const filled = Math.max(...ends) - Math.min(...tops);
    if (!inside.length || (box.height > tall && coloured(held) && filled < box.height / 2))
      empty.push(`${held.tagName}.${held.className} ${Math.round(box.width)} x ${Math.round(box.height)}`);
  }
  return empty;
}"""


@pytest.mark.parametrize("opened", VIEWS[:4], indirect=True)
def test_no_block_is_without_content(opened) -> None:  # type: ignore[no-untyped-def]
    opened.evaluate("document.querySelectorAll('.card').forEach(c => c.style.contentVisibility = 'visible')")
    sizes = {"side": 24, "tall": 100}
    assert opened.evaluate(EMPTY, sizes) == []
    opened.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert opened.evaluate(EMPTY, sizes) == []
    # the same page with the glossary as it once was, and a block whose content is gone
    opened.evaluate("document.querySelector('details.glossary').className = 'words'")
    opened.evaluate("document.querySelectorAll('details').forEach(d => d.open = false)")
    opened.evaluate("document.querySelector('#provenance').parentElement.append(document.createElement('pre'))")
    opened.evaluate("document.querySelector('#provenance ~ pre:last-child').style.height = '80px'")
    found = [name.split(" ")[0] for name in opened.evaluate(EMPTY, sizes)]
    assert found == ["DETAILS.words", "PRE."], "the search finds what it is for"


def test_the_glossary_says_what_its_words_mean(opened) -> None:  # type: ignore[no-untyped-def]
    opened.get_by_text("The words", exact=True).click()
    held = opened.locator("details.glossary")
    assert held.get_by_text("the score of a class before").is_visible()
    rows = held.locator("dl > div").all()
    assert len(rows) > 10
    for row in rows:
        word, meaning = (row.locator(part).bounding_box() for part in ("dt", "dd"))
        assert word["width"] > 20 and meaning["width"] > 150, "a word beside its meaning, to be read"


def test_dark_and_light_differ(browser, rendered: Path) -> None:  # type: ignore[no-untyped-def]
    def background(scheme: str) -> str:
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto((rendered / "report.html").as_uri())
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        context.close()
        return str(colour)

    assert background("light") != background("dark")


def test_the_page_narrows_to_wrong_answers_without_script(opened) -> None:  # type: ignore[no-untyped-def]
    assert opened.locator("article.card:visible").count() == 3
    opened.get_by_label("wrong").check(force=True)
    assert opened.locator("article.card:visible").count() == 1
    assert opened.locator("table.images tbody tr:visible").count() == 1
    opened.goto(opened.url.split("#")[0] + "#i000000")
    assert opened.locator("#i000000").is_visible(), "a link still leads to a card that is narrowed out"


def test_a_figure_grows_when_a_link_leads_to_it(opened) -> None:  # type: ignore[no-untyped-def]
    figure = opened.locator("#i000000-saliency-map")
    before = figure.bounding_box()["width"]
    opened.goto(opened.url.split("#")[0] + "#i000000-saliency-map")
    assert figure.bounding_box()["width"] > 2 * before


def test_a_map_that_failed_its_test_is_folded_until_a_link_leads_to_it(opened) -> None:  # type: ignore[no-untyped-def]
    figure = opened.locator("#i000000-grad-cam-map")
    assert not figure.is_visible()
    assert opened.get_by_text("1 kind of map that failed its test").count() == 3  # cards
    opened.goto(opened.url.split("#")[0] + "#i000000-grad-cam-map")
    assert figure.is_visible()
    kernels = opened.locator("#model-filters-conv")
    assert not kernels.is_visible(), "the network is folded"
    opened.goto(opened.url.split("#")[0] + "#model-filters-conv")
    assert kernels.is_visible()


def test_a_card_leads_to_its_row_and_back(opened) -> None:  # type: ignore[no-untyped-def]
    opened.get_by_role("link", name="000001 in the table of images").click()
    opened.wait_for_url("**#row-000001")
    opened.locator("#row-000001").get_by_role("link").click()
    opened.wait_for_url("**#i000001")


def test_the_explorer_says_which_class_a_figure_explains(opened) -> None:  # type: ignore[no-untyped-def]
    opened.locator("#i000000-saliency-map a.name").click()
    explorer = opened.locator("#explorer")
    assert "for cat" in explorer.locator(".caption").inner_text()
    assert "for cat" in explorer.locator(".about").inner_text()
    assert explorer.locator(".of-target").is_hidden(), "there is one class to choose from"


def test_tiles_beside_maps_have_a_row_of_their_own_in_their_own_shape(opened) -> None:  # type: ignore[no-untyped-def]
    """As the heads of an attention stand after its map: they once were cut off at the card's edge."""
    room, tiles, shape = opened.evaluate(
        """() => {
          const grid = document.querySelector("article.card .maps > .grid");
          const strips = document.querySelector("article.card .maps .strips").cloneNode(true);
          strips.querySelectorAll("figure").forEach((figure) => (figure.className = "strip cols-3"));
          grid.append(strips);
          grid.scrollIntoView();
          const image = strips.querySelector("img");
          const shape = getComputedStyle(image).aspectRatio;
          return [grid, strips].map((box) => box.getBoundingClientRect().toJSON()).concat(shape);
        }"""
    )
    assert (tiles["left"], tiles["right"]) == (room["left"], room["right"])
    assert shape.startswith("auto"), "not the square of a map"
