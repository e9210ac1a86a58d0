"""What a network's outputs mean, found out by asking it: whether it ends in a softmax, a log-softmax or a
sigmoid already, and whether one number is one class against the other.

Probabilities of one class of several add up to one for every picture; nothing else does so by chance.
Numbers in [0, 1] alone prove nothing: there the last operation of the forward has to say it is a
sigmoid. What cannot be decided is read in the usual way, and said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from reportgen.engine.network.facts import ModelFacts, Normalisation
from reportgen.engine.network.head import Form, Head, Kind, Wish
from reportgen.engine.network.output import raw_of
from reportgen.engine.onepass import frozen
from reportgen.engine.pictures import noise, plain
from reportgen.errors import InputError

PICTURES = 4  # the fewest that are asked: noise, black and white
TOLERANCE = 1e-4  # of a sum of probabilities in float32
HOW = "Say in the recipe, model.head, what they are: softmax, sigmoid, probabilities or scores."
SOFTMAXES = ("softmax", "log_softmax")
SIGMOIDS = ("sigmoid", "hardsigmoid")


@dataclass(frozen=True)
class Asked:
    """What a network gave for pictures of noise, black and white: outputs (N, K) that are finite."""

    outputs: Tensor  # in double
    tolerance: float  # of a sum, as coarse as the outputs' own numbers
    last: str  # the operation that made them, by its name in the drawing

    @property
    def count(self) -> int:
        """How many outputs an image has."""
        return self.outputs.shape[1]

    @property
    def within(self) -> bool:
        """Whether every output could be a probability."""
        low, high = -self.tolerance, 1 + self.tolerance
        return len(self.outputs) > 0 and bool(((self.outputs >= low) & (self.outputs <= high)).all())

    @property
    def form(self) -> Form:
        """What rows of several outputs are, by their sums."""
        if not len(self.outputs) or self.count < 2:
            return "logits"
        if self.within and self._near(self.outputs.sum(1), 1):
            return "probabilities"
        whole = self._near(self.outputs.logsumexp(1), 0)
        # log-sum-exp of constants may be 0 by chance, as for two outputs of -log 2: never for several
        return "log-probabilities" if whole and bool((self.outputs <= self.tolerance).all()) else "logits"

    @property
    def constant(self) -> bool:
        """Whether all pictures had the same outputs, which then prove little."""
        return bool((self.outputs == self.outputs[:1]).all())

    @property
    def range(self) -> str:
        """The lowest and the highest output, in words."""
        if not len(self.outputs):
            return "none that is finite"
        return f"from {self.outputs.min():.3g} to {self.outputs.max():.3g}"

    def _near(self, sums: Tensor, value: float) -> bool:
        return bool(((sums - value).abs() <= self.tolerance).all())


def recognised(
    network: nn.Module, facts: ModelFacts, normalisation: Normalisation, wish: Wish = "auto"
) -> ModelFacts:
    """The facts with the head, and as many classes as that has.

    Raises InputError where the outputs cannot be what the recipe's `wish` says, or say nothing at all.
    """
    if region := facts.head.region:
        head = replace(facts.head, kind="values", asked=wish, reading=region.reading)
        return replace(facts, head=head)
    asked = _asked(network, facts, normalisation)
    kind, form, reading, warning = _decided(asked, wish)
    words = " ".join(filter(None, (facts.head.reading, reading)))
    head = Head(kind, form, wish, facts.head.output, words, warning)
    return replace(facts, head=head, class_count=head.class_count(facts.class_count))


def described(facts: ModelFacts) -> str:
    """The head that was recognised, in one line: what the outputs are, how many, and how that is known."""
    head, count = facts.head, facts.class_count
    outputs = {
        "classes": f"{count} classes, one an image",
        "binary": "two classes by one output",
        "labels": f"{count} labels, each by itself",
        "values": f"{count} {'value' if count == 1 else 'values'}",
    }
    words = head.reading or f"its outputs are read as logits, by {head.formula.split()[0]}"
    return f"{outputs[head.kind]}; {words}{f' {head.warning}' if head.warning else ''}"


def _decided(asked: Asked, wish: Wish) -> tuple[Kind, Form, str, str]:
    """The kind of head, what it puts out already, how that is read, and what is not sure."""
    if wish == "scores":
        return "values", "logits", _values(asked), ""
    if wish == "probabilities":
        return _given(asked)
    if wish == "sigmoid":
        return _by_sigmoid(asked)
    if asked.count == 1:
        if wish == "softmax":
            raise InputError(
                "model.head is softmax, but the network has one output: its softmax is always 1",
                "set model.head: sigmoid for two classes, or scores for a value",
            )
        return _one(asked)
    if wish == "softmax":
        return "classes", "logits", "", _again(asked)
    return _several(asked)


def _one(asked: Asked) -> tuple[Kind, Form, str, str]:
    """One output, of which nothing is said."""
    if asked.last == "softmax":
        raise InputError(
            "the network has one output and takes its softmax, which is 1 whatever the image shows",
            "mend the model: a sigmoid, or no activation at all and model.head: sigmoid",
        )
    if asked.last in SIGMOIDS and asked.within:
        words = f"One output, {asked.last}'s: it is read as the probability of class 1 against class 0."
        return "binary", "probabilities", words, ""
    words = (
        "One output: it is read as the logit of class 1 against class 0, by sigmoid. If it is a value and no "
        "class, set model.head: scores."
    )
    if asked.last in SIGMOIDS:
        return "binary", "logits", words, (
            f"The network's one output comes of a {asked.last} and is {asked.range} on pictures of noise,"
            f" black and white: more likely a value on a scale than a logit. {HOW}"
        )
    if asked.within and not asked.constant:
        return "binary", "logits", words, (
            f"The network's one output lies in [0, 1] for {len(asked.outputs)} pictures of noise, black and"
            f" white ({asked.range}), and no sigmoid makes it: whether it is a probability already cannot be"
            f" decided; it is read as a logit. {HOW}"
        )
    return "binary", "logits", words, ""


def _several(asked: Asked) -> tuple[Kind, Form, str, str]:
    """Several outputs, of which nothing is said."""
    form, ends = asked.form, asked.last in SOFTMAXES
    if form != "logits" and (ends or not asked.constant):
        return "classes", form, _already(asked, form), ""
    if asked.within and asked.last in SIGMOIDS:
        words = (
            f"The network ends in a {asked.last}: its outputs are read as probabilities of labels, each by"
            " itself. They are printed as they are; maps explain log(p / (1 - p))."
        )
        return "labels", "probabilities", words, ""
    if form != "logits" or (asked.within and not asked.constant):
        sums = "add up to one" if form != "logits" else "do not add up to one"
        return "classes", "logits", "", (
            f"The network's outputs lie in [0, 1] and {sums} for {len(asked.outputs)} pictures of noise,"
            f" black and white ({asked.range}); whether they are probabilities already cannot be decided;"
            f" they are read as logits, by softmax. {HOW}"
        )
    return "classes", "logits", "", ""


def _given(asked: Asked) -> tuple[Kind, Form, str, str]:
    """Outputs that the recipe says are probabilities."""
    form = asked.form
    if form != "logits":
        return "classes", form, _already(asked, form), ""
    if not asked.within:
        raise InputError(
            f"model.head is probabilities, but the network's outputs are {asked.range}",
            "set model.head: auto, softmax or sigmoid for logits, or scores for values",
        )
    if asked.count == 1:
        words = "One output: it is the probability of class 1 against class 0, as the recipe says."
        return "binary", "probabilities", words, ""
    words = (
        "The outputs are probabilities, as the recipe says, and do not add up to one: they are read as those"
        " of labels, each by itself."
    )
    return "labels", "probabilities", words, ""


def _by_sigmoid(asked: Asked) -> tuple[Kind, Form, str, str]:
    """Outputs that the recipe reads by sigmoid, unless one was taken already."""
    kind: Kind = "binary" if asked.count == 1 else "labels"
    if asked.last in SIGMOIDS and asked.within:
        words = f"The network ends in a {asked.last} already: its own probabilities are printed."
        return kind, "probabilities", words, ""
    one = "the one output is the logit of class 1 against class 0"
    each = "each output is the logit of a label by itself"
    words = f"As the recipe says, {one if asked.count == 1 else each}."
    return kind, "logits", words, _again(asked)


def _already(asked: Asked, form: Form) -> str:
    ends = asked.last in SOFTMAXES
    sums = "add up to one" if form == "probabilities" else "are logarithms of numbers that add up to one"
    made = f" (the last operation is {asked.last})" if ends else ""
    return (
        f"The network gives probabilities already: its outputs {sums} for each of"
        f" {len(asked.outputs)} pictures of noise, black and white{made}. They are printed as they are, with"
        " no softmax; maps explain log-probabilities."
    )


def _values(asked: Asked) -> str:
    outputs = "The output is a value" if asked.count == 1 else f"The {asked.count} outputs are values"
    return f"{outputs}, as the recipe says: nothing is a class, and nothing has a probability."


def _again(asked: Asked) -> str:
    """What is wrong with an activation that the recipe asks for."""
    if asked.form == "logits" or asked.constant:
        return ""
    return (
        "The network's outputs are probabilities already: they add up to one for every picture that was"
        " tried. What the recipe's model.head does to them makes every probability wrong; set it to auto."
    )


def _asked(network: nn.Module, facts: ModelFacts, normalisation: Normalisation) -> Asked:
    """Asks the network, on the CPU."""
    raw = torch.cat(list(_answers(network, facts, normalisation)))
    coarse = 2 * torch.finfo(raw.dtype).eps
    wide = raw.double()
    graph = facts.graph
    makers = [source for source, at in graph.edges if at == len(graph.operations) - 1]
    last = graph.operations[makers[-1]].words.lower() if makers else ""
    return Asked(wide[wide.isfinite().all(1)], max(TOLERANCE, coarse), last)


def _answers(network: nn.Module, facts: ModelFacts, normalisation: Normalisation) -> Iterator[Tensor]:
    """The outputs for noise, black and white, in batches that the network takes."""
    shape, size = facts.input_shape, facts.batch
    count = max(PICTURES, size) - 2
    pictures = torch.cat([noise(shape, normalisation, count), plain(shape, normalisation)])
    with frozen(network), torch.no_grad():
        for x in pictures.split(size):
            if len(x) == size:
                yield raw_of(network(x.clone()), facts.head.output, len(x)).values
