from __future__ import annotations

from collections.abc import Sequence

import torch

from reportgen.engine.needs import AttentionRelevance, ModelFacts, Need, Tape, taken, token_chain
from reportgen.findings import Finding, Heatmap, Remark
from reportgen.probes import probe


@probe("transmm", scope="image", group="gradients", explains=True)
class TransMM:
    """TransMM: the patches that the answer was taken from, block after block, where it raised the score.

    Definition. Of every block the attention A times the gradient of the class's logit by it, where that
    is above zero, its mean over heads: Ā = mean of max(0, dS/dA·A). Relevance starts as R = I and goes on
    as R ← R + Ā·R, first block first. Shown is the row of the class token of what was added to I, or the mean
    over the patches' rows where the network answers from these, without the columns of tokens that are no
    patches.

    Reading. Bright patches reached the answer through attention that raised the class's score.

    Limits. It sees what attention moves, and nothing of what the MLPs make of it. What speaks against
    the class is cut off.

    Source. Chefer, Gur & Wolf 2021 (ICCV), Generic Attention-model Explainability for Interpreting
    Bi-Modal and Encoder-Decoder Transformers, eq. 5-6 (arXiv:2103.15679).
    """

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return tuple(AttentionRelevance(one.number) for one in token_chain(model))

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        every = token_chain(tape.model)
        first, last = every[0], every[-1]
        tables = [tape[AttentionRelevance(one.number)] for one in every]  # each (N, queries, tokens)
        start = torch.eye(first.shape[2]).to(tables[0])[None]  # (1, tokens, tokens)
        relevance = start
        for one, a in zip(every, tables, strict=True):
            moved = a @ relevance[:, taken(one, first)]
            # a query that pools is no token, and has no relevance before
            relevance = moved if one.pools else relevance + moved
        added = relevance if last.pools else relevance - start
        values = first.on_grid(added[:, list(last.read)].mean(1))  # (N, h, w)
        return (
            Heatmap("map", "TransMM", values, "relevance", layer=last.layer),
            Remark("query", f"{len(every)} attention{'s' * (len(every) > 1)}, read at {last.reader}."),
        )
