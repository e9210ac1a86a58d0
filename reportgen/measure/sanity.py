"""Putting the maps to the test: do they find what the answer rests on, and do they depend on what
the network has learned? Measured by the engine that made them, on a sample of the images.

Petsiuk et al. 2018, sec. 4.1 (deletion and insertion); Adebayo et al. 2018, sec. 3.1 (shuffled
weights); agreement between methods and stability under noise as rank correlations.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reportgen.audit.sanity import JUDGED
from reportgen.engine.needs import MeanGradient, Noisy, Scores
from reportgen.engine.onepass import Counter, OnePass
from reportgen.engine.perturb.deletion import Curves, cell_means, curves, erasing, ranks
from reportgen.engine.perturb.makers import Source, maker
from reportgen.engine.plan import Plan, Planned
from reportgen.engine.randomise import STAGES, shuffled
from reportgen.engine.targets import Slot
from reportgen.evidence import Findings, Record, Writer
from reportgen.findings import Array, Heatmap, faults
from reportgen.measure.session import Session
from reportgen.probes import methods
from reportgen.stats import spearman


def sample(measured: Sequence[Record], session: Session) -> set[int]:
    """The numbers of the images whose maps are put to the test.

    Drawn with the recipe's seed from the half of the measured images that was answered with the
    highest probability: the map of an unsure answer explains a guess.
    """
    shown = [r for r in measured if r["measured"]]
    ranked = sorted(shown, key=lambda r: (-r["predictions"][0]["probability"], r["number"]))
    upper = [record["number"] for record in ranked[: math.ceil(len(ranked) / 2)]]
    count = min(session.recipe.trust.images, len(upper))
    return set(random.Random(session.recipe.run.seed).sample(upper, count))


def tried(
    session: Session, engine: OnePass, writer: Writer, pixels: Tensor, places: Sequence[tuple[str, Record]]
) -> tuple[list[Record], dict[str, int]]:
    """The records of a batch of sampled images (n, C, H, W), and what they cost in images.

    `places` are the shards and records that hold their maps.
    """
    explaining = {p.name for p in session.plan.of_scope("image") if methods()[p.name].explains}
    found = [attributions(writer.findings(shard, record["row"]), explaining) for shard, record in places]
    maps = {method: torch.stack([one[method] for one in found]) for method in found[0]}
    if not maps:
        return [], {}
    targets = [record["targets"][0] for _, record in places]
    chosen = torch.tensor([target["class_index"] for target in targets])
    trial = Trial(session, engine, pixels, chosen, maps)
    head = [
        {
            "number": record["number"],
            "id": record["id"],
            "target": {key: target[key] for key in ("class_index", "class_name")},
        }
        for (_, record), target in zip(places, targets, strict=True)
    ]
    return [h | r for h, r in zip(head, trial.records(), strict=True)], trial.cost()


def attributions(found: Findings, explaining: Collection[str]) -> dict[str, Tensor]:
    """One image's map (h, w) by every method that explains the answer, for its first target."""
    return {
        method: torch.from_numpy(finding.values)
        for method, slots in sorted(found.items())  # the order of a shard that was read back
        if method in explaining
        for finding in slots[0]
        if isinstance(finding, Heatmap) and finding.name == "map"
    }


@dataclass
class Trial:
    """One batch of sampled images (n, C, H, W) with the class explained (n,) and the maps to test."""

    session: Session
    engine: OnePass
    pixels: Tensor
    targets: Tensor
    maps: dict[str, Tensor]

    def __post_init__(self) -> None:
        # the same engine with a counter of its own, explaining the same class whatever is answered
        self.engine = replace(
            self.engine, counted=Counter(), slots=(Slot("label"),), progress=lambda _done: None
        )

    def cost(self) -> dict[str, int]:
        """What the test has cost so far, in images."""
        counted = self.engine.counted
        return {
            "trust_forwards": counted.forwards + counted.occlusion_forwards,
            "trust_backwards": counted.backwards,
        }

    def records(self) -> list[Record]:
        """One record an image: curves, rank correlations, agreement."""
        cells = {m: cell_means(v, self._side()) for m, v in self.maps.items()}
        erased = self._erased(cells)
        randomised = {stage: self._correlations(self._randomised(stage)) for stage in STAGES}
        stable = self._correlations(self._maps(self._noisy(), self._tested()))
        return [
            {
                "cells": round(cells[next(iter(cells))].shape[1] ** 0.5),
                "fractions": erased.fractions.tolist(),
                "methods": {
                    method: {
                        **_curve(erased, n, place),
                        "randomised": {s: rho[method][n] for s, rho in randomised.items() if method in rho},
                        "stability": stable[method][n],
                        "flag": faults(self.maps[method][n].numpy()) or erased.fault(n),
                    }
                    for place, method in enumerate(self.maps)
                },
                "random": _random(erased, n, len(self.maps)),
                "agreement": _agreement({m: v[n].numpy() for m, v in cells.items()}),
            }
            for n in range(len(self.pixels))
        ]

    def _side(self) -> tuple[int, int]:
        return (self.pixels.shape[2], self.pixels.shape[3])

    def _tested(self) -> tuple[Planned, ...]:
        return tuple(p for p in self.session.plan.of_scope("image") if p.name in self.maps)

    @torch.no_grad()
    def _erased(self, cells: dict[str, Tensor]) -> Curves:
        """Deletion and insertion in the order of every map, and then in random orders."""
        trust, seed = self.session.recipe.trust, self.session.recipe.run.seed
        x = self.pixels.to(self.engine.device)
        generator = torch.Generator().manual_seed(seed)
        count = next(iter(cells.values())).shape[1]
        noise = torch.rand(trust.random_orders, 1, count, generator=generator).expand(-1, len(x), -1)
        # a map that is not finite has no order; as zeros its cells come in a random one
        values = [torch.nan_to_num(v, 0, 0, 0) for v in cells.values()]
        order = torch.stack([ranks(v, seed) for v in (*values, *noise)], 1).to(x.device)  # (n, O, cells²)
        inner = torch.linspace(0, 1, trust.steps + 1, device=x.device)[1:-1]
        made = erasing(Source(x, self.engine.normalisation, {}), order, inner)
        scores = self.engine.scores(x, made)  # (n, V, classes)
        whole = self.engine.score(self.pixels)
        targets = self.targets.to(x.device)
        each = targets[:, None, None].expand(-1, scores.shape[1], 1)
        p = scores.softmax(2).gather(2, each)[..., 0].cpu()
        own = whole.softmax(1).gather(1, targets[:, None])[:, 0].cpu()
        return curves(p, own, order.shape[1], trust.steps)

    def _randomised(self, stage: str) -> dict[str, Tensor]:
        """The maps of the same classes by a network of shuffled weights.

        Methods that take many forwards are tried at the stage that the verdict rests on only.
        """
        planned = self._tested()
        if stage != JUDGED:
            dear = Scores | MeanGradient
            planned = tuple(p for p in planned if not any(isinstance(n, dear) for n in p.needs))
        seed = self.session.recipe.run.seed
        network = shuffled(self.engine.network, self.session.facts, stage, seed)
        return self._maps(self.pixels, planned, replace(self.engine, network=network))

    def _noisy(self) -> Tensor:
        """The images with a little noise, seeded."""
        trust, seed = self.session.recipe.trust, self.session.recipe.run.seed
        made = maker(Noisy(1, trust.noise_std, seed), Source(self.pixels, self.engine.normalisation, {}))
        every = torch.arange(len(self.pixels))
        return made.make(every, torch.zeros_like(every))

    def _maps(
        self, pixels: Tensor, planned: tuple[Planned, ...], engine: OnePass | None = None
    ) -> dict[str, Tensor]:
        plan = Plan(planned, self.session.facts, 1)
        (tape,) = replace(engine or self.engine, plan=plan).run(pixels, self.targets)
        return {
            p.name: torch.from_numpy(finding.values)
            for p in planned
            for finding in p.probe.measure(tape)
            if isinstance(finding, Heatmap) and finding.name == "map"
        }

    def _correlations(self, others: dict[str, Tensor]) -> dict[str, list[float | None]]:
        """The rank correlation of each map's magnitude with the other map's, for every image."""
        return {
            method: [
                magnitude_correlation(mine.numpy(), other.numpy())
                for mine, other in zip(self.maps[method], maps, strict=True)
            ]
            for method, maps in others.items()
        }


def _curve(erased: Curves, n: int, place: int) -> dict[str, Any]:
    deletion, insertion = erased.deletion[n, place].numpy(), erased.insertion[n, place].numpy()
    areas = _area(deletion), _area(insertion)
    return {
        "deletion": _list(deletion),
        "insertion": _list(insertion),
        "deletion_auc": _finite(areas[0]),
        "insertion_auc": _finite(areas[1]),
        "faithfulness": _finite(areas[1] - areas[0]),
    }


def _random(erased: Curves, n: int, first: int) -> dict[str, Any]:
    deletion, insertion = erased.deletion[n, first:].numpy(), erased.insertion[n, first:].numpy()
    return {
        "deletion": {"mean": _list(deletion.mean(0)), "sd": _list(deletion.std(0, ddof=1))},
        "insertion": {"mean": _list(insertion.mean(0)), "sd": _list(insertion.std(0, ddof=1))},
        "faithfulness": [
            _finite(_area(i) - _area(d)) for d, i in zip(deletion, insertion, strict=True)
        ],
    }


def _area(values: Array) -> float:
    """The area under a curve over [0, 1] by trapezoids."""
    return float((values[:-1].sum() + values[1:].sum()) / 2 / (len(values) - 1))


def _list(values: Array) -> list[float]:
    """The values, or none at all where one is not finite: such a curve has no shape."""
    return [float(v) for v in values] if np.isfinite(values).all() else []


def _finite(value: float) -> float | None:
    """JSON has no NaN: what a network that is not finite says is null."""
    return value if math.isfinite(value) else None


def _agreement(cells: dict[str, Array]) -> dict[str, Any]:
    """The rank correlation of every two methods' magnitudes, on the cells."""
    sizes = [abs(v) for v in cells.values()]
    return {"methods": list(cells), "rho": [[spearman(a, b) for b in sizes] for a in sizes]}


def magnitude_correlation(mine: Array, other: Array) -> float | None:
    """The rank correlation of two maps' magnitudes; 0 where the other has vanished altogether."""
    if not faults(mine) and not np.any(other):
        return 0.0
    return spearman(abs(mine), abs(other))
