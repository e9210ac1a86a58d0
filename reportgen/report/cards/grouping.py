"""One image's findings -> what stands under each heading of its card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reportgen.evidence import Findings, Record
from reportgen.report.cards.blocks import Scene, Visualization, block
from reportgen.report.scores import target_words
from reportgen.report.values.card import Block, Explained, Group, Sign
from reportgen.report.wording import sentence

TARGET_KINDS = {
    "predicted": "the predicted class",
    "label": "the label",
    "named": "named in the recipe",
}
FEW = 12  # figures that a card shows without headings


def groups(
    record: Record,
    findings: Findings,
    visualizations: Mapping[str, Visualization],
    scene: Scene,
    badges: Mapping[str, Sign],
) -> tuple[Group, ...]:
    """The image's blocks by the kind of their visualization, in the recipe's order.

    Where several targets are explained, the blocks of one visualization are kept together.
    """
    targets = record["targets"]
    several = len(targets) > 1
    by_kind: dict[str, tuple[list[Block], list[tuple[Block, ...]]]] = {}
    for name, visualization in visualizations.items():
        if name not in findings:
            continue
        blocks, rows = by_kind.setdefault(sentence(visualization.get("group", "")), ([], []))
        for_each = several and visualization["per_target"]
        badge = badges.get(name)
        drawn = tuple(
            replace(block(visualization, of_slot, about(scene, visualization, slot)), badge=badge)
            for slot, of_slot in enumerate(findings[name][: None if for_each else 1])
        )
        if for_each:
            rows.append(drawn)
        else:
            blocks.extend(drawn)
    all_groups = tuple(Group(title, tuple(once), tuple(rows)) for title, (once, rows) in by_kind.items())
    return all_groups if sum(len(group.figures) for group in all_groups) > FEW else joined(all_groups)


def joined(apart: tuple[Group, ...]) -> tuple[Group, ...]:
    """One group without a heading: few figures need none."""
    once = tuple(shown for group in apart for shown in group.blocks)
    return (Group("", once, tuple(row for group in apart for row in group.rows)),)


def about(scene: Scene, visualization: Visualization, slot: int) -> Scene:
    """The scene of one target: its ids are its own."""
    return replace(scene, anchor=f"{scene.anchor}-t{slot}") if slot and visualization["per_target"] else scene


def explained(record: Record, model: Mapping[str, Any]) -> tuple[Explained, ...]:
    """The explained classes, why each was chosen, and the scores that the maps explain."""
    return tuple(
        Explained(
            target["class_name"],
            f"{TARGET_KINDS.get(target['kind'], target['kind'])}, {target_words(model, target)}",
        )
        for target in record["targets"]
    )
