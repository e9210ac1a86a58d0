"""One image by two models -> the rows of its card: the second model's figures beside the first's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from reportgen.evidence import Findings, Record
from reportgen.report.cards.blocks import Scene, Visualization, block
from reportgen.report.cards.grouping import FEW, about, joined
from reportgen.report.values.card import Block, Fact, Figure, Group, Sign
from reportgen.report.wording import sentence

ABSENT = "absent"  # the name of a figure that says why there is none


@dataclass(frozen=True)
class Seen:
    """What one of the models made of an image. `visualizations` are all of scope `image`."""

    model: str
    record: Record
    found: Findings
    visualizations: Mapping[str, Visualization]
    scene: Scene
    badges: Mapping[str, Sign]
    badges_at: str = ""  # the id where they are explained

    def blocks(self, name: str) -> tuple[Block, ...]:
        """The blocks of one visualization, one a target; words where there is nothing to show."""
        held = self.visualizations[name]
        if name not in self.found:
            return (self._absent(held),)
        badge = self.badges.get(name)
        return tuple(
            replace(
                block(held, findings, about(self.scene, held, slot)),
                model=self.model,
                badge=badge,
                badge_at=self.badges_at,
            )
            for slot, findings in enumerate(self.found[name][: None if held["per_target"] else 1])
        )

    def _absent(self, held: Visualization) -> Block:
        why = held["reason"]
        stem = f"{self.scene.anchor}-{held['name']}"
        told = f"{held['title']} of {self.scene.subject} by {self.model}: {why}"
        empty = Figure(f"{stem}-{ABSENT}", ABSENT, held["title"], "", told, words=sentence(why))
        summary = sentence(held["summary"])
        return Block(stem, held["name"], held["title"], summary, model=self.model, figures=(empty,))


def paired(main: Seen, other: Seen, alike: Mapping[str, str]) -> tuple[Group, ...]:
    """The image's figures by the kind of their visualization, in the recipe's order: the main model's
    and the other's in one row, target by target.

    `alike` are the rank correlations of the two models' maps, by visualization.
    """
    made: dict[str, tuple[list[Block], list[tuple[Block, ...]]]] = {}
    for name, held in main.visualizations.items():
        if name not in main.found and name not in other.found:
            continue
        blocks, rows = made.setdefault(sentence(held.get("group", "")), ([], []))
        mine, theirs = main.blocks(name), _correlated(other.blocks(name), main.model, alike.get(name))
        pictured = [one for one in (*mine, *theirs) if one.pictured]
        if any(_is_broad(one) for one in pictured):
            blocks.extend(pictured)  # as broad as the card: one below the other
        elif pictured:
            rows.extend(_rows(mine, theirs))
        elif name in main.found:
            blocks.extend(mine)
    held_groups = tuple(Group(title, tuple(once), tuple(rows)) for title, (once, rows) in made.items())
    return held_groups if sum(len(group.figures) for group in held_groups) > FEW else joined(held_groups)


def _is_broad(block: Block) -> bool:
    """Whether it takes more room than a column: strips and tables, plots."""
    tall = (block.strips or block.tables) and not block.figures
    return bool(tall) or any(held.plot for held in block.figures)


def _rows(mine: Sequence[Block], theirs: Sequence[Block]) -> Iterator[tuple[Block, ...]]:
    """A row a figure: target by target the main model's and then the other's. A figure that one of
    them lacks is left out of its row; words in its place stand in the first."""
    blocks = [one for pair in zip_longest(mine, theirs) for one in pair if one is not None]
    names = list(dict.fromkeys(held.name for one in blocks for held in one.figures if held.name != ABSENT))
    for number, name in enumerate(names):
        wanted = (name, ABSENT) if number == 0 else (name,)
        yield tuple(
            replace(one, figures=(held,)) if number == 0 else _following(one, held)
            for one in blocks
            for held in one.figures
            if held.name in wanted
        )


def _following(block: Block, figure: Figure) -> Block:
    """A further figure of a block, without what the first one brings."""
    return replace(block, figures=(figure,), again=(), strips=(), tables=(), follows=True)


def _correlated(blocks: tuple[Block, ...], main: str, rho: str | None) -> tuple[Block, ...]:
    """The blocks with how much their first map is like the main model's, under that map."""
    if rho is None:
        return blocks
    fact = Fact(f"ρ with {main}", rho)
    figures = tuple(
        replace(held, facts=(*held.facts, fact)) if held.name == "map" else held for held in blocks[0].figures
    )
    return (replace(blocks[0], figures=figures), *blocks[1:])
