"""Does a map depend on what the network has learned?

Its layers are shuffled from the input up to the whole network, and the map is made again: the signed rank
correlation ρ with the map as it was. Beside it stands what maps share that have nothing to do with each
other: ρ with the same method's maps of other images, with a centred Gaussian and with the edges of the image.

Adebayo et al. 2018, Sanity Checks for Saliency Maps (arXiv:1810.03292); from below, and with maps smoothed
over noisy copies first, Hedström et al. 2023, Sanity Checks Revisited (arXiv:2401.06465).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reportgen.engine.needs import Noisy
from reportgen.engine.perturb.makers import Source, maker
from reportgen.evidence import JUDGED, STAGES
from reportgen.measure.maps.asking import NETWORKS, Asking, ByMethod, Sampled
from reportgen.measure.maps.likeness import Ranked, edges, gaussian, mean_of, ranked
from reportgen.measure.visualizations import Visualization

OTHERS = 5  # images whose maps an image's are compared with


def depends_on_weights(asking: Asking) -> ByMethod:
    """ρ by stage of shuffling (`half`, `all`), and with `others`, `gaussian` and `edges`."""
    found: ByMethod = {}
    for visualizations, rows in asking.groups():
        batch = asking.batch.rows(rows)
        smooth = visualizations == asking.quick
        names = [v.name for v in visualizations]
        stages = STAGES if smooth else {JUDGED: STAGES[JUDGED]}
        own = _smoothed(asking, visualizations, batch, None) if smooth else batch.maps
        mine = {name: ranked(own[name]) for name in names}
        numbers = {
            name: [_beside(asking, name, row, mine[name][at]) for at, row in enumerate(rows)]
            for name in names
        }
        for stage, share in stages.items():
            for turn in range(NETWORKS):
                several = [at for at, place in enumerate(batch.places) if place % NETWORKS == turn]
                if not several:
                    continue
                network = asking.copies.of(asking.engine.network, asking.facts, share, asking.seed + turn)
                part = batch.rows(several)
                if smooth:
                    again = _smoothed(asking, visualizations, part, network)
                else:
                    (again,) = asking.remade(visualizations, part, part.pixels, [part.targets], network)
                for name in names:
                    for at, other in zip(several, ranked(again[name]), strict=True):
                        numbers[name][at][stage] = mine[name][at].like(other)
        for name in names:
            found[name] = dict(zip(rows, numbers[name], strict=True))
    return found


def _smoothed(
    asking: Asking, visualizations: tuple[Visualization, ...], batch: Sampled, network: nn.Module | None
) -> dict[str, Tensor]:
    """The mean of each method's maps (n, h, w) over noisy copies of the images."""
    copies, count = asking.trust.copies, len(batch.places)
    noisy = maker(Noisy(copies, asking.trust.noise_std, asking.seed), _source(asking, batch))
    at_once = max(1, asking.engine.asker.differentiated_size // count)
    total: dict[str, Tensor] = {}
    for several in torch.arange(copies).split(at_once):
        every = torch.arange(count).repeat(len(several))
        pixels = noisy.make(every, several.repeat_interleave(count))
        whole = batch.rows(every.tolist())
        (maps,) = asking.remade(visualizations, whole, pixels, [whole.targets], network)
        for name, values in maps.items():
            for of_copy in values.split(count):
                total[name] = total.get(name, torch.zeros_like(of_copy)) + of_copy / copies
    return total


def _source(asking: Asking, batch: Sampled) -> Source:
    return Source(batch.pixels, asking.engine.normalisation, {})


def _beside(asking: Asking, name: str, row: int, mine: Ranked) -> dict[str, float | None]:
    """ρ with what an image's map has nothing to do with."""
    place = asking.batch.places[row]
    known = asking.others.ranks[name]
    turned = [other for other in asking.others.after(place) if other in known]
    pixels = asking.batch.pixels[row : row + 1].float()
    return {
        "others": mean_of([mine.like(known[other]) for other in turned[:OTHERS]]),
        "gaussian": mine.like(Ranked.of(gaussian(*mine.grid))),
        "edges": mine.like(Ranked.of(edges(pixels, mine.grid)[0])),
    }
