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
from reportgen.findings import Array, Curve, Finding, NotApplicable, Remark, Scalar, Tally, nth
from reportgen.probes import probe
from reportgen.stats import t_95


@dataclass(frozen=True)
class Change:
    """One way to change the image: its name, its axis, and the changed images to be made."""

    name: str
    title: str
    axis: str
    perturbed: Transformed

    @property
    def changed(self) -> Array:
        """Which of the changed images are not the image itself, bool (V,)."""
        values = np.asarray(self.perturbed.values)
        if self.perturbed.kind == "scale":
            return np.asarray(values != 1)
        return np.asarray(values % 360 != 0 if self.perturbed.kind == "rotation" else values != 0)


@dataclass(frozen=True)
class Row:
    """One quantity that every change is judged by; of a layer, or the probability where there is none."""

    name: str
    title: str
    quantity: str
    layer: LayerFacts | None = None

    @property
    def line(self) -> str:
        """What the line of its curves is called."""
        return self.layer.name if self.layer else "probability"


KEPT = "changed images that keep the answer"
LABEL = Row("probability", "probability of the label", "probability of the label")
ANSWER = Row("answer", "probability of the answer", "probability of the answer")


@probe("invariance", scope="image", group="perturbations")
class Invariance:
    """Invariance: how far features and answer move when the image is moved, scaled or turned.

    Definition. The image x is moved down by up to `translation_px` pixels either way (`auto`: 60 of
    224), enlarged about the middle up to `scale`, and turned counter-clockwise up to `rotation_deg`
    degrees, in `steps` even steps each; bilinearly, with the nearest pixel of the edge where the border
    comes into view. For each changed image T(x): the distance of the features, the L2 norm of
    f(x) − f(T(x)), at the first layer with weights and at what the last one is given (or at `layers`);
    and the probability of the label, or of the answer where there is no label. Answers are counted over
    the changed images alone: 0 px, ×1, 0° and 360° are the image itself. Over `images` readable images
    of the set, drawn at random with the run's seed: the mean curves with the 95 % interval of the mean,
    those of the label's and of the answer's probability apart.

    Reading. A flat line is invariance. The first layer moves at once with the image; a network that
    has learned to look past a change answers it late with a small, slowly growing distance, and its
    probability stays. Most networks bear shifts and scale far better than a turn, unless the object
    looks the same turned.

    Limits. Distances of different layers have different units: compare shapes, not heights. A
    shift or an enlargement also pushes parts of the object out of view, and an edge that is drawn out
    is itself unusual. The mean is that of the sample, whatever images are shown.

    Needs. Two layers whose outputs can be compared; any architecture.

    Source. Zeiler & Fergus 2013, Visualizing and Understanding Convolutional Networks, sec. 4.1 and
    fig. 5 (arXiv:1311.2901).
    """

    translation_px: PositiveInt | Literal["auto"] = "auto"
    scale: Annotated[float, Field(gt=0, le=100)] = 1.8
    rotation_deg: PositiveFloat = 360
    steps: Annotated[int, Field(ge=2)] = 13
    layers: Literal["auto"] | tuple[LayerName, ...] = "auto"
    border: Border = "edge"
    images: PositiveInt | Literal["all"] = 100

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        if not model.head.probable:
            raise NotApplicable("the network gives values, and nothing is a class")
        needs: list[Need] = [Logits()]
        for change in self._changes(model):
            needs.append(Scores(change.perturbed))
            needs += [Responses(change.perturbed, row.layer.name) for row in self._rows(model) if row.layer]
        return needs

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        classes = _classes(tape)
        findings: list[Finding] = [
            replace(
                self._curve(row, change, values[:, None], None, self._quantity(row, tape)),  # (N, 1, V)
                explains=None if row.layer else classes,
            )
            for row, change, values in self._values(tape)
        ]
        findings += [
            Scalar(f"probability-{change.name}-kept", KEPT, kept, f"of {change.changed.sum()}")
            for change, kept in self._kept(tape)
        ]
        return (*findings, self._remark(tape.model))

    def tally(self, tape: Tape) -> Tally:
        """Sums over the images that have an answer and whose values are all finite; of a probability over
        those whose it is."""
        measured = [(row, change, values.double()) for row, change, values in self._values(tape)]
        sound = torch.stack([values.isfinite().all(1) for _, _, values in measured]).all(0)  # (N,)
        sound &= answers(tape[Logits()]) >= 0
        labelled = tape.labels >= 0
        groups = {"images": sound, LABEL.name: sound & labelled, ANSWER.name: sound & ~labelled}
        sums = {"left-out": (~sound).sum()} | {f"{name}/count": rows.sum() for name, rows in groups.items()}
        for row, change, values in measured:
            for owner in (row,) if row.layer else (LABEL, ANSWER):
                own = values[groups["images" if row.layer else owner.name]]
                name = f"{owner.name}-{change.name}"
                sums |= {f"{name}/sum": own.sum(0), f"{name}/square": own.square().sum(0)}
        sums |= {f"{change.name}/kept": kept[sound].sum() for change, kept in self._kept(tape)}
        return Tally(sums)

    def conclude(self, tally: Tally, model: ModelFacts) -> tuple[Finding, ...]:
        count, left_out = int(tally.sums["images/count"]), int(tally.sums["left-out"])
        text = f"Measured on {count:,} readable images of the set" if count != 1 else "Measured on 1 image"
        text += f", drawn at random where there are more than {self.images}" * (self.images != "all")
        text += ". Lines: the mean, with its 95 % interval." if count > 1 else "."
        if left_out:
            text += f" Left out, as their values are not finite: {left_out:,}."
        findings: list[Finding] = [Remark("images", f"{text} {self._remark(model).text}")]
        if not count:
            return tuple(findings)
        distances = [row for row in self._rows(model) if row.layer]
        for row in (*distances, LABEL, ANSWER):
            number = count if row.layer else int(tally.sums[f"{row.name}/count"])
            findings += [self._mean(row, change, tally, number) for change in self._changes(model) if number]
        for change in self._changes(model):
            findings += _kept_of_set(change, tally, count)
        return tuple(findings)

    def _mean(self, row: Row, change: Change, tally: Tally, count: int) -> Curve:
        name = f"{row.name}-{change.name}"
        mean = tally.sums[f"{name}/sum"] / count
        highest = np.inf if row.layer else 1
        band = interval(mean, tally.sums[f"{name}/square"], count, highest) if count > 1 else None
        return self._curve(row, change, mean[None], band)

    def _changes(self, model: ModelFacts) -> tuple[Change, ...]:
        height = model.input_shape[1]
        reach = max(1, round(height * 60 / 224)) if self.translation_px == "auto" else self.translation_px
        part = np.linspace(0, 1, self.steps)
        # whole pixels: between them the image would be blurred as well as moved
        shifts = np.unique(np.rint(reach * (2 * part - 1)))
        scales, turns = 1 + (self.scale - 1) * part, self.rotation_deg * part

        def transformed(kind: Literal["translation-y", "scale", "rotation"], values: Array) -> Transformed:
            return Transformed(kind, tuple(float(f"{v:.6g}") for v in values), self.border)

        return (
            Change("translation", "Moved down", "moved down, px", transformed("translation-y", shifts)),
            Change("scale", "Scaled", "scale, ×", transformed("scale", scales)),
            Change("rotation", "Turned", "turned counter-clockwise, °", transformed("rotation", turns)),
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

    def _quantity(self, row: Row, tape: Tape) -> str | list[str]:
        """What a row's curves show: of a probability, whose it is in every image."""
        whose = {True: LABEL.quantity, False: ANSWER.quantity}
        return row.quantity if row.layer else [whose[label >= 0] for label in tape.labels.tolist()]

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
                yield row, change, tape[Responses(change.perturbed, row.layer.name)]
                continue
            p = tape.model.head.readout(tape[Scores(change.perturbed)])  # (N, V, C)
            yield row, change, p.gather(2, chosen.expand(-1, p.shape[1], 1))[..., 0]

    def _kept(self, tape: Tape) -> Iterator[tuple[Change, Tensor]]:
        """For every change how many changed images are answered as the image itself is, (N,) int64.

        One without an answer keeps nothing.
        """
        own = answers(tape[Logits()])[:, None]  # (N, 1)
        for change in self._changes(tape.model):
            same = (answers(tape[Scores(change.perturbed)]) == own) & (own >= 0)  # (N, V)
            yield change, same[:, torch.from_numpy(change.changed).to(same.device)].sum(1)

    def _curve(
        self,
        row: Row,
        change: Change,
        values: Tensor | Array,
        band: Array | None = None,
        quantity: str | list[str] | None = None,
    ) -> Curve:
        return Curve(
            f"{row.name}-{change.name}",
            f"{change.title}: {row.title}",
            values,
            change.perturbed.values,
            (row.line,),
            change.axis,
            quantity or row.quantity,
            band,
            None if row.layer else (0.0, 1.0),
        )

    def _remark(self, model: ModelFacts) -> Remark:
        layers = " and ".join(row.line for row in self._rows(model) if row.layer)
        return Remark(
            "what",
            f"Distances are L2 norms of the change at {layers}; the probability is that of the label, or,"
            " where there is none, of the answer. A flat line: the change does not matter to the network.",
        )


def _classes(tape: Tape) -> Tensor:
    """The class whose probability is followed, (N,): the label, or the answer where there is none."""
    return torch.where(tape.labels >= 0, tape.labels, tape[Logits()].argmax(1))


def _kept_of_set(change: Change, tally: Tally, images: int) -> tuple[Scalar, Scalar]:
    """How many changed images of the whole set keep the answer: a count, and its share."""
    kept, changed = int(tally.sums[f"{change.name}/kept"]), images * int(change.changed.sum())
    row = LABEL if tally.sums[f"{LABEL.name}/count"] else ANSWER  # it stands under that one's plot
    name = f"{row.name}-{change.name}-kept"
    count = Scalar(name, KEPT, kept, f"of {changed:,}", digits=len(str(kept)))
    return count, Scalar(f"{name}-share", "their share", 100 * kept / max(1, changed), "%")


def interval(mean: Array, squares: Array, count: int, highest: float) -> Array:
    """The 95 % interval of a mean (V,) from the sum of squares, between 0 and `highest`, (2, V).

    Student 1908, with the images as the sample.
    """
    spread = np.sqrt(np.maximum(squares - count * mean**2, 0) / (count - 1))
    reach = t_95(count - 1) * spread / sqrt(count)
    bounds: Array = np.clip(np.stack([mean - reach, mean + reach]), 0, highest)
    return bounds
