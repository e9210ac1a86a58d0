"""What a batch attends to: a forward in which attention is worked out step by step, and its gradients.

The weights of every head are as large as all tokens times all tokens, so images go through few at a time,
and what is kept of them is small: means over heads, or single queries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from reportgen.engine.feed import Edit
from reportgen.engine.needs import (
    Attention,
    AttentionBackward,
    AttentionRelevance,
    BlockGradient,
    MeanAttention,
    Need,
    score_of,
    token_blocks,
)
from reportgen.engine.network.attention import AttentionFacts
from reportgen.engine.network.catching import Call, Catcher
from reportgen.engine.perturb.asking import Asker
from reportgen.engine.plan import Plan
from reportgen.errors import InputError

OF_ONE = Attention | MeanAttention | AttentionRelevance | BlockGradient
AT_ONCE = 2**28  # bytes of attention weights that are held at once, if one image has not more


@dataclass(frozen=True)
class Attending:
    """The plan's needs of attention, answered for batches. `targets` has for every slot the class that is
    explained, (N,)."""

    asker: Asker
    plan: Plan
    targets: Sequence[Tensor]

    def of(self, x: Tensor) -> dict[Need, list[Tensor]]:
        """For each need its value for every slot, given a batch x (N, C, H, W)."""
        parts: dict[tuple[Need, int], list[Tensor]] = defaultdict(list)
        size = max(1, AT_ONCE // self._bytes)
        for start in range(0, len(x), size):
            targets = [target[start : start + size] for target in self.targets]
            few = replace(self, asker=self.asker.of(torch.arange(start, min(start + size, len(x)))))
            with torch.set_grad_enabled(self._differentiates):
                for need, slot, value in few._few(x[start : start + size], targets):
                    parts[need, slot].append(value.detach())
        every = range(len(self.targets))
        needs = {need for need, _ in parts}
        # what depends on no class is the same for every slot
        return {n: [torch.cat(parts[n, s if (n, s) in parts else 0]) for s in every] for n in needs}

    def _few(self, x: Tensor, targets: Sequence[Tensor]) -> Iterator[tuple[Need, int, Tensor]]:
        """Needs, slots and values of few images."""
        caught: dict[int, Tensor] = {}
        with Catcher(lambda number, call: self._caught(number, call, caught)):
            logits, tokens = self.asker.forward(x, tuple(one.block for one in self._blocks))
        if missing := self._wanted.keys() - caught.keys():
            one = self._wanted[min(missing)]
            raise InputError(
                f"the network did not attend in {one.layer} as it did when it was looked at",
                "leave out what shows its attention: where it attends depends on the image",
            )
        heads = {self._wanted[n].number: self._by_head(weights, n, len(x)) for n, weights in caught.items()}
        for need in self.plan.of(Attention):
            read = list(self._facts(need.number).read)
            yield need, 0, heads[need.number][:, :, read].mean(2)
        for means in self.plan.of(MeanAttention):
            yield means, 0, heads[means.number].mean(1)
        yield from self._relevance(logits, caught, targets)
        yield from self._by_block(x, logits, tokens, caught, targets)

    def _relevance(
        self, logits: Tensor, caught: dict[int, Tensor], targets: Sequence[Tensor]
    ) -> Iterator[tuple[Need, int, Tensor]]:
        """Chefer et al. 2021, eq. 5, of every attention from one backward a slot."""
        needs = self.plan.of(AttentionRelevance)
        calls = [self._facts(need.number).call for need in needs]
        for slot, target in enumerate(targets if needs else ()):
            gradients = self._gradients(logits, target, [caught[call] for call in calls])
            for need, call, gradient in zip(needs, calls, gradients, strict=True):
                positive = (gradient * caught[call].detach()).relu_()
                yield need, slot, self._by_head(positive, call, len(target)).mean(1)

    def _by_block(
        self,
        x: Tensor,
        logits: Tensor,
        tokens: dict[str, Tensor],
        caught: dict[int, Tensor],
        targets: Sequence[Tensor],
    ) -> Iterator[tuple[Need, int, Tensor]]:
        """LeGrad's gradient of every block: its tokens take the place of those of the last one."""
        for need in self.plan.of(BlockGradient):
            one, last = self._facts(need.number), self._blocks[-1]
            scores = logits
            if one != last:
                scores, _ = self.asker.forward(x, edit=_given_by(tokens[one.block], last.block))
            for slot, target in enumerate(targets):
                (gradient,) = self._gradients(scores, target, [caught[one.call]])
                yield need, slot, self._by_head(gradient.relu_(), one.call, len(x)).mean((1, 2))

    def _gradients(self, logits: Tensor, target: Tensor, by: list[Tensor]) -> list[Tensor]:
        """Of the summed scores: images do not mix, so each gets its own."""
        score = score_of(logits, target, self.asker.facts.score).sum()
        found = torch.autograd.grad(score, by, retain_graph=True, allow_unused=True)
        self.asker.counted.backwards += len(target)
        pairs = zip(found, by, strict=True)
        return [torch.zeros_like(a) if gradient is None else gradient for gradient, a in pairs]

    def _caught(self, number: int, call: Call, caught: dict[int, Tensor]) -> Tensor:
        if number not in self._wanted:
            return call.run()
        weights = call.weights()
        if self._differentiates and not weights.requires_grad:
            weights.requires_grad_()  # of a first block, which nothing before has a gradient of
        caught[number] = weights
        return call.result(weights)

    def _by_head(self, weights: Tensor, call: int, images: int) -> Tensor:
        """Attention weights as (N, heads, queries, keys), those of images that fill a batch up cut off."""
        return weights.reshape(-1, *self._wanted[call].shape)[:images]

    def _facts(self, number: int) -> AttentionFacts:
        return self.asker.facts.attentions[number - 1]

    @cached_property
    def _wanted(self) -> dict[int, AttentionFacts]:
        """The attentions that anything is asked of, by their call."""
        numbers = {need.number for need in self.plan.needs if isinstance(need, OF_ONE)}
        return {(one := self._facts(number)).call: one for number in sorted(numbers)}

    @cached_property
    def _blocks(self) -> tuple[AttentionFacts, ...]:
        """All blocks, where block gradients are asked for."""
        return token_blocks(self.asker.facts) if self.plan.of(BlockGradient) else ()

    @property
    def _differentiates(self) -> bool:
        return bool(self.plan.of(AttentionBackward) or self.plan.of(BlockGradient))

    @property
    def _bytes(self) -> int:
        """Of one image's attention weights, and of what is made of them on the way."""
        return sum(4 * 4 * torch.Size(one.shape).numel() for one in self._wanted.values())


def _given_by(tokens: Tensor, block: str) -> Edit:
    """The change of what a block gives to these tokens, (N, …)."""
    return Edit(block, 1, lambda _given, image: tokens[image])
