"""The explorer in a real browser: colours as Python draws them, raw values, keyboard, focus."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reportgen.evidence import Evidence
from reportgen.report import write_report
from reportgen.report.pictures import figures
from reportgen.report.pictures.levels import png
from reportgen.report.pictures.rasters import Encoding, Raster, kept
from reportgen.report.pictures.scales import Scale, scale
from reportgen.report.render import themes

axe_api = pytest.importorskip("axe_playwright_python.sync_playwright")

SCRIPTS = themes.folder("templates") / "script"
COLOURING = "\n".join((SCRIPTS / name).read_text() for name in ("png.js", "colour.js"))
NATIVE = [(7, 7), (14, 14), (28, 28), (56, 56), (224, 224), (5, 9), (13, 8), (1, 6), (31, 57)]
PHOTO = (224, 190)
HOSTILE = "<script>alert(1)</script>.png"
OVER = "#i000000-grad-cam-map"
ALONE = "#i000000-saliency-map"


def drawn_in_the_page(page: Any, code: str, **held: Any) -> np.ndarray:
    """Runs the page's own decoding and colouring; bytes go in and come back in base64."""
    said = page.evaluate(
        """async ([colouring, code, held]) => {
          const run = new Function("held", `return (async () => { ${colouring}
            const pixels = await (async () => { ${code} })();
            return btoa(Array.from(pixels, (byte) => String.fromCharCode(byte)).join(""));
          })()`);
          return run(held);
        }""",
        [COLOURING, code, held],
    )
    return np.frombuffer(base64.b64decode(said), np.uint8)


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def map_of(shape: tuple[int, int], kind: str) -> tuple[np.ndarray, Scale]:
    """A map and its scale: signed or not, with a heavy tail that is clipped, or without natural zero."""
    draw = np.random.default_rng(shape[0] * 1000 + shape[1])
    values = draw.normal(size=shape).astype(np.float32)
    values = {"signed": values, "amount": values**4, "level": values + 9}[kind]
    return values, scale(values, kind == "signed")


@pytest.fixture(scope="module")
def blank(browser: Any) -> Iterator[Any]:
    page = browser.new_page()
    yield page
    page.close()


@pytest.mark.parametrize("kind", ["signed", "amount", "level"])
@pytest.mark.parametrize("shape", NATIVE, ids=lambda held: "×".join(map(str, held)))
def test_an_overlay_is_the_servers_within_one_grey_level(
    blank: Any, shape: tuple[int, int], kind: str
) -> None:
    values, by = map_of(shape, kind)
    photo = np.random.default_rng(1).integers(0, 256, (*PHOTO, 3), dtype=np.uint8)
    expected = figures.overlay(values, by, photo)
    assert expected.map is not None
    made = drawn_in_the_page(
        blank,
        """const map = await decoded(bytesOf(held.png));
        const levels = resampled(map.levels, map.width, map.height, held.width, held.height);
        const under = greyed(bytesOf(held.photo));
        const look = { table: bytesOf(held.table), opacity: 0.85, threshold: 0 };
        return paintOver(levels, { top: held.top, signed: held.signed }, look, under);""",
        png=coded(png(kept(expected.map, Encoding(60, step=3)))),
        photo=coded(np.dstack((photo, np.full(PHOTO, 255, np.uint8))).tobytes()),
        table=coded(figures.table(by.palette).tobytes()),
        width=PHOTO[1],
        height=PHOTO[0],
        top=by.top,
        signed=by.signed,
    ).reshape(*PHOTO, 4)
    assert np.abs(made[..., :3].astype(int) - expected.pixels).max() <= 1
    assert (made[..., 3] == 255).all()


@pytest.mark.parametrize("kind", ["signed", "amount", "level"])
@pytest.mark.parametrize("shape", [*NATIVE, (299, 260)], ids=lambda held: "×".join(map(str, held)))
def test_a_map_alone_is_the_servers_to_the_colour(blank: Any, shape: tuple[int, int], kind: str) -> None:
    values, by = map_of(shape, kind)
    expected = figures.heat(values, by)
    assert expected.map is not None
    made = drawn_in_the_page(
        blank,
        """const map = await decoded(bytesOf(held.png));
        const levels = resampled(map.levels, map.width, map.height, held.width, held.height);
        const look = { table: bytesOf(held.table), threshold: 0 };
        return paintAlone(levels, { top: held.top, signed: held.signed }, look);""",
        png=coded(png(expected.map.levels, expected.map.colours)),
        table=coded(figures.table(by.palette).tobytes()),
        width=expected.width,
        height=expected.height,
        top=by.top,
        signed=by.signed,
    ).reshape(expected.height, expected.width, 4)
    np.testing.assert_array_equal(made[..., :3], expected.pixels)


@pytest.mark.parametrize("size", [(7, 224), (224, 224), (299, 256), (3, 1), (40, 13)])
def test_the_page_resamples_as_the_server_does(blank: Any, size: tuple[int, int]) -> None:
    values = np.random.default_rng(3).integers(0, 256, (size[0], size[0]), dtype=np.uint8)
    expected = figures.resample(values, size[1], size[1])
    made = drawn_in_the_page(
        blank,
        """const grown = resampled(bytesOf(held.values), held.old, held.old, held.size, held.size);
        return new Uint8Array(Float32Array.from(grown).buffer);""",
        values=coded(values.tobytes()),
        old=size[0],
        size=size[1],
    ).view(np.float32)
    np.testing.assert_allclose(made.reshape(expected.shape), expected, atol=1e-3)


def explore(page: Any, figure: str = OVER) -> Any:
    """Opens the dialog on a figure by its name, and waits until it is drawn."""
    page.locator(f"{figure} a.name").click()
    settled(page)
    return page.locator("#explorer")


def settled(page: Any) -> None:
    """Lets what the last event began come to its end."""
    page.wait_for_selector("#explorer .stage[aria-busy=false]")


def canvas_of(page: Any, pane: str = "map") -> np.ndarray:
    """The pixels of a pane, RGBA."""
    said = page.evaluate(
        """(pane) => {
          const canvas = document.querySelector(`[data-pane=${pane}] canvas`);
          const { width, height } = canvas;
          const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
          copy.drawImage(canvas, 0, 0);
          const pixels = copy.getImageData(0, 0, width, height).data;
          return [width, height, btoa(Array.from(pixels, (byte) => String.fromCharCode(byte)).join(""))];
        }""",
        pane,
    )
    return np.frombuffer(base64.b64decode(said[2]), np.uint8).reshape(said[1], said[0], 4)


def photo_of(page: Any) -> np.ndarray:
    """The photograph of the first card as the browser decodes it, RGB."""
    said = page.evaluate(
        """async () => {
          const image = new Image();
          image.src = document.querySelector("#i000000-seen img").src;
          await image.decode();
          const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
          const context = canvas.getContext("2d", { willReadFrequently: true });
          context.drawImage(image, 0, 0);
          const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
          return [canvas.width, btoa(Array.from(pixels, (byte) => String.fromCharCode(byte)).join(""))];
        }"""
    )
    return np.frombuffer(base64.b64decode(said[1]), np.uint8).reshape(-1, said[0], 4)[..., :3]


def finding(folder: Path, visualization: str, name: str = "map", slot: int = 0) -> Any:
    evidence = Evidence(folder / "evidence")
    found = evidence.findings(evidence.records()[0])[visualization][slot]
    return next(held for held in found if held.name == name)


def slide(page: Any, name: str, value: int) -> None:
    page.locator(f"#explorer [name={name}]").evaluate(
        "(held, value) => { held.value = value; held.dispatchEvent(new Event('input', { bubbles: true })); }",
        value,
    )
    settled(page)


@pytest.mark.parametrize(
    ("visualization", "figure"), [("grad-cam", OVER), ("occlusion", "#i000000-occlusion-map")]
)
def test_the_stage_shows_what_the_report_shows(
    watched: Callable[..., Any], rendered: Path, visualization: str, figure: str
) -> None:
    page = watched(rendered)
    explore(page, figure)
    held = finding(rendered, visualization)
    expected = figures.overlay(held.values, scale(held.values, held.signed), photo_of(page))
    assert np.abs(canvas_of(page)[..., :3].astype(int) - expected.pixels).max() <= 1
    alone = explore_alone(page, held)
    assert np.abs(canvas_of(page)[..., :3].astype(int) - alone).max() == 0


def explore_alone(page: Any, held: Any) -> np.ndarray:
    """Sets the view to the map alone; what Python draws of it at the photograph's size."""
    page.locator("#explorer [name=view][value=alone]").check(force=True)
    settled(page)
    by = scale(held.values, held.signed)
    made = figures.raw_map(held.values, by, alone=False)
    grown = figures.resample(made.levels, 96, 96) / np.float32(by.top)
    return figures.table(by.palette)[np.rint(grown * 255).astype(np.uint8)]


def test_opacity_and_threshold_do_what_they_say(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered)
    explore(page)
    by_default = canvas_of(page)[..., :3].astype(int)
    grey = np.asarray(Image.fromarray(photo_of(page)).convert("L").convert("RGB")).astype(int)
    slide(page, "opacity", 0)
    assert np.abs(canvas_of(page)[..., :3] - grey).max() <= 1, "nothing but the grey photograph"
    slide(page, "opacity", 85)
    slide(page, "threshold", 50)
    held = finding(rendered, "grad-cam").values
    part = figures.resample(held / held.max(), 96, 96)
    above, below = part > 0.51, part < 0.49
    shown = canvas_of(page)[..., :3].astype(int)
    assert above.any()
    np.testing.assert_array_equal(shown[above], by_default[above])
    assert np.abs(shown[below] - grey[below]).max() <= 1
    assert "from 1.00" in page.locator("#explorer .slide").nth(1).inner_text()
    page.get_by_role("button", name="As in the report").click()
    settled(page)
    np.testing.assert_array_equal(canvas_of(page)[..., :3], by_default)


def test_another_palette_recolours_the_map_and_its_bar(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered)
    dialog = explore(page, ALONE)
    by = scale(finding(rendered, "saliency").values, False)
    before = canvas_of(page)[..., :3]
    page.locator("#explorer [name=palette]").select_option("viridis")
    settled(page)
    after = canvas_of(page)[..., :3]
    place = {tuple(colour): at for at, colour in enumerate(figures.table(by.palette).tolist())}
    levels = np.array([place[tuple(colour)] for colour in before.reshape(-1, 3).tolist()])
    np.testing.assert_array_equal(after.reshape(-1, 3), figures.table("viridis")[levels])
    assert "bar-viridis" in dialog.locator(".caption .bar").get_attribute("class")
    offered = page.locator("#explorer [name=palette] option").all_inner_texts()
    assert "coolwarm" not in offered, "a diverging palette needs a signed map"


def said_value(page: Any) -> tuple[float, float, str]:
    """The value that is read, how far it may be off, and the rest of the sentence."""
    text = page.locator("#explorer .reading output").inner_text().replace("−", "-")
    value, off, rest = re.fullmatch(r"[≥≤]? ?(-?[\d.e-]+) ± ([\d.e-]+)(.*)", text).groups()
    return float(value), float(off), rest


@pytest.mark.parametrize(
    ("visualization", "figure"),
    [("grad-cam", OVER), ("occlusion", "#i000000-occlusion-map"), ("saliency", ALONE)],
)
def test_hovering_tells_the_raw_value_and_the_pixel(
    watched: Callable[..., Any], rendered: Path, visualization: str, figure: str
) -> None:
    page = watched(rendered)
    explore(page, figure)
    held = finding(rendered, visualization)
    by = scale(held.values, held.signed)
    rows, columns = held.values.shape
    box = page.locator("[data-pane=map] canvas").bounding_box()
    for x, y in [(0.03, 0.03), (0.97, 0.04), (0.52, 0.77), (0.1, 0.9)]:
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        value, off, rest = said_value(page)
        truth = np.clip(held.values[int(y * rows), int(x * columns)], by.low, by.high)
        assert abs(value - truth) <= 1.1 * off + 0.005 * abs(truth) + 1e-9, (x, y)
        assert f"pixel {int(x * 96)}, {int(y * 96)}" in rest
        if rows < 96:
            assert f"cell {int(x * columns)}, {int(y * rows)} of {columns} × {rows}" in rest


def test_hovering_a_map_of_the_card_tells_its_value_too(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered)
    picture = page.locator(f"{OVER} img")
    picture.scroll_into_view_if_needed()
    # the event of the scroll comes with a frame, and hides what is said
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    box = picture.bounding_box()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.1 * box["height"])
    page.wait_for_selector(".under-mouse:not([hidden])")
    assert page.locator(".under-mouse").inner_text() == "2.00 ± 0.004 · pixel 86, 9 · cell 5, 0 of 6 × 6"
    page.mouse.move(2, 2)
    page.wait_for_selector(".under-mouse", state="hidden")


def test_a_clipped_value_says_that_it_is_at_least_that(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered)
    explore(page, ALONE)
    values = finding(rendered, "saliency").values
    row, column = np.unravel_index(values.argmax(), values.shape)
    box = page.locator("[data-pane=map] canvas").bounding_box()
    page.mouse.move(
        box["x"] + (column + 0.5) / 96 * box["width"], box["y"] + (row + 0.5) / 96 * box["height"]
    )
    assert page.locator("#explorer .reading output").inner_text().startswith("≥ ")


def test_the_value_is_read_by_keyboard_and_by_touch(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered, has_touch=True)
    explore(page)
    said = page.locator("#explorer .reading output").inner_text()
    assert said.startswith("largest: 2.00 ±") and "cell 5, 0 of 6 × 6" in said
    page.locator("[data-pane=map]").focus()
    for key in ("ArrowRight", "ArrowDown", "Shift+ArrowLeft"):
        page.keyboard.press(key)
    assert "pixel 79, 9" in page.locator("#explorer .reading output").inner_text()
    assert page.locator("#explorer h2").inner_text() == "Grad-CAM", "arrows did not leave the figure"
    box = page.locator("[data-pane=map] canvas").bounding_box()
    page.touchscreen.tap(box["x"] + 0.96 * box["width"], box["y"] + 0.04 * box["height"])
    value, off, rest = said_value(page)
    assert abs(value - 2) <= off + 0.005
    assert "cell 5, 0" in rest


def test_the_keyboard_walks_the_figures_and_focus_stays_and_returns(
    watched: Callable[..., Any], rendered: Path
) -> None:
    page = watched(rendered)
    name = page.locator(f"{OVER} a.name")
    name.focus()
    page.keyboard.press("Enter")
    title = page.locator("#explorer h2")
    assert title.inner_text() == "Grad-CAM"
    page.keyboard.press("ArrowRight")
    after = title.inner_text()
    assert after != "Grad-CAM"
    page.keyboard.press("ArrowLeft")
    assert title.inner_text() == "Grad-CAM"
    page.keyboard.press("ArrowLeft")
    before = title.inner_text()
    assert before not in ("Grad-CAM", after)
    for _ in range(60):
        page.keyboard.press("ArrowLeft")
    assert page.locator("#explorer .count").inner_text().startswith("1 / ")
    outside = 0
    for _ in range(40):
        page.keyboard.press("Tab")
        outside += page.evaluate(
            "!document.activeElement.closest('#explorer') && document.activeElement !== document.body"
        )
    assert outside == 0, "the page behind takes no focus"
    page.keyboard.press("Escape")
    assert not page.locator("#explorer").is_visible()
    assert page.evaluate("document.activeElement.closest('figure').id") == OVER[1:]


def test_a_picture_opens_too_and_hands_focus_to_its_name(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered)
    page.locator(f"{OVER} img").click()
    page.get_by_role("button", name="Close (Escape)").click()
    assert page.evaluate("document.activeElement.matches('a.name')")
    page.locator("#i000001 button.explore").click()
    assert page.locator("#explorer .about").inner_text().startswith(f"000001 {HOSTILE}")
    page.mouse.click(3, 3)  # beside the dialog
    assert not page.locator("#explorer").is_visible()


def test_f_flips_to_the_photograph_and_back(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered)
    explore(page)
    before = canvas_of(page)
    page.keyboard.press("f")
    settled(page)
    np.testing.assert_array_equal(canvas_of(page)[..., :3], photo_of(page))
    page.keyboard.press("f")
    settled(page)
    np.testing.assert_array_equal(canvas_of(page), before)


def test_photograph_or_another_map_stands_beside(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered)
    explore(page)
    beside = page.locator("#explorer [name=beside]")
    beside.select_option("the photo")
    settled(page)
    np.testing.assert_array_equal(canvas_of(page, "beside")[..., :3], photo_of(page))
    beside.select_option("Occlusion")
    settled(page)
    held = finding(rendered, "occlusion")
    expected = figures.overlay(held.values, scale(held.values, True), photo_of(page))
    assert np.abs(canvas_of(page, "beside")[..., :3].astype(int) - expected.pixels).max() <= 1
    box = page.locator("[data-pane=beside] canvas").bounding_box()
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.9 * box["height"])
    assert "beside: 1.50 ±" in page.locator("#explorer .reading output").inner_text()


def test_the_whole_file_shows_the_map_where_the_crop_was(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered)
    page.locator("#i000000-grad-cam-map-original img").click()
    settled(page)
    assert page.locator("#explorer [name=whole]").is_checked()
    assert page.locator("#explorer h2").inner_text() == "Grad-CAM"
    shown = canvas_of(page)
    assert shown.shape[:2] == (120, 160)
    box = page.locator("[data-pane=map] canvas").bounding_box()
    page.mouse.move(box["x"] + 0.05 * box["width"], box["y"] + 0.5 * box["height"])
    assert page.locator("#explorer .reading output").inner_text() == "outside what the model saw"
    page.mouse.move(box["x"] + 135 / 160 * box["width"], box["y"] + 4 / 120 * box["height"])
    assert abs(said_value(page)[0] - 2) < 0.02, "the upper right corner of the crop"


def test_methods_and_targets_are_picked(
    watched: Callable[..., Any], write_evidence: Callable[..., Path], tmp_path: Path
) -> None:
    folder = write_evidence(tmp_path, targets=2)
    assert write_report(folder, pdf=False).problem is None
    page = watched(folder)
    dialog = explore(page)
    dialog.locator("[name=target]").select_option("dog")
    settled(page)
    assert dialog.locator(".about").inner_text().endswith("for dog")
    assert dialog.locator("h2").inner_text() == "Grad-CAM"
    dialog.locator("[name=method]").select_option("Saliency")
    settled(page)
    assert dialog.locator("h2").inner_text() == "Saliency"
    assert dialog.locator("[name=target]").input_value() == "dog"
    assert not dialog.locator("[name=layer]").is_visible(), "each method has one layer"


def test_maps_of_two_models_stand_beside_each_other_each_over_what_its_model_saw(
    watched: Callable[..., Any], two_at: Any, tmp_path: Path
) -> None:
    two = two_at(tmp_path)
    folder = Path(two.run(two.recipe(5), "report"))
    page = watched(folder)
    name = page.locator("figure[id$='-beside-saliency-map'] a.name").first
    name.click()
    settled(page)
    dialog = page.locator("#explorer")
    models = dialog.locator("[name=model] option").all_inner_texts()
    assert len(models) == 2
    assert dialog.locator(".about").inner_text().endswith(f"by {models[1]}")
    dialog.locator("[name=view][value=photo]").check(force=True)
    settled(page)
    assert canvas_of(page).shape[:2] == (24, 24), "the second model's own view"
    dialog.locator("[name=model]").select_option(models[0])
    settled(page)
    assert dialog.locator("h2").inner_text() == "Saliency"
    assert canvas_of(page).shape[:2] != (24, 24)
    offered = dialog.locator("[name=beside] option").all_inner_texts()
    assert [held for held in offered if held.startswith(f"Saliency, {models[1]}")]


def test_a_layer_is_picked_where_a_method_has_several(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered)
    page.locator(OVER).evaluate(
        """(figure) => {
          const late = figure.cloneNode(true);
          late.id = "i000000-grad-cam-map-2";
          late.dataset.layer = "late";
          figure.after(late);
        }"""
    )
    dialog = explore(page)
    layer = dialog.locator("[name=layer]")
    assert layer.locator("option").all_inner_texts() == ["conv", "late"]
    dialog.evaluate("(held) => held.addEventListener('explored', (e) => (window.last = e.detail.figure))")
    layer.select_option("late")
    settled(page)
    assert page.evaluate("window.last") == "i000000-grad-cam-map-2"
    assert "Grad-CAM, late" in dialog.locator("[name=beside] option").all_inner_texts()


def test_figures_without_raw_values_are_shown_large(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered)
    dialog = explore(page, "#i000000-hypercolumns-pca")
    assert dialog.locator(".plain img").is_visible()
    assert not dialog.locator("[name=opacity]").is_visible()
    assert dialog.locator(".plain img").get_attribute("alt")
    explored = explore_plot(page)
    assert explored.locator(".plain svg").is_visible()
    assert "insertion" in explored.locator(".caption").inner_text(), "the legend of all plots"


def explore_plot(page: Any) -> Any:
    page.keyboard.press("Escape")
    page.locator("#i000000-trial figure a.name").first.click()
    return page.locator("#explorer")


def test_a_map_that_is_drawn_in_words_is_left_out(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered)
    page.locator("#i000001-saliency-map a.name").click()
    assert not page.locator("#explorer").is_visible()
    explore(page, "#i000001-grad-cam-map")
    offered = page.locator("#explorer [name=beside] option").all_inner_texts()
    assert "Occlusion" in offered and "Saliency" not in offered


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_axe_finds_nothing_in_the_dialog(
    watched: Callable[..., Any], rendered: Path, width: int, scheme: str
) -> None:
    page = watched(rendered, width, scheme)
    explore(page)
    page.locator("#explorer [name=beside]").select_option("the photo")
    settled(page)
    violations = axe_api.Axe().run(page).response["violations"]
    assert [(v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in violations] == []


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_the_dialog_fits_the_window(watched: Callable[..., Any], rendered: Path, width: int) -> None:
    page = watched(rendered, width)
    dialog = explore(page)
    box = dialog.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width
    assert box["y"] >= 0 and box["y"] + box["height"] <= 900
    assert dialog.evaluate("(held) => held.scrollWidth <= held.clientWidth")
    assert page.locator("[data-pane=map] canvas").bounding_box()["width"] >= min(width - 40, 448)


def test_nothing_is_decoded_before_a_figure_is_opened(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered)
    assert page.evaluate("document.querySelectorAll('#explorer .film *, #explorer .caption *').length") == 0
    assert page.evaluate("document.querySelector('#explorer canvas').width") == 300, "never drawn on"


def test_without_script_everything_is_there_to_read(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered, java_script_enabled=False)
    assert not page.locator("#explorer").is_visible()
    assert page.locator(".scripted:visible").count() == 0
    figure = page.locator(OVER)
    figure.locator("img").wait_for(state="visible")
    before = figure.bounding_box()["width"]
    figure.get_by_role("link", name="Grad-CAM").click()
    assert figure.bounding_box()["width"] > 2 * before


def test_print_shows_the_figures_and_no_dialog(watched: Callable[..., Any], rendered: Path) -> None:
    page = watched(rendered)
    explore(page)
    page.emulate_media(media="print")
    assert not page.locator("#explorer").is_visible()
    page.locator(f"{OVER} img").wait_for(state="visible")
    assert page.locator(".scripted:visible").count() == 0


def test_pictures_that_carry_a_map_name_what_they_are() -> None:
    """Every heat map that the report draws carries its levels, so a new visualization is explored too."""
    values = np.random.default_rng(0).random((9, 9))
    photo = np.zeros((30, 30, 3), np.uint8)
    by = scale(values, False)
    for made in (figures.heat(values, by), figures.overlay(values, by, photo)):
        assert isinstance(made, Raster)
        assert made.map is not None
        assert made.map.levels.shape == (9, 9)
