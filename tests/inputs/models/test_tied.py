"""Weights under several names: a file may hold one copy of them, and no two different ones."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn

from reportgen.errors import InputError
from reportgen.inputs.checkpoints.reading import load
from reportgen.inputs.models.subject import fill


class Twice(nn.Module):
    """Uses a layer under two names, or two layers with one weight; a buffer of both is shared as well."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.mixes = nn.Conv2d(4, 4, 1)
        self.again = self.mixes if how == "layer" else nn.Conv2d(4, 4, 1)
        self.normal = self.norm if how == "layer" else nn.BatchNorm2d(4)
        if how == "weight":
            self.again.weight = self.mixes.weight
        self.fc = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.first(x))
        return self.fc(self.normal(self.again(torch.relu(self.mixes(x)))).mean((2, 3)))


def answers(network: nn.Module) -> torch.Tensor:
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return network.eval()(x)


@pytest.mark.parametrize("how", ["layer", "weight"])
@pytest.mark.parametrize("kept", ["of safetensors' choice", "the first", "the last"])
def test_a_file_that_holds_one_of_two_names_gives_both(tmp_path, how, kept):
    torch.manual_seed(0)
    trained = Twice(how)
    state = {key: value.clone() for key, value in trained.state_dict().items()}
    path = tmp_path / "w.safetensors"
    if kept == "of safetensors' choice":
        save_model(trained, str(path))
    else:
        other = "mixes" if kept == "the last" else "again"
        gone = {f"{other}.weight"} | ({f"{other}.bias"} if how == "layer" else set())
        save_file({key: value for key, value in state.items() if key not in gone}, path)
    torch.manual_seed(5)
    network = Twice(how)
    notes = fill(network, load(path), "net.py:Twice")
    assert torch.equal(answers(network), answers(trained))
    assert any("ties to it under another name" in note for note in notes)


def test_two_names_with_different_values_are_refused(tmp_path):
    torch.manual_seed(0)
    state = Twice("apart").state_dict()
    torch.save(OrderedDict(state), tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"mixes\.weight and again\.weight are one tensor in the model"):
        fill(Twice("weight"), load(tmp_path / "w.pt"), "net.py:Twice")
    fill(Twice("apart"), load(tmp_path / "w.pt"), "net.py:Twice")


def test_what_is_missing_under_all_its_names_stays_missing(tmp_path):
    state = {key: value for key, value in Twice("weight").state_dict().items() if ".weight" not in key[5:]}
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(InputError, match="keys missing"):
        fill(Twice("weight"), load(tmp_path / "w.pt"), "net.py:Twice")
