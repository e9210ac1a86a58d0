"""The checkpoints of one run, one after another in the audited network, over the whole set.

A shard a batch and checkpoint (`snapshot-00-000000`), whose tallies merge, so that memory grows
neither with the set nor with the checkpoints, and an interrupted run resumes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from reportgen.engine import top_images
from reportgen.engine.needs.top_images import Projected, Projections, Ranking, TopImages
from reportgen.engine.needs.training import Evolved, Snapshot
from reportgen.engine.network.head import SOFTMAX, Head
from reportgen.engine.network.output import answers
from reportgen.engine.onepass import OnePass
from reportgen.engine.perturb.asking import Counter
from reportgen.engine.plan import Plan
from reportgen.engine.projector import Load, Projector
from reportgen.engine.targets import Slot
from reportgen.errors import InputError
from reportgen.evidence import Writer, shards
from reportgen.findings import Array, Tally
from reportgen.inputs.checkpoints.reading import load
from reportgen.inputs.models.subject import fill
from reportgen.measure.audit import Audit
from reportgen.measure.models import ModelUnderAudit


@contextmanager
def weights_of(
    network: nn.Module, path: Path, source: str, weights: str | None = None, sha256: str | None = None
) -> Iterator[None]:
    """The network with another checkpoint's weights in it; its own come back.

    Raises InputError where it cannot be read, and where it is no more the file of the hash `sha256`: its
    numbers would stand under the name, and the key, of the one that the run began with.
    """
    loaded = load(path, weights)
    if sha256 is not None and loaded.sha256 != sha256:
        raise InputError(
            f"the checkpoint {path} was changed while the run lasted",
            "give the same command again: what depends on it is measured anew",
        )
    own = {key: value.clone() for key, value in network.state_dict().items()}
    try:
        fill(network, loaded, source)
        yield
    finally:
        network.load_state_dict(own)


@dataclass
class Snapshots:
    """Sees every checkpoint of `need` over the set. `load` gives images by number, in batches."""

    audit: Audit
    model: ModelUnderAudit
    writer: Writer
    engine: OnePass
    load: Load
    progress: Callable[[int, int], None]
    cost: dict[str, int] = field(default_factory=dict)  # of the projections; the shards have the rest

    def run(self, need: Evolved, rankings: Mapping[TopImages, Ranking]) -> tuple[Snapshot, ...]:
        """A snapshot a checkpoint, in order; `rankings` are those of the audited checkpoint."""
        chosen = [
            replace(p, channels=tuple(rankings[p.top_images].channels(p.channels))) for p in need.projected
        ]
        snapshots: list[Snapshot] = []
        before: dict[str, Array] = {}
        for number, name in enumerate(need.checkpoints):
            path = self.model.recipe.folder / name
            source, key = self.model.subject.source, self.model.recipe.model.weights
            with weights_of(self.engine.network, path, source, key, self.model.snapshots[name]):
                weights = self._weights()
                tally = self._tally(number, need)
                projected = self._projected(chosen, top_images.rankings(self._plan(need), tally))
            snapshots.append(_snapshot(path.stem, tally, changes(before, weights), projected))
            before = weights
        return tuple(snapshots)

    def _plan(self, need: Evolved) -> Plan:
        """What a checkpoint is asked: the ranks of the same layers, and its answers."""
        wished = tuple(p.top_images for p in need.projected)
        return Plan(wished, self.model.facts, 1)

    def _tally(self, number: int, need: Evolved) -> Tally:
        """Answers and ranks of one checkpoint over the whole set."""
        kind = f"{shards.SNAPSHOT}-{number:02d}"
        labels = {file.number: file.label_index for file in self.audit.files}
        done = {record["number"] for record in self.writer.records(kind)}
        todo = [file.number for file in self.audit.files if file.reason is None and file.number not in done]
        engine = replace(self.engine, plan=self._plan(need), slots=(Slot("predicted"),), counted=Counter())
        seen = len(done)
        for numbers, pixels in self.load(todo):
            engine.counted = Counter()
            (tape,) = engine.run(pixels, torch.full((len(pixels),), -1))
            ranked = top_images.rank(engine.plan, tape, numbers)
            tally = Tally(
                sums=judged(tape.logits, [labels[n] for n in numbers], tape.model.head),
                tops=ranked.tops if ranked else {},
            )
            records = [{"number": n} for n in numbers]
            cost = {f"snapshot_{k}": v for k, v in engine.counted.as_cost().items() if v}
            self.writer.write(self.writer.next(kind), {}, records, cost=cost, tallies={kind: tally})
            seen += len(numbers)
            self.progress(number * len(self.audit.files) + seen, len(need.checkpoints) * len(labels))
        merged = self.writer.tally(kind)
        assert merged is not None  # a set without a readable image was refused before
        return merged

    def _projected(
        self, chosen: list[Projected], rankings: Mapping[TopImages, Ranking]
    ) -> tuple[Projections, ...]:
        """The strongest places of the network as it is now, projected."""
        e = self.engine
        projector = Projector(e.network, e.plan.facts, e.normalisation, e.device, self.load, e.output, e.feed)
        projections = projector.run(chosen, rankings, {})
        for key, value in projector.cost.items():
            self.cost[key] = self.cost.get(key, 0) + value
        return tuple(projections[need] for need in chosen)

    def _weights(self) -> dict[str, Array]:
        """The weights of every layer that has any, float64 on the CPU."""
        layers = [x for x in self.model.facts.leaves() if len(x.weight_shape or ()) > 1]
        modules = dict(self.engine.network.named_modules())
        return {x.name: modules[x.name].weight.detach().double().cpu().numpy() for x in layers}


def judged(logits: Tensor, labels: list[int | None], head: Head = SOFTMAX) -> dict[str, float]:
    """Of a batch's logits (N, classes): images, those without an answer, and of the others the labelled
    ones, the right ones and the sum of their losses."""
    said = answers(logits).tolist()
    known = [n for n, label in enumerate(labels) if label is not None and said[n] >= 0]
    wide = logits[known].double().cpu()
    truth = torch.tensor([labels[n] for n in known], dtype=torch.long)
    losses = -head.log_probabilities(wide).gather(1, truth[:, None]).sum()
    return {
        "images": len(labels),
        "unanswered": sum(answer < 0 for answer in said),
        "labelled": len(known),
        "right": sum(said[n] == labels[n] for n in known),
        "loss": float(losses),
    }


def changes(before: Mapping[str, Array], now: Mapping[str, Array]) -> dict[str, float]:
    """By layer ‖W - W'‖₂ / ‖W'‖₂ for weights W and those before, W'; nothing where there are none."""
    return {
        name: float(np.linalg.norm(now[name] - old) / max(float(np.linalg.norm(old)), 1e-30))
        for name, old in before.items()
    }


def _snapshot(
    name: str, tally: Tally, changed: dict[str, float], projected: tuple[Projections, ...]
) -> Snapshot:
    total = {key: value.item() for key, value in tally.sums.items()}
    labelled = int(total["labelled"])
    return Snapshot(
        name=name,
        images=int(total["images"]),
        unanswered=int(total["unanswered"]),
        labelled=labelled,
        right=int(total["right"]),
        loss=total["loss"] / labelled if labelled and not total["unanswered"] else None,
        changes=changed,
        projections=projected,
    )
