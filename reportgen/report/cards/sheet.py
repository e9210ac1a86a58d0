"""A card -> a sheet: the best maps that passed their test, three sentences, and what changes the answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from reportgen.evidence import Record
from reportgen.report.values.card import Block, Card, Fact, Figure
from reportgen.report.values.document import ADVICE, TrustSection
from reportgen.report.values.sheet import CaseSheet, Shown
from reportgen.report.wording import listed, ordinal, plural

MAPS = 2  # for each class
CHANGES = 2  # pictures of what changes the answer
COUNTED = re.compile(r"[\d,]+ of [\d,]+")
LABEL = "the label"  # how the reason of a target begins that is the label


def ranking(trust: TrustSection | None) -> tuple[str, ...] | None:
    """The visualizations whose maps passed their test, those with the largest gain first; then those that are
    not decided. Those that failed are not shown to the one who signs. None where
    no map was put to the test."""
    if trust is None:
        return None
    rows = [row for row in trust.rows if row.word.text != ADVICE]
    rows.sort(key=lambda row: (row.word.level != "ok", -(row.gain or 0.0)))
    return tuple(row.method for row in rows)


def passed(trust: TrustSection | None) -> tuple[str, ...]:
    """The visualizations whose maps passed their test, those with the largest gain first."""
    sound = {row.method for row in trust.rows if row.word.level == "ok"} if trust else set()
    return tuple(method for method in ranking(trust) or () if method in sound)


def sheet(card: Card, record: Record, trust: TrustSection | None, place: str) -> CaseSheet:
    """The sheet of one image. `place` says where it stands among the sheets."""
    best = ranking(trust)
    answer, label = _maps(card, best, 0), _maps(card, best, _label_slot(card))
    maps = tuple(shown for pair in zip(answer, label, strict=False) for shown in pair) if label else answer
    original, *others = card.figures
    changes = tuple(_changes(card, maps))[:CHANGES]
    steady = tuple(_steady(card))
    width, height = record["geometry"]["original_px"]
    return CaseSheet(
        id=card.id,
        number=card.number,
        place=place,
        path=card.path,
        sha256=(record["sha256"] or "")[:16],
        size=f"{width} × {height} px",
        signs=card.signs,
        words=card.words,
        original=original,
        seen=None if label else next(iter(others), None),
        answers=card.answers,
        facts=tuple(fact for block in card.side for fact in block.facts),
        maps_title=_title(maps, None if trust is None else set(passed(trust))),
        maps=maps,
        changes=changes,
        steady=steady,
        foot=_foot(card, trust),
    )


def told(card: Card, trust: TrustSection | None) -> tuple[str, ...]:
    """The answer, where it looked and what would change it, in sentences made by rules."""
    return tuple(_words(card, _maps(card, ranking(trust), 0), tuple(_steady(card))))


def _label_slot(card: Card) -> int | None:
    """Which target is the label, where that is not what was answered."""
    return next((n for n, one in enumerate(card.explained) if n and one.note.startswith(LABEL)), None)


def _blocks(card: Card, slot: int) -> dict[str, tuple[str, Block]]:
    """The blocks of one target by visualization, with the headings that they stand under."""
    found = {block.method: (group.title, block) for group in card.groups for block in group.blocks}
    rows = ((group.title, row) for group in card.groups for row in group.rows)
    return found | {row[slot].method: (title, row[slot]) for title, row in rows if slot < len(row)}


def _maps(card: Card, best: Sequence[str] | None, slot: int | None) -> tuple[Shown, ...]:
    """The best map, and the best of another kind; of one kind where there is no other."""
    if slot is None:
        return ()
    blocks = _blocks(card, slot)
    order = blocks if best is None else best  # in the recipe's order, where none was put to the test
    ranked = [(*blocks[method], method) for method in order if method in blocks]
    ranked = [one for one in ranked if _map(one[1])]
    # a map that explains no class does not say why this one was answered
    ranked = [one for one in ranked if _explains(_map(one[1]))] or ranked
    # over the photograph a reader sees what lies where; a map alone is shown where there is no other
    ranked = [one for one in ranked if _over(_map(one[1]))] or ranked
    chosen = ranked[:1]
    chosen += [one for one in ranked[1:] if one[0] != chosen[0][0]][: MAPS - 1] if chosen else []
    chosen += [one for one in ranked[1:] if one not in chosen][: MAPS - len(chosen)]
    return tuple(Shown(block, figure) for _, block, _ in chosen if (figure := _map(block)))


def _map(block: Block) -> Figure | None:
    return next((figure for figure in block.figures if figure.picture and figure.where), None)


def _explains(figure: Figure | None) -> bool:
    return figure is not None and bool(figure.target)


def _over(figure: Figure | None) -> bool:
    """Whether a map lies over the photograph."""
    raw = figure.picture.map if figure and figure.picture else None
    return raw is not None and not raw.alone


def _changes(card: Card, maps: Iterable[Shown]) -> Iterator[Shown]:
    """The answer place by place, and the place where a cover hurts most."""
    taken = {shown.figure.id for shown in maps}
    blocks = [block for _, block in _blocks(card, 0).values()]
    drawn = [Shown(block, figure) for block in blocks for figure in block.figures if figure.id not in taken]
    yield from [shown for shown in drawn if shown.figure.name == "occluded"][:1]
    yield from [shown for shown in drawn if shown.figure.keys][:1]


def _steady(card: Card) -> Iterator[Fact]:
    """What is counted of changed copies: "Moved down", "10 of 12"."""
    for _, block in _blocks(card, 0).values():
        for figure in block.figures:
            yield from (
                Fact(figure.title.partition(":")[0], fact.value, fact.label)
                for fact in figure.facts
                if COUNTED.fullmatch(fact.value)
            )


def _words(card: Card, maps: Sequence[Shown], steady: Sequence[Fact]) -> Iterator[str]:
    yield _answer(card)
    named = [shown.figure for shown in maps if shown.figure.where]
    if places := [f"at the {figure.where} by {figure.title}" for figure in named]:
        yield f"What speaks for it is strongest {listed(places)}."
    facts = [fact for _, block in _blocks(card, 0).values() for fact in block.facts]
    if low := next((fact for fact in facts if fact.name.startswith("lowest")), None):
        value = "below 0.001" if "e−" in low.value else low.value  # as every probability is told
        yield f"{low.label}, of {card.answers[0].class_name}: {value}."
    if steady:
        told = [f"{fact.value} ({fact.label.lower()})" for fact in steady]
        yield f"The same answer in {listed(told)} copies."


def _answer(card: Card) -> str:
    """The answer and the label, each with its probability."""
    top = card.answers[0]
    text = f"Answered “{top.class_name}” ({top.probability})."
    place = next((n for n, one in enumerate(card.answers) if one.is_label), None)
    if place == 0:
        return f"{text} That is its label."
    label = next((fact.value for fact in card.facts if fact.label == LABEL.removeprefix("the ")), None)
    if label is None:
        return f"{text} It has no label."
    chance = next((fact.value for fact in card.facts if fact.label.startswith("p of the label")), None)
    at = f", {ordinal(place + 1)}" if place else ""
    return f"{text} Label: “{label}”" + (f" ({chance}{at})." if chance else ".")


def _title(maps: Sequence[Shown], sound: set[str] | None) -> str:
    if sound is None:
        return "Where it looked: maps that were not put to the test" if maps else "What it saw"
    if not maps:
        return "Where it looked: no map passed its test"
    passing = [shown.figure.title for shown in maps if shown.block.method in sound]
    if len(passing) == len(maps):
        return "Where it looked: the best maps that passed their test on this set"
    if not passing:
        return "Where it looked: maps whose test is open"
    open_ = dict.fromkeys(shown.figure.title for shown in maps if shown.block.method not in sound)
    names = listed(list(dict.fromkeys(passing)))
    return f"Where it looked: {names} passed the test on this set, that of {listed(list(open_))} is open"


def _foot(card: Card, trust: TrustSection | None) -> str:
    figures = sum(len(block.figures) + len(block.strips) for _, block in _blocks(card, 0).values())
    failed = sum(row.word.text == ADVICE for row in trust.rows) if trust else 0
    left = f"; {plural(failed, 'kind')} of map failed the test" if failed else ""
    return f"All {plural(figures, 'figure')} of this image: report.html#{card.id}{left}."
