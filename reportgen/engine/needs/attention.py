"""Needs of a network's attention: what it is, and its gradients. They come from a forward of the batch in
which attention is worked out step by step; no other figure is made of that forward."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from reportgen.engine.needs.work import Cost, Work
from reportgen.engine.network.attention import AttentionFacts, chain
from reportgen.engine.network.facts import AUTO, LayerName, LayerNames, ModelFacts
from reportgen.errors import UnknownName
from reportgen.findings import NotApplicable

NONE = "the network has no attention between places of the image"
LOCAL = "its attention is local: each place sees those of its own window or group, and not the image"


@dataclass(frozen=True)
class AttentionForward:
    """The forward that all of these needs come from; nothing is read with it."""

    def work(self, _model: ModelFacts) -> Work:
        return Work(cost=Cost(forwards=1))


@dataclass(frozen=True)
class AttentionBackward:
    """Its one backward of the class's logit, for each target; nothing is read with it."""

    def work(self, _model: ModelFacts) -> Work:
        cost = Cost(backwards=1)
        return Work(per_target=True, requires=(AttentionForward(),), cost=cost, rules=("exact",))


@dataclass(frozen=True)
class Attention:
    """How much each head of an attention gives to each key, (N, heads, keys): that of the class token as
    the query, or the mean over those queries that the facts say are `read`. A head's numbers add up to 1."""

    number: int

    def work(self, model: ModelFacts) -> Work:
        heads, _, keys = _facts(model, self.number).shape
        return Work(requires=(AttentionForward(),), kept_bytes=4 * heads * keys)


@dataclass(frozen=True)
class MeanAttention:
    """An attention, its mean over heads, (N, queries, keys)."""

    number: int

    def work(self, model: ModelFacts) -> Work:
        return Work(requires=(AttentionForward(),), kept_bytes=_table_bytes(model, self.number))


@dataclass(frozen=True)
class AttentionRelevance:
    """The mean over heads of an attention A times the gradient of the class's logit S by it, where that
    is above zero: mean of max(0, dS/dA·A), (N, queries, keys). Chefer, Gur & Wolf 2021 (ICCV), eq. 5."""

    number: int

    def work(self, model: ModelFacts) -> Work:
        kept = _table_bytes(model, self.number)
        return Work(per_target=True, requires=(AttentionBackward(),), kept_bytes=kept)


@dataclass(frozen=True)
class BlockGradient:
    """The gradient of a block's class score by the block's attention, rectified, its mean over heads and
    queries, (N, keys). Bousselham et al. 2024, LeGrad, sec. 3.2.

    A block's class score is the logit that the rest of the network (norm, pooling, head) makes of the
    tokens that the block gives, as if it were the last one.
    """

    number: int

    def work(self, model: ModelFacts) -> Work:
        last = self.number == token_blocks(model)[-1].number  # whose score is the network's own
        return Work(
            per_target=True,
            requires=(AttentionForward(),),
            cost=Cost(forwards=0 if last else 1, backwards=1),
            rules=("exact",),
            kept_bytes=4 * _facts(model, self.number).shape[2],
        )


def attentions(model: ModelFacts, names: LayerNames) -> tuple[AttentionFacts, ...]:
    """Attentions that can be drawn: `auto` is the last one. A name is that of the module that it happens
    in, or of one around it that has no other; a number counts them in call order, from 1.

    Raises NotApplicable where there is none, or where it is local, and UnknownName.
    """
    if not model.attentions:
        raise NotApplicable(NONE)
    several = names if isinstance(names, tuple) else (names,)
    found = tuple(dict.fromkeys(_named(model, name) for name in several))
    if any(one.local for one in found):
        raise NotApplicable(LOCAL)
    if not all(one.spatial for one in found):
        raise NotApplicable("none of what it attends to is a patch of the image")
    return found


def _named(model: ModelFacts, name: LayerName) -> AttentionFacts:
    every = model.attentions
    if name == AUTO:
        return every[-1]
    inside = [one for one in every if f"{one.layer}.".startswith(f"{name}.")]
    inside = inside or [one for one in every if str(one.number) == str(name)]
    if len(inside) != 1:
        raise UnknownName("layer with attention", name, [one.layer for one in every])
    return inside[0]


def token_chain(model: ModelFacts) -> tuple[AttentionFacts, ...]:
    """All attentions, where each passes on one and the same row of tokens, and at most a last one pools
    them. Raises NotApplicable where they do not."""
    found = chain(model.attentions)
    if found:
        return found
    if not model.attentions:
        raise NotApplicable(NONE)
    if any(one.local for one in model.attentions):
        raise NotApplicable(LOCAL)
    raise NotApplicable(
        "its attentions do not hand on one row of tokens: what is attended to, or from, changes on the way"
    )


def token_blocks(model: ModelFacts) -> tuple[AttentionFacts, ...]:
    """The attentions of all blocks that hand on one row of tokens; one that only pools is none. Raises
    NotApplicable where there are no such blocks."""
    found = tuple(one for one in token_chain(model) if not one.pools)
    shapes = {model.layer(one.block).output_shape if one.block else None for one in found}
    pairs = pairwise(found)
    if not found or None in shapes or len(shapes) > 1 or not all(_behind(model, *pair) for pair in pairs):
        raise NotApplicable("its attentions are not each in a block that hands all tokens on to the next one")
    return found


def _behind(model: ModelFacts, one: AttentionFacts, following: AttentionFacts) -> bool:
    """Whether one block gets what the other gives: no layer with weights outside of it runs between."""
    start, end = (model.layer(block).finished for block in (one.block, following.block))
    between = [x for x in model.leaves() if x.weighted and start < x.finished < end]
    return all(f"{x.name}.".startswith(f"{following.block}.") for x in between)


def _facts(model: ModelFacts, number: int) -> AttentionFacts:
    return model.attentions[number - 1]


def _table_bytes(model: ModelFacts, number: int) -> int:
    _, queries, keys = _facts(model, number).shape
    return 4 * queries * keys
