"""What a network's outputs mean is found by asking it; what cannot be decided is said."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from reportgen.engine.needs import ModelFacts, Normalisation
from reportgen.engine.network.head import Head
from reportgen.engine.network.trace import trace
from reportgen.engine.recognise import recognised
from reportgen.errors import InputError

PLAIN = Normalisation((0.0,), (1.0,))
X = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    """A convolution, a mean, a linear layer, and what comes after it."""

    def __init__(self, classes: int, after: nn.Module | None = None, gain: float = 4.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, classes)
        self.after = after or nn.Identity()
        with torch.no_grad():
            self.fc.weight.mul_(gain)

    def logits(self, x: Tensor) -> Tensor:
        z: Tensor = self.fc(torch.relu(self.conv(x)).mean((2, 3)))
        return z

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.after(self.logits(x))
        return y


class Then(nn.Module):
    """A function as a module."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, z: Tensor) -> Tensor:
        y: Tensor = self.function(z)
        return y


def found(network: nn.Module, wish: str = "auto") -> ModelFacts:
    return recognised(network.eval(), trace(network, (3, 8, 8)), PLAIN, wish)


ENDS = {
    "softmax": nn.Softmax(1),
    "functional": Then(lambda z: z.softmax(-1)),
    "temperature": Then(lambda z: (z / 3).softmax(1)),
    "normalised": Then(lambda z: z.exp() / z.exp().sum(1, keepdim=True)),
    "sparse": Then(lambda z: z.relu().add(1e-3) / z.relu().add(1e-3).sum(1, keepdim=True)),
    "bfloat16": Then(lambda z: z.softmax(1).bfloat16()),
    "clamped": Then(lambda z: z.softmax(1).clamp(1e-7, 1)),
    "squeezed": Then(lambda z: z.softmax(1)[:, :, None, None]),
}


@pytest.mark.parametrize("end", ENDS)
def test_outputs_that_add_up_to_one_are_probabilities_already(end):
    network = Net(5, ENDS[end])
    facts = found(network)
    assert (facts.head.kind, facts.head.form, facts.class_count) == ("classes", "probabilities", 5)
    assert "already" in facts.head.reading and not facts.head.warning
    raw = network(X).float().flatten(1)
    scores = facts.head.scores(raw)
    assert torch.allclose(facts.head.readout(scores), raw, atol=1e-6)  # its own, not a softmax of them
    assert torch.allclose(scores, raw.log(), atol=1e-5)


LOG_ENDS = {
    "log_softmax": nn.LogSoftmax(1),
    "log of softmax": Then(lambda z: z.softmax(1).log()),
    "difference": Then(lambda z: z - z.logsumexp(1, keepdim=True)),
}


@pytest.mark.parametrize("end", LOG_ENDS)
def test_logarithms_of_probabilities_are_recognised(end):
    network = Net(5, LOG_ENDS[end])
    head = found(network).head
    assert (head.kind, head.form) == ("classes", "log-probabilities")
    expected = network.logits(X).softmax(1)
    assert torch.allclose(head.readout(head.scores(network(X))), expected, atol=1e-6)


@pytest.mark.parametrize("gain", [0.01, 4.0, 400.0])
def test_logits_are_logits_however_large(gain):
    network = Net(5, gain=gain)
    head = found(network).head
    assert head == Head()
    assert torch.allclose(head.readout(head.scores(network(X))), network(X).softmax(1))


def test_one_logit_is_two_classes_by_sigmoid():
    network = Net(1)
    facts = found(network)
    assert (facts.head.kind, facts.class_count) == ("binary", 2)
    assert "sigmoid" in facts.head.reading and "scores" in facts.head.reading
    z = network(X)
    scores = facts.head.scores(z)
    assert torch.equal(scores, torch.cat([-z, z], 1))
    assert torch.allclose(facts.head.readout(scores)[:, 1:], torch.sigmoid(z))
    assert torch.allclose(facts.head.readout(scores).sum(1), torch.ones(3))
    logs = facts.head.log_probabilities(scores)
    truth = torch.tensor([1.0, 0.0, 1.0])
    expected = nn.functional.binary_cross_entropy_with_logits(z[:, 0], truth, reduction="none")
    assert torch.allclose(-logs.gather(1, truth.long()[:, None])[:, 0], expected)


@pytest.mark.parametrize("after", [nn.Sigmoid(), Then(lambda z: z.sigmoid().squeeze(1))])
def test_one_probability_is_not_sent_through_a_sigmoid_again(after):
    network = Net(1, after)
    head = found(network).head
    assert (head.kind, head.form) == ("binary", "probabilities")
    p = torch.sigmoid(network.logits(X))
    scores = head.scores(p)
    assert torch.allclose(head.readout(scores)[:, 1:], p, atol=1e-6)
    assert torch.allclose(scores[:, 1:], network.logits(X), atol=1e-4)  # the logit that the sigmoid took


def test_probabilities_of_labels_are_recognised_by_their_sigmoid():
    network = Net(5, nn.Sigmoid())
    head = found(network).head
    assert (head.kind, head.form) == ("labels", "probabilities")
    p = network(X)
    assert torch.allclose(head.readout(head.scores(p)), p, atol=1e-6)


def test_what_cannot_be_decided_is_said_and_read_in_the_usual_way():
    clamped = Net(5, Then(lambda z: (z / 50).add(0.3).clamp(0, 1)))
    head = found(clamped).head
    assert (head.kind, head.form) == ("classes", "logits")
    assert "cannot be decided" in head.warning and "model.head" in head.warning
    one = found(Net(1, Then(lambda z: (z / 50).add(0.3).clamp(0, 1)))).head
    assert one.kind == "binary" and "cannot be decided" in one.warning
    scaled = found(Net(1, Then(lambda z: 100 * z.sigmoid()))).head
    assert "value on a scale" in scaled.warning


def test_constants_that_add_up_to_one_by_chance_are_no_probabilities():
    network = Net(2)
    with torch.no_grad():
        network.fc.weight.zero_()
        network.fc.bias.copy_(torch.tensor([0.25, 0.75]))
    head = found(network).head
    assert head.form == "logits" and "cannot be decided" in head.warning


def test_a_softmax_of_one_number_says_nothing_and_is_refused():
    with pytest.raises(InputError, match="softmax, which is 1 whatever"):
        found(Net(1, nn.Softmax(1)))


def test_the_recipe_decides():
    assert found(Net(3), "sigmoid").head.kind == "labels"
    assert found(Net(1), "sigmoid").head.kind == "binary"
    values = found(Net(1), "scores")
    assert (values.head.kind, values.class_count) == ("values", 1)
    assert torch.equal(values.head.readout(X[:, 0, 0]), X[:, 0, 0])
    assert found(Net(3, nn.Softmax(1)), "probabilities").head.form == "probabilities"
    assert found(Net(3, nn.Sigmoid()), "probabilities").head.kind == "labels"
    again = found(Net(3, nn.Softmax(1)), "softmax").head
    assert again.form == "logits" and "already" in again.warning


@pytest.mark.parametrize(("wish", "classes"), [("probabilities", 3), ("softmax", 1)])
def test_what_the_outputs_cannot_be_is_refused_by_the_keys_name(wish, classes):
    with pytest.raises(InputError, match=rf"model\.head is {wish}"):
        found(Net(classes, gain=100), wish)


def test_extreme_probabilities_have_finite_scores_and_gradients():
    for kind in ("classes", "labels"):
        head = Head(kind, "probabilities")
        p = torch.tensor([[0.0, 1.0]], requires_grad=True)
        scores = head.scores(p)
        scores.sum().backward()
        assert scores.isfinite().all() and p.grad.isfinite().all()
        assert torch.allclose(head.readout(scores.detach()), p.detach(), atol=1e-6)


class Pair(nn.Module):
    """What a function makes of the logits, as a tuple or a dict."""

    def __init__(self, function, classes: int = 5) -> None:
        super().__init__()
        self.net, self.function = Net(classes), function

    def forward(self, x: Tensor):
        return self.function(self.net(x))


RANKS = {
    "topk": lambda z: z.topk(3),
    "all": lambda z: z.topk(5),
    "sort": lambda z: z.softmax(1).sort(1, descending=True),
    "max": lambda z: z.max(1),
    "tuple": lambda z: tuple(z.topk(3)),
    "two": lambda z: tuple(z.topk(2)),
    "dict": lambda z: dict(zip(("scores", "labels"), z.softmax(1).topk(3), strict=True)),
}


@pytest.mark.parametrize("end", RANKS)
def test_scores_in_the_order_of_their_size_are_no_classes(end):
    with pytest.raises(InputError) as refused:
        found(Pair(RANKS[end]))
    assert "order of their size" in refused.value.cause and "before topk" in refused.value.remedy


@pytest.mark.parametrize(
    "beside",
    [
        lambda z: {"logits": z, "preds": (z > 0).long()},
        lambda z: (z, z.argmax(1)),
        lambda z: (z, z.argsort(1)),
        lambda z: (z, torch.zeros(z.shape, dtype=torch.long)),
    ],
)
def test_logits_with_answers_beside_them_are_logits(beside):
    head = found(Pair(beside)).head
    assert (head.kind, head.form) == ("classes", "logits")


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (Then(lambda z: z.softmax(1) * 100), "add up to 100"),
        (Then(lambda z: torch.cat([z.softmax(1), (2 * z).softmax(1)], 1)), "add up to 2"),
        (nn.Softmax(0), "over the images of a batch"),
    ],
)
def test_shares_that_are_no_probabilities_are_never_read_as_logits(end, words):
    with pytest.raises(InputError, match=words):
        found(Net(5, end))
    if "add up" in words:
        assert found(Net(5, end), "scores").head.kind == "values"  # the remedy


@pytest.mark.parametrize(
    "end", [nn.ReLU(), nn.Softplus(), Then(lambda z: z.abs() / z.abs().norm(dim=1, keepdim=True))]
)
def test_outputs_that_are_never_negative_are_logits_all_the_same(end):
    assert found(Net(5, end)).head.form == "logits"
