"""Does a map point at what counts, and does it say how much?

The image is taken apart on a grid of cells in the order of each map: what is left after the best cells are
gone, and what the best cells alone give (the symmetric relevance gain, Blücher et al. 2024,
arXiv:2401.06654), where what is taken away is blurred, and once more where it is filled in from what is left
(ROAD, Rong et al. 2022, arXiv:2202.00449). Random orders give the gain of no map; the greediest is the better
of two orders by occlusion, of the falls of the score as each cell alone is blurred, and as windows of several
are. How well a map's cells follow the falls of single ones is the single-deletion score of Hesse et al. 2024,
Benchmarking the Attribution Quality of Vision Models (arXiv:2407.11910).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reportgen.engine.perturb.deletion import (
    Curves,
    blurring,
    by_windows,
    cell_means,
    curves,
    deleting_and_inserting,
    one_by_one,
    ranks,
)
from reportgen.engine.perturb.imputation import imputing
from reportgen.engine.perturb.makers import Source
from reportgen.measure.maps.asking import Asking
from reportgen.measure.maps.likeness import gaussian

FILLS = ("blur", "imputed")
GREEDY = 2  # orders by occlusion, of which the better one counts


@dataclass(frozen=True)
class Taken:
    """A batch taken apart. `cells` are each method's cell means and `falls` those of the score as a cell
    alone goes, both (n, cells²). `curves` are those of every order by fill: the methods' in order of name,
    the `GREEDY` by occlusion, the random ones and their reverses."""

    cells: dict[str, Tensor]
    falls: Tensor
    curves: dict[str, Curves]

    @property
    def gaussian(self) -> Tensor:
        """A centred Gaussian on the cells, (cells²,)."""
        side = round(self.falls.shape[1] ** 0.5)
        return gaussian(side, side).flatten()


@torch.no_grad()
def taken_apart(asking: Asking) -> Taken:
    """Every image of the batch taken apart, in every order that is asked about."""
    batch, engine = asking.batch, asking.engine.over(asking.batch.masks)
    x = batch.pixels.to(engine.device)
    height, width = batch.pixels.shape[2:]
    cells = {name: cell_means(maps, (height, width)) for name, maps in batch.maps.items()}
    source = Source(x, engine.normalisation, {})
    side = round(next(iter(cells.values())).shape[1] ** 0.5)
    own = engine.score(batch.pixels)  # (n, classes)
    targets = batch.targets.to(x.device)

    def of_target(scores: Tensor) -> Tensor:
        return scores.gather(2, targets[:, None, None].expand(-1, scores.shape[1], 1))[..., 0].cpu()

    alone = of_target(engine.scores(x, one_by_one(source, side)))  # (n, cells²)
    whole_score = own.cpu().gather(1, batch.targets[:, None])  # (n, 1)
    falls = whole_score - alone
    windows, covers = by_windows(source, side)
    under = covers.to(falls)
    wide = (whole_score - of_target(engine.scores(x, windows))) @ under / under.sum(0)  # (n, cells²)
    order = _orders(asking, cells, (falls, wide)).to(x.device)
    steps = asking.trust.steps
    inner = torch.linspace(0, 1, steps + 1, device=x.device)[1:-1]
    readout = asking.facts.head.readout
    whole = of_target(readout(own)[:, None])[:, 0]
    found = {}
    for fill, filled in zip(FILLS, (blurring(source), imputing(x, asking.seed)), strict=True):
        scores = engine.scores(x, deleting_and_inserting(source, order, inner, filled))
        found[fill] = _with_reverses(
            curves(of_target(readout(scores)), whole, order.shape[1], steps), asking.trust.random_orders
        )
    return Taken(cells, falls, found)


def _orders(asking: Asking, cells: dict[str, Tensor], greedy: tuple[Tensor, ...]) -> Tensor:
    """The rank of every cell in every order, (n, methods + GREEDY + random, cells²)."""
    generator = torch.Generator().manual_seed(asking.seed)
    most = max(asking.batch.places) + 1
    # of each place in the sample its own: the images' random orders do not depend on each other
    noise = torch.rand(most, asking.trust.random_orders, greedy[0].shape[1], generator=generator)
    noise = noise[list(asking.batch.places)]
    # a map that is not finite has no order; as zeros its cells come in a random one
    values = [torch.nan_to_num(v, 0, 0, 0).float() for v in (*cells.values(), *greedy)]
    random = [noise[:, number] for number in range(noise.shape[1])]
    return torch.stack([ranks(v, asking.seed) for v in (*values, *random)], 1)


def _with_reverses(found: Curves, random: int) -> Curves:
    """The curves with those of the random orders from the other end: to delete the first of one order is to
    insert the last of the other, so that they cost nothing."""
    deletion, insertion = (found.insertion[:, -random:].flip(2), found.deletion[:, -random:].flip(2))
    return Curves(
        torch.cat([found.deletion, deletion], 1),
        torch.cat([found.insertion, insertion], 1),
        found.fractions,
    )
