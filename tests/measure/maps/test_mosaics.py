"""Mosaics: where each picture stands, which of them count, and what lies in the right quarter."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reportgen.measure.maps.mosaics import arranged, boxes, finds_the_picture, halved, share_in
from reportgen.probes.eigen_cam import EigenCam
from reportgen.probes.saliency import Saliency


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=12), st.integers(0, 5))
def test_the_one_that_is_explained_is_the_only_one_of_its_class(images, seed):
    answers, sure = [a for a, _ in images], [s for _, s in images]
    found = arranged(answers, sure, seed)
    assert found == arranged(answers, sure, seed)
    for place, mosaic in found.items():
        assert mosaic.places[mosaic.quarter] == place
        assert len(set(mosaic.places)) == 4 and all(sure[other] for other in mosaic.places)
        rest = [answers[other] for other in mosaic.places if other != place]
        assert answers[place] not in rest
        able = {a for a, s in images if s} - {answers[place]}
        assert len(set(rest)) == min(3, len(able)), "as many classes as there are"
    for place, (answer, is_sure) in enumerate(images):
        if is_sure and sum(s and a != answer for a, s in images) >= 3:
            assert place in found


def test_a_gradient_finds_the_colour_and_a_map_without_a_class_does_not(asking, hues, coloured):
    answers = [0, 1, 2, 0, 1, 2, 0]
    pixels = coloured(answers)
    mosaics = arranged(answers, [True] * 7, 0)
    asked = asking(hues, pixels, Saliency(), EigenCam(layer="conv"), targets=answers)
    found = finds_the_picture(asked, mosaics, dict(enumerate(pixels)))
    assert set(found["p0"]) == set(mosaics) == set(range(7))
    shares = [numbers["share"] for numbers in found["p0"].values()]
    assert min(shares) > 0.7
    blind = [numbers["share"] for numbers in found["p1"].values()]
    assert sum(blind) / 7 < sum(shares) / 7 - 0.2


def test_the_share_by_the_other_score_is_what_a_run_by_that_score_finds(asking, hues, coloured):
    answers = [0, 1, 2, 0, 1, 2, 0]
    pixels = coloured(answers)
    mosaics = arranged(answers, [True] * 7, 0)
    asked = asking(hues, pixels, Saliency(), EigenCam(layer="conv"), targets=answers)
    by_logit = finds_the_picture(asked, mosaics, dict(enumerate(pixels)))
    other = replace(asked, facts=replace(asked.facts, score="contrast"))
    by_contrast = finds_the_picture(other, mosaics, dict(enumerate(pixels)))
    for row, numbers in by_logit["p0"].items():
        assert numbers["other_score"] == pytest.approx(by_contrast["p0"][row]["share"])
        assert by_contrast["p0"][row]["other_score"] == pytest.approx(numbers["share"])
        assert numbers["other_score"] != pytest.approx(numbers["share"], abs=1e-3)
    assert all("other_score" not in numbers for numbers in by_logit["p1"].values())  # made of no gradient


def test_a_mosaic_counts_only_where_the_score_rests_on_that_quarter(asking, hues, coloured):
    answers = [0, 1, 2, 1]
    pixels = coloured(answers)
    mosaics = arranged(answers, [True] * 4, 0)
    asked = asking(hues, pixels, Saliency(), targets=answers)
    assert set(finds_the_picture(asked, mosaics, dict(enumerate(pixels)))["p0"]) == {0, 2} <= set(mosaics)
    wrong = asking(hues, pixels, Saliency(), targets=[1, 1, 1, 1])  # of a class that stands elsewhere
    assert 0 not in finds_the_picture(wrong, mosaics, dict(enumerate(pixels))).get("p0", {})


def test_quarters_are_disjoint_and_whole_and_shares_add_up():
    covered = torch.zeros(9, 7)
    for top, left, bottom, right in boxes(9, 7).tolist():
        covered[top:bottom, left:right] += 1
    assert (covered == 1).all()
    values = torch.rand(9, 7)
    assert sum(share_in(values, quarter) for quarter in range(4)) == pytest.approx(1)
    assert share_in(-values, 0) is None and share_in(values * torch.inf, 0) is None
    assert torch.allclose(halved(torch.full((1, 3, 8, 8), 0.5), 4, 3), torch.full((1, 3, 4, 3), 0.5))
