from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import PurePath
from typing import Any, Literal

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from reportgen.engine.needs import (
    RULES,
    Bench,
    Evolved,
    LayerFacts,
    LayerName,
    ModelFacts,
    Need,
    Noted,
    Projected,
    Snapshot,
    TopImages,
    TrainingLog,
    channel_of,
    rule_of,
)
from reportgen.findings import Array, Curve, Finding, Gallery, NotApplicable, Remark, Scalar, Table
from reportgen.probes import probe
from reportgen.stats import wilson

AT_MOST = 3  # layers that `auto` chooses
LINES = 4  # of a plot: as many as can be told apart without colour
KINDS = ("loss", "accuracy", "acc", "error", "lr", "learning_rate")  # what is drawn on one axis


@probe("evolution", scope="model", group="inside the network")
class Evolution:
    """Evolution: how the network became what it is, checkpoint by checkpoint.

    Definition. Each checkpoint of one training run answers the whole set. For a few channels the
    strongest place over the set is projected down to the pixels, at every checkpoint anew (a row a
    channel, a column a checkpoint). The change of a layer is the length of the step that its weights
    made since the checkpoint before, divided by their length there. Curves are those of the training
    log, a CSV or TensorBoard's event files, where the recipe names one.

    Reading. Early layers settle within a few epochs, later ones go on changing; a picture that jumps
    is a channel whose strongest image has become another one. Accuracy that falls while the training
    loss falls on is overfitting.

    Limits. A few channels of many are shown, each picture over its own range. The checkpoints must be
    of one run and one architecture; a change says how far the weights moved, not whether for better.

    Needs. Other checkpoints of the run, or its training log.

    Source. Zeiler & Fergus 2013, Visualizing and Understanding Convolutional Networks, sec. 4 and
    fig. 4 (arXiv:1311.2901).
    """

    checkpoints: tuple[str, ...] = ()
    log: str | None = None
    layers: Literal["auto"] | tuple[LayerName, ...] = "auto"
    channels: PositiveInt | tuple[NonNegativeInt, ...] = 4
    rule: Literal["auto", "deconv", "guided", "exact"] = "auto"
    side_px: int = Field(default=96, ge=8, le=512)

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        if not self.checkpoints and not self.log:
            raise NotApplicable("the recipe names no checkpoints of the training run and no log of it")
        if self.checkpoints and model.head.region is not None and model.head.region.masked:
            raise NotApplicable("other checkpoints are not asked under the images' masks: give a box")
        needs: list[Need] = [TrainingLog(self.log)] if self.log else []
        return [*needs, self._evolved(model)] if self.checkpoints else needs

    def measure(self, tape: Bench) -> tuple[Finding, ...]:
        findings: list[Finding] = []
        if self.checkpoints:
            snapshots = tape[self._evolved(tape.model)]
            for n, layer in enumerate(self._layers(tape.model)):
                findings += _projected(layer, n, snapshots)
            findings += _answered(snapshots)
            findings += _changed(snapshots)
            rule = RULES[rule_of(self.rule, tape.model)]
            findings.append(Remark("rule", f"Projected by {rule}, grey is 0."))
        if self.log:
            findings += [_logged(kind, lines) for kind, lines in grouped(tape[TrainingLog(self.log)]).items()]
        return tuple(findings)

    def _evolved(self, model: ModelFacts) -> Evolved:
        rule = rule_of(self.rule, model)
        return Evolved(
            self.checkpoints,
            tuple(
                Projected(TopImages(layer.name, 1), self._channels(layer), rule, self.side_px)
                for layer in self._layers(model)
            ),
        )

    def _channels(self, layer: LayerFacts) -> int | tuple[int, ...]:
        if isinstance(self.channels, int):
            return self.channels
        return tuple(channel_of(layer, channel) for channel in self.channels)

    def _layers(self, model: ModelFacts) -> tuple[LayerFacts, ...]:
        return model.landmarks(AT_MOST) if self.layers == "auto" else model.spatial_layers(self.layers)


def _projected(layer: LayerFacts, n: int, snapshots: Sequence[Snapshot]) -> tuple[Gallery, ...]:
    """The strongest patches and their projections: a row a channel, a column a checkpoint."""
    columns = [snapshot.projections[n] for snapshot in snapshots]
    if not columns[0].channels:
        return ()
    rows = len(columns[0].channels)
    numbers = np.stack([column.ranking.numbers[:, 0] for column in columns], 1).reshape(-1)  # (rows · T,)
    shared: dict[str, Any] = {"columns": len(columns), "counted": ""}
    channels = ", ".join(map(str, columns[0].channels))
    title = f"{layer.name}, channel{'s' if rows > 1 else ''} {channels}"
    names = f"from {snapshots[0].name}, left, to {snapshots[-1].name}"

    def tiles(name: str) -> Array:
        stacked = np.stack([getattr(column, name)[:, 0] for column in columns], 1)  # (rows, T, C, s, t)
        flat = stacked.reshape(-1, *stacked.shape[2:])
        return flat if flat.shape[1] == 3 else np.repeat(flat.mean(1, keepdims=True), 3, axis=1)

    patches, back = tiles("patches"), tiles("projections")
    return (
        Gallery(f"{layer.name}-patches", title, patches, numbers, f"patches {names}", scale="unit", **shared),
        Gallery(f"{layer.name}-projections", title, back, numbers, "projected back", signed=True, **shared),
    )


def _answered(snapshots: Sequence[Snapshot]) -> tuple[Finding, ...]:
    """What every checkpoint answers: a table, and where there are labels the accuracy's curve."""
    rows: list[tuple[Any, ...]] = []
    silent = any(snapshot.unanswered for snapshot in snapshots)
    for snapshot in snapshots:
        accuracy = None if snapshot.accuracy is None else 100 * snapshot.accuracy
        mean = float(np.mean(list(snapshot.changes.values()))) if snapshot.changes else None
        right = snapshot.right if snapshot.labelled else None
        without = (snapshot.unanswered,) if silent else ()
        rows.append((snapshot.name, snapshot.images, *without, right, accuracy, snapshot.loss, mean))
    counts = ("images", *(["without an answer"] if silent else []), "right")
    columns = ("checkpoint", *counts, "accuracy, %", "loss, nat", "mean change of a layer")
    table = Table("checkpoints", "The checkpoints on this set", columns, tuple(rows))
    numbers = [
        Scalar(f"{snapshot.name}-accuracy", f"Accuracy of {snapshot.name}", snapshot.accuracy, printed=False)
        for snapshot in snapshots
        if snapshot.accuracy is not None
    ]
    if len(snapshots) < 2 or len(numbers) < len(snapshots):
        return (table, *numbers)
    x, x_label = _axis(snapshots)
    share = np.array([snapshot.accuracy for snapshot in snapshots])
    band = np.array([wilson(snapshot.right, snapshot.labelled) for snapshot in snapshots]).T  # (2, T)
    curve = Curve(
        "accuracy", "Accuracy on this set", share[None], x, ("accuracy",), x_label, "share right", band
    )
    return (curve, table, *numbers)


def _changed(snapshots: Sequence[Snapshot]) -> tuple[Finding, ...]:
    """How far the weights of each layer moved from one checkpoint to the next."""
    layers = list(snapshots[-1].changes)
    if len(snapshots) < 2 or not layers:
        return ()
    heads = [f"to {snapshot.name}" for snapshot in snapshots[1:]]
    rows = tuple((name, *(snapshot.changes[name] for snapshot in snapshots[1:])) for name in layers)
    table = Table("changes", "Change of the weights since the checkpoint before", ("layer", *heads), rows)
    count = min(LINES, len(layers))
    drawn = [layers[round(n * (len(layers) - 1) / max(1, count - 1))] for n in range(count)]
    x, x_label = _axis(snapshots)
    values = np.array([[snapshot.changes[name] for snapshot in snapshots[1:]] for name in drawn])
    if len(snapshots) == 2:
        return (table,)
    y_label = "change, share of the length"
    curve = Curve("change", "Change of the weights", values, x[1:], tuple(drawn), x_label, y_label, None)
    return (curve, table)


def _axis(snapshots: Sequence[Snapshot]) -> tuple[Array, str]:
    """Where the checkpoints stand: the last number of each file's name if these rise, else 1, 2, 3."""
    numbers_in_names = [re.findall(r"\d+", PurePath(snapshot.name).name) for snapshot in snapshots]
    if all(numbers_in_names):
        steps = [float(numbers[-1]) for numbers in numbers_in_names]
        if all(a < b for a, b in pairwise(steps)):
            unit = next((word for word in ("epoch", "step") if word in snapshots[0].name.lower()), None)
            return np.array(steps), unit or "the number in the file's name"
    return np.arange(1.0, len(snapshots) + 1), "checkpoint"


def grouped(noted: Sequence[Noted]) -> dict[str, list[Noted]]:
    """Quantities that share an axis: losses, accuracies, …; each at most LINES to a plot."""
    groups: dict[str, list[Noted]] = {}
    for line in noted:
        words = re.split(r"[^a-z]+", line.name.lower())
        kind = next((known for known in KINDS if known in words), line.name)
        kind = {"acc": "accuracy", "lr": "learning rate", "learning_rate": "learning rate"}.get(kind, kind)
        name, part = kind, 1
        while len(groups.get(name, [])) == LINES:
            part += 1
            name = f"{kind} {part}"
        groups.setdefault(name, []).append(line)
    return groups


def _logged(kind: str, lines: Sequence[Noted]) -> Curve:
    """The lines of one kind of quantity over all their steps; a gap is bridged by a straight line."""
    steps = np.unique(np.concatenate([line.steps for line in lines]))
    values = np.stack([np.interp(steps, line.steps, line.values) for line in lines])
    name = f"log-{re.sub('[^a-z0-9]+', '-', kind.lower())}"
    title = f"Training log: {kind}"
    return Curve(name, title, values, steps, tuple(line.name for line in lines), lines[0].unit, kind, None)
