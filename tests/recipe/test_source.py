"""The recipe's YAML: what is read is what PyYAML reads, and nothing else gets through."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reportgen.errors import RecipeError
from reportgen.recipe import load
from reportgen.recipe.source import DEEPEST, LARGEST_BYTES, parse, read

PLACED = re.compile(r"r\.yaml:[1-9]\d*:[1-9]\d*: \S")

LETTERS = st.characters(codec="utf-8", exclude_categories=("C",))
KEYS = st.text(LETTERS, max_size=8).filter(lambda key: key != "<<")
SIGNS = st.sampled_from("abn:-,[]{}&*!|>'\"#<?%@ \n\t\x00\x85\ufeff")
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    PLAIN | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)


class Plain(yaml.SafeDumper):
    """Writes equal values out twice instead of referring to the first, and all text in quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


Plain.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.booleans())
def test_what_is_written_is_read(data: dict[str, Any], flow: bool) -> None:
    text = yaml.dump(data, Dumper=Plain, default_flow_style=flow, allow_unicode=True)
    assert parse(text, "r.yaml").data == data


@given(st.text(max_size=60) | st.text(SIGNS, max_size=40))
def test_any_text_is_a_recipe_or_an_error_with_its_place(text: str) -> None:
    try:
        assert isinstance(parse(text, "r.yaml").data, dict)
    except RecipeError as error:
        assert PLACED.match(error.cause)
        assert "\n" not in error.cause
        assert error.remedy


@given(st.binary(max_size=60))
def test_any_file_is_a_recipe_or_an_error_with_its_place(tmp_path_factory: Any, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "r.yaml"
    file.write_bytes(data)
    try:
        read(file)
    except RecipeError as error:
        assert PLACED.search(error.cause)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: &x [1]\nb: *x\n", "1:4", "anchor"),
        ("a: 1\nb: *x\n", "2:4", "alias"),
        ("a:\n  <<: {b: 1}\n", "2:3", "merge"),
        ("a: 1\nb: 2\na: 3\n", "3:1", "twice"),
        ("a: !!int 3\n", "1:4", "tag"),
        ("a: !x {b: 1}\n", "1:4", "tag"),
        ("? [a]\n: 1\n", "1:3", "key"),
        ("a: 1\n---\nb: 1\n", "2:1", "second document"),
        ("- a\n", "1:1", "mapping"),
        ("a: 1\n\tb: 2\n", "2:1", "YAML"),
        ("a: 'b\n", "2:1", "YAML"),
        ("a: b\x07\n", "1:5", "special characters"),
        ("a: 1e999\n", "1:4", "too large"),
    ],
)
def test_what_a_recipe_may_not_hold_is_refused_at_its_place(text: str, place: str, words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse(text, "r.yaml")
    assert caught.value.cause.startswith(f"r.yaml:{place}: ")
    assert words in caught.value.cause


def test_a_bomb_of_merges_or_of_depth_is_refused_at_its_first_step() -> None:
    bomb = "a: &a {x: 1}\n" + "".join(f"k{n}: &k{n} {{<<: [*a, *a]}}\n" for n in range(30))
    with pytest.raises(RecipeError, match=r"r\.yaml:1:4: anchors"):
        parse(bomb, "r.yaml")
    with pytest.raises(RecipeError, match=rf"r\.yaml:1:{DEEPEST + 4}: nested"):
        parse("a: " + "[" * 100_000, "r.yaml")


def test_a_file_that_is_too_large_is_not_parsed(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_bytes(b"[" * (LARGEST_BYTES + 1))
    with pytest.raises(RecipeError, match="larger"):
        read(file)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("-7", -7),
        ("010", 10),
        ("no", "no"),  # a class may be called so
        ("on", "on"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("TRUE", True),
        ("~", None),
        ("'1'", "1"),
        ("1_000", "1_000"),
    ],
)
def test_a_scalar_is_what_it_looks_like(text: str, value: object) -> None:
    read_back = parse(f"a: {text}\n", "r.yaml").data["a"]
    assert (type(read_back), read_back) == (type(value), value)


def test_marks_point_at_keys_and_values() -> None:
    source = parse("title: x\ngates:\n  - {metric: loss, max: 1}\n", "r.yaml")
    lines = "title: x\ngates:\n  - {metric: loss, max: 1}\n".splitlines()
    for path, text in ((("title",), "x"), (("gates", 0, "metric"), "loss"), (("gates", 0, "max"), "1}")):
        line, column = source.values[path]
        assert lines[line - 1][column - 1 :].startswith(text)
    line, column = source.keys[("gates", 0, "max")]
    assert lines[line - 1][column - 1 :].startswith("max")


def test_a_byte_that_is_not_utf8_is_found_where_it_is(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_bytes("title: é\nimages: ".encode() + b"\xff\n")
    with pytest.raises(RecipeError, match=r"r\.yaml:2:9: "):
        read(file)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_bytes(b"\xef\xbb\xbftitle: x\n")
    assert read(file).data == {"title": "x"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_recipe_that_powershell_wrote(tmp_path, encoding):
    """`reportgen recipe new > audit.yaml` there is UTF-16."""
    path = tmp_path / "audit.yaml"
    path.write_bytes("title: Käfer\r\ntrust: false\r\n".encode(encoding))
    assert load(path).title == "Käfer"
    path.write_bytes("title: a\r\nnonsense: 1\r\n".encode(encoding))
    with pytest.raises(RecipeError, match=r"audit\.yaml:2:1"):
        load(path)
