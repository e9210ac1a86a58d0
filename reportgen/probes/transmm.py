from __future__ import annotations

from collections.abc import Sequence

import torch

from reportgen.engine.needs import AttentionRelevance, ModelFacts, Need, Tape, token_chain
from reportgen.findings import Finding, Heatmap, Remark
from reportgen.probes import probe


@probe("transmm", scope="image", group="gradients", explains=True)
class TransMM:
    """TransMM: the patches that the answer was taken from, block after block, where it raised the score.

    Definition. Of every block the attention A times the gradient of the class's logit by it, where that
    is above zero, its mean over heads: Ā = mean of (dS/dA·A)⁺. Relevance starts as R = I and goes on
    as R ← R + Ā·R, first block first. Shown is the row of the class token, or the mean over the patches'
    rows where the network answers from these, without the columns of tokens that are no patches.

    Reading. Bright patches reached the answer through attention that raised the class's score.

    Limits. It sees what attention moves, and nothing of what the MLPs make of it. What speaks against
    the class is cut off. Where patches answer themselves, each also counts its own place once.

    Source. Chefer, Gur & Wolf 2021 (ICCV), Generic Attention-model Explainability for Interpreting
    Bi-Modal and Encoder-Decoder Transformers, eq. 5-6 (arXiv:2103.15679).
    """

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return tuple(AttentionRelevance(one.number) for one in token_chain(model))

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        every = token_chain(tape.model)
        last = every[-1]
        first = tape[AttentionRelevance(every[0].number)]  # (N, tokens, tokens), or (N, queries, tokens)
        relevance = torch.eye(last.shape[2]).to(first).expand(len(first), -1, -1)  # (N, tokens, tokens)
        for one in every:
            moved = tape[AttentionRelevance(one.number)] @ relevance
            # a query that pools is no token, and has no relevance before
            relevance = relevance + moved if one.queries == one.keys else moved
        values = last.on_grid(relevance[:, list(last.read)].mean(1))  # (N, h, w)
        return (
            Heatmap("map", "TransMM", values, "relevance", layer=last.layer),
            Remark("query", f"{len(every)} attentions, read at {last.reader}."),
        )
