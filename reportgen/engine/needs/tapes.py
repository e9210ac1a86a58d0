"""What a probe gets when it measures: the tape of a batch, or the bench of a whole model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, overload

from torch import Tensor

from reportgen.engine.needs.ascent import Ascended, Ascent
from reportgen.engine.needs.atlas import Atlas, Charted
from reportgen.engine.needs.batch import Weights
from reportgen.engine.needs.rules import Rule as Rule
from reportgen.engine.needs.top_images import NeighboursByChannel as NeighboursByChannel
from reportgen.engine.needs.top_images import Projected as Projected
from reportgen.engine.needs.top_images import Projections as Projections
from reportgen.engine.needs.top_images import Ranking as Ranking
from reportgen.engine.needs.top_images import Record as Record
from reportgen.engine.needs.top_images import RecordHolder as RecordHolder
from reportgen.engine.needs.top_images import TopImages as TopImages
from reportgen.engine.needs.training import Evolved as Evolved
from reportgen.engine.needs.training import Noted as Noted
from reportgen.engine.needs.training import Snapshot as Snapshot
from reportgen.engine.needs.training import TrainingLog as TrainingLog
from reportgen.engine.needs.work import Need as Need
from reportgen.engine.network.facts import ModelFacts as ModelFacts
from reportgen.engine.network.facts import Normalisation as Normalisation


class Tape(Protocol):
    """One batch, measured, seen for one target an image. Indexed with the needs of the plan."""

    @property
    def model(self) -> ModelFacts: ...

    @property
    def normalisation(self) -> Normalisation: ...

    @property
    def pixels(self) -> Tensor:
        """The batch as the model saw it, normalised, (N, C, H, W)."""

    @property
    def labels(self) -> Tensor:
        """The true class, (N,) int64, -1 where there is none."""

    @property
    def coverage(self) -> dict[Rule, int]:
        """Rectifiers that each rule met in this batch's backward."""

    @property
    def neighbours(self) -> Mapping[NeighboursByChannel, Projections]:
        """What was projected of every image beside others of the set, by need."""

    def __getitem__(self, need: Need) -> Tensor: ...


class Bench(Protocol):
    """The network once the set has been seen, for probes of scope `model`: its facts and weights, what
    was climbed, and the strongest images. Where no image holds a record, `Record` gives None."""

    @property
    def model(self) -> ModelFacts: ...

    @overload
    def __getitem__(self, need: Weights) -> Tensor: ...

    @overload
    def __getitem__(self, need: Ascent) -> Ascended: ...

    @overload
    def __getitem__(self, need: Atlas) -> Charted: ...

    @overload
    def __getitem__(self, need: Record) -> RecordHolder | None: ...

    @overload
    def __getitem__(self, need: TopImages) -> Ranking: ...

    @overload
    def __getitem__(self, need: Projected) -> Projections: ...

    @overload
    def __getitem__(self, need: Evolved) -> tuple[Snapshot, ...]: ...

    @overload
    def __getitem__(self, need: TrainingLog) -> tuple[Noted, ...]: ...


class Probe(Protocol):
    """A visualization with its options. `measure` gets a tape, or the weights for scope `model`."""

    def needs(self, model: ModelFacts) -> Sequence[Need]: ...

    def measure(self, tape: Any) -> Any: ...
