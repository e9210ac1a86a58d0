"""Channels: a layer that carries nothing is found; some idle channels are not."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from reportgen.checks.case import Sources
from reportgen.checks.channels import Channels
from reportgen.findings import Table

COLUMNS = ("layer", "channels", "dead", "near-constant", "duplicates", "sparsity, %")


class Held(Sources):
    def __init__(self, *rows):
        self.rows = rows

    def findings(self, visualization):
        return [Table("layers", "Channels by layer", COLUMNS, self.rows)] if self.rows else []


def judged(make_case, *rows, images=30):
    case = make_case([0] * images, [[1, 0]] * images)
    return Channels().judge(replace(case, sources=Held(*rows)))


@pytest.mark.parametrize(("dead", "status"), [(0, "clear"), (5, "clear"), (8, "warning"), (24, "fault")])
def test_a_share_that_matters_is_found(dead, status, make_case):
    found = judged(make_case, ("relu1", 16, 0, 0, 0, 40.0), ("relu2", 24, dead, 0, None, 60.0))
    assert found.status == status
    assert found.effect == pytest.approx(dead / 24)
    assert found.exhibits.layers == (("relu2",) if status != "clear" else ())
    if status == "fault":
        assert found.sentence == "All 24 channels of relu2 are dead: its branch carries nothing."


@pytest.mark.parametrize(("copies", "status"), [(9, "clear"), (11, "warning")])
def test_of_copies_half_is_a_finding_and_never_a_fault(copies, status, make_case):
    assert judged(make_case, ("relu1", 20, 0, 0, copies, 40.0)).status == status
    assert judged(make_case, ("relu1", 20, 0, 0, 20, 40.0)).status == "warning"


def test_few_images_do_not_tell_silent_channels_from_sleeping_ones(make_case):
    found = judged(make_case, ("relu2", 24, 8, 0, None, 60.0), images=29)
    assert found.status == "undecided" and "8 of 24 channels of relu2 are dead" in found.sentence
    assert found.remedy and not found.exhibits.layers
    # that all wake is seen on one image
    assert judged(make_case, ("relu2", 24, 0, 0, None, 60.0), images=1).status == "clear"


def test_without_the_visualization_it_is_untested(make_case):
    found = judged(make_case)
    assert found.status == "untested" and found.exhibits.settings == ("visualizations",)


def test_a_layer_silenced_in_a_network_is_found_and_the_network_itself_is_clear(digits, tmp_path):

    state = load_file(digits.network.parent / "checkpoints" / "epoch-10.safetensors")
    silent = copy.deepcopy(state)
    silent["conv2.bias"] = torch.full((20,), -1e4)
    said = []
    for number, each in enumerate((state, silent)):
        save_file(each, tmp_path / f"{number}.safetensors")
        keys = {"checkpoint": tmp_path / f"{number}.safetensors", "visualizations": ["channel-health"]}
        said.append(digits.verdicts(digits.images(5), ["channels"], **keys)["channels"])
    assert [found.status for found in said] == ["clear", "fault"]
    assert "all 20 channels of relu2 are dead" in said[1].sentence.lower()
