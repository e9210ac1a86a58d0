"""Presets say how much there is of what the recipe does not say."""

from __future__ import annotations

import pytest

from reportgen.probes import methods
from reportgen.recipe import Recipe
from reportgen.recipe.preset import COSTLY, with_preset


def preset(name, **said) -> Recipe:
    return with_preset(Recipe(run={"preset": name}, **said))


def test_quick_is_less_and_full_is_more_than_what_comes_by_itself():
    quick, standard, full = (preset(name) for name in ("quick", "standard", "full"))
    assert standard.resolved() == Recipe(run={"preset": "standard"}).resolved()
    sizes = [(r.images.show.at_most, r.trust.images, r.checks.sample) for r in (quick, standard, full)]
    assert sizes == [(20, 0, 100), (200, 20, 400), (500, 40, 1000)]
    names = [{v.name for v in r.visualizations} for r in (quick, standard, full)]
    assert names[0] == names[1] - set(COSTLY) < names[1] == names[2]
    assert {"grad-cam", "saliency", "predictions"} <= names[0]


def test_what_the_recipe_says_stays():
    said = preset(
        "quick",
        images={"show": {"at_most": 7}},
        trust={"images": 2},
        checks={"sample": 50},
        visualizations=["occlusion"],
    )
    assert (said.images.show.at_most, said.trust.images, said.checks.sample) == (7, 2, 50)
    assert [v.name for v in said.visualizations] == ["occlusion"]


def test_a_mapping_that_says_other_keys_leaves_this_one_to_the_preset():
    said = preset("quick", trust={"dear": 10}, checks={"only": ["balance"]}, images={"first_index": 0})
    assert (said.trust.images, said.trust.dear) == (0, 10)
    assert (said.checks.sample, said.images.show.at_most) == (100, 20)
    assert preset("full", trust=False).trust.images == 0


def test_what_a_gate_names_stays():
    said = preset("quick", gates=[{"metric": "trust.occlusion.faithfulness", "min": 0}])
    assert said.trust.images == Recipe().trust.images > 0
    assert "occlusion" in {v.name for v in said.visualizations}


@pytest.mark.parametrize("name", COSTLY)
def test_what_quick_leaves_out_is_a_visualization(name):
    assert name in methods()
