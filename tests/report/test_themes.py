"""Themes and templates: where they are, what a theme may be, and that its colours can be read."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from reportgen.errors import RecipeError, RenderError
from reportgen.probes import methods
from reportgen.report import assets, layout, render


def test_an_unknown_theme_is_met_with_the_nearest_name() -> None:
    with pytest.raises(RecipeError, match="did you mean 'default'") as caught:
        assets.theme("defualt")
    assert caught.value.exit_code == 2


def test_a_theme_of_one_file_changes_the_colours_and_keeps_the_rest(
    small_evidence: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    tokens = assets.theme("default").css("tokens.css").replace("--accent: #2454c8", "--accent: #123456")
    (own / "tokens.css").write_text(tokens, encoding="utf-8")
    assert render(small_evidence, theme=str(own), pdf=False) is None
    page = (small_evidence / "report.html").read_text(encoding="utf-8")
    assert "--accent: #123456" in page
    assert "Inter" in page
    assert ".card" in page


def test_a_theme_is_variables_only() -> None:
    tokens = re.sub(r"/\*.*?\*/", "", assets.theme("default").css("tokens.css"), flags=re.S)
    declared = re.findall(r"([\w-]+)\s*:\s*[^;{]+;", tokens)
    assert all(name.startswith("--") or name == "color-scheme" for name in declared)


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance of #rrggbb."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_pair_of_text_and_ground_has_aa_contrast(scheme: int) -> None:
    part = assets.theme("default").css("tokens.css").split("@media")[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", part))
    pairs = [(text, ground) for text in ("ink", "soft", "accent") for ground in ("page", "paper")]
    pairs += [(level, f"{level}-tint") for level in ("ok", "warn", "bad", "note")]
    pairs += [(level, ground) for level in ("ok", "warn", "bad") for ground in ("page", "paper")]
    for text, ground in pairs:
        high, low = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground)


def test_every_font_has_its_licence() -> None:
    fonts = assets.folder("themes") / "default" / "fonts"
    licences = "".join(p.read_text(encoding="utf-8") for p in fonts.glob("LICENSE*"))
    assert licences.count("SIL Open Font License") >= 3
    named = set(re.findall(r'url\("fonts/([^"]+)"\)', assets.theme("default").css("fonts.css")))
    assert named == {path.name for path in fonts.glob("*.woff2")}


def test_every_visualization_has_a_template() -> None:
    sections = assets.folder("templates") / "sections"
    assert {path.name.split(".")[0] for path in sections.glob("*.html.j2")} == set(methods())


def test_a_visualization_without_a_template_says_which_file_to_add(tmp_path: Path) -> None:
    with pytest.raises(RenderError) as caught:
        layout.render(lambda raster: "", "sections/nothing.html.j2")
    assert "templates/sections/nothing.html.j2" in caught.value.remedy


def test_a_report_is_rendered_where_there_is_no_torch(small_evidence: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "sys.modules['torch'] = sys.modules['torchvision'] = None\n"
        "from reportgen.report import render\n"
        "assert render(pathlib.Path(sys.argv[1]), pdf=False) is None\n"
    )
    subprocess.run([sys.executable, "-c", code, str(small_evidence)], check=True, timeout=120)
    assert (small_evidence / "report.html").exists()
