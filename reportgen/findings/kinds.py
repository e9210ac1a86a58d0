"""The kinds of findings: maps, masks, pictures, curves, tables, graphs, numbers and sentences.

A finding of scope `image` is measured for a batch: its per-image fields carry a leading axis N.
`Evidence` hands out one image's view of it (see `at`), where that axis is gone. Findings of
scope `model` never have the axis.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from reportgen.findings.tallies import Array, as_array

# probes import it from here: a mean over images is a finding only with its interval


class NotApplicable(Exception):
    """A visualization that has no meaning for this model; the text says why and is printed."""


class _Arrays:
    """Turns the fields named in `arrays` to numpy when a finding is made from tensors."""

    arrays: ClassVar[tuple[str, ...]] = ("values",)
    per_image: ClassVar[tuple[str, ...]] = ("values",)

    def __post_init__(self) -> None:
        for name in self.arrays:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, as_array(getattr(self, name)))


@dataclass(frozen=True, kw_only=True)
class _Explaining(_Arrays):
    """Findings that may explain a class: `explains` (N,) int64 says which, −1 for none.

    None is the target that the probe was measured for; a probe that chooses a class of its own (the
    label where there is one) says which, so that the figure's caption can.
    """

    arrays: ClassVar[tuple[str, ...]] = ("values", "explains")
    per_image: ClassVar[tuple[str, ...]] = ("values", "explains")

    explains: Any = None


@dataclass(frozen=True)
class Heatmap(_Explaining):
    """One number a place, raw and unnormalised, float32 (N, h, w), on the input's or a layer's grid.

    `quantity` says what the number is, in words and with its unit: "max |dS/dx| over colour".
    `signed` maps are drawn diverging around zero. `layer` is the layer whose grid it is, if any.
    """

    name: str
    title: str
    values: Any
    quantity: str
    signed: bool = False
    layer: str | None = None
    overlay: bool = True  # drawn over the photograph, or alone


@dataclass(frozen=True)
class Picture(_Explaining):
    """A colour picture (N, 3, h, w): `rgb` in [0, 1], or `signed` raw values around mid-grey."""

    name: str
    title: str
    values: Any
    quantity: str
    encoding: Literal["rgb", "signed"] = "rgb"


@dataclass(frozen=True)
class Mask(_Explaining):
    """A choice of pixels (N, h, w), bool: drawn as a mask and as the photograph seen through it."""

    name: str
    title: str
    values: Any
    quantity: str


@dataclass(frozen=True)
class Segments(_Explaining):
    """A partition of the pixels (N, h, w), small non-negative integers, drawn in distinct colours."""

    name: str
    title: str
    values: Any
    quantity: str


@dataclass(frozen=True)
class ClassMap(_Explaining):
    """A class index a place, int64 (N, rows, columns), drawn in one colour a class with its legend; -1
    where there is no answer."""

    name: str
    title: str
    values: Any
    quantity: str


@dataclass(frozen=True)
class Distribution(_Arrays):
    """A probability a class, (N, C), in the order of the classes.

    `listed` says whether results.json has all of it: for few classes, or where it was asked for.
    """

    name: str
    title: str
    values: Any
    quantity: str
    listed: bool = False


@dataclass(frozen=True)
class Embedding(_Arrays):
    """What the network made of an image, (N, F) float32: images that it takes for alike lie near each other.

    Drawn once for all images with figures, in two dimensions.
    """

    name: str
    title: str
    values: Any
    quantity: str


@dataclass(frozen=True)
class Curve(_Explaining):
    """Lines over a common axis: `x` (P,), `values` (N, lines, P), a label a line.

    `band` (N, 2, P), or None, is a lower and an upper limit that belongs to the last line. `y_label` is
    the quantity, or those of N images, where each has its own. `limits` are the ends of the y axis where
    the quantity has ends of its own, as a probability has.
    """

    arrays: ClassVar[tuple[str, ...]] = ("values", "x", "band", "explains")
    per_image: ClassVar[tuple[str, ...]] = ("values", "band", "explains", "y_label")

    name: str
    title: str
    values: Any
    x: Any
    labels: tuple[str, ...]
    x_label: str
    y_label: Any  # str, or a str an image
    band: Any
    limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class Comparison(_Arrays):
    """Numbers (R,), a label each, beside a reference of their own: its low, middle and high end (R, 3).

    Scope `model` or `set` only. `reading` says what is drawn: "dot: the part; bar: random boxes".
    """

    arrays: ClassVar[tuple[str, ...]] = ("values", "reference")
    per_image: ClassVar[tuple[str, ...]] = ()

    name: str
    title: str
    values: Any
    reference: Any
    labels: tuple[str, ...]
    quantity: str
    reading: str


@dataclass(frozen=True)
class Gallery(_Arrays):
    """A row or grid of small pictures: (N, k, h, w) grey or (N, k, 3, h, w) colour, raw values.

    `numbers` (N, k) are the tiles' own numbers (a channel, a filter, an image, as `counted` says; they
    are not printed where it is empty), or None for 0 … k-1.
    `scale` says how raw values become grey: each tile over its own range, all over one, or as they
    are, for pixels in [0, 1]. `columns` are the tiles of a row, or None for as many as fit. `together`
    tiles in a row belong to one another: where they have room, no row of the grid parts them.
    """

    arrays: ClassVar[tuple[str, ...]] = ("values", "numbers")
    per_image: ClassVar[tuple[str, ...]] = ("values", "numbers")

    name: str
    title: str
    values: Any
    numbers: Any
    quantity: str
    layer: str | None = None
    scale: Literal["each", "grid", "unit"] = "each"
    signed: bool = False
    columns: int | None = None
    counted: str = "no."
    together: int = 1


@dataclass(frozen=True)
class PictureGrid(_Arrays):
    """Colour pictures (k, 3, h, w) in [0, 1], each in a place of one grid, (k, 2) row and column, of `sides`
    rows and columns; some are free. Scope `model` only. `labels` stand below them; `words` say all of one."""

    arrays: ClassVar[tuple[str, ...]] = ("values", "places")
    per_image: ClassVar[tuple[str, ...]] = ()

    name: str
    title: str
    values: Any
    places: Any
    sides: tuple[int, int]
    labels: tuple[str, ...]
    words: tuple[str, ...]
    quantity: str


@dataclass(frozen=True)
class Scalar(_Arrays):
    """One number an image, (N,), with its unit ("" for a plain number, "%" for a share × 100).

    `printed` numbers stand beside the figures. The others are in results.json, and on the page only
    where a template of the visualization's own puts them into a sentence.
    """

    name: str
    title: str
    values: Any
    unit: str = ""
    digits: int = 3  # significant digits to print
    printed: bool = True


@dataclass(frozen=True)
class Flag(_Arrays):
    """A sentence that a reader must see where `values` (N,), bool, is true."""

    name: str
    text: str
    values: Any
    level: Literal["note", "warn", "bad"] = "warn"


@dataclass(frozen=True)
class Remark:
    """A sentence of the same words for every image: coverage, the default that was chosen."""

    name: str
    text: str
    per_image: ClassVar[tuple[str, ...]] = ()
    arrays: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True)
class Table:
    """Rows of text and numbers (None where there is no value). Scope `model` only.

    `columns` are heads with their unit, such as "memory, MiB"; `total` is an optional last row.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    total: tuple[Any, ...] | None = None
    per_image: ClassVar[tuple[str, ...]] = ()
    arrays: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True)
class Graph:
    """Boxes and the values that pass between them, in the order in which they run. Scope `model` only.

    A box is (kind, words, layer, within, shape): what it is, how it is labelled, the layer whose call
    it is or "", the module around it or "", and the sizes of what it gives or None. An edge is
    (from, to), two numbers of boxes, and leads from an earlier box to a later one.
    """

    name: str
    title: str
    boxes: tuple[tuple[str, str, str, str, tuple[int, ...] | None], ...]
    edges: tuple[tuple[int, int], ...]
    per_image: ClassVar[tuple[str, ...]] = ()
    arrays: ClassVar[tuple[str, ...]] = ()


Finding: TypeAlias = (
    Heatmap
    | Picture
    | Mask
    | Segments
    | ClassMap
    | Distribution
    | Embedding
    | Curve
    | Comparison
    | Gallery
    | PictureGrid
    | Scalar
    | Flag
    | Remark
    | Table
    | Graph
)


def at(finding: Finding, n: int) -> Finding:
    """Image n's view of a batch's finding: its per-image fields without the leading axis."""
    per_image = {name: getattr(finding, name) for name in finding.per_image}
    own = {k: v[n] for k, v in per_image.items() if v is not None and not isinstance(v, str)}
    return dataclasses.replace(finding, **own)


def explaining(findings: Sequence[Finding], class_index: int) -> tuple[Finding, ...]:
    """One image's findings of a probe that explains a target: those that name no class of their own
    explain this one."""
    return tuple(
        dataclasses.replace(finding, explains=class_index)
        if isinstance(finding, _Explaining) and finding.explains is None
        else finding
        for finding in findings
    )


def nth(name: str, number: int) -> str:
    """The name of the number-th finding of one kind, counted from 0: map, map-2, map-3, …"""
    return name if number == 0 else f"{name}-{number + 1}"


def faults(values: Array) -> str | None:
    """Why one map (h, w) must not be stretched into a picture, in words, or None where it may be."""
    bad = int((~np.isfinite(values)).sum())
    if bad:
        return f"{bad} of {values.size} values are not finite"
    low, high = float(values.min()), float(values.max())
    if low == high == 0:
        return "all zero: nothing in this map responds to the target"
    if low == high:
        return f"constant: every value is {low:.4g}"
    return None
