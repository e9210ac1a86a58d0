"""`layout: folder`: style, script and pictures beside the page, for hosts that forbid what is inline."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from reportgen.audit.seal import verify
from reportgen.errors import RecipeError
from reportgen.evidence import Evidence
from reportgen.ownership import claim
from reportgen.report import write_report
from reportgen.report.pictures import figures
from reportgen.report.pictures.scales import scale
from reportgen.report.render.embedding import FOLDER, KINDS

pytest.importorskip("playwright.sync_api")

OUTPUT = {"theme": "default", "layout": "folder", "html": {"at_most_mb": 15}, "pdf": False}
RECIPE = {"gates": [], "output": OUTPUT}
JENKINS = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';"
WITH_SCRIPT = "default-src 'none'; img-src 'self'; style-src 'self'; font-src 'self'; script-src 'self'"
HOST = "http://report.example"
SIZE = re.compile(r"(\w+) (\d+\.\d+) MB")


@pytest.fixture(scope="module")
def apart(
    write_evidence: Callable[..., Path], by_hand: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    recipe = {**by_hand.manifest()["recipe"], "output": OUTPUT}
    folder = write_evidence(tmp_path_factory.mktemp("apart"), trust=True, recipe=recipe)
    assert write_report(folder, pdf=False).problem is None
    return folder


def test_nothing_is_inline_and_every_file_is_used(apart: Path) -> None:
    page = (apart / "report.html").read_text(encoding="utf-8")
    assert "<style" not in page
    assert re.findall(r"<script[^>]*>", page) == [f'<script src="{FOLDER}/report.js">']
    assert re.search(r'(src|href)="data:', page) is None
    named = set(re.findall(rf'(?:src|href)="{FOLDER}/([^"]+)"', page))
    style = (apart / FOLDER / "report.css").read_text(encoding="utf-8")
    fonts = set(re.findall(r'url\("([^"]+)"\)', style))
    assert fonts and all(name.endswith(".woff2") for name in fonts)
    assert named | fonts == {path.name for path in (apart / FOLDER).iterdir()}
    for path in (apart / FOLDER).glob("*.webp"):
        assert hashlib.sha256(path.read_bytes()).hexdigest().startswith(path.stem)


def test_a_picture_that_occurs_twice_is_one_file(apart: Path) -> None:
    page = (apart / "report.html").read_text(encoding="utf-8")
    pictures = re.findall(rf'src="({FOLDER}/[^"]+)"', page)
    assert len(set(pictures)) < len(pictures)


def test_verify_covers_the_files_beside_the_page(apart: Path) -> None:
    assert verify(apart) == []
    style, extra = apart / FOLDER / "report.css", apart / FOLDER / "more.js"
    was = style.read_bytes()
    style.write_bytes(was + b"\n")
    extra.write_bytes(b"")
    assert verify(apart) == [f"{FOLDER}/report.css", f"{FOLDER}/more.js"]
    style.write_bytes(was)
    extra.unlink()


def test_rendering_again_gives_the_same_files_and_leaves_no_older_ones(apart: Path) -> None:
    def held() -> dict[str, bytes]:
        return {
            path.name: path.read_bytes() for path in (*apart.glob("report.html"), *apart.glob(f"{FOLDER}/*"))
        }

    first = held()
    old = f"{FOLDER}/{'0' * 16}.webp"
    claim(apart, [old])
    (apart / old).write_bytes(b"of an older report")
    write_report(apart, pdf=False)
    assert held() == first


def test_somebody_else_s_files_beside_the_page_stay_and_are_not_sealed(
    write_evidence: Callable[..., Path], tmp_path: Path
) -> None:
    folder = write_evidence(tmp_path, recipe=RECIPE)
    write_report(folder, pdf=False)
    mine = [folder / FOLDER / "mine.webp", folder / "report.pdf"]
    for path in mine:
        path.write_bytes(b"mine")
    write_report(folder, pdf=False)
    assert [path.read_bytes() for path in mine] == [b"mine"] * 2
    sealed = (folder / "SHA256SUMS").read_text(encoding="utf-8")
    assert f"{FOLDER}/report.css" in sealed
    assert "mine.webp" not in sealed and "report.pdf" not in sealed
    before = (folder / "report.html").read_bytes()
    with pytest.raises(RecipeError, match=r"report\.pdf was not written by reportgen"):
        write_report(folder, theme="print", pdf=True)
    assert (folder / "report.html").read_bytes() == before
    assert mine[1].read_bytes() == b"mine"


def test_a_page_of_one_file_leaves_no_folder(write_evidence: Callable[..., Path], tmp_path: Path) -> None:
    folder = write_evidence(tmp_path)
    (folder / FOLDER).mkdir()
    claim(folder, [f"{FOLDER}/report.css"])
    (folder / FOLDER / "report.css").write_bytes(b"of an older report")
    write_report(folder, pdf=False)
    assert not (folder / FOLDER).exists()


@pytest.mark.parametrize("layout", ["file", "folder"])
def test_what_a_page_weighs_adds_up(write_evidence: Callable[..., Path], tmp_path: Path, layout: str) -> None:
    folder = write_evidence(tmp_path, recipe={**RECIPE, "output": {**OUTPUT, "layout": layout}})
    told: list[str] = []
    write_report(folder, pdf=False, tell=told.append)
    files = [folder / "report.html", *folder.glob(f"{FOLDER}/*")]
    total = sum(path.stat().st_size for path in files)
    (sentence,) = told
    assert f"{total / 1e6:.2f} MB of 15 MB" in sentence
    parts = {kind: float(mb) for kind, mb in SIZE.findall(sentence.partition(": ")[2])}
    assert tuple(parts) == KINDS
    assert abs(sum(parts.values()) - total / 1e6) <= 0.005 * (len(KINDS) + 1)
    page = (folder / "report.html").read_text(encoding="utf-8")
    for kind in ("pictures", "maps", "fonts", "script"):
        assert f"<dt>{kind}</dt><dd>{parts[kind]:.2f} MB</dd>" in page
        assert parts[kind] > 0


def test_the_limit_holds_for_the_page_and_its_files(
    write_evidence: Callable[..., Path], tmp_path: Path
) -> None:
    small = {**OUTPUT, "html": {"at_most_mb": 0.42}}
    folder = write_evidence(tmp_path, recipe={**RECIPE, "output": small})
    write_report(folder, pdf=False)
    files = [folder / "report.html", *folder.glob(f"{FOLDER}/*")]
    assert sum(path.stat().st_size for path in files) <= 420_000
    assert "To stay within 0.42 MB" in (folder / "report.html").read_text(encoding="utf-8")


def test_from_a_disk_it_opens_quietly_and_maps_are_explored_without_their_photograph(
    watched: Callable[..., Any], apart: Path
) -> None:
    page = watched(apart)
    decoded = "Promise.all([...document.images].map((held) => ((held.loading = 'eager'), held.decode())))"
    assert len(page.evaluate(decoded)) > 30
    assert page.evaluate("document.fonts.check('16px Inter')")
    page.locator("#i000000-grad-cam-map a.name").click()
    page.wait_for_selector("#explorer .stage[aria-busy=false]")
    assert page.locator("#explorer .reading output").inner_text().startswith("largest: 2.00 ±")
    assert page.locator("#explorer [name=view][value=over]").is_disabled()


def served(browser: Any, folder: Path, policy: str) -> tuple[Any, list[str]]:
    """The report at a host that sends a policy of its own; nothing leaves this process."""

    def answer(route: Any) -> None:
        path = folder / route.request.url.removeprefix(f"{HOST}/").partition("#")[0]
        kind = mimetypes.guess_type(path.name)[0] or "font/woff2"
        headers = {"Content-Type": kind, "Content-Security-Policy": policy}
        route.fulfill(body=path.read_bytes(), headers=headers)

    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.route("**/*", answer)
    page = context.new_page()
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.goto(f"{HOST}/report.html")
    return page, heard


def test_under_the_policy_of_jenkins_everything_is_readable(
    browser: Any, until: Callable[..., None], apart: Path
) -> None:
    page, _ = served(browser, apart, JENKINS)
    paper = "getComputedStyle(document.querySelector('.card')).backgroundColor"
    assert page.locator("article.card:visible").count() == 3
    assert page.evaluate(paper) == "rgb(255, 255, 255)", "the style sheet is there"
    page.locator("#i000000-seen img").scroll_into_view_if_needed()
    until(page, "document.querySelector('#i000000-seen img').naturalWidth > 0")
    page.locator("label:has(#show-wrong)").click()
    assert page.locator("article.card:visible").count() == 1
    page.context.close()


def test_where_a_host_allows_its_own_scripts_the_explorer_is_whole(browser: Any, apart: Path) -> None:
    page, heard = served(browser, apart, WITH_SCRIPT)
    page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    page.locator("#i000000-grad-cam-map a.name").click()
    page.wait_for_selector("#explorer .stage[aria-busy=false]")
    drawn = page.evaluate(
        """() => {
          const canvas = document.querySelector("[data-pane=map] canvas");
          return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];
        }"""
    )
    seen = page.evaluate(
        """async () => {
          const image = document.querySelector("#i000000-seen img");
          image.loading = "eager";
          await image.decode();
          const canvas = new OffscreenCanvas(96, 96);
          canvas.getContext("2d").drawImage(image, 0, 0);
          return [...canvas.getContext("2d").getImageData(0, 0, 96, 96).data];
        }"""
    )
    evidence = Evidence(apart / "evidence")
    held = evidence.findings(evidence.records()[0])["grad-cam"][0][0]
    photo = np.array(seen, np.uint8).reshape(96, 96, 4)[..., :3]
    expected = figures.overlay(held.values, scale(held.values, held.signed), photo).pixels
    assert np.abs(np.array(drawn).reshape(96, 96, 4)[..., :3] - expected).max() <= 1
    page.keyboard.press("Escape")
    page.locator("#i000000-saliency-map a.name").click()
    page.wait_for_selector("#explorer .stage[aria-busy=false]")
    assert page.locator("#explorer [name=view][value=alone]").is_checked(), "a map without a photograph"
    assert heard == []
    page.context.close()
