from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from reportgen.engine.needs import (
    Border,
    LayerFacts,
    LayerName,
    Logits,
    ModelFacts,
    Need,
    Responses,
    Scores,
    Tape,
    Transformed,
    answers,
)
from reportgen.findings import Array, Curve, Finding, Remark, Scalar, Tally, nth, t_95
from reportgen.probes import probe


@dataclass(frozen=True)
class Change:
    """One way to change the image: its name, its axis, and the copies."""

    name: str
    title: str
    axis: str
    copies: Transformed


@dataclass(frozen=True)
class Row:
    """One quantity that every change is judged by; of a layer, or the probability where there is none."""

    name: str
    title: str
    quantity: str
    layer: LayerFacts | None = None
    called: str = "probability"  # its line, where it is of no layer

    @property
    def line(self) -> str:
        """What the line of its curves is called."""
        return self.layer.name if self.layer else self.called


@probe("invariance", scope="image", group="perturbations")
class Invariance:
    """Invariance: how far features and answer move when the image is moved, scaled or turned.

    Definition. Copies T(x) of the image x are moved down by up to `translation_px` pixels either way
    (`auto`: 60 of 224), enlarged about the middle up to `scale`, and turned counter-clockwise up to
    `rotation_deg` degrees, in `steps` even steps each; bilinearly, with the nearest pixel of the edge
    where the border comes into view. For each: the distance of the features, the L2 norm of
    f(x) − f(T(x)), at the first layer with weights and at what the last one is given (or at `layers`);
    and the probability of the label, or of the predicted class where there is no label. Over the
    images that have figures: the mean curve with the 95 % interval of the mean; labels and answers
    have a mean each.

    Reading. A flat line is invariance. The first layer moves at once with the image; a network that
    has learned to look past a change answers it late with a small, slowly growing distance, and its
    probability stays. Most networks bear shifts and scale far better than a turn, unless the object
    looks the same turned.

    Limits. Distances of different layers have different units: compare shapes, not heights. A
    shift or an enlargement also pushes parts of the object out of view, and an edge that is drawn out
    is itself unusual. The images that have figures are chosen, the wrong and the unsure ones first
    unless the recipe says otherwise: their mean is not that of the set.

    Source. Zeiler & Fergus 2013, Visualizing and Understanding Convolutional Networks, sec. 4.1 and
    fig. 5 (arXiv:1311.2901).
    """

    translation_px: PositiveInt | Literal["auto"] = "auto"
    scale: Annotated[float, Field(gt=0, le=100)] = 1.8
    rotation_deg: PositiveFloat = 360
    steps: Annotated[int, Field(ge=2)] = 13
    layers: Literal["auto"] | tuple[LayerName, ...] = "auto"
    border: Border = "edge"

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        asked: list[Need] = [Logits()]
        for change in self._changes(model):
            asked.append(Scores(change.copies))
            asked += [Responses(change.copies, row.layer.name) for row in self._rows(model) if row.layer]
        return asked

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        classes = _classes(tape)
        found: list[Finding] = [
            replace(
                self._curve(row, change, values[:, None]),  # (N, 1, V)
                explains=None if row.layer else classes,
            )
            for row, change, values in self._values(tape)
        ]
        found += [kept_answers(change, kept) for change, kept in self._kept(tape)]
        return (*found, self._remark(tape.model))

    def tally(self, tape: Tape) -> Tally:
        """Sums over the images that have an answer and whose values are all finite."""
        values = {f"{row.name}-{change.name}": held.double() for row, change, held in self._values(tape)}
        sound = torch.stack([held.isfinite().all(1) for held in values.values()]).all(0)  # (N,)
        sound &= answers(tape[Logits()]) >= 0
        labelled = sound & (tape.labels >= 0)
        sums = {"images": sound.sum(), "labelled": labelled.sum(), "left-out": (~sound).sum()}
        for name, held in values.items():
            # a label's probability and an answer's are not one quantity
            parts = {"": sound, "label/": labelled, "answer/": sound & ~labelled}
            for part, chosen in parts.items():
                sums |= {
                    f"{part}{name}/sum": held[chosen].sum(0),
                    f"{part}{name}/square": held[chosen].square().sum(0),
                }
        sums |= {f"{change.name}/kept": kept[sound].sum() for change, kept in self._kept(tape)}
        return Tally(sums)

    def conclude(self, tally: Tally, model: ModelFacts) -> tuple[Finding, ...]:
        count, left_out = int(tally.sums["images"]), int(tally.sums["left-out"])
        told = f"Lines: mean over the images that have figures ({count:,})"
        told += ", with its 95 % interval." if count > 1 else "."
        if left_out:
            told += f" Left out, as their values are not finite: {left_out:,}."
        found: list[Finding] = [Remark("images", f"{told} {self._remark(model).text}")]
        if not count:
            return tuple(found)
        labelled = int(tally.sums["labelled"])
        means = {"": count, "label/": labelled, "answer/": count - labelled}
        for row, change in self._grid(model):
            parts = [""] if row.layer else [part for part in ("label/", "answer/") if means[part]]
            for number, part in enumerate(parts):
                curve = self._mean(row, change, part, tally, means[part])
                found.append(replace(curve, name=f"answer-{curve.name}") if number else curve)
        for change in self._changes(model):
            found.append(kept_answers(change, tally.sums[f"{change.name}/kept"] / count))
        return tuple(found)

    def _mean(self, row: Row, change: Change, part: str, tally: Tally, count: int) -> Curve:
        """The mean over `count` images with its interval: all of them, or those with a label, or without."""
        name = f"{part}{row.name}-{change.name}"
        mean, band = tally.sums[f"{name}/sum"] / count, None
        if count > 1:
            band = interval(mean, tally.sums[f"{name}/square"], count, np.inf if row.layer else 1)
        if not row.layer:
            whose = f"probability of the {part[:-1]}"
            row = replace(row, title=f"{whose}, {_images(count)}", called=whose)
        return self._curve(row, change, mean[None], band)

    def _changes(self, model: ModelFacts) -> tuple[Change, ...]:
        height = model.input_shape[1]
        reach = max(1, round(height * 60 / 224)) if self.translation_px == "auto" else self.translation_px
        part = np.linspace(0, 1, self.steps)
        # whole pixels: between them the copy would be blurred as well as moved
        shifts = np.unique(np.rint(reach * (2 * part - 1)))
        scales, turns = 1 + (self.scale - 1) * part, self.rotation_deg * part

        def copies(kind: Literal["translation-y", "scale", "rotation"], values: Array) -> Transformed:
            return Transformed(kind, tuple(float(f"{v:.6g}") for v in values), self.border)

        return (
            Change("translation", "Moved down", "moved down, px", copies("translation-y", shifts)),
            Change("scale", "Scaled", "scale, ×", copies("scale", scales)),
            Change("rotation", "Turned", "turned counter-clockwise, °", copies("rotation", turns)),
        )

    def _rows(self, model: ModelFacts) -> list[Row]:
        if self.layers == "auto":
            layers = [model.first_features(), model.last_features()]
        else:
            layers = [model.layer(name) for name in self.layers]
        rows = [
            Row(nth("distance", n), f"distance at {layer.name}", "distance, L2", layer)
            for n, layer in enumerate(dict.fromkeys(layers))
        ]
        return [*rows, Row("probability", "probability", "probability")]

    def _grid(self, model: ModelFacts) -> Iterator[tuple[Row, Change]]:
        """Every plot: a row a quantity, a column a change."""
        for row in self._rows(model):
            for change in self._changes(model):
                yield row, change

    def _values(self, tape: Tape) -> Iterator[tuple[Row, Change, Tensor]]:
        """Every plot with its values, (N, V)."""
        chosen = _classes(tape)[:, None, None]  # (N, 1, 1)
        for row, change in self._grid(tape.model):
            if row.layer:
                yield row, change, tape[Responses(change.copies, row.layer.name)]
                continue
            p = tape[Scores(change.copies)].softmax(2)  # (N, V, C)
            yield row, change, p.gather(2, chosen.expand(-1, p.shape[1], 1))[..., 0]

    def _kept(self, tape: Tape) -> Iterator[tuple[Change, Tensor]]:
        """For every change the share of an image's copies that are answered like the image, (N,)."""
        own = answers(tape[Logits()])[:, None]  # (N, 1)
        for change in self._changes(tape.model):
            yield change, (answers(tape[Scores(change.copies)]) == own).double().mean(1)

    def _curve(self, row: Row, change: Change, values: Tensor | Array, band: Array | None = None) -> Curve:
        return Curve(
            f"{row.name}-{change.name}",
            f"{change.title}: {row.title}",
            values,
            change.copies.values,
            (row.line,),
            change.axis,
            row.quantity,
            band,
            None if row.layer else (0.0, 1.0),
        )

    def _remark(self, model: ModelFacts) -> Remark:
        layers = " and ".join(row.line for row in self._rows(model) if row.layer)
        return Remark(
            "what",
            f"Distances are L2 norms of the change at {layers}; the probability is that of an image's label,"
            " or, where it has none, of its answer. A flat line: the change does not matter to the network.",
        )


def _classes(tape: Tape) -> Tensor:
    """The class whose probability is followed, (N,): the label, or the answer where there is none."""
    return torch.where(tape.labels >= 0, tape.labels, tape[Logits()].argmax(1))


def _images(count: int) -> str:
    """How many images, in words."""
    return f"{count:,} image" + ("" if count == 1 else "s")


def kept_answers(change: Change, share: Tensor | Array) -> Scalar:
    """It stands under the change's plot of probabilities."""
    return Scalar(f"probability-{change.name}-kept", "copies with the same answer", 100 * share, "%")


def interval(mean: Array, squares: Array, count: int, highest: float) -> Array:
    """The 95 % interval of a mean (V,) from the sum of squares, between 0 and `highest`, (2, V).

    Student 1908, with the images as the sample.
    """
    spread = np.sqrt(np.maximum(squares - count * mean**2, 0) / (count - 1))
    reach = t_95(count - 1) * spread / sqrt(count)
    held: Array = np.clip(np.stack([mean - reach, mean + reach]), 0, highest)
    return held
