"""The first round over a large set: answers only, and what is about the whole set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from reportgen.engine.onepass import OnePass
from reportgen.engine.targets import Slot
from reportgen.evidence import Record, shards
from reportgen.findings import Array, Tally
from reportgen.inputs.images.loading import Decoded, Rejected
from reportgen.measure import records
from reportgen.measure.batches import records_of, tallies_of_set
from reportgen.measure.measurement import Measurement, boxes_of, masks_of, pixels_of
from reportgen.measure.spans import Span, scored_at_once, spans


@dataclass
class _Scored:
    """What a span's batches gave so far."""

    records: list[Record] = field(default_factory=list)
    refused: list[Record] = field(default_factory=list)
    arrays: list[dict[str, Array]] = field(default_factory=list)
    cost: dict[str, int] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.records) + len(self.refused)

    def add(
        self,
        records: list[Record],
        arrays: dict[str, Array],
        cost: Mapping[str, int],
        tallies: Mapping[str, Tally],
    ) -> None:
        """What a batch gave; the tallies by visualization."""
        self.records += records
        self.arrays.append(arrays)
        for key, value in cost.items():
            self.cost[key] = self.cost.get(key, 0) + value
        for name, more in tallies.items():
            known = self.tallies.get(name)
            self.tallies[name] = known.merged(more) if known else more

    def joined(self) -> dict[str, Array]:
        """The arrays of all batches, row by row."""
        keys = set.intersection(*map(set, self.arrays)) if self.arrays else ()
        return {key: np.concatenate([batch[key] for batch in self.arrays]) for key in sorted(keys)}


def score(m: Measurement) -> None:
    """Scores this part of a large set, a shard a span, past those already there."""
    if not m.two_rounds:
        return
    # no target and no gradient: a forward with the taps that the set's statistics need
    plan = m.model.visualizations.first_round()
    engine = replace(m.engine, plan=plan, slots=(Slot("predicted"),))
    size = scored_at_once(len(m.audit.files), m.model.batch_size)
    several = [span for span in spans(m.audit.files, size) if m.part.has(span.number)]
    total = sum(len(span.files) for span in several)
    todo = [span for span in several if _name(span) not in m.writer.finished]
    done = total - sum(len(span.files) for span in todo)
    m.progress("score", done, total)
    for span, scored in _scored(m, engine, todo):
        arrays = scored.joined()
        m.writer.write(_name(span), {}, scored.records + scored.refused, arrays, scored.cost, scored.tallies)
        done += len(span.files)
        m.progress("score", done, total)


def _name(span: Span) -> str:
    return f"{shards.SCORE}-{span.number:06d}"


def _scored(m: Measurement, engine: OnePass, todo: list[Span]) -> Iterable[tuple[Span, _Scored]]:
    """The spans one after the other with what was scored of each, while the next is decoded."""
    ends = {span.files[-1].number for span in todo}
    batches = m.batches(
        (file for span in todo for file in span.files), bool(m.model.checks.every), ends=ends
    )
    for span in todo:
        scored = _Scored()
        while len(scored) < len(span.files):
            images, rejected = next(batches)
            _add(m, engine, scored, images, rejected)
        yield span, scored


def _add(
    m: Measurement, engine: OnePass, scored: _Scored, images: list[Decoded], rejected: list[Rejected]
) -> None:
    """Scores a batch, in parts where memory is short."""
    scored.refused += [records.of_rejected(file) for file in rejected]

    def work(images: list[Decoded]) -> None:
        counting = m.as_now(engine).over(masks_of(images))
        with m.watch.on("compute"):
            (tape,) = counting.run(pixels_of(images), torch.full((len(images),), -1), boxes_of(images))
            tallies = tallies_of_set(m, tape, images)
        logits = tape.logits.cpu().numpy()
        rows = records_of(m, images, logits, len(scored.records))
        arrays = {"logits": logits, **records.picture_facts(images)}
        scored.add(rows, arrays, counting.counted.as_cost(), tallies)

    if images:
        m.in_parts(images, work)
