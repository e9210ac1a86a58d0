from __future__ import annotations

from collections.abc import Sequence

from reportgen.engine.needs import (
    AUTO,
    Attention,
    AttentionFacts,
    LayerNames,
    ModelFacts,
    Need,
    Tape,
    attentions,
)
from reportgen.findings import Finding, Gallery, Heatmap, Scalar, nth
from reportgen.probes import probe


@probe("attention", scope="image", group="inside the network")
class AttentionMaps:
    """Attention: which patches a block's heads take from.

    Definition. The weights of one attention, softmax(q·k/√d), that the class token as the query gives
    to each patch; the mean over all patches as queries where the network answers from no class
    token. The mean over the heads, and each head by itself. Shown is the last attention of the network, or
    those in `layers`, by the name of a module or by number in call order from 1. What goes to tokens
    that are no patches (class token, registers) is left out of the map, and its share is said.

    Reading. Bright patches are those whose values a head takes into its sum. Heads often divide the
    work: some follow the object, others its border, or the surroundings.

    Limits. It knows no class, and is no explanation of an answer: what is taken from a patch may count for
    nothing afterwards, or against the class, and every token of a late block stands for more than its own
    patch. A single patch that takes nearly all weight is often one that the network keeps notes in,
    and shows nothing (Darcet et al. 2024). Each head is drawn over its own range.

    Source. Vaswani et al. 2017, Attention Is All You Need, eq. 1 (arXiv:1706.03762); Dosovitskiy et al.
    2021, An Image is Worth 16x16 Words (arXiv:2010.11929); Darcet et al. 2024, Vision Transformers Need
    Registers (arXiv:2309.16588).
    """

    layers: LayerNames = AUTO

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return tuple(Attention(one.number) for one in attentions(model, self.layers))

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        every = enumerate(attentions(tape.model, self.layers))
        return tuple(finding for n, one in every for finding in self._findings(tape, one, n))

    def _findings(self, tape: Tape, one: AttentionFacts, n: int) -> tuple[Finding, ...]:
        heads = tape[Attention(one.number)]  # (N, heads, keys)
        maps = one.on_grid(heads)  # (N, heads, h, w)
        beside = 100 * heads.mean(1)[:, list(one.others)].sum(1)  # (N,)
        quantity, place = f"weight, {one.reader}", one.layer
        mean = Heatmap(nth("map", n), "Attention, mean of heads", maps.mean(1), quantity, layer=place)
        each = Gallery(
            *(nth("heads", n), "Attention of each head", maps, None, "weight"), layer=place, counted="heads"
        )
        if not one.others:
            return mean, each
        title = f"{place}: weight of {_tokens(len(one.others))}"
        return mean, each, Scalar(nth("share-of-other-tokens", n), title, beside, "%")


def _tokens(count: int) -> str:
    return f"{count} tokens that are no patches" if count > 1 else "the token that is no patch"
