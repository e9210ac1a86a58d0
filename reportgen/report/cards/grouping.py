"""One image's findings -> what stands under each heading of its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reportgen.evidence import Findings, Record
from reportgen.report.cards.blocks import Scene, Visualization, block
from reportgen.report.cards.repeated import once
from reportgen.report.scores import target_words
from reportgen.report.values.card import Block, Explained, Group, Sign
from reportgen.report.wording import plural, sentence

TARGET_KINDS = {
    "predicted": "the predicted class",
    "label": "the label",
    "named": "named in the recipe",
}
PASSED = "Maps that passed their test, the best first"
FEW = 12  # figures that a card shows without headings


def groups(
    record: Record,
    findings: Findings,
    visualizations: Mapping[str, Visualization],
    scene: Scene,
    badges: Mapping[str, Sign],
    best: Sequence[str] = (),
) -> tuple[Group, ...]:
    """The image's blocks: first those whose maps passed their test, the `best` first, then the others by the
    kind of their visualization, in the recipe's order; last, in a group that is folded, the maps that are not
    to be relied on. No figure stands twice.

    Where several targets are explained, the blocks of one visualization are kept together.
    """
    targets = record["targets"]
    several = len(targets) > 1
    by_kind: dict[str, tuple[list[Block], list[tuple[Block, ...]]]] = {}
    failed: tuple[list[Block], list[tuple[Block, ...]]] = ([], [])
    for name in (*best, *(name for name in visualizations if name not in best)):
        if name not in findings or name not in visualizations:
            continue
        visualization = visualizations[name]
        kind = PASSED if name in best else sentence(visualization.get("group", ""))
        blocks, rows = failed if name in badges else by_kind.setdefault(kind, ([], []))
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
    few = sum(len(group.figures) for group in all_groups) <= FEW
    return once((*(joined(all_groups) if few else all_groups), *_failed(*failed)))


def _failed(blocks: list[Block], rows: list[tuple[Block, ...]]) -> tuple[Group, ...]:
    """The group of the maps that failed their test, where there are some."""
    count = len(blocks) + len(rows)
    title = f"{plural(count, 'kind')} of map that failed {'its' if count == 1 else 'their'} test"
    return (Group(title, tuple(blocks), tuple(rows), failed=True),) if count else ()


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
