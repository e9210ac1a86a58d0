"""Input statistics: stale ones and another scale of the pixels are found; those of the training are not."""

from __future__ import annotations

import copy

import pytest
import torch

from reportgen.checks.input_statistics import InputStatistics
from reportgen.engine.network.trace import trace

ONLY = ("input-statistics", "accuracy", "balance")
GRAVE = ("fault", "warning")


@pytest.fixture(scope="module")
def network(normed):
    return normed.trained(15)


def test_the_statistics_of_the_training_fit(network, normed):
    found = normed.verdicts(network, ONLY)["input-statistics"]
    assert found.status == "clear"
    assert found.effect < 0.3
    assert found.sentence.startswith("300 images give 2 batch normalisations what they were trained to see")


def test_statistics_never_updated_are_a_fault_with_what_others_would_give(network, normed):
    fresh = copy.deepcopy(network)
    with torch.no_grad():
        for conv, norm in ((fresh.conv1, fresh.bn1), (fresh.conv2, fresh.bn2)):
            conv.weight *= 0.05  # with statistics that fit, the network would be the same
            norm.reset_running_stats()
    verdicts = normed.verdicts(fresh, ONLY)
    found = verdicts["input-statistics"]
    assert found.status == "fault"
    assert found.sentence.startswith("The running statistics of 2 of 2 batch normalisations are still 0 ")
    assert "with those of these images" in found.sentence and found.low > 0.5
    assert found.exhibits.layers == ("bn1", "bn2")
    assert verdicts["accuracy"].explained_by == "input-statistics"


@pytest.mark.parametrize("mean", [0.8, -0.6])
def test_pixels_of_another_scale_are_seen_at_the_first_normalisation(mean, network, normed):
    scaled = {"preprocessing": {"crop": 28, "mean": [mean], "std": [0.3081]}}
    verdicts = normed.verdicts(network, (*ONLY, "preprocessing"), **scaled)
    found = verdicts["input-statistics"]
    assert found.status in GRAVE and not verdicts["preprocessing"].explained_by
    assert (verdicts["preprocessing"].status in GRAVE) == (found.explained_by == "preprocessing")
    assert found.sentence.startswith("bn1, the first batch normalisation, was trained to see other numbers")
    assert found.exhibits.settings == ("model.preprocessing",) and found.exhibits.layers == ("bn1",)


def test_one_stale_layer_is_named(network, normed):
    stale = copy.deepcopy(network)
    with torch.no_grad():
        stale.bn2.running_mean += 6 * stale.bn2.running_var.sqrt()
    found = normed.verdicts(stale, ONLY)["input-statistics"]
    assert found.status == "fault"
    assert "most at bn2, where the mean is 6" in found.sentence


def test_the_verdict_does_not_depend_on_the_batches(network, normed):
    found = normed.verdicts(network, ["input-statistics"], sample=120)["input-statistics"]
    again = normed.verdicts(network, ["input-statistics"], sample=120)["input-statistics"]
    assert found.effect == again.effect and found.n == 120


def test_a_network_without_batch_normalisation_is_untested_in_words(digits):
    found = digits.verdicts(digits.images(5), ["input-statistics"])["input-statistics"]
    assert found.status == "untested" and "no batch normalisation" in found.sentence


def test_what_it_asks_are_all_batch_normalisations_and_one_view(awkward):
    facts = trace(awkward, (3, 32, 32))
    (need,) = InputStatistics().needs(facts)
    assert need.layers == ("norm",)
    assert [view.adapted for view in InputStatistics().views(facts)] == [True]
