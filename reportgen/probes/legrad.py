from __future__ import annotations

from collections.abc import Sequence

import torch

from reportgen.engine.needs import BlockGradient, ModelFacts, Need, Tape, token_blocks
from reportgen.findings import Finding, Heatmap, Remark
from reportgen.probes import probe


@probe("legrad", scope="image", group="gradients", explains=True)
class LeGrad:
    """LeGrad: which patches each block would attend to more, to raise the class's score.

    Definition. Of every block the class's logit, as the network's own norm, pooling and head read it
    off the tokens that this block gives; its gradient by the block's attention weights after the
    softmax, rectified, its mean over heads and over all queries. Of these one number a token those of
    tokens that are no patches are dropped; the map is the mean over all blocks.

    Reading. Bright patches are those that speak for the class where a block takes from them.

    Limits. It needs blocks that hand on one row of tokens. What speaks against the class is cut off.
    An early block's tokens were never meant for the head, so its share is a rough guess; in a network
    that pools by attention that last attention counts as part of the head.

    Source. Bousselham et al. 2024, LeGrad: An Explainability Method for Vision Transformers via Feature
    Formation Sensitivity, sec. 3 (arXiv:2404.03214).
    """

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return tuple(BlockGradient(one.number) for one in token_blocks(model))

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        blocks = token_blocks(tape.model)
        each = torch.stack([one.on_grid(tape[BlockGradient(one.number)]) for one in blocks])  # (L, N, h, w)
        values, last = each.mean(0), blocks[-1].layer
        return (
            Heatmap("map", "LeGrad", values, f"mean of ReLU(dS/dA), {tape.model.score_words}", layer=last),
            Remark("blocks", f"The mean over {len(blocks)} block{'s' * (len(blocks) > 1)}."),
        )
