"""One image's record and findings -> its card, one at a time, so that memory stays flat."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reportgen.evidence import Evidence, Findings, Record, TrustRecord, is_unanswered
from reportgen.evidence.records import Prediction
from reportgen.findings import ClassMap, Embedding, Gallery, Mask, Segments
from reportgen.report.cards.blocks import Scene, Visualization, signs
from reportgen.report.cards.grouping import explained, groups
from reportgen.report.cards.paired import Seen, paired
from reportgen.report.cards.sanity import trial
from reportgen.report.cards.sheet import passed, told
from reportgen.report.carriers import carriers
from reportgen.report.pictures import figures
from reportgen.report.scores import readout
from reportgen.report.triage import is_referred, refer_below, worst_first
from reportgen.report.values.card import Answer, Card, Fact, Figure, Rival, Sign
from reportgen.report.values.document import TrustSection, answers, badges
from reportgen.report.values.second_model import SideBySide
from reportgen.report.wording import number, probability

UNANSWERED = "unanswered"
# no sign is made of these: masks have flags of their own
SILENT = (Gallery, Mask, Segments, ClassMap, Embedding)
SHORTCUT = "shortcut"
# what the page can be narrowed to; `labelled` tells something where others are not
STATES = (UNANSWERED, "wrong", "right", "labelled", "unlabelled", "refer", "flagged", SHORTCUT)


def anchor(record: Record) -> str:
    """The id of an image's card."""
    return f"i{record['id']}"


def in_order(evidence: Evidence, side: SideBySide | None, changes: Mapping[str, Sign] | None) -> list[Record]:
    """The images that have figures, in the order of their cards: those whose answer changed, from the model
    beside or from the baseline, and then the worst answers first."""
    changed = (*(side.signs if side else ()), *(changes or {}))
    first = {id_: place for place, id_ in enumerate(changed)}
    shown = worst_first(record for record in evidence.records() if record["measured"])
    return sorted(shown, key=lambda record: first.get(record["id"], len(first)))


def cards(
    evidence: Evidence,
    trust: TrustSection | None = None,
    at_most: int | None = None,
    side: SideBySide | None = None,
    only: Collection[str] | None = None,
    changes: Mapping[str, Sign] | None = None,
) -> Iterator[Card]:
    """The cards of the images that have figures, the worst answers first; those whose answer changed, from
    the model beside or from the baseline, before all others.

    `trust` says which of the figures are not to be relied on. `side` is what is known of two models
    side by side: the figures of both then stand in rows. `only` names the images by id. `changes` say of
    images, by id, how their answer changed since the baseline, worst first.
    """
    since = changes or {}
    shown = in_order(evidence, side, since)[:at_most]
    shown = [record for record in shown if only is None or record["id"] in only]
    visualizations, below = _of_images(evidence), refer_below(evidence)
    tested = {other["id"]: other for other in evidence.trust()} if trust else {}
    carrying = carriers(evidence)
    others = {other["id"]: other for other in evidence.beside.records()} if side and evidence.beside else {}
    for at, record in enumerate(shown):
        before = anchor(shown[at - 1]) if at else ""
        after = anchor(shown[at + 1]) if at + 1 < len(shown) else ""
        rival = _rival(evidence.beside, others[record["id"]], side) if side and evidence.beside else None
        trial_of, carries = tested.get(record["id"]), record["id"] in carrying
        card = _card(evidence, record, visualizations, trust, trial_of, rival, side, below, carries)
        if side and is_unanswered(others[record["id"]]):
            card = replace(card, signs=(*card.signs, Sign("bad", f"{side.other} has no answer: not finite")))
        if record["id"] in since:
            card = replace(card, signs=(*card.signs, since[record["id"]]))
        yield replace(card, words=told(card, trust), before=before, after=after)


def _of_images(evidence: Evidence) -> dict[str, Visualization]:
    shown = evidence.manifest["visualizations"]
    return {method["name"]: method for method in shown if method["scope"] == "image"}


def _rival(other: Evidence, record: Record, side: SideBySide) -> Seen | None:
    """What the second model made of an image, None where it could not use it."""
    if not record["measured"]:
        return None
    scene = _scene(other, record, f"{anchor(record)}-beside")
    findings = other.findings(record)
    return Seen(side.other, record, findings, _of_images(other), scene, side.badges, "beside-maps")


def _beside(
    card: Card, mine: Seen, rival: Seen, side: SideBySide, models: Sequence[Mapping[str, Any]]
) -> Card:
    """The card with the second model's answers and, where it differs, its view of the image; `models` are
    both manifests' facts."""
    sign = side.signs.get(card.number)
    return replace(
        card,
        signs=(*card.signs, *([sign] if sign else [])),
        figures=(*card.figures, *_another_view(mine, rival)),
        explained=tuple(
            replace(target, note=f"{target.note}, by {seen.model}")
            for seen, model in zip((mine, rival), models, strict=True)
            for target in explained(seen.record, model)
        ),
        facts=(*_facts(mine.record, mine.model), *_judged(rival.record, rival.model)),
        rival=_rival_of(rival, side.main),
    )


def _rival_of(rival: Seen, main: str) -> Rival:
    """The second model's answers, and what stands under them, as under the first one's."""
    beneath = [part for name in rival.found for part in rival.blocks(name) if not part.pictured]
    return Rival(
        main,
        rival.model,
        _answers(rival.record),
        facts=tuple(fact for part in beneath for fact in part.facts),
        vector=next((part.vector for part in beneath if part.vector), None),
    )


def _another_view(mine: Seen, rival: Seen) -> tuple[Figure, ...]:
    """The image as the second model saw it, where that is not as the first one did."""
    if np.array_equal(rival.scene.photo, mine.scene.photo):
        return ()
    seen = _photographs(rival.record, rival.scene)[1]
    return (replace(seen, id=f"{rival.scene.anchor}-seen", title=f"As {rival.model} saw it"),)


def found_signs(by_name: Findings, titles: Mapping[str, str]) -> list[tuple[str, Sign]]:
    """Every visualization's sentences that a reader must see, (name, sign), each once."""
    seen: dict[tuple[str, Sign], None] = {}
    for name, slots in by_name.items():
        for findings in slots:
            for sign in signs(findings):
                text = sign.text if titles[name] in sign.text else f"{titles[name]}: {sign.text}"
                seen[name, Sign(sign.level, text)] = None
    return list(seen)


def states(record: Record, flagged: bool, below: float | None, carries: bool) -> tuple[str, ...]:
    """Which of STATES hold of an image; `below` is the probability below which an answer is referred,
    `carries` says that the image shows a shortcut that was found."""
    answered, right = not is_unanswered(record), record["correct"]
    holds = {
        UNANSWERED: not answered,
        "wrong": right is False,
        "right": right is True,
        "labelled": right is not None,
        "unlabelled": answered and right is None,
        "refer": is_referred(record, below),
        "flagged": flagged,
        SHORTCUT: carries,
    }
    return tuple(state for state in STATES if holds[state])


def marks(record: Record, below: float | None) -> tuple[Sign, ...]:
    """Right or wrong, in words; that it is too little sure to be given; or that there is no answer."""
    if is_unanswered(record):
        return (Sign("bad", "no answer"),)
    words = []
    if record["correct"] is not None:
        words.append(Sign("ok", "right") if record["correct"] else Sign("bad", "wrong"))
    if is_referred(record, below):
        words.append(Sign("warn", f"refer: below {below:g}"))
    return tuple(words)


def _card(
    evidence: Evidence,
    record: Record,
    visualizations: Mapping[str, Visualization],
    trust: TrustSection | None,
    tested: TrustRecord | None,
    rival: Seen | None,
    side: SideBySide | None,
    below: float | None,
    carries: bool,
) -> Card:
    findings = evidence.findings(record)
    scene = _scene(evidence, record, anchor(record))
    model = evidence.manifest["model"]
    mine = Seen(side.main if side else "", record, findings, visualizations, scene, badges(trust))
    if side and rival:
        all_groups = paired(mine, rival, side.alike.get(record["id"], {}))
    else:
        all_groups = groups(record, findings, visualizations, scene, mine.badges, passed(trust))
    titles = {name: shown["title"] for name, shown in visualizations.items()}
    flagged = any(sign.level in ("warn", "bad") for _, sign in found_signs(findings, titles))
    card = Card(
        id=anchor(record),
        number=record["id"],
        path=record["path"],
        answer=record["predictions"][0]["class_name"],
        signs=marks(record, below),
        states=states(record, flagged, below, carries),
        sha256=record["sha256"] or "",
        facts=_facts(record),
        notes=(*record["notes"], *(t["note"] for t in record["targets"] if t["note"])),
        answers=_answers(record),
        figures=_photographs(record, scene),
        explained=explained(record, model),
        groups=tuple(group for group in all_groups if group.pictured),
        side=tuple(block for group in all_groups for block in group.blocks if not block.pictured),
        trial=(
            trial(tested, answers(trust), titles, anchor(record), readout(model))
            if trust and tested
            else None
        ),
    )
    if not side or not rival or evidence.beside is None:
        return card
    return _beside(card, mine, rival, side, (model, evidence.beside.manifest["model"]))


def _facts(record: Record, model: str = "") -> tuple[Fact, ...]:
    """The file and its label, and how the model judged that; it is named where there are two."""
    geometry = record["geometry"]
    width, height = geometry["original_px"]
    facts = [Fact("file, px", f"{width} × {height}")]
    if record["label"] is not None:
        facts.append(Fact("label", record["label"]))
    return (*facts, *_judged(record, model))


def _judged(record: Record, model: str) -> tuple[Fact, ...]:
    facts, whose = [], f", {model}" if model else ""
    if record["label_probability"] is not None:
        facts.append(Fact(f"p of the label{whose}", probability(record["label_probability"])))
    if (truth := record.get("truth")) is not None:
        said = [answer["logit"] for answer in record["predictions"]]
        errors = [one - true for one, true in zip(said, truth, strict=False) if one is not None]
        facts.append(Fact(f"error{whose}", ", ".join(map(number, errors))))
    if record["loss"] is not None:
        facts.append(Fact(f"loss{whose}", number(record["loss"])))
    return tuple(facts)


def _answers(record: Record) -> tuple[Answer, ...]:
    one = [] if record["label_index"] is None else [record["label_index"]]
    labels = record.get("label_indices") or one
    return tuple(
        Answer(
            class_name=answer["class_name"],
            probability=_said(answer),
            logit=number(answer["logit"]),
            percent=round(100 * (answer["probability"] or 0)),
            is_label=answer["class_index"] in labels,
        )
        for answer in record["predictions"]
    )


def _said(answer: Prediction) -> str:
    """A probability; of a value, which has none, the value itself."""
    p = answer["probability"]
    return number(answer["logit"]) if p is None else probability(p)


def _scene(evidence: Evidence, record: Record, stem: str) -> Scene:
    """What an image's figures are drawn on."""
    seen = evidence.array(record, "seen")
    assert seen is not None  # every measured record has it
    subject, classes = f"{record['id']} {record['path']}", evidence.manifest["model"]["classes"]
    return Scene(stem, subject, figures.photo(seen), _whole(evidence, record), classes)


def _whole(evidence: Evidence, record: Record) -> figures.Whole:
    geometry = record["geometry"]
    size, crop = tuple(geometry["original_px"]), tuple(geometry["crop_original_px"])
    return figures.Whole(evidence.original(record), size, crop)


def _photographs(record: Record, scene: Scene) -> tuple[Figure, ...]:
    """The file with the crop marked, and the crop as the model saw it."""
    photo, whole = scene.photo, scene.whole
    assert whole is not None  # every measured record has it
    (width, height), (rows, columns) = whole.size, photo.shape[:2]
    caption = "framed: the part that the model saw" if whole.cropped else "the model saw all of it"
    answer = record["predictions"][0]["class_name"]
    return (
        Figure(
            id=f"{anchor(record)}-original",
            name="original",
            title="Original",
            caption=caption,
            details=(f"{width} × {height} px",),
            alt=f"The file {record['path']}, label {record['label'] or 'unknown'}; {caption}",
            picture=figures.original(whole),
            crop=whole.box if whole.cropped else None,
        ),
        Figure(
            id=f"{anchor(record)}-seen",
            name="seen",
            title="As the model saw it",
            caption="after resize and crop",
            details=(f"{columns} × {rows} px",),
            alt=f"{record['id']} as the model saw it: answered {answer}",
            picture=figures.fit(photo),
            input_px=(columns, rows),
        ),
    )
