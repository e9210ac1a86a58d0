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
from functools import partial

import numpy as np
import torch
from torch import Tensor

from reportgen.engine.needs import MeanGradient, Noisy, Scores
from reportgen.engine.onepass import OnePass
from reportgen.engine.perturb.asking import Counter
from reportgen.engine.perturb.deletion import Curves, cell_means, curves, deleting_and_inserting, ranks
from reportgen.engine.perturb.makers import Source, maker
from reportgen.engine.plan import Plan
from reportgen.engine.randomise import shuffled
from reportgen.engine.targets import Slot
from reportgen.evidence import JUDGED, STAGES, Findings, Record, Stage, TrustRecord, Writer, records, shards
from reportgen.findings import Array, Heatmap, faults
from reportgen.inputs.images.loading import Decoded
from reportgen.measure.measurement import Measurement, masks_of, pixels_of
from reportgen.measure.models import ModelUnderAudit
from reportgen.measure.records import of_trial
from reportgen.measure.visualizations import Visualization, needs_of
from reportgen.probes import methods
from reportgen.stats import spearman


def sanity_check(m: Measurement) -> None:
    """Puts the maps of a sample of the measured images to the test, a shard a batch."""
    chosen = sample(m.writer.records(shards.BATCH), m.model)
    done = {record["number"] for record in m.writer.records(shards.TRUST)}
    m.progress("trust", len(done), len(chosen))
    for images, _ in m.batches(file for file in m.audit.files if file.number in chosen - done):
        m.in_parts(images, partial(_tested, m))
        m.progress("trust", len(m.writer.records(shards.TRUST)), len(chosen))


def _tested(m: Measurement, images: list[Decoded]) -> None:
    """Tests the maps of a batch of sampled images and writes its shard."""
    measured = [m.writer.measured(image.file.number) for image in images]
    with m.watch.on("trust"):
        engine = m.engine.over(masks_of(images))
        tested, cost = tried(m.model, engine, m.writer, pixels_of(images), measured)
    m.writer.write(m.writer.next(shards.TRUST), {}, tested, cost=cost)


def sample(measured: Sequence[Record], model: ModelUnderAudit) -> set[int]:
    """The numbers of the images whose maps are put to the test.

    Drawn with the recipe's seed from the half of the measured images that was answered with the
    highest probability: the map of an unsure answer explains a guess.
    """
    shown = [r for r in measured if r["measured"]]
    ranked = sorted(shown, key=lambda r: (-(r["predictions"][0]["probability"] or 0), r["number"]))
    upper = [record["number"] for record in ranked[: math.ceil(len(ranked) / 2)]]
    count = min(model.recipe.trust.images, len(upper))
    return set(random.Random(model.recipe.run.seed).sample(upper, count))


def tried(
    model: ModelUnderAudit,
    engine: OnePass,
    writer: Writer,
    pixels: Tensor,
    measured: Sequence[tuple[str, Record]],
) -> tuple[list[TrustRecord], dict[str, int]]:
    """The records of a batch of sampled images (n, C, H, W), and what they cost in images.

    `measured` are the shards and records that hold their maps.
    """
    explaining = {v.name for v in model.visualizations.of_scope("image") if methods()[v.name].explains}
    each = [attributions(writer.findings(shard, record["row"]), explaining) for shard, record in measured]
    maps = {method: torch.stack([of_image[method] for of_image in each]) for method in each[0]}
    if not maps:
        return [], {}
    targets = [record["targets"][0] for _, record in measured]
    chosen = torch.tensor([target["class_index"] for target in targets])
    trial = Trial(model, engine, pixels, chosen, maps)
    tested: list[TrustRecord] = [
        {
            "number": record["number"],
            "id": record["id"],
            "target": {"class_index": target["class_index"], "class_name": target["class_name"]},
            **of_maps,
        }
        for (_, record), target, of_maps in zip(measured, targets, trial.records(), strict=True)
    ]
    return tested, trial.cost()


def attributions(findings: Findings, explaining: Collection[str]) -> dict[str, Tensor]:
    """One image's map (h, w) by every method that explains the answer, for its first target."""
    return {
        method: torch.from_numpy(finding.values)
        for method, slots in sorted(findings.items())  # the order of a shard that was read back
        if method in explaining
        for finding in slots[0]
        if isinstance(finding, Heatmap) and finding.name == "map"
    }


@dataclass
class Trial:
    """One batch of sampled images (n, C, H, W) with the class explained (n,) and the maps to test."""

    model: ModelUnderAudit
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
            "trust_forwards": counted.forwards + counted.perturbed_forwards,
            "trust_backwards": counted.backwards,
        }

    def records(self) -> list[records.Trial]:
        """One record an image: curves, rank correlations, agreement."""
        cells = {m: cell_means(v, self._side()) for m, v in self.maps.items()}
        deleted = self._deleted(cells)
        randomised = {stage: self._correlations(self._randomised(stage)) for stage in STAGES}
        stable = self._correlations(self._maps(self._noisy(), self._tested()))
        flags = {m: [faults(v.numpy()) for v in maps] for m, maps in self.maps.items()}
        return [
            of_trial(
                n,
                {m: v[n].numpy() for m, v in cells.items()},
                deleted,
                {stage: {m: rho[n] for m, rho in every.items()} for stage, every in randomised.items()},
                {m: rho[n] for m, rho in stable.items()},
                {m: flags[m][n] for m in flags},
            )
            for n in range(len(self.pixels))
        ]

    def _side(self) -> tuple[int, int]:
        return (self.pixels.shape[2], self.pixels.shape[3])

    def _tested(self) -> tuple[Visualization, ...]:
        return tuple(p for p in self.model.visualizations.of_scope("image") if p.name in self.maps)

    @torch.no_grad()
    def _deleted(self, cells: dict[str, Tensor]) -> Curves:
        """Deletion and insertion in the order of every map, and then in random orders."""
        trust, seed = self.model.recipe.trust, self.model.recipe.run.seed
        x = self.pixels.to(self.engine.device)
        generator = torch.Generator().manual_seed(seed)
        count = next(iter(cells.values())).shape[1]
        noise = torch.rand(trust.random_orders, 1, count, generator=generator).expand(-1, len(x), -1)
        # a map that is not finite has no order; as zeros its cells come in a random one
        values = [torch.nan_to_num(v, 0, 0, 0) for v in cells.values()]
        order = torch.stack([ranks(v, seed) for v in (*values, *noise)], 1).to(x.device)  # (n, O, cells²)
        inner = torch.linspace(0, 1, trust.steps + 1, device=x.device)[1:-1]
        perturbed = deleting_and_inserting(Source(x, self.engine.normalisation, {}), order, inner)
        scores = self.engine.scores(x, perturbed)  # (n, V, classes)
        whole = self.engine.score(self.pixels)
        targets = self.targets.to(x.device)
        each = targets[:, None, None].expand(-1, scores.shape[1], 1)
        head = self.model.facts.head
        p = head.readout(scores).gather(2, each)[..., 0].cpu()
        own = head.readout(whole).gather(1, targets[:, None])[:, 0].cpu()
        return curves(p, own, order.shape[1], trust.steps)

    def _randomised(self, stage: Stage) -> dict[str, Tensor]:
        """The maps of the same classes by a network of shuffled weights.

        Methods that take many forwards are tried at the stage that the verdict rests on only.
        """
        visualizations = self._tested()
        if stage != JUDGED:
            dear = Scores | MeanGradient
            visualizations = tuple(p for p in visualizations if not any(isinstance(n, dear) for n in p.needs))
        seed = self.model.recipe.run.seed
        network = shuffled(self.engine.network, self.model.facts, STAGES[stage], seed)
        return self._maps(self.pixels, visualizations, replace(self.engine, network=network))

    def _noisy(self) -> Tensor:
        """The images with a little noise, seeded."""
        trust, seed = self.model.recipe.trust, self.model.recipe.run.seed
        noisy = maker(Noisy(1, trust.noise_std, seed), Source(self.pixels, self.engine.normalisation, {}))
        every = torch.arange(len(self.pixels))
        return noisy.make(every, torch.zeros_like(every))

    def _maps(
        self, pixels: Tensor, visualizations: tuple[Visualization, ...], engine: OnePass | None = None
    ) -> dict[str, Tensor]:
        plan = Plan(needs_of(visualizations), self.model.facts, 1)
        (tape,) = replace(engine or self.engine, plan=plan).run(pixels, self.targets)
        return {
            p.name: torch.from_numpy(finding.values)
            for p in visualizations
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


def magnitude_correlation(mine: Array, other: Array) -> float | None:
    """The rank correlation of two maps' magnitudes; 0 where the other has vanished altogether."""
    if not faults(mine) and not np.any(other):
        return 0.0
    return spearman(abs(mine), abs(other))
