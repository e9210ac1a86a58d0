"""What a probe may ask of the one pass, and what it gets: needs, the model's facts, the tape.

A need is a frozen value; the need that a probe declares is the key it reads the tape with. The
union of all probes' needs is the plan. Probes import this module and nothing else of the engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, overload

from torch import Tensor

# probes import all of this from here: what is asked of the set, and the facts, are a part of it
from reportgen.engine.copies import Baseline as Baseline
from reportgen.engine.copies import Border as Border
from reportgen.engine.copies import ChannelMasks as ChannelMasks
from reportgen.engine.copies import CoveredParts as CoveredParts
from reportgen.engine.copies import Flat as Flat
from reportgen.engine.copies import Noisy as Noisy
from reportgen.engine.copies import Occluded as Occluded
from reportgen.engine.copies import Path as Path
from reportgen.engine.copies import RandomMasks as RandomMasks
from reportgen.engine.copies import Transformation as Transformation
from reportgen.engine.copies import Transformed as Transformed
from reportgen.engine.copies import Variants as Variants
from reportgen.engine.evolved import Evolved as Evolved
from reportgen.engine.evolved import Noted as Noted
from reportgen.engine.evolved import Snapshot as Snapshot
from reportgen.engine.evolved import TrainingLog as TrainingLog
from reportgen.engine.extremes import RULES as RULES
from reportgen.engine.extremes import ChannelMean as ChannelMean
from reportgen.engine.extremes import ClassLogit as ClassLogit
from reportgen.engine.extremes import Extremes as Extremes
from reportgen.engine.extremes import Held as Held
from reportgen.engine.extremes import Kindred as Kindred
from reportgen.engine.extremes import Projected as Projected
from reportgen.engine.extremes import Projections as Projections
from reportgen.engine.extremes import Ranking as Ranking
from reportgen.engine.extremes import Record as Record
from reportgen.engine.extremes import Rule as Rule
from reportgen.engine.extremes import Unit as Unit
from reportgen.engine.extremes import rule_of as rule_of
from reportgen.engine.facts import AUTO as AUTO
from reportgen.engine.facts import Graph as Graph
from reportgen.engine.facts import LayerFacts as LayerFacts
from reportgen.engine.facts import LayerName as LayerName
from reportgen.engine.facts import LayerNames as LayerNames
from reportgen.engine.facts import ModelFacts as ModelFacts
from reportgen.engine.facts import Normalisation as Normalisation
from reportgen.engine.facts import Operation as Operation
from reportgen.errors import UnknownName
from reportgen.findings import NotApplicable

INPUT = "input"  # the network's input, as a place to tap or to differentiate by
Parametrisation: TypeAlias = Literal["auto", "fourier", "pixels"]
Keep: TypeAlias = Literal["distance", "channel-sums", "whole"]


@dataclass(frozen=True)
class Logits:
    """The scores before softmax, (N, C)."""


@dataclass(frozen=True)
class Target:
    """The class that each image is explained for, (N,) int64."""


@dataclass(frozen=True)
class Weights:
    """A layer's weight tensor as it stands in the checkpoint; no image is needed."""

    layer: str


@dataclass(frozen=True)
class Activation:
    """A layer's output as it left the layer, before anything later rewrote it, (N, C, …)."""

    layer: str


@dataclass(frozen=True)
class Gradient:
    """dS/d(wrt) of the target's logit S, shaped as `wrt`, by one rule for the rectifiers.

    `exact` is the derivative. `guided` is Springenberg et al. 2014 (g·1[g>0]·f'(x) at each
    rectifier f), `deconv` is Zeiler & Fergus 2013, sec. 2.1 (g·1[g>0]). Only `exact` is defined
    for `wrt` other than the input.
    """

    wrt: str = INPUT
    rule: Rule = "exact"


@dataclass(frozen=True)
class Reference:
    """The baseline that stands for "nothing", as an image of the batch's shape, (N, C, H, W)."""

    baseline: Baseline = "black"


@dataclass(frozen=True)
class Scores:
    """The logits of every variant of the image, (N, variants, C): no gradient, packed batches."""

    variants: Variants


@dataclass(frozen=True)
class Responses:
    """What a layer answers to every variant of the image, from the forwards that `Scores` takes.

    `distance` is the L2 norm of the difference to its answer f (C, …) to the image, (N, variants);
    `channel-sums` is the sum of each channel over its map, (N, variants, C); `whole` is all of f,
    (N, variants, C, …), for small families.
    """

    variants: Variants
    layer: str
    keep: Keep = "distance"


@dataclass(frozen=True)
class Parts:
    """Where the recipe's parts lie on each image, (N, parts, 4) int64: top, left, bottom, right in
    input pixels. All zero where the image lacks the part."""


@dataclass(frozen=True)
class MeanGradient:
    """The (weighted) mean over copies of dS/dx by the exact rule, (N, C, H, W), packed batches."""

    copies: Noisy | Path


def class_logit(model: ModelFacts, name: str | int) -> ClassLogit:
    """A class by name, or else by index. Raises UnknownName with the nearest right one."""
    from reportgen.inputs.classes import index_of  # at the top it would import this file back

    return ClassLogit(index_of(name, model.classes))


def channel_mean(model: ModelFacts, name: LayerName, channel: int) -> ChannelMean:
    """A channel of a layer by name or number. Raises UnknownName, and NotApplicable where the
    layer's output is neither a stack of maps nor a vector."""
    layer = model.layer(name)
    if layer.map_shape is None:
        raise NotApplicable(f"the output of {layer.name} has no channels")
    return ChannelMean(layer.name, channel_of(layer, channel))


def channel_of(layer: LayerFacts, channel: int) -> int:
    """The channel's number. Raises UnknownName where the layer has not so many."""
    if channel >= layer.maps:
        raise UnknownName(f"channel of {layer.name}", channel, ())
    return channel


@dataclass(frozen=True)
class Climb:
    """How a picture is climbed: steps, size, what it is made of, and what keeps it natural.

    `jitter` and `scale` are shares of the side, the largest of a step, as is `rotation_deg`. The
    gradient of the unit has length 1; `l2` and `total_variation` weigh what holds against it.
    """

    steps: int
    side_px: int
    seed: int = 0
    parametrisation: Parametrisation = "auto"
    jitter: float = 0.06
    scale: float = 0.1
    rotation_deg: float = 10
    l2: float = 0
    total_variation: float = 0


@dataclass(frozen=True)
class Ascent:
    """The picture that drives a unit of the network up, climbed from noise. No image is needed."""

    unit: Unit
    climb: Climb


@dataclass(frozen=True)
class Ascended:
    """Where an ascent ended: the picture (C, h, w) in [0, 1], and the unit's value on the first
    picture and on this one, as they stand and not warped."""

    picture: Tensor
    start: float
    reached: float


OfModel: TypeAlias = Weights | Ascent | Record | Extremes | Projected | Evolved | TrainingLog
Need: TypeAlias = (
    Logits
    | Target
    | Activation
    | Gradient
    | Reference
    | Scores
    | Responses
    | Parts
    | MeanGradient
    | Kindred
    | OfModel
)
# what a probe of scope `model` may need
OF_MODEL = (Weights, Ascent, Record, Extremes, Projected, Evolved, TrainingLog)
# a probe that needs one of these is measured once a target
PER_TARGET = (Target, Gradient, MeanGradient)


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
    def kin(self) -> Mapping[Kindred, Projections]:
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
    def __getitem__(self, need: Record) -> Held | None: ...

    @overload
    def __getitem__(self, need: Extremes) -> Ranking: ...

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
