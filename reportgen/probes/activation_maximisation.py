from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass
from typing_extensions import assert_never

from reportgen.engine.needs import (
    Ascended,
    Ascent,
    Bench,
    ChannelMean,
    ClassLogit,
    Climb,
    Direction,
    LayerName,
    ModelFacts,
    Need,
    Parametrisation,
    Record,
    RecordHolder,
    channel_mean,
    class_logit,
)
from reportgen.findings import Finding, Flag, NotApplicable, Picture, Remark, Scalar
from reportgen.probes import probe

AT_MOST = 4  # classes, and channels, that `auto` chooses


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Channel:
    """A channel of a layer, counted from 0."""

    layer: LayerName
    channel: NonNegativeInt


@probe("activation-maximisation", scope="model", group="inside the network")
class ActivationMaximisation:
    """Activation maximisation: pictures that the network itself asks for, class by class.

    Definition. From faint noise, gradient ascent on the pixels of a picture until the logit of a
    class, or the mean over the map of a channel, is large. Each step sees the picture moved, scaled
    and turned at random; an L2 penalty draws it towards the mean image and total variation smooths
    it. Colour pictures of 64 px and more are made of Fourier components in decorrelated colours, so
    that no frequency is favoured; others of pixels. `auto` takes up to four classes, evenly
    spaced in the list, and channel 0 of the last layer with weights (but never the first of all) of
    each of the last four resolutions.

    Reading. What returns in the picture is what the unit looks for: a class that has learned its
    object shows parts of it, often many times. Parts that do not belong to the object, such as the
    water about a fish, are what the class has learned besides.

    Limits. One picture is one of many that drive the unit as far; another seed gives another. It is
    no photograph: the values reached are often far above that of the image of the set that drives
    the unit furthest, which stands beside it. A channel that is silent on the first picture has no
    gradient there, and finds none.

    Needs. An input of one or three channels, and a gradient to it.

    Source. Simonyan et al. 2013, Deep Inside Convolutional Networks, sec. 2 (arXiv:1312.6034); Olah
    et al. 2017, Feature Visualization (doi:10.23915/distill.00007).
    """

    classes: Literal["auto"] | tuple[str | int, ...] = "auto"
    channels: Literal["auto"] | tuple[Channel, ...] = "auto"
    steps: PositiveInt = 256
    side_px: int = Field(default=128, gt=0, le=1024)
    seed: NonNegativeInt = 0
    parametrisation: Parametrisation = "auto"
    jitter: float = Field(default=0.06, ge=0, le=0.5)
    scale: float = Field(default=0.1, ge=0, le=1)
    rotation_deg: float = Field(default=10, ge=0, le=180)
    l2: NonNegativeFloat = 0.015
    total_variation: NonNegativeFloat = 0.05

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        ascents = self._ascents(model)
        return (*ascents, *map(_record, ascents))

    def measure(self, tape: Bench) -> tuple[Finding, ...]:
        ascents = self._ascents(tape.model)
        ended = [tape[ascent] for ascent in ascents]
        findings: list[Finding] = []
        real = [tape[_record(ascent)] for ascent in ascents]
        for ascent, end, strongest in zip(ascents, ended, real, strict=True):
            findings += _findings(ascent, end, tape.model)
            findings += _beside(ascent, strongest, tape.model) if strongest else ()
        height, width = ended[0].picture.shape[-2:]
        text = f"{self.steps} steps of gradient ascent from noise (seed {self.seed}), {height}×{width} px."
        failed = _failed(ascents, ended, tape.model)
        return (*findings, *failed, *_surpassed(ascents, ended, real, tape.model), Remark("climb", text))

    def _ascents(self, model: ModelFacts) -> tuple[Ascent, ...]:
        if model.input_shape[0] not in (1, 3):
            raise NotApplicable(f"an input of {model.input_shape[0]} channels is no picture")
        units: list[ClassLogit | ChannelMean] = [*self._classes(model), *self._channels(model)]
        if not units:
            raise NotApplicable("the recipe names no class and no channel")
        climb = Climb(
            steps=self.steps,
            side_px=self.side_px,
            seed=self.seed,
            parametrisation=self.parametrisation,
            jitter=self.jitter,
            scale=self.scale,
            rotation_deg=self.rotation_deg,
            l2=self.l2,
            total_variation=self.total_variation,
        )
        return tuple(Ascent(unit, climb) for unit in dict.fromkeys(units))

    def _classes(self, model: ModelFacts) -> list[ClassLogit]:
        if self.classes != "auto":
            return [class_logit(model, name) for name in self.classes]
        count = min(AT_MOST, model.class_count)
        return [ClassLogit(k * model.class_count // count) for k in range(count)]

    def _channels(self, model: ModelFacts) -> list[ChannelMean]:
        if self.channels != "auto":
            return [channel_mean(model, wish.layer, wish.channel) for wish in self.channels]
        # before the rectifier, where a gradient passes whatever the sign; the first layer is linear
        # in the picture, so that the mean of its map knows nothing but brightness
        weighted = [layer for layer in model.leaves() if layer.spatial and layer.weighted]
        last = {layer.layout.grid: layer for layer in weighted[1:]}
        return [ChannelMean(layer.name, 0) for layer in list(last.values())[-AT_MOST:]]


def _record(ascent: Ascent) -> Record:
    """What the set's images do to the unit of an ascent."""
    assert not isinstance(ascent.unit, Direction)  # those are an atlas's
    return Record(ascent.unit)


def _named(ascent: Ascent, model: ModelFacts) -> tuple[str, str, str]:
    """A unit's name, its title, and what is driven up, in words."""
    unit = ascent.unit
    if isinstance(unit, ClassLogit):
        return f"class-{unit.index}", model.classes[unit.index], model.head.score_words
    assert not isinstance(unit, Direction)  # those are an atlas's
    if isinstance(unit, ChannelMean):
        return f"{unit.layer}-{unit.channel}", f"{unit.layer}, channel {unit.channel}", "mean activation"
    assert_never(unit)


def _findings(ascent: Ascent, end: Ascended, model: ModelFacts) -> tuple[Finding, ...]:
    """The picture, and the unit's value on it and on the first one."""
    name, title, value = _named(ascent, model)
    colours = end.picture.expand(3, -1, -1)  # (3, h, w)
    return (
        Picture(name, title, colours, f"what drives its {value} up"),
        Scalar(f"{name}-reached", f"{value} reached", end.reached),
        Scalar(f"{name}-start", f"{value} at the start", end.start),
    )


def _failed(ascents: Sequence[Ascent], ended: Sequence[Ascended], model: ModelFacts) -> tuple[Finding, ...]:
    """A warning that names the units that the ascent did not raise."""
    low = [
        _named(ascent, model)[1]
        for ascent, end in zip(ascents, ended, strict=True)
        if not end.reached > end.start  # not a number is no rise either
    ]
    text = f"The ascent did not raise {'; '.join(low) or 'any unit'}: the picture shows nothing."
    return (Flag("not-raised", text, bool(low)),)


def _beside(ascent: Ascent, strongest: RecordHolder, model: ModelFacts) -> tuple[Finding, ...]:
    """The image of the set that drives the unit furthest, and how far."""
    name, title, value = _named(ascent, model)
    return (
        Picture(
            f"{name}-real",
            f"{title}, strongest image",
            strongest.pixels.expand(3, -1, -1),
            f"{strongest.number:06d}, the image of the set with the highest {value}",
        ),
        Scalar(f"{name}-strongest", f"{value} of the strongest image", strongest.value),
    )


def _surpassed(
    ascents: Sequence[Ascent],
    ended: Sequence[Ascended],
    real: Sequence[RecordHolder | None],
    model: ModelFacts,
) -> tuple[Finding, ...]:
    """A note that names the units that a real image drives further than the picture does."""
    low = [
        _named(ascent, model)[1]
        for ascent, end, strongest in zip(ascents, ended, real, strict=True)
        if strongest and not end.reached > strongest.value
    ]
    names = "; ".join(low) or "no unit"
    text = f"An image of the set drives {names} further than the picture does: more `steps` may help."
    return (Flag("surpassed", text, bool(low), "note"),)
