"""Findings of one visualization -> a block of figures, strips, tables and sentences.

Generic over the kinds of finding: a visualization that is new is drawn with nothing else touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from typing_extensions import assert_never

from reportgen.findings import (
    Array,
    ClassMap,
    Comparison,
    Curve,
    Distribution,
    Embedding,
    Finding,
    Flag,
    Gallery,
    Graph,
    Heatmap,
    Mask,
    Picture,
    PictureGrid,
    Remark,
    Scalar,
    Segments,
    Table,
    faults,
)
from reportgen.report.cards.tables import picture_grid, strip, table
from reportgen.report.cards.vectors import vector
from reportgen.report.graph.draw import drawing
from reportgen.report.pictures import figures, plots
from reportgen.report.pictures.class_map import class_map
from reportgen.report.pictures.scales import bar, scale
from reportgen.report.values.card import Block, Fact, Figure, Sign
from reportgen.report.wording import number, place, plural, sentence, shape

Visualization = Mapping[str, Any]
# findings that become a figure, and those that a block shows otherwise
Drawn = Heatmap | Picture | Mask | Segments | ClassMap | Curve | Comparison
Undrawn = Distribution | Embedding | Gallery | PictureGrid | Scalar | Flag | Remark | Table | Graph


@dataclass(frozen=True)
class Scene:
    """What the figures are drawn on and what they are about."""

    anchor: str  # begins every id: "i000000" or "model"
    subject: str  # "000000 coffee.png", for alternative texts
    photo: Array  # RGB as the model saw it (H, W, 3), uint8
    whole: figures.Whole | None = None  # the image before resize and crop
    classes: Sequence[str] = ()
    label: int | None = None  # the true class's number


def block(visualization: Visualization, found: Sequence[Finding], scene: Scene) -> Block:
    """One visualization's findings for one image and target, or for the model."""
    stem = f"{scene.anchor}-{visualization['name']}"
    drawn: list[Figure] = []
    again: list[Figure] = []
    for finding in found:
        own = _figures(finding, stem, scene)
        drawn += own
        again += _again(finding, own, stem, scene)
    scalars = [finding for finding in found if isinstance(finding, Scalar)]
    drawn, rest = _attach(drawn, [scalar for scalar in scalars if scalar.printed])
    vectors = [
        vector(finding, stem, scene.subject, scene.classes, scene.label)
        for finding in found
        if isinstance(finding, Distribution)
    ]
    return Block(
        id=stem,
        method=visualization["name"],
        title=visualization["title"],
        summary=sentence(visualization["summary"]),
        figures=tuple(drawn),
        again=tuple(again),
        strips=tuple(strip(f, stem, scene.subject) for f in found if isinstance(f, Gallery)),
        grids=tuple(picture_grid(f, stem) for f in found if isinstance(f, PictureGrid)),
        facts=tuple(rest),
        unprinted=tuple(_fact(scalar) for scalar in scalars if not scalar.printed),
        signs=tuple(flags(found)),
        remarks=tuple(finding.text for finding in found if isinstance(finding, Remark)),
        tables=tuple(table(f, stem) for f in found if isinstance(f, Table)),
        vector=next(iter(vectors), None),
        drawings=tuple(drawing(f, stem) for f in found if isinstance(f, Graph)),
    )


def of_model(visualization: Visualization, findings: Sequence[Finding]) -> Block:
    """One visualization's findings about the model or the whole set, where there is no photograph."""
    return block(visualization, findings, Scene("model", "the model", np.zeros((1, 1, 3), np.uint8)))


def flags(found: Sequence[Finding]) -> list[Sign]:
    """The sentences that a reader must see: the probe's flags that hold."""
    return [
        Sign(finding.level, finding.text)
        for finding in found
        if isinstance(finding, Flag) and bool(np.any(finding.values))
    ]


def signs(found: Sequence[Finding]) -> list[Sign]:
    """`flags`, and what is wrong with maps that cannot be drawn (masks have flags of their own)."""
    maps = [finding for finding in found if isinstance(finding, Heatmap | Picture)]
    broken = [Sign("warn", f"{drawn.title}: {why}") for drawn in maps if (why := unfit(drawn))]
    return flags(found) + broken


def unfit(finding: Finding) -> str | None:
    """Why a finding must not be stretched into a picture, or None."""
    if isinstance(finding, Heatmap | Picture):
        return faults(finding.values)
    if isinstance(finding, Curve | Comparison) and (bad := int((~np.isfinite(finding.values)).sum())):
        return f"{bad} of {finding.values.size} values are not finite"
    if isinstance(finding, Mask) and not finding.values.any():
        return "empty: no pixel is chosen"
    if isinstance(finding, Mask) and finding.values.all():
        return "everything: every pixel is chosen"
    return None


def _attach(drawn: list[Figure], scalars: list[Scalar]) -> tuple[list[Figure], list[Fact]]:
    """A scalar `mask-share` belongs under the figure `mask`, and not under `mask-2` or the other way
    round; the others stand by themselves."""
    rest = []
    for scalar in scalars:
        fact = _fact(scalar)
        owners = [f for f in drawn if scalar.name.startswith(f"{f.name}-")]
        owner = max(owners, key=lambda f: len(f.name), default=None)  # the longest name is the nearest
        if owner is None:
            rest.append(fact)
        else:
            at = drawn.index(owner)
            drawn[at] = replace(owner, facts=(*owner.facts, fact))
    return drawn, rest


def _fact(scalar: Scalar) -> Fact:
    value = np.asarray(scalar.values).reshape(-1)[0]
    whole = np.issubdtype(value.dtype, np.integer)
    text = number(int(value) if whole else float(value), scalar.digits)
    return Fact(scalar.title, f"{text} {scalar.unit}".strip(), name=scalar.name)


def _figures(finding: Finding, stem: str, scene: Scene) -> list[Figure]:
    """The figures of one finding: one, or two for a mask, none for what a block shows otherwise."""
    if isinstance(finding, Undrawn):
        return []
    empty = _empty(finding, stem, scene)
    about = empty.alt
    if why := unfit(finding):
        return [replace(empty, words=sentence(why), alt=f"{about}: {why}")]
    if isinstance(finding, Heatmap):
        return [_heatmap(finding, empty, scene)]
    if isinstance(finding, Picture):
        return [_picture(finding, empty)]
    if isinstance(finding, ClassMap):
        return [_class_map(finding, empty, scene.classes)]
    if isinstance(finding, Curve):
        return [replace(empty, plot=plots.of_curve(finding), alt=f"{about}: {', '.join(finding.labels)}")]
    if isinstance(finding, Comparison):
        rows = zip(finding.labels, finding.values, strict=True)
        listed = ", ".join(f"{name} {number(float(value))}" for name, value in rows)
        return [replace(empty, plot=plots.of_comparison(finding), alt=f"{about}: {listed}")]
    if isinstance(finding, Segments):
        parts = int(np.unique(finding.values).size)
        return [
            replace(
                empty,
                picture=figures.segments(finding.values),
                alt=f"{about}: {plural(parts, 'segment')}",
            )
        ]
    if isinstance(finding, Mask):
        return _mask(finding, empty, scene)
    assert_never(finding)


def _empty(finding: Drawn, stem: str, scene: Scene) -> Figure:
    """The figure of a finding without anything drawn."""
    target = _explained(finding, scene.classes)
    about = f"{finding.title} of {scene.subject}" + (f" for the class {target}" if target else "")
    return Figure(
        id=f"{stem}-{finding.name}",
        name=finding.name,
        title=finding.title,
        caption=_caption(finding),
        alt=about,
        target=target,
    )


def _explained(finding: Drawn, classes: Sequence[str]) -> str:
    """The name of the class that a finding explains, or ""."""
    chosen = None if isinstance(finding, Comparison) else finding.explains
    return "" if chosen is None or int(chosen) < 0 else classes[int(chosen)]


def _caption(finding: Drawn) -> str:
    """What a figure is of; a curve says it on its axes."""
    if isinstance(finding, Curve):
        return ""
    return finding.reading if isinstance(finding, Comparison) else finding.quantity


def _heatmap(finding: Heatmap, empty: Figure, scene: Scene) -> Figure:
    by = scale(finding.values, finding.signed)
    details = []
    if finding.layer:
        details.append(f"{finding.layer}, {shape(finding.values.shape)}")
    elif max(finding.values.shape) < min(scene.photo.shape[:2]):
        details.append(f"grid {shape(finding.values.shape)}")
    largest = float(np.abs(finding.values).max() if finding.signed else finding.values.max())
    if by.clipped:
        details.append(f"largest {number(largest)}")
    drawn = (
        figures.overlay(finding.values, by, scene.photo)
        if finding.overlay
        else figures.heat(finding.values, by)
    )
    largest_at = place(np.abs(finding.values) if finding.signed else finding.values)
    # of a signed map what speaks for the class is its highest value, and nothing does where none is above 0
    where = place(finding.values) if finding.values.max() > 0 else ""
    alt = f"{empty.alt}: largest at the {largest_at}, {number(largest)}"
    layer = finding.layer or ""
    return replace(
        empty, picture=drawn, bar=bar(by), details=tuple(details), alt=alt, layer=layer, where=where
    )


def _again(finding: Finding, drawn: Sequence[Figure], stem: str, scene: Scene) -> list[Figure]:
    """A map that was drawn over a crop, once more over the whole image."""
    if not (isinstance(finding, Heatmap) and finding.overlay and scene.whole and scene.whole.cropped):
        return []
    raw = drawn[0].picture.map if drawn[0].picture else None
    if raw is None:  # nothing of it can be drawn
        return []
    empty = _empty(finding, stem, scene)
    return [
        replace(
            empty,
            id=f"{empty.id}-original",
            name=f"{empty.name}-original",
            title=f"{finding.title}, on the original",
            caption="",
            again=empty.id,
            details=(finding.layer,) if finding.layer else (),
            picture=figures.on_original(raw, scene.whole),
            alt=f"{empty.alt}, laid over the whole file",
        )
    ]


def _class_map(finding: ClassMap, empty: Figure, classes: Sequence[str]) -> Figure:
    """The map in one colour and hatching a class, with the share of places of each."""
    drawn, keys = class_map(finding.values, classes)
    listed = ", ".join(f"{key.name} {key.share}" for key in keys)
    detail = f"grid {shape(finding.values.shape)}"
    return replace(empty, picture=drawn, keys=keys, details=(detail,), alt=f"{empty.alt}: {listed}")


def _picture(finding: Picture, empty: Figure) -> Figure:
    if finding.encoding == "rgb":
        return replace(empty, picture=figures.rgb_picture(finding.values))
    if finding.encoding == "signed":
        drawn, by = figures.signed_colour(finding.values)
        detail = f"mid-grey is 0; full colour is ±{number(by.high)}"
        return replace(empty, picture=drawn, details=(detail,))
    assert_never(finding.encoding)


def _mask(finding: Mask, empty: Figure, scene: Scene) -> list[Figure]:
    """The mask, and the photograph seen through it."""
    part = f"{number(100 * float(finding.values.mean()))} % of the pixels"
    through = replace(
        empty,
        id=f"{empty.id}-photo",
        name=f"{empty.name}-photo",
        title=f"{finding.title}, on the image",
        caption="the image where the mask holds",
        picture=figures.through_mask(finding.values, scene.photo),
        alt=f"{empty.alt}: the image inside the mask, {part}",
    )
    chosen = replace(
        empty,
        picture=figures.mask(finding.values),
        alt=f"{empty.alt}: {part} around the {place(_density(finding.values))}",
    )
    return [chosen, through]


def _density(chosen: Array) -> Array:
    """Chosen pixels counted in thirds, (3, 3): where most of a mask lies."""
    rows = np.array_split(chosen, 3, axis=0)
    return np.array([[part.sum() for part in np.array_split(row, 3, axis=1)] for row in rows])
