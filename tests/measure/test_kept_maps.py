"""Maps that are kept in levels: every number and every word of a report is that of exact ones."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from reportgen.evidence import Evidence
from reportgen.findings import Heatmap

PICTURE = re.compile(r'data:image/[a-z+]+;base64,[A-Za-z0-9+/=]*|data-levels="[^"]*"|[A-Za-z0-9+/]{400,}=*')
MAPS = """  - saliency
  - gradient-times-input
  - guided-backprop
  - feature-maps: {layers: [conv], maps: 3}
"""


def edited(text: str) -> str:
    """The recipe with inputs of 40 × 40 px, more than are kept exactly, and no second model."""
    text = text.replace("resize: 32, crop: 28", "resize: 44, crop: 40").partition("beside:")[0]
    head, _, rest = text.partition("  - architecture\n")
    return head + MAPS + rest[rest.index("output:") :]


def numbers(value, path=""):
    """Every number and word of a part of results.json, by where it stands."""
    if isinstance(value, dict):
        return {k: v for key, part in value.items() for k, v in numbers(part, f"{path}/{key}").items()}
    if isinstance(value, list):
        return {k: v for at, part in enumerate(value) for k, v in numbers(part, f"{path}/{at}").items()}
    return {path: value}


def words(folder):
    """The page's words, pictures left out, up to where it tells its date, its durations and its memory."""
    page = PICTURE.sub("", (folder / "report.html").read_text())
    found = re.findall(r">([^<>]+)<", page.partition("<main")[2])
    return [text for text in found if not re.search(r"\d\d:\d\d UTC|decode \d|MiB", text)]


def test_a_report_says_the_same_of_maps_in_levels_as_of_exact_ones(two):
    recipe = two.recipe(own="", edit=edited)
    levels = two.run(recipe, "levels", limit=4)
    exact = two.run(recipe, "exact", limit=4, save_maps=True)
    assert words(levels) == words(exact)
    assert len(words(levels)) > 300
    results = [json.loads((folder / "results.json").read_bytes()) for folder in (levels, exact)]
    for part in ("images", "metrics", "findings"):
        assert results[0][part] == results[1][part]
    # tests of maps rank what evidence holds: near values may tie there
    ours, theirs = (numbers(each["trust"]) for each in results)
    assert ours.keys() == theirs.keys()
    for path, value in ours.items():
        assert value == (pytest.approx(theirs[path], abs=1e-3) if isinstance(value, float) else theirs[path])

    _assert_near(*(Evidence(folder / "evidence") for folder in (levels, exact)))


def _assert_near(rough, true):
    """Every map is off by little, and none is lost."""
    seen = 0
    for a, b in zip(rough.records(), true.records(), strict=True):
        for name, slots in rough.findings(a).items():
            for mine, theirs in zip(slots[0], true.findings(b)[name][0], strict=True):
                if isinstance(mine, Heatmap):
                    seen += 1
                    assert not np.array_equal(mine.values, theirs.values)
                    assert np.abs(mine.values - theirs.values).max() < 1e-3 * np.ptp(theirs.values)
    assert seen == 3 * sum(record["measured"] for record in true.records()) > 0
