"""Tallies: numbers of a batch that merge into those of the set, whatever the batches were."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]


def as_array(values: Any, wide: bool = False) -> Array:
    """A numpy array from an array or a tensor (on any device, attached to a graph or not).

    Double precision becomes single, unless `wide` asks for the opposite.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    array = np.asarray(values, order="C")
    if wide:
        return array.astype(np.float64)
    return array.astype(np.float32) if array.dtype == np.float64 else array


@dataclass(frozen=True)
class Tally:
    """What is kept of a batch for the whole set: numbers that merge, whatever the batches were.

    `sums` are added, of `highs` and `lows` the largest and the smallest value stays, and of `tops`
    (see `ranked`) the first places. Memory does not grow with the set.
    """

    sums: dict[str, Any] = dataclasses.field(default_factory=dict)
    highs: dict[str, Any] = dataclasses.field(default_factory=dict)
    lows: dict[str, Any] = dataclasses.field(default_factory=dict)
    tops: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        # sums over a large set need more than float32 holds, and so do image numbers
        for name in ("sums", "tops"):
            wide = {key: as_array(value, wide=True) for key, value in getattr(self, name).items()}
            object.__setattr__(self, name, wide)
        for name in ("highs", "lows"):
            narrow = {key: as_array(value) for key, value in getattr(self, name).items()}
            object.__setattr__(self, name, narrow)

    def merged(self, other: Tally) -> Tally:
        """Both tallies as if their images had been one batch. A batch may hold fewer names."""
        return Tally(
            _merged(np.add, self.sums, other.sums),
            _merged(np.maximum, self.highs, other.highs),
            _merged(np.minimum, self.lows, other.lows),
            _merged(_both_best, self.tops, other.tops),
        )


def _merged(
    both: Callable[[Array, Array], Array], own: dict[str, Array], others: dict[str, Array]
) -> dict[str, Array]:
    return others | {key: both(value, others[key]) if key in others else value for key, value in own.items()}


def ranked(values: Any, places: Any, numbers: Any, k: int) -> Array:
    """The k strongest of N images for each of R units, as `Tally.tops` keeps them: (R, k, 3) float64.

    `values` (N, R) with the `places` (N, R) where they stand, and the images' `numbers` (N,). A row
    is (value, number, place), strongest first; of equal ones the image with the lower number. What is
    not finite is not ranked; a row without an image has the value -inf and the number -1.
    """
    value = as_array(values, wide=True).T  # (R, N)
    number = np.broadcast_to(as_array(numbers, wide=True), value.shape)
    rows = np.stack((value, number, as_array(places, wide=True).T), 2)  # (R, N, 3)
    nobody = np.array((-np.inf, -1, 0))
    rows = np.where(np.isfinite(value)[..., None], rows, nobody)
    empty = np.broadcast_to(nobody, (len(rows), k, 3))
    return _best(np.concatenate((rows, empty), 1), k)


def _best(rows: Array, k: int) -> Array:
    """The first k of rows (R, M, 3) by falling value, then rising number, those without one last."""
    value, number = rows[..., 0], np.where(rows[..., 1] < 0, np.inf, rows[..., 1])
    order = np.lexsort((number, -value), axis=1)[:, :k]
    return np.asarray(np.take_along_axis(rows, order[..., None], 1))


def _both_best(own: Array, others: Array) -> Array:
    return _best(np.concatenate((own, others), 1), own.shape[1])
