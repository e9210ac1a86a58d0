"""One image's findings -> what stands under each heading of its card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reportgen.evidence import Findings, Record
from reportgen.report.cards.blocks import Scene, Visualization, block
from reportgen.report.values.card import Block, Explained, Group, Sign
from reportgen.report.wording import number, probability, sentence

TARGET_KINDS = {
    "predicted": "the predicted class",
    "label": "the label",
    "named": "named in the recipe",
}
FEW = 12  # figures that a card shows without headings


def groups(
    record: Record,
    found: Findings,
    visualizations: Mapping[str, Visualization],
    scene: Scene,
    badges: Mapping[str, Sign],
) -> tuple[Group, ...]:
    """The image's blocks by the kind of their visualization, in the recipe's order.

    Where several targets are explained, the blocks of one visualization are kept together.
    """
    targets = record["targets"]
    several = len(targets) > 1
    made: dict[str, tuple[list[Block], list[tuple[Block, ...]]]] = {}
    for name, held in visualizations.items():
        if name not in found:
            continue
        blocks, rows = made.setdefault(sentence(held.get("group", "")), ([], []))
        for_each = several and held["per_target"]
        badge = badges.get(name)
        drawn = tuple(
            replace(block(held, found[name][slot], about(scene, held, slot)), badge=badge)
            for slot in range(len(found[name]) if for_each else 1)
        )
        if for_each:
            rows.append(drawn)
        else:
            blocks.extend(drawn)
    held_groups = tuple(Group(title, tuple(once), tuple(rows)) for title, (once, rows) in made.items())
    return held_groups if sum(len(group.figures) for group in held_groups) > FEW else joined(held_groups)


def joined(held: tuple[Group, ...]) -> tuple[Group, ...]:
    """One group without a heading: few figures need none."""
    once = tuple(made for group in held for made in group.blocks)
    return (Group("", once, tuple(row for group in held for row in group.rows)),)


def about(scene: Scene, held: Visualization, slot: int) -> Scene:
    """The scene of one target: its ids are its own."""
    return replace(scene, anchor=f"{scene.anchor}-t{slot}") if slot and held["per_target"] else scene


def explained(record: Record) -> tuple[Explained, ...]:
    """The explained classes, why each was chosen, and the logits that the maps explain."""
    return tuple(
        Explained(
            target["class_name"],
            f"{TARGET_KINDS.get(target['kind'], target['kind'])}, logit {number(target['logit'])},"
            f" probability {probability(target['probability'])}",
        )
        for target in record["targets"]
    )
