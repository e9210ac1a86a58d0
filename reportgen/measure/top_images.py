"""The second round: what is measured at the images that the whole set ranked first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from reportgen.engine import top_images
from reportgen.engine.needs import (
    Activation,
    Evolved,
    NeighboursByChannel,
    Projected,
    Ranking,
    Record,
    TopImages,
    TrainingLog,
)
from reportgen.engine.onepass import OnePass
from reportgen.engine.projector import Load, Projector
from reportgen.engine.tape import BatchTape
from reportgen.evidence import Writer
from reportgen.findings import Tally
from reportgen.measure.audit import Audit
from reportgen.measure.checkpoints import Snapshots
from reportgen.measure.models import ModelUnderAudit
from reportgen.progress import Progress

# the engine's own tallies, beside those of the visualizations
RANKS = "ranks"
PLACES = "places"  # of layers, for an atlas


@dataclass
class RankedSet:
    """A set whose every image was scored. `load` gives images by number, in batches."""

    audit: Audit
    model: ModelUnderAudit
    writer: Writer
    load: Load
    progress: Progress

    @cached_property
    def _tally(self) -> Tally | None:
        plan = self.model.plan
        ranked = bool(plan.of(TopImages)) or bool(plan.of(Record))
        return self.writer.tally(RANKS) if ranked else None

    @cached_property
    def rankings(self) -> dict[TopImages, Ranking]:
        """The set's rankings by every channel that is asked for."""
        return top_images.rankings(self.model.plan, self._tally) if self._tally else {}

    def with_neighbours(
        self, engine: OnePass, tapes: list[BatchTape], numbers: Sequence[int]
    ) -> tuple[list[BatchTape], dict[str, int]]:
        """A batch's tapes with what is projected of its images beside others of the set; and its cost."""
        if not engine.plan.of(NeighboursByChannel):
            return tapes, {}
        projector = self._projector(engine)
        neighbours = {
            need: projector.neighbours(
                need, self.rankings[need.top_images], tapes[0][Activation(need.layer)], numbers
            )
            for need in engine.plan.of(NeighboursByChannel)
        }
        return [replace(tape, neighbours=neighbours) for tape in tapes], projector.cost

    def seen_again(self, engine: OnePass) -> tuple[dict[Any, Any], dict[str, int]]:
        """By need what the set gives besides tallies: rankings, records, projections of the strongest
        places, the run's other checkpoints and its log; and what it cost."""
        plan = self.model.plan
        given: dict[Any, Any] = {need: self.model.logs[need].noted for need in plan.of(TrainingLog)}
        if self._tally is None:
            return given, {}
        projector = self._projector(engine)
        given |= dict.fromkeys(plan.of(Record)) | self.rankings
        given |= projector.run(plan.of(Projected), self.rankings, self._holders(self._tally))
        cost = Counter(projector.cost)
        for need in plan.of(Evolved):
            others = Snapshots(
                self.audit,
                self.model,
                self.writer,
                engine,
                self.load,
                lambda done, total: self.progress("evolve", done, total),
            )
            given[need] = others.run(need, self.rankings)
            cost.update(others.cost)
        return given, dict(+cost)

    def _holders(self, tally: Tally) -> dict[Record, tuple[float, int]]:
        """Of each record the value, and the number of the image that holds it, where one does."""
        records = self.model.plan.of(Record)
        rows = tally.tops[top_images.UNITS][:, 0] if records else ()
        pairs = zip(records, rows, strict=True)
        return {need: (float(value), int(number)) for need, (value, number, _) in pairs if number >= 0}

    def _projector(self, engine: OnePass) -> Projector:
        return Projector(
            engine.network,
            engine.plan.facts,
            engine.normalisation,
            engine.device,
            self.load,
            engine.output,
            engine.feed,
            lambda done, total: self.progress("project", done, total),
        )
