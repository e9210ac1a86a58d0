"""Evidence -> the document: titles, captions, sentences, numbers with units, ids. No layout here.

The document is made once and holds no card; `cards.cards` makes those one at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reportgen.audit.compare.kept import kept_maps
from reportgen.audit.maps import Trust
from reportgen.audit.results import Results
from reportgen.evidence import Evidence, Record, is_unanswered
from reportgen.report.cards.blocks import of_model
from reportgen.report.cards.cards import (
    SHORTCUT,
    SILENT,
    STATES,
    UNANSWERED,
    anchor,
    found_signs,
    marks,
    states,
)
from reportgen.report.carriers import carriers
from reportgen.report.document import checks, heads
from reportgen.report.document.answers import (
    accuracy,
    by_class,
    calibrated,
    confused,
    has_answers,
    interval,
    means,
    mistakes,
)
from reportgen.report.document.between import between
from reportgen.report.document.change import change
from reportgen.report.document.crosswalk import crosswalk
from reportgen.report.document.glossary import glossary
from reportgen.report.document.history import history
from reportgen.report.document.provenance import recipe_yaml, sheets
from reportgen.report.document.sanity import method as how_trust
from reportgen.report.document.sanity import section as trust_section
from reportgen.report.document.second_model import method as how_two
from reportgen.report.document.second_model import side_by_side
from reportgen.report.document.set_map import set_maps
from reportgen.report.document.summary import summary
from reportgen.report.document.thumbnails import illustrated
from reportgen.report.document.verdict import Signs, findings
from reportgen.report.pictures import figures
from reportgen.report.scores import gives_values, readout, scores
from reportgen.report.triage import is_referred, refer_below, worst_first
from reportgen.report.values.card import Block, Fact, Sign
from reportgen.report.values.document import Document, ImageRow, Method, MethodGroup, Sheet
from reportgen.report.values.second_model import SideBySide
from reportgen.report.wording import NONE, count, date, plural, probability, sentence, shape, view

ROWS_AT_MOST = 1000  # lines of the summary table: every image stays in results.json
THUMBNAIL_PX = 72
GRAVE_CHANGES = ("zero filters", "jump")  # what stands among the findings, too; of the rest there are rows
NO_SIGN = Sign("note", "no label")


def document(evidence: Evidence, results: Results) -> Document:
    """The whole report but its cards, from the evidence and the numbers that were made of it."""
    manifest, records = evidence.manifest, evidence.records()
    titles = {shown["name"]: shown["title"] for shown in manifest["visualizations"]}
    # what is wrong with a map is seen by its ends
    measured = ((r["id"], evidence.findings(r, SILENT, ends=True)) for r in records if r["measured"])
    signs = {number: signs for number, found in measured if (signs := found_signs(found, titles))}
    trust = trust_section(results["trust"], evidence)
    named = checks.shown_by(results["checks"])
    rows, more = _rows(evidence, records, signs, titles, named)
    side = side_by_side(evidence, results, trust, rows)
    since = results.get("baseline")
    lies = between(results)
    new = None if since is None else change(since, evidence, kept_maps(evidence), rows, since=lies)
    past = history(results, manifest["reproducible"])
    before = [line for part in (new, past) if part for line in part.lines if line.tag in GRAVE_CHANGES]
    lines = findings(results, manifest, records, signs, trust, evidence.model_findings(), side, before)
    lines = illustrated(lines, rows, evidence, trust)
    printed = tuple(row for row in rows if row.printed)
    classes, left_out = by_class(results["metrics"]["per_class"] or [])
    classes_note = " ".join(filter(None, (means(results["metrics"]), left_out)))
    return Document(
        title=manifest["title"],
        created=date(manifest["created"]),
        checkpoint=manifest["checkpoint"]["name"],
        sha256=manifest["checkpoint"]["sha256"],
        byline=_byline(manifest),
        summary=summary(manifest, results, lines),
        facts=_facts(manifest, results["metrics"], _referred(evidence, records)),
        findings=lines,
        checks=checks.section(evidence, results["checks"], rows),
        images_note=_images_note(manifest["images"]),
        images_more=more,
        print_rows=printed,
        print_more=_print_more(len(rows) - len(printed)),
        rows=rows,
        states=_counted(rows),
        accuracy=accuracy(results["metrics"]),
        classes=classes,
        classes_note=classes_note,
        confusion=confused(results["metrics"]),
        probabilities=not gives_values(manifest["model"]),
        head_table=heads.table(results["metrics"]),
        calibration=calibrated(results["metrics"]),
        mistakes=mistakes(records, rows),
        sections=_sections(evidence, manifest),
        trust=trust,
        side=side,
        change=new,
        history=past,
        methods=_methods(manifest, results["trust"], side),
        glossary=glossary(),
        rejected=tuple(
            (record["id"], record["path"], record["reason"] or "")
            for record in records
            if record["status"] == "rejected"
        ),
        cards_note=_cards_note(manifest),
        card_count=sum(record["measured"] for record in records),
        provenance=_provenance(evidence),
        plan=tuple(manifest["plan"]),
        recipe=recipe_yaml(manifest["recipe"]),
        crosswalk=crosswalk(manifest["recipe"], results),
        set_maps=set_maps(evidence, rows, results["checks"]),
    )


def _byline(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    environment = manifest["environment"]
    return (
        manifest["model"]["source"],
        f"{environment['device']}, {environment['precision']}, seed {environment['seed']}",
        f"reportgen {environment['reportgen']}, torch {environment['torch']}",
    )


def _referred(evidence: Evidence, records: Sequence[Record]) -> tuple[Fact, ...]:
    """How many answers are too little sure to be given, where that is known."""
    below = refer_below(evidence)
    if below is None:
        return ()
    referred = sum(is_referred(record, below) for record in records if record["status"] == "ok")
    images = view(show="refer") if referred else ""
    return (Fact("to be referred", f"{referred:,}", f"answers below {below:g}", view=images),)


def _facts(
    manifest: Mapping[str, Any], totals: Mapping[str, Any], referred: tuple[Fact, ...]
) -> tuple[Fact, ...]:
    model = manifest["model"]
    unusable = f"{totals['rejected']:,} rejected"
    if totals["unanswered"]:
        unusable += f", {totals['unanswered']:,} without an answer"
    images = Fact("images", f"{totals['images']:,}", unusable)
    head = heads.facts(totals)
    if head is not None:
        answers = head[0]
    elif has_answers(totals):
        right = f"{totals['right']:,} / {totals['labelled']:,}"
        answers = Fact("labelled images right", right, interval(totals), view=view(show="right"))
    else:
        answers = Fact("labelled images", "0", "accuracy is not known")
    confidence = probability(totals["mean_confidence"])
    noun = heads.noun(model)
    sure = Fact("mean confidence", confidence, "of every answer")
    if noun == "labels":
        sure = Fact("most probable label", confidence, "its probability, in the mean")
    elif noun == "values":
        sure = head[1] if head else Fact("values", f"{model['class_count']:,}", "of an image")
    return (
        images,
        answers,
        sure,
        *referred,
        Fact("parameters", count(model["parameters"]), f"{model['class_count']:,} {noun}"),
        Fact("multiply-adds", count(model["macs"]), f"an image, {shape(model['input_shape'])}"),
    )


def _images_note(images: Mapping[str, Any]) -> str:
    scored = plural(images["ok"], "image was", "images were")
    return f"{scored} scored, {images['rejected']:,} rejected. {images['chosen']}"


def _rows(
    evidence: Evidence,
    records: Sequence[Record],
    signs: Signs,
    titles: Mapping[str, str],
    named: Mapping[str, Sequence[str]],
) -> tuple[tuple[ImageRow, ...], str]:
    """The summary table, the worst answers first: where not all have room, images with a card and wrong
    answers before others. `named` says which checks show an image."""
    below = refer_below(evidence)
    scored = worst_first(record for record in records if record["status"] == "ok")
    # sorted keeps the order: of those without a card the worst
    chosen = sorted(scored, key=lambda record: not record["measured"])[:ROWS_AT_MOST]
    left_out = len(scored) - len(chosen)
    more = plural(left_out, "more image is", "more images are") if left_out else ""
    carrying = carriers(evidence)
    rows = (
        _row(evidence, record, signs.get(id_, ()), titles, below, named, carrying.get(id_, ()))
        for record in worst_first(chosen)
        for id_ in (record["id"],)
    )
    return tuple(rows), more and f"{more} in results.json only."


def _counted(rows: Sequence[ImageRow]) -> tuple[tuple[str, int], ...]:
    """How many rows are in each state, of those states that tell some images from others."""
    counts = {state: sum(state in row.states for row in rows) for state in STATES}
    mixed = 0 < counts["labelled"] < len(rows)
    told = {
        UNANSWERED: counts[UNANSWERED] > 0,
        "right": counts["labelled"] > 0,
        "labelled": mixed,
        "unlabelled": mixed,
        "refer": counts["refer"] > 0,
        SHORTCUT: counts[SHORTCUT] > 0,
    }
    return tuple((state, n) for state, n in counts.items() if told.get(state, True))


def _print_more(missing: int) -> str:
    rest = plural(missing, "more image is", "more images are")
    return f"{rest} in report.html only: none is wrong, to be referred or flagged." if missing else ""


def _row(
    evidence: Evidence,
    record: Record,
    signs: Sequence[tuple[str, Sign]],
    titles: Mapping[str, str],
    below: float | None,
    named: Mapping[str, Sequence[str]],
    carried: Sequence[str],
) -> ImageRow:
    answer, p = heads.answered(record, evidence.manifest["model"]["classes"])
    # of an image without an answer nothing but the image is there to be shown
    seen = evidence.array(record, "seen") if record["measured"] or is_unanswered(record) else None
    flagged = dict.fromkeys(titles[m] for m, sign in signs if sign.level in ("warn", "bad"))
    words = marks(record, below)
    judged = record["correct"] is not None or is_unanswered(record)
    return ImageRow(
        number=record["id"],
        href=f"#{anchor(record)}" if record["measured"] else "",
        path=record["path"],
        label=record["label"] or NONE,
        answer=answer,
        probability=probability(p),
        value=p,
        percent=round(100 * (p or 0)),
        mark=words[0] if judged else NO_SIGN,
        labelled=heads.is_labelled(record),
        signs=(*(["refer"] if is_referred(record, below) else []), *flagged, *carried),
        states=states(record, bool(flagged), below, bool(carried)),
        picture=figures.fit(figures.photo(seen), THUMBNAIL_PX) if seen is not None else None,
        label_probability=record["label_probability"],
        margin=_margin(record),
        loss=record["loss"],
        sha256=record["sha256"] or "",
        checks=tuple(named.get(record["id"], ())),
    )


def _margin(record: Record) -> float | None:
    """By how much the answer's probability exceeds the next one's, where one class is answered."""
    if "answered_indices" in record or len(record["predictions"]) < 2:
        return None
    first, second = (prediction["probability"] for prediction in record["predictions"][:2])
    return None if first is None or second is None else first - second


def _sections(evidence: Evidence, manifest: Mapping[str, Any]) -> tuple[Block, ...]:
    """The visualizations of the model and of the whole set, and what others sum up to, in the recipe's
    order."""
    findings = evidence.model_findings()
    return tuple(
        of_model(shown, findings[shown["name"]][0])
        for shown in manifest["visualizations"]
        if shown["applicable"] and shown["name"] in findings
    )


def _cards_note(manifest: Mapping[str, Any]) -> str:
    return (
        f"All maps of an image explain the same {scores(manifest['model'])}; a figure that explains a class"
        f" names it.{_contrast(manifest['recipe'])} Maps over the image are drawn on its grey version."
        " A scale whose end reads ≥ ends at the"
        f" map's 99.5th percentile. {manifest['images']['chosen']}"
    )


def _contrast(recipe: Mapping[str, Any]) -> str:
    """That maps of gradients explain the class contrast, where they do."""
    if recipe.get("score", "logit") == "logit":
        return ""
    return " Gradients are of the class contrast: the logit less the others' log-sum-exp."


def _provenance(evidence: Evidence) -> tuple[Sheet, ...]:
    """The sheets of the model, and the checkpoint and the network of the one beside it."""
    own, other = sheets(evidence.manifest, evidence.timing), evidence.beside
    if other is None:
        return own
    name = evidence.manifest["beside"]["name"]
    theirs = sheets(other.manifest, other.timing)[:3]
    return (*own, *(replace(sheet, title=f"{sheet.title}, {name}") for sheet in theirs))


def _methods(
    manifest: Mapping[str, Any], trust: Trust | None, side: SideBySide | None
) -> tuple[MethodGroup, ...]:
    """How to read each visualization, by kind, and last how to read the tests of the maps and of two
    models."""
    by_kind: dict[str, list[Method]] = {}
    for shown in manifest["visualizations"]:
        by_kind.setdefault(sentence(shown.get("group", "")), []).append(_method(shown))
    by_kind |= checks.methods(manifest.get("checks", ()))
    if tests := how_trust(trust, manifest["recipe"], readout(manifest["model"])):
        by_kind["Can the maps be relied on?"] = [tests]
    if side:
        by_kind["Two models"] = [how_two(side)]
    return tuple(MethodGroup(title, tuple(methods)) for title, methods in by_kind.items())


def _method(shown: Mapping[str, Any]) -> Method:
    options = "; ".join(f"{key} {_option(value)}" for key, value in shown["options"].items())
    return Method(
        id=f"how-{shown['name']}",
        options=options,
        absent="" if shown["applicable"] else shown["reason"],
        summary=sentence(shown["summary"]),
        **{key: shown[key] for key in ("name", "title", "definition", "reading", "limits", "source")},
    )


def _option(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
