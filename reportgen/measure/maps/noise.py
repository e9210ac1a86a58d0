"""A little noise, and what becomes of a map under it: is it steady, and is it about the class?

The noise of an image is the strongest of several at which its logits change by less than a hundredth, or the
least where none leaves them so alike, so that the map explains the same answer. Under it the map of the
answer and that of the strongest other class are made again, in one forward: ρ of the first with the map as it
was says how steady it is, ρ of the second how much of it is about any class. The random-logit test of Sixt,
Granz & Landgraf 2020, When Explanations Lie (arXiv:1912.09818), with the strongest rival in the place of a
random class.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reportgen.engine.needs import Noisy
from reportgen.engine.perturb.makers import Maker, Source, maker
from reportgen.measure.maps.asking import Asking, ByMethod, Sampled
from reportgen.measure.maps.likeness import ranked

LEVELS = tuple(0.08 / 2**halving for halving in range(6))  # of the image's range
CHANGED = 0.01  # the most that the logits may change, as a share of their length around their mean


def steady_and_of_the_class(asking: Asking) -> ByMethod:
    """ρ with the map `itself` under noise, with the `rival` class's under the same, and the noise's level."""
    found: ByMethod = {}
    if not asking.visualizations:
        return found
    levels = _levels(asking, asking.batch)
    for visualizations, rows in asking.groups():
        batch = asking.batch.rows(rows)
        pixels = _noisy(asking, batch, levels[rows])
        classes = [batch.targets] if batch.rivals is None else [batch.targets, batch.rivals]
        again = asking.remade(visualizations, batch, pixels, classes)
        for v in visualizations:
            of_classes = [ranked(maps[v.name]) for maps in again]
            found[v.name] = {}
            for at, (row, mine) in enumerate(zip(rows, ranked(batch.maps[v.name]), strict=True)):
                itself, *rival = (mine.like(several[at]) for several in of_classes)
                found[v.name][row] = {
                    "itself": itself,
                    "rival": rival[0] if rival else None,
                    "noise": float(levels[row]),
                }
    return found


def _copy(asking: Asking, batch: Sampled) -> Tensor:
    """One noisy copy of each image, with noise as strong as its range, (n, C, H, W): the direction of
    noise."""
    whole = maker(Noisy(1, 1.0, asking.seed), Source(batch.pixels, asking.engine.normalisation, {}))
    every = torch.arange(len(batch.pixels))
    return whole.make(every, torch.zeros_like(every)) - batch.pixels


def _noisy(asking: Asking, batch: Sampled, levels: Tensor) -> Tensor:
    return batch.pixels + levels[:, None, None, None] * _copy(asking, batch)


def _levels(asking: Asking, batch: Sampled) -> Tensor:
    """For each image the strongest noise that leaves the answer as it is, (n,); else the least."""
    device = asking.engine.device
    x, noise, ladder = (v.to(device) for v in (batch.pixels, _copy(asking, batch), torch.tensor(LEVELS)))
    made = Maker(len(ladder), lambda image, n: x[image] + ladder[n][:, None, None, None] * noise[image])
    engine = asking.engine.over(batch.masks)
    noisy = engine.scores(x, made).double()  # (n, levels, classes)
    own = engine.score(batch.pixels).double()[:, None]
    around = own - own.mean(2, keepdim=True) if own.shape[2] > 1 else own
    change = (noisy - own).norm(dim=2) / around.norm(dim=2).clamp(min=1e-12)  # (n, levels)
    little = (change < CHANGED).cpu()
    first = torch.where(little.any(1), little.int().argmax(1), len(LEVELS) - 1)
    return torch.tensor(LEVELS)[first]
