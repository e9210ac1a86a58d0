from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field

from reportgen.engine.needs import MeanAttention, ModelFacts, Need, Tape, taken, token_chain
from reportgen.findings import Finding, Heatmap, Remark
from reportgen.probes import probe


@probe("attention-rollout", scope="image", group="inside the network")
class AttentionRollout:
    """Attention rollout: how much of each patch all blocks' attention together lets through.

    Definition. Of every block the attention A, its mean over heads, mixed with the way around it:
    residual·I + (1 − residual)·A, with `residual` 0.5. The product of these over all blocks, last block
    first, gives what each token at the end is made of. Shown is the row of the class token, or the mean over
    the patches' rows where the network answers from these, without the columns of tokens that are no
    patches.

    Reading. Bright patches had the most ways through the attention to where the network answers from.

    Limits. It knows no class: the map is the same whatever class is explained, so it cannot say why this
    answer was given. It takes values, MLPs and norms for nothing, and counts attention that works
    against the answer as if it worked for it.

    Source. Abnar & Zuidema 2020, Quantifying Attention Flow in Transformers, sec. 3 (arXiv:2005.00928).
    """

    residual: float = Field(default=0.5, ge=0, lt=1)

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return tuple(MeanAttention(one.number) for one in token_chain(model))

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        every = token_chain(tape.model)
        first, last = every[0], every[-1]
        tables = [tape[MeanAttention(one.number)] for one in every]  # each (N, queries, tokens)
        rollout = torch.eye(first.shape[2]).to(tables[0])[None]  # (1 or N, tokens, tokens)
        for one, a in zip(every, tables, strict=True):
            # a query that pools is no token: nothing goes around it
            pooled = a @ rollout[:, taken(one, first)]
            rollout = pooled if one.pools else self.residual * rollout + (1 - self.residual) * pooled
        values = first.on_grid(rollout[:, list(last.read)].mean(1))  # (N, h, w)
        return (
            Heatmap("map", "Attention rollout", values, "share let through", layer=last.layer),
            Remark("no-class", "It knows no class: for another answer to this image it would be the same."),
            Remark("query", f"{len(every)} attention{'s' * (len(every) > 1)}, read at {last.reader}."),
        )
