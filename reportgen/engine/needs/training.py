"""Needs of the checkpoints of a training run, each seen over the whole set. Zeiler & Fergus 2013, fig. 4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reportgen.engine.needs.top_images import Projected, Projections
from reportgen.engine.needs.work import Work
from reportgen.engine.network.facts import ModelFacts
from reportgen.findings import Array


@dataclass(frozen=True)
class Evolved:
    """Every checkpoint's answers to the set, and its strongest places of the same channels.

    `checkpoints` are files as the recipe names them, first to last. The channels are those that the
    audited checkpoint's own ranking chooses (see `Ranking.channels`).
    """

    checkpoints: tuple[str, ...]
    projected: tuple[Projected, ...]

    def work(self, _model: ModelFacts) -> Work:
        return Work(
            "model",
            requires=tuple(projected.top_images for projected in self.projected),
            rules=tuple(projected.rule for projected in self.projected),
            keeps_graph=True,
            lines=_lines,
        )


def _lines(several: Sequence[Evolved], images: int) -> list[str]:
    others = sum(len(need.checkpoints) for need in several)
    return [f"{others} checkpoints of the run: {others * images} forwards more"] if others else []


@dataclass(frozen=True)
class Snapshot:
    """One checkpoint: the `name` of its file, the `images` that it saw, how many of them it gave no answer
    to (`unanswered`: its output is not finite), how many `labelled` images it answered and how many of
    those `right`, their mean `loss` (nats; None where `accuracy` is), by layer the `changes` of the weights
    since the checkpoint before, ‖W - W'‖₂ / ‖W'‖₂, and its projections.
    """

    name: str
    images: int
    unanswered: int
    labelled: int
    right: int
    loss: float | None
    changes: Mapping[str, float]
    projections: tuple[Projections, ...]

    @property
    def accuracy(self) -> float | None:
        """The share right; not known without labels, nor where an image has no answer."""
        return self.right / self.labelled if self.labelled and not self.unanswered else None


@dataclass(frozen=True)
class TrainingLog:
    """What was noted while training: a CSV file, or TensorBoard's event files, as the recipe names it."""

    path: str

    def work(self, _model: ModelFacts) -> Work:
        return Work("model")


@dataclass(frozen=True)
class Noted:
    """One quantity of a training log: its `values` at `steps`, (P,) each."""

    name: str
    steps: Array
    values: Array
    unit: str  # of the steps: epoch, step, row
