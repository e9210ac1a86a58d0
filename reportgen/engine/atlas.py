"""Activation atlas: places of a layer drawn over the set, laid out, averaged cell by cell, and climbed to.

Carter et al. 2019, Activation Atlas (doi:10.23915/distill.00015).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from reportgen.engine.ascent import Climber
from reportgen.engine.needs import Activation, Ascended, Ascent, Direction
from reportgen.engine.needs.atlas import Atlas, Cell, Charted, PlacesDrawn
from reportgen.engine.network.output import answers
from reportgen.engine.plan import Plan
from reportgen.engine.tape import BatchTape
from reportgen.findings import Array, Tally
from reportgen.projection import projected

COMPARED = 8  # images whose means and logits are kept, to tell how the one makes the other
ANSWER = 1  # columns of a row before the activation: the class that the image was answered with


def key(need: PlacesDrawn) -> str:
    """How the names of a need's rows in the tally begin."""
    return f"{need.layer} {need.places} {need.seed}/"


def _key_of_means(need: PlacesDrawn) -> str:
    return f"{need.layer} {need.places} {need.seed} means/"


def drawn_of(plan: Plan, readable: Sequence[int]) -> dict[PlacesDrawn, Drawn]:
    """By need of the plan, the images that are drawn of the `readable` ones of the set."""
    return {need: share(need, readable) for need in plan.of(PlacesDrawn)}


def keep(drawn: Mapping[PlacesDrawn, Drawn], tape: BatchTape, numbers: Sequence[int]) -> Tally | None:
    """What a batch gives to the needs `PlacesDrawn`: rows (k, 1 + C) of the class that was answered and the
    activation, under the image's number, of those of its images that are drawn of the set (`drawn_of`); None
    where nothing is asked for. What is not finite is left out. Of the first few of these images
    also the means of the layer's maps and the logits, a row (C + classes,)."""
    rows: dict[str, Array] = {}
    answered = answers(tape.logits).tolist()
    for need, which in drawn.items():
        a = tape[Activation(need.layer)]  # (N, C, h, w)
        for row, number in enumerate(numbers):
            if number in which.images and answered[row] >= 0:
                kept = _places(a[row], need.seed, number, which.places)
                kept = kept[np.isfinite(kept).all(1)]
                first = np.full((len(kept), ANSWER), float(answered[row]))
                rows[f"{key(need)}{number:06d}"] = np.concatenate([first, kept], 1)
                if number in which.first_few:
                    pair = torch.cat([a[row].double().flatten(1).mean(1), tape.logits[row].double()])
                    rows[f"{_key_of_means(need)}{number:06d}"] = pair.cpu().numpy()
    return Tally(sums=rows) if rows else None


@dataclass(frozen=True)
class Drawn:
    """How many `places` are drawn of each of which `images` of the set, by number."""

    places: int
    images: frozenset[int]

    @cached_property
    def first_few(self) -> tuple[int, ...]:
        """The images whose means and logits are kept besides."""
        return tuple(sorted(self.images)[:COMPARED])


def share(need: PlacesDrawn, readable: Sequence[int]) -> Drawn:
    """What is drawn of the readable images of a set, for one need."""
    numbers = sorted(readable)
    count = min(len(numbers), need.places)
    chosen = np.random.default_rng(need.seed).choice(numbers, count, replace=False) if count else ()
    return Drawn(max(1, need.places // max(1, count)), frozenset(int(number) for number in chosen))


def _places(a: Tensor, seed: int, number: int, count: int) -> Array:
    """At most `count` places (k, C) of one image's maps (C, h, w), drawn by the image's number."""
    inside = [slice(1, -1) if side > 2 else slice(None) for side in a.shape[1:]]
    places = a[:, inside[0], inside[1]].flatten(1)  # (C, places)
    drawn = np.random.default_rng((seed, number)).permutation(places.shape[1])[:count]
    return places[:, torch.from_numpy(np.sort(drawn)).to(a.device)].T.cpu().numpy().astype(np.float64)


@dataclass(frozen=True)
class Sheet:
    """The rows of a need: the images' numbers (P,), their answers (P,), the activations (P, C)."""

    numbers: Array
    answers: Array
    vectors: Array

    @classmethod
    def of(cls, need: PlacesDrawn, tally: Tally) -> Sheet | None:
        """From the merged tally; None where fewer than two places were kept."""
        begins = key(need)
        rows = {int(name[len(begins) :]): v for name, v in tally.sums.items() if name.startswith(begins)}
        kept = [rows[number] for number in sorted(rows) if len(rows[number])]
        if sum(map(len, kept)) < 2:
            return None
        numbers = np.repeat([n for n in sorted(rows) if len(rows[n])], [len(part) for part in kept])
        together = np.concatenate(kept)
        return cls(numbers, together[:, 0].astype(np.int64), together[:, ANSWER:])


def cells_of(positions: Array, side: int, fewest: int) -> dict[tuple[int, int], Array]:
    """The rows of positions (P, 2) by the cell (row, column) that they lie in, of cells that have enough. The
    grid lies over their whole extent."""
    low, high = positions.min(0), positions.max(0)
    part = (positions - low) / np.where(high > low, high - low, 1.0)
    columns, rows = np.minimum((part * side).astype(int), side - 1).T
    found: dict[tuple[int, int], list[int]] = {}
    for index, place in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        found.setdefault(place, []).append(index)
    return {place: np.array(found[place]) for place in sorted(found) if len(found[place]) >= fewest}


def whitened(vectors: Array) -> Array:
    """The inverse of the second moments (C, C) of activations (P, C), shrunk towards a multiple of the unit
    matrix: few places leave them without an inverse (Ledoit & Wolf 2004)."""
    from sklearn.covariance import ledoit_wolf

    scale = float(np.sqrt(np.square(vectors).mean())) or 1.0
    moments, _ = ledoit_wolf(vectors / scale, assume_centered=True)
    trace = float(np.trace(moments)) / len(moments)
    return np.asarray(np.linalg.pinv(moments + 1e-6 * trace * np.eye(len(moments)), hermitian=True))


def charted(needs: Sequence[Atlas], tally: Tally | None, climber: Climber) -> dict[Atlas, Charted]:
    """Every atlas that is asked for: laid out, and its cells climbed to."""
    return {need: _charted(need, tally, climber) for need in needs}


def _charted(need: Atlas, tally: Tally | None, climber: Climber) -> Charted:
    sheet = Sheet.of(need.drawn, tally) if tally else None
    if tally is None or sheet is None:
        return Charted((), 0, 0, 0, "")
    positions, words = projected(sheet.vectors, need.climb.seed, "places")
    cells = cells_of(positions, need.side, need.fewest)
    inverse = whitened(sheet.vectors) if cells else np.zeros((0, 0))
    ascents = {
        place: Ascent(_direction(need, sheet.vectors[rows].mean(0), inverse), need.climb)
        for place, rows in cells.items()
    }
    ended = climber.run(list(dict.fromkeys(ascents.values())))
    made = tuple(_cells(sheet, cells, ascents, ended))
    means, logits = compared(need.drawn, tally, sheet.vectors.shape[1])
    return Charted(
        cells=made,
        places=len(sheet.vectors),
        images=len(np.unique(sheet.numbers)),
        shown=sum(cell.places for cell in made),
        words=words,
        means=means,
        logits=logits,
    )


def compared(need: PlacesDrawn, tally: Tally, channels: int) -> tuple[Array, Array]:
    """The means (n, C) and the logits (n, classes) of the images that both are kept of, all finite."""
    pairs = [tally.sums[name] for name in sorted(tally.sums) if name.startswith(_key_of_means(need))]
    finite = [pair for pair in pairs if np.isfinite(pair).all()]
    together = np.stack(finite) if finite else np.zeros((0, channels))
    return together[:, :channels], together[:, channels:]


def _direction(need: Atlas, mean: Array, inverse: Array) -> Direction:
    u = inverse @ mean  # (C,)
    length = float(np.linalg.norm(u)) or 1.0
    return Direction(need.drawn.layer, tuple((u / length).tolist()), need.power)


def _cells(
    sheet: Sheet,
    cells: Mapping[tuple[int, int], Array],
    ascents: Mapping[tuple[int, int], Ascent],
    ended: Mapping[Ascent, Ascended],
) -> Iterator[Cell]:
    for place, rows in cells.items():
        end = ended[ascents[place]]
        # an image counts once for its answer, however many of its places lie here
        said = {int(n): int(c) for n, c in zip(sheet.numbers[rows], sheet.answers[rows], strict=True)}
        counted = sorted(Counter(said.values()).items(), key=lambda pair: (-pair[1], pair[0]))
        mean = sheet.vectors[rows].mean(0)
        yield Cell(
            *place, len(rows), len(said), mean, tuple(counted), end.picture, end.start, end.reached
        )
