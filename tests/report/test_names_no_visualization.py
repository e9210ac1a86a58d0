"""`report`, its templates, scripts and sheets name no visualization: what one needs it says itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from reportgen.probes import methods

REPOSITORY = Path(__file__).resolve().parents[2]
# a record of the evidence has its answers under a key that a visualization shows: `record["predictions"]`
KEYS = {("record", "predictions")}
NAMES = "|".join(sorted(map(re.escape, methods()), key=len, reverse=True))
# a name that is a whole string, or a whole part of an id, a path or a selector in one
NAMED = re.compile(rf"(?:^|[-#./\"'=])({NAMES})(?=$|[-#./\"'\]:])")


def named(text: str) -> list[str]:
    """The visualizations that a string names. Words of a sentence are no names."""
    parts = re.split(r"[\s,;()\[\]{}<>]+", text) if re.search(r"\s", text) else [text]
    alone = len(parts) == 1
    return [
        found[1]
        for part in parts
        for found in NAMED.finditer(part)
        if alone or "-" in found[1] or found.end() - found.start() > len(found[1])
    ]


def strings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Every string of a file but docstrings and the keys above."""
    left_out: set[ast.AST] = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            left_out.add(body[0].value)
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.slice, ast.Constant)
            and (ast.unparse(node.value).rpartition(".")[2], node.slice.value) in KEYS
        ):
            left_out.add(node.slice)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in left_out:
            yield node


def in_python(source: str) -> list[str]:
    return [name for node in strings(ast.parse(source)) for name in named(str(node.value))]


def in_markup(source: str) -> list[str]:
    """Names within a template, a script or a style sheet: quoted, or part of an id, a path or a selector."""
    return [found[1] for found in NAMED.finditer(re.sub(r"\{#.*?#\}|/\*.*?\*/", "", source, flags=re.S))]


PYTHON = sorted((REPOSITORY / "reportgen" / "report").rglob("*.py"))
MARKUP = sorted(
    path
    for folder, ending in (("templates", "*.j2"), ("templates", "*.js"), ("themes", "*.css"))
    for path in (REPOSITORY / folder).rglob(ending)
    if path.parent.name != "sections"
)


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_string_of_the_report_names_a_visualization(path: Path) -> None:
    assert in_python(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", MARKUP, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_template_script_or_sheet_names_a_visualization(path: Path) -> None:
    assert in_markup(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ('if name == "architecture": pass', ["architecture"]),
        ('wanted = (("filters", "Filters"),)', ["filters"]),
        ('at = f"#model-{x}-channel-health-dead"', ["channel-health"]),
        ('href = "#how-occlusion"', ["occlusion"]),
        ('text = "seen with grad-cam alone"', ["grad-cam"]),
        ('text = "a layer that moves small filters over the image"', []),
        ('best = record["predictions"][0]', []),
        ('best = evidence["predictions"][0]', ["predictions"]),
    ],
)
def test_a_name_in_a_string_is_found_and_a_word_is_not(source: str, names: list[str]) -> None:
    assert in_python(source) == names


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ('.grid figure[id*="-hypercolumns-map-"] { grid-column-start: 1; }', ["hypercolumns"]),
        ('{% include "sections/occlusion.html.j2" %}', ["occlusion"]),
        ('if (figure.dataset.method === "saliency") return;', ["saliency"]),
        ("<p>Search and filters of the table of images</p>", []),
    ],
)
def test_a_name_in_markup_is_found_and_a_word_is_not(source: str, names: list[str]) -> None:
    assert in_markup(source) == names
