"""Which layers are the first and the last features of networks whose sources were read."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torchvision
from torch import nn

from reportgen.engine.network.layout import Layout
from reportgen.engine.network.trace import trace
from reportgen.findings import NotApplicable

KNOWN = {  # the first layer with weights; what the last one is given
    "resnet18": ("conv1", "avgpool"),
    "mobilenet_v2": ("features.0.0", "classifier.0"),  # a functional pool; the dropout hands its vector on
    "squeezenet1_1": ("features.0", "features"),  # the last layer with weights is a convolution
    "densenet121": ("features.conv0", "features"),  # rectified and pooled by functions
    "shufflenet_v2_x0_5": ("conv1.0", "conv5"),  # pooled by a method
}


@pytest.mark.parametrize("name", KNOWN)
def test_first_and_last_features(name):
    facts = trace(torchvision.models.get_model(name, weights=None).eval(), (3, 64, 64))
    assert (facts.first_features().name, facts.last_features().name) == KNOWN[name]


def test_of_a_chain_the_vector_before_the_last_layer_and_not_its_dropout():
    chain = nn.Sequential(
        *(nn.Flatten(), nn.Linear(12, 6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 2), nn.Softplus())
    )
    facts = trace(chain.eval(), (3, 2, 2))
    assert (facts.first_features().name, facts.last_features().name) == ("1", "2")


def test_a_network_without_weights_or_with_one_layer_has_no_features():
    with pytest.raises(NotApplicable, match="no layer with weights"):
        trace(nn.Flatten(), (1, 2, 2)).first_features()
    alone = trace(Only(), (1, 2, 2))
    for find in (alone.first_features, alone.last_features):
        with pytest.raises(NotApplicable, match="before the one that answers"):
            find()


class Only(nn.Module):
    """One layer with weights, and nothing before it."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(x.flatten(1))


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (Layout("tokens", (2, 2), 1), "patch tokens after 1 other, of the last layer"),
        (Layout("tokens", (2, 2), 5), "patch tokens after 5 others, of the last layer"),
        (Layout("tokens", (2, 2)), "patch tokens, of the last layer"),
        (Layout("tokens first", (2, 2)), "patch tokens with channels first, of the last layer"),
        (Layout("maps last", (2, 2)), "maps with channels last, of the last layer"),
    ],
)
def test_auto_says_why_where_a_layer_is_no_stack_of_maps(layout: Layout, words: str) -> None:
    facts = trace(nn.Sequential(nn.Conv2d(1, 2, 1), nn.Flatten()), (1, 2, 2))
    layer = replace(facts.layer("0"), layout=layout)
    assert layer.auto_words("auto").startswith(words)
    assert layer.auto_words("0") == replace(layer, layout=Layout("maps", (2, 2))).auto_words("auto") == ""
