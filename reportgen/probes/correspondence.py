from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from reportgen.engine.needs import (
    Activation,
    Baseline,
    CoveredParts,
    LayerFacts,
    LayerName,
    ModelFacts,
    Need,
    Parts,
    Responses,
    Tape,
)
from reportgen.findings import Array, Comparison, Finding, Flag, NotApplicable, Remark, Scalar, Table, Tally
from reportgen.probes import probe

ROUNDING = 1e-5  # of the layer's largest value: what batches of other images change in a forward
FEW = 5  # images: the article's number; the Δ of fewer is that of a few pairs


@dataclass(frozen=True)
class Judged:
    """What one layer gave: Δ of each part (P,), and of the random boxes of its size (draws, P)."""

    layer: LayerFacts
    parts: Array
    random: Array

    @property
    def lower(self) -> Array:
        """By part, how many of its random boxes have a higher Δ."""
        return np.asarray((self.random > self.parts).sum(0))


@probe("correspondence", scope="set", group="inside the network")
class Correspondence:
    """Correspondence: does covering the same part change the features of different images alike?

    Definition. In every image i that has all parts of the recipe's `images.parts`, one part is set to
    `baseline`, and ε(i) = f(x(i)) − f(x(i) with the part covered) at a layer f. Δ is the share of the
    features whose sign(ε), −1, 0 or 1, differs, as the mean over all pairs of images. For comparison,
    boxes of the parts' sizes at random places of each image, `draws` for each part: their mean and
    standard deviation. Changes below 1e-5 of the layer's largest value count as 0. `auto` layers are
    the last one with maps, and what the last layer with weights is given.

    Reading. A Δ below that of random boxes: the network ties this part of one image to that of
    the others, and covering it changes the features in the same way. A Δ like that of random boxes:
    to the network they have nothing in common there.

    Limits. Of few images it says little: two have one pair. Features that change in no image
    agree, so that a small part has a small Δ: compare it with random boxes of its own size only. A box
    also covers what is about the part, and a random one may fall upon a part. Maps are compared place by
    place: parts at different places of the image differ there for that alone.

    Needs. Part boxes of the images (`images.parts`), and two layers.

    Source. Zeiler & Fergus 2013, Visualizing and Understanding Convolutional Networks, sec. 4.3 and
    table 1 (arXiv:1311.2901).
    """

    layers: Literal["auto"] | tuple[LayerName, ...] = "auto"
    draws: PositiveInt = 4
    seed: NonNegativeInt = 0
    baseline: Baseline = "grey"

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        perturbed = self._perturbed(model)
        needs: list[Need] = [Parts()]
        for layer in self._layers(model):
            needs += [Activation(layer.name), Responses(perturbed, layer.name, "whole")]
        return needs

    def measure(self, tape: Tape) -> Tally:
        boxes = tape[Parts()]  # (N, P, 4)
        has = boxes[..., 2] > boxes[..., 0]  # (N, P)
        whole = has.all(1)
        sums: dict[str, Any] = {"images": 0, "lacking": (has.any(1) & ~whole).sum(), "not-finite": 0}
        perturbed = self._perturbed(tape.model)
        for n in whole.nonzero()[:, 0].tolist():
            features = {
                name: (tape[Activation(name)][n], tape[Responses(perturbed, name, "whole")][n])
                for name in (layer.name for layer in self._layers(tape.model))
            }
            if not all(bool(part.isfinite().all()) for pair in features.values() for part in pair):
                sums["not-finite"] += 1
                continue
            sums["images"] += 1
            for name, (clean, covered) in features.items():
                for sign, count in signs(clean, covered).items():
                    key = f"{name}/{sign}"
                    sums[key] = sums.get(key, 0) + count
        return Tally(sums)

    def conclude(self, tally: Tally, model: ModelFacts) -> tuple[Finding, ...]:
        images = int(tally.sums["images"])
        number = Scalar("images", "Images with every part", images)
        left_out = self._left_out(tally)
        if images < 2:
            text = f"Images with every part: {images}. There is nothing to compare"
            return number, Flag("too-few", text, True, "note"), *left_out
        judged = [self._judged(layer, tally, model, images) for layer in self._layers(model)]
        return (
            number,
            *(self._plot(n, layer, model) for n, layer in enumerate(judged)),
            self._table(judged, model),
            *self._verdicts(judged, model, images),
            *left_out,
        )

    def _perturbed(self, model: ModelFacts) -> CoveredParts:
        if not model.parts:
            raise NotApplicable("the recipe names no parts (images.parts, a CSV of boxes)")
        return CoveredParts(len(model.parts), self.draws, self.seed, self.baseline)

    def _layers(self, model: ModelFacts) -> list[LayerFacts]:
        if self.layers != "auto":
            return list(dict.fromkeys(model.layer(name) for name in self.layers))
        last = model.last_features()
        maps = [model.spatial_layer("auto")] if model.auto else []
        return list(dict.fromkeys([*maps, last]))

    def _judged(self, layer: LayerFacts, tally: Tally, model: ModelFacts, images: int) -> Judged:
        delta = differing(tally.sums[f"{layer.name}/plus"], tally.sums[f"{layer.name}/minus"], images)
        parts = len(model.parts)
        return Judged(layer, delta[:parts], delta[parts:].reshape(self.draws, parts))

    def _table(self, judged: Sequence[Judged], model: ModelFacts) -> Table:
        """A row a part and one for all of them; for each layer Δ, the random boxes' mean and deviation."""
        columns = ["part"]
        for deltas in judged:
            columns += [f"Δ at {deltas.layer.name}", "random boxes", "their sd"]

        def row(name: str, chosen: slice) -> tuple[Any, ...]:
            cells: list[Any] = [name]
            for deltas in judged:
                random = deltas.random[:, chosen]
                cells += [float(deltas.parts[chosen].mean()), float(random.mean()), spread(random)]
            return tuple(cells)

        rows = tuple(row(name, slice(n, n + 1)) for n, name in enumerate(model.parts))
        total = row("all parts", slice(None))
        return Table("table", "Share of features that change differently, Δ", tuple(columns), rows, total)

    def _plot(self, n: int, judged: Judged, model: ModelFacts) -> Comparison:
        middle = judged.random.mean(0)
        reach = np.array([spread(judged.random[:, part]) or 0 for part in range(len(model.parts))])
        return Comparison(
            f"delta-{n + 1}",
            f"Δ at {judged.layer.name}",
            judged.parts,
            np.stack([np.maximum(middle - reach, 0), middle, middle + reach], 1),
            model.parts,
            "share of features, Δ",
            "dot: the part; bar: random boxes of its size, mean ± sd",
        )

    def _verdicts(self, judged: Sequence[Judged], model: ModelFacts, images: int) -> list[Finding]:
        """A sentence a layer: which parts lie below every random box of their size."""
        remarks: list[Finding] = []
        for deltas in judged:
            tied = [name for name, n in zip(model.parts, deltas.lower, strict=True) if n == self.draws]
            if len(tied) == len(model.parts):
                said = "every part has a lower Δ than all random boxes of its size"
            elif tied:
                said = f"a lower Δ than all random boxes of their size: {', '.join(tied)}"
            else:
                said = "no part has a lower Δ than all random boxes of its size"
            remarks.append(Remark(f"verdict {deltas.layer.name}", f"At {deltas.layer.name}: {said}."))
        remarks.append(Remark("reading", "Lower than random: the network ties this part across images."))
        if images < FEW:
            pairs = images * (images - 1) // 2
            text = f"{images} images make {pairs} pair{'s' * (pairs > 1)}: too few to tell a tie from chance."
            remarks.append(Remark("few", text))
        return remarks

    def _left_out(self, tally: Tally) -> list[Finding]:
        words = {"lacking": "they lack a part", "not-finite": "their features are not finite"}
        counts = {why: int(tally.sums[key]) for key, why in words.items()}
        sentences = [f"Left out, as {why}: {count} images." for why, count in counts.items() if count]
        return [Remark("left-out", " ".join(sentences))] if sentences else []


def signs(clean: Tensor, covered: Tensor) -> dict[str, Tensor]:
    """Which features D of an image's layer (D…) fall, and which rise, with each cover (V, D…): (V, D)."""
    change = (clean - covered).flatten(1)
    floor = ROUNDING * clean.abs().max()
    return {"plus": (change > floor).double(), "minus": (change < -floor).double()}


def differing(plus: Array, minus: Array, images: int) -> Array:
    """The share of features whose signs differ, over all pairs of images, by cover (V,).

    `plus` and `minus` (V, D) count the images where a feature's sign is 1 and −1. Of n² ordered pairs
    those of equal signs are the squares of the counts: no pair is looked at, so the counts may be
    sums over batches.
    """
    zero = images - plus - minus
    unequal = images**2 - plus**2 - minus**2 - zero**2  # (V, D)
    shares: Array = unequal.mean(1) / (images * (images - 1))
    return shares


def spread(values: Array) -> float | None:
    """The standard deviation of a sample, None for a single value."""
    return float(np.std(values, ddof=1)) if np.size(values) > 1 else None
