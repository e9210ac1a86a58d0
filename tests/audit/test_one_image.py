"""One image of results.json: found by what people call it, and told with what others say of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reportgen.audit.one_image import explained, find, read
from reportgen.errors import InputError

PATHS = ("a/7.png", "b/7.png", "b/two words.png", "12", "c/deep/new\nline.png")


def image(number: int, p: float = 0.75) -> dict[str, Any]:
    best = {"class_index": 0, "class_name": "cat", "logit": 1.0, "probability": p}
    next_ = {"class_index": 1, "class_name": "dog", "logit": 0.0, "probability": 1 - p}
    return {
        "id": f"{number:06d}",
        "path": PATHS[number % len(PATHS)],
        "sha256": "ab" * 32,
        "status": "ok",
        "reason": None,
        "label": "cat",
        "correct": True,
        "loss": 0.25,
        "predictions": [best, next_],
        "findings": {"grad-cam": {"flags": ["all zero"]}, "rise": {"flags": []}},
    }


def check(name: str, images: list[str], status: str = "fault", **more: Any) -> dict[str, Any]:
    said = {"title": name.title(), "status": status, "sentence": f"{name} says so.", "remedy": "mend it"}
    return {"name": name, **said, "exhibits": {"images": images}, "numbers": {}, **more}


RESULTS: dict[str, Any] = {
    "images": [image(n) for n in range(5)],
    "checks": [
        check("duplicates", ["000000", "000001"]),
        check("noise", ["000003"]),
        check("abstention", [], "clear", numbers={"threshold": {"value": 0.8, "low": None, "high": None}}),
    ],
    "trust": {"methods": {"grad-cam": {"relies": False}}},
    "beside": None,
}


@pytest.mark.parametrize(
    ("name", "number"),
    [
        *[("000002", 2), ("2", 2), ("b/two words.png", 2), ("two words.png", 2), ("a/7.png", 0)],
        ("12", 3),  # a path that is a number, where no id is that
        *[("deep/new\nline.png", 4), ("c/deep/new\nline.png", 4)],
    ],
)
def test_an_image_is_found_by_id_path_and_the_end_of_a_path(name: str, number: int) -> None:
    assert find(RESULTS, name)["id"] == f"{number:06d}"


@pytest.mark.parametrize("name", ["", ".png", "png", "99", "ds.png", "2/", "²"])
def test_what_is_not_there_is_not_found(name: str) -> None:
    with pytest.raises(InputError, match="no image is called"):
        find(RESULTS, name)


def test_near_names_are_proposed_and_several_are_listed_in_one_line() -> None:
    with pytest.raises(InputError) as near:
        find(RESULTS, "b/two word.png")
    assert "'b/two words.png'" in near.value.remedy
    with pytest.raises(InputError) as several:
        find(RESULTS, "7.png")
    assert several.value.cause == "2 images are called '7.png': 000000 'a/7.png', 000001 'b/7.png'"
    for error in (near.value, several.value):
        assert "\n" not in error.cause + error.remedy


def test_the_checks_that_show_it_the_verdict_on_its_maps_and_what_to_do() -> None:
    said = explained(RESULTS, RESULTS["images"][1])
    assert [one["name"] for one in said["checks"]] == ["duplicates"]
    assert said["findings"]["grad-cam"] == {"relied_on": False, "flags": ["all zero"]}
    assert said["findings"]["rise"]["relied_on"] is None, "its maps were not put to the test"
    assert (said["margin"], said["refer"]) == (0.5, True), "0.75 lies below 0.8"
    assert explained(RESULTS, image(0, 0.875))["refer"] is False
    assert explained({**RESULTS, "checks": []}, image(0))["refer"] is None
    assert json.loads(json.dumps(said)) == said


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"schema": "other/1"}'])
def test_a_folder_without_results_is_an_error_with_a_remedy(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "results.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"results\.json"):
        read(tmp_path)
