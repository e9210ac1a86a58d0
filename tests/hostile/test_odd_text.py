"""Promise 4: long and odd text is shortened with its length said, and shown visibly, alike everywhere."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from hostile.forked import RECIPE, forked, is_told, material
from hostile.odd import HIDDEN, LONG, VARIANTS, texts
from reportgen.cli.commands import app
from reportgen.report.render.templates import environment
from reportgen.shown import LINE, NAME, line, named, visible, visible_json

TEXTS = texts()
CLASSES = list(dict.fromkeys(text.strip() or f"n{n}" for n, text in enumerate(TEXTS[::6])))


def test_there_are_many_texts_and_no_two_are_shown_alike() -> None:
    """A name that is written like the escapes of another, or like what another is shortened to, is none."""
    every = [*TEXTS, *map(named, TEXTS)]
    every += [named(named(text)) for text in TEXTS]
    distinct = list(dict.fromkeys(every))
    assert len(TEXTS) >= 500
    assert len({named(text) for text in distinct}) == len(distinct)


@pytest.mark.parametrize("shown", [named, visible, line, lambda text: named(text, 60)])
def test_nothing_is_hidden_in_what_is_shown(shown: Any) -> None:
    for text in TEXTS:
        told = shown(text)
        assert not HIDDEN.search(told), ascii(text[:60])
        assert visible(told) == told.replace("\r\n", "\n")
        told.encode()
        assert shown is visible or len(told) <= max(LINE, NAME)
        if len(text) > 5_000 and shown is not visible and not text.isspace() and shown is not line:
            assert f"[{len(text):,} characters, " in told


def test_plain_names_stay_what_they_are() -> None:
    plain = "tench|great white shark|C:\\data|猫|a\\b|é|naïve (2)|“x”|👩\u200d🔬|می\u200cخواهم|x…y".split("|")
    plain += ["❤\ufe0f", "🏳\ufe0f\u200d🌈", "1\ufe0f\u20e3"]
    assert [named(text) for text in plain] == plain == [visible(text) for text in plain]


def test_what_shows_nothing_makes_no_two_names_alike() -> None:
    """As an eye sees them: without what has no form, and with one space for several."""
    spaces = ("a b", "a  b", "a   b", " a b", "a b ", "a b  ", r"a \x20b", "a\u00a0b")
    names = [*spaces, *(f"{base}{c}" for base in ("猫", "😺", "x") for c in ("", *VARIANTS, "\ufe0f\ufe0f"))]
    distinct = list(dict.fromkeys(names))
    formless = re.compile("[\ufe00-\ufe0f\u180b-\u180f\U000e0100-\U000e01ef]")
    seen = {" ".join(formless.sub("", named(name)).split()) for name in distinct}
    assert len(seen) == len(distinct)


def test_json_holds_what_is_shown() -> None:
    value = {visible(text) if len(text) < 300 else str(n): [text] for n, text in enumerate(TEXTS)}
    told = visible_json(json.dumps(value, ensure_ascii=False))
    told.encode()
    read = json.loads(told)
    assert [one.replace("\r", "\\r") for (one,) in read.values()] == [
        visible(text.replace("\r\n", "\r")).replace("\r", "\\r") for (text,) in value.values()
    ]


def test_every_text_that_a_template_prints_is_shown_visibly() -> None:
    page = environment(lambda raster: "").from_string("<b title='{{ x }}'>{{ x }}{{ x | prose }}</b>")
    for text in TEXTS:
        markup = page.render(x=text)
        assert not HIDDEN.search(markup)
        ElementTree.fromstring(markup.encode())


FIELDS: dict[str, Any] = {
    "methods": lambda text: ("methods", text),
    "checks": lambda text: ("checks", text),
    "recipe": lambda text: ("recipe", "check", text),
    "command": lambda text: (text,),
    "checkpoint": lambda text: ("run", text, "images", "--model", "torchvision:resnet18", "--out", "out"),
    "out": lambda text: ("run", "no.pt", "images", "--recipe", "no.yaml", "--out", text),
    "limit": lambda text: ("run", "no.pt", "images", "--out", "out", "--limit", text),
    "budget": lambda text: ("run", "no.pt", "images", "--out", "out", "--budget", text),
    "device": lambda text: ("run", "no.pt", "images", "--out", "out", "--device", text),
    "verify": lambda text: ("verify", text),
    "render": lambda text: ("render", text),
    "diff": lambda text: ("diff", text, text),
    "explain": lambda text: ("explain", text, "000000"),
}


@pytest.mark.parametrize("field", FIELDS)
def test_the_terminal_hears_a_short_line(field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for text in (*TEXTS[::41], *LONG[5:8]):
        arguments = FIELDS[field](text)
        if text.startswith("-") or text == "." or not all(arguments):
            continue
        done = CliRunner().invoke(app, list(arguments))
        said = done.output + done.stderr
        assert done.exit_code in (2, 3, 4), (ascii(text[:60]), said[:300])
        assert not HIDDEN.search(said)
        assert max(map(len, said.splitlines())) <= LINE


def of_files() -> list[str]:
    """The texts that a file can be called."""
    fit = [text for text in TEXTS if not {"/", "\0"} & set(text) and text.strip(".") and len(text) < 200]
    names = []
    for text in fit:
        try:
            if len(text.encode("utf-8", "surrogateescape")) < 200:
                names.append(text)
        except UnicodeEncodeError:  # half of a character is no byte
            continue
    return names


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose classes, files, groups, title and statement are all odd."""
    room = material(tmp_path_factory.mktemp("odd"), classes=len(CLASSES))
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    names = of_files()[::20]
    for number, name in enumerate(names):
        pixels[0, 0] = divmod(number, 256)[1], number // 256, 0
        Image.fromarray(pixels).save(room / "images" / f"{name}.png", "PNG")
    words = [text for text in TEXTS if len(text) < 300 and text.isprintable()]
    with (room / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "camera"))
        rows.writerows((f"images/{n}.png", n, word) for n, word in enumerate(words[:4]))
    (room / "classes.json").write_text(json.dumps(CLASSES))
    recipe = yaml.safe_load(RECIPE)
    recipe["title"] = "t\u202e" + "x" * 50_000
    recipe["model"] |= {"classes": "classes.json", "arguments": {"classes": len(CLASSES)}}
    recipe["images"] = {"labels": "labels.csv", "groups": ["camera"], "show": {"at_most": 4}}
    recipe["statement"] = {"intended_use": "\x1b[31m\u202e" + "y" * 30_000, "owner": "\u2066<script>"}
    recipe["output"] = {"pdf": {"cards": "none"}}
    (room / "recipe.yaml").write_text(json.dumps(recipe))
    done = forked(("run", "net.pt", "images", "--recipe", "recipe.yaml", "--out", "out"), room)
    assert done.code == 0, done
    assert not HIDDEN.search(done.out + done.err)
    return room / "out"


def test_no_file_of_a_report_hides_anything(report: Path) -> None:
    for path in sorted(report.rglob("*")):
        if path.suffix in (".html", ".json", ".md", ".xml"):
            text = path.read_text(encoding="utf-8")
            assert not HIDDEN.search(text), path.name
            assert "x" * 2_000 not in text and "y" * 2_000 not in text, path.name
        if path.suffix == ".json":
            assert not HIDDEN.search("".join(_strings(json.loads(path.read_bytes())))), path.name
        if path.suffix == ".xml":
            ElementTree.fromstring(path.read_bytes())


def test_page_pdf_and_results_say_the_same_of_a_long_name(report: Path) -> None:
    pypdf = pytest.importorskip("pypdf")
    results = json.loads((report / "results.json").read_bytes())
    title = results["title"]
    assert title == named("t\u202e" + "x" * 50_000) and len(title) == NAME
    assert title in (report / "report.html").read_text(encoding="utf-8")
    pdf = pypdf.PdfReader(report / "report.pdf")
    assert pdf.metadata.title == title
    words = "".join(page.extract_text() for page in pdf.pages)
    assert "50,002 characters" in words.replace("\n", "") and not HIDDEN.search(words.replace("\x0c", ""))


def test_every_image_has_a_path_of_its_own(report: Path) -> None:
    results = json.loads((report / "results.json").read_bytes())
    paths = [image["path"] for image in results["images"]]
    assert len(paths) == len(set(paths)) == 4 + len(of_files()[::20])
    classes = {p["class_name"] for image in results["images"] for p in image["predictions"]}
    assert classes and all(len(name) <= NAME for name in classes)


def test_an_error_about_a_class_is_a_line(tmp_path: Path) -> None:
    room = material(tmp_path / "room")
    recipe = yaml.safe_load(RECIPE) | {"targets": ["\x1b[31m" + "z" * 50_000]}
    (room / "recipe.yaml").write_text(json.dumps(recipe))
    done = forked(("run", "net.pt", "images", "--recipe", "recipe.yaml", "--out", "out"), room)
    is_told(done, 2)


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in _strings(part)]
    return [text for part in value for text in _strings(part)] if isinstance(value, list) else []
