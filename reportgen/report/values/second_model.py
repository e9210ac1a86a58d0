"""What stands where two models are side by side: plain values that a template lays out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reportgen.report.values.card import Block, Sign
from reportgen.report.values.comparison import Change, ChangedRow


@dataclass(frozen=True)
class Compared:
    """One number of both models, and the main model's less the other's."""

    label: str
    main: str
    other: str
    change: str
    detail: str = ""  # the unit, or what is counted
    main_detail: str = ""
    other_detail: str = ""


@dataclass(frozen=True)
class MapRow:
    """One visualization's maps by both models: what their tests say, and how alike they are."""

    title: str
    main: Sign
    other: Sign
    rho: str
    images: str


@dataclass(frozen=True)
class Pair:
    """The same findings of both models, one beside the other."""

    title: str
    href: str  # the section that has all of them
    main: Block
    other: Block


@dataclass(frozen=True)
class SideBySide:
    """Two models on the same images. What changed, changed from the other model to the main one."""

    main: str  # what the models are called
    other: str
    lead: str
    rows: tuple[Compared, ...]
    left_out: str  # visualizations that the other network cannot have, or ""
    answers: str  # how many answers changed, and whether that may be chance
    change: Change  # all that changed
    maps: tuple[MapRow, ...]
    maps_note: str
    pairs: tuple[Pair, ...]
    sections: Mapping[str, Block]  # the other model's sections, by visualization
    same: frozenset[str]  # visualizations of which both models' sections would be equal
    badges: Mapping[str, Sign]  # the other model's maps that are not to be relied on
    signs: Mapping[str, Sign]  # by image: how its answer changed
    alike: Mapping[str, Mapping[str, str]]  # by image and visualization: the rank correlation

    @property
    def changed(self) -> tuple[ChangedRow, ...]:
        """The images to which the two answer differently."""
        return self.change.changed
