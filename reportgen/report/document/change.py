"""A comparison of two audits and the maps of both -> the section that says what changed.

The numbers are those of diff.json; here they are only worded, drawn and placed. A report with a baseline,
one of two models and diff.html take it from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reportgen.audit.answer_changes import LISTED
from reportgen.audit.compare.kept import MapsBefore
from reportgen.audit.gates import unit
from reportgen.evidence import Evidence
from reportgen.findings import Array, faults
from reportgen.report.document import requirements
from reportgen.report.document.between import LAST, Between
from reportgen.report.document.change_lines import OF_VALUES, headline, holding, lines, points
from reportgen.report.document.checks import LEVEL
from reportgen.report.pictures import figures
from reportgen.report.pictures.plots import plot
from reportgen.report.pictures.rasters import Raster
from reportgen.report.pictures.scales import Scale, bar, scale
from reportgen.report.values.card import Fact, Figure, Level, Sign
from reportgen.report.values.comparison import Change, ChangedRow, MapsBeside, Row
from reportgen.report.values.document import ImageRow
from reportgen.report.values.summary import Requirement
from reportgen.report.wording import NONE, date, fixed, number, plural, probability, sentence, share

Comparison = Mapping[str, Any]
# kinds of changed answers as results.json has them, and what the reader is told
LEVELS: dict[str, Level] = {"broken": "bad", "mended": "ok", "both wrong": "warn", "no label": "note"}
WORDS = {"broken": "newly wrong", "mended": "newly right"}
SHARES = ("accuracy", "f1", "precision", "ece", "confidence")  # metrics that are told in percent
TENSORS_LISTED = 20
CURVES_DRAWN = 8
SAME = Sign("note", "same")


def change(
    found: Comparison,
    evidence: Evidence | None,
    maps: Sequence[MapsBefore],
    rows: Sequence[ImageRow] = (),
    anchor: str = "since",
    since: Between = LAST,
    linked: bool = True,
    beside: bool = False,
) -> Change:
    """The section. `evidence` is the new audit's, where there is any: pictures are of it. `rows` are those of
    the table of images that changed answers lead to, where they stand on the same page (`linked`).
    Of two models `beside` one another the tiles stand on the first screen, and tables of their own follow."""
    head, counts = headline(found)
    old, new = found["old"]["name"], found["new"]["name"]
    # the model beside is not asked what is about the images
    known = [check for check in found["checks"] if check["worse"] is not None]
    told = {**found, "checks": known} if beside else found
    against = f"{new} against {old}" if beside else f"Since {old}"
    titles = _titles(evidence)
    tensors, note = _tensors(found["network"])
    curves = found["curves"][:CURVES_DRAWN]
    return Change(
        anchor=anchor,
        title=since.title,
        old=old,
        new=new,
        lead=_lead(found) + since.words,
        headline=Sign(head.level, f"{against}: {head.text}"),
        counts=counts,
        tiles=tuple(_tiles(found)),
        tiles_above=beside,
        lines=lines(told, anchor, titles),
        obstacles=tuple(one["sentence"] for one in found["obstacles"]),
        limits=tuple(_limits(found, linked)),
        crossed=_crossed(found, old),
        changed=tuple(_changed(evidence, found["changed"], rows, linked)),
        changed_note=_changed_note(found),
        changed_count=f"{len(found['changed']):,}",
        signs={one["id"]: _sign(one, old) for one in found["changed"]},
        maps=tuple(_maps(found, evidence, maps, titles, anchor)) if evidence else (),
        map_rows=tuple(_map_rows(found["maps"], titles)),
        checks=tuple(_checks(known if beside else found["checks"])),
        requirements=() if beside else tuple(_requirements(found["requirements"])),
        numbers=() if beside else tuple(_numbers(found)),
        tensors=tensors,
        tensors_note=note,
        curves=tuple(_curve(row, old, new, f"{anchor}-curve-{n}") for n, row in enumerate(curves)),
        curves_note=_curves_note(found["curves"]),
        identity=tuple(_identity(found)),
    )


def _limits(found: Comparison, linked: bool) -> Iterator[Requirement]:
    """The limits on changes. Without a report around them there is nothing that they could lead to."""
    for limit in requirements.required({"gates": found["gates"], "checks": ()}):
        yield limit if linked else replace(limit, href="", view="")


def _titles(evidence: Evidence | None) -> dict[str, str]:
    shown = evidence.manifest["visualizations"] if evidence else ()
    return {one["name"]: one["title"] for one in shown}


def _lead(found: Comparison) -> str:
    old, new, images = found["old"], found["new"], found["images"]
    told = [f"{side['name']} ({side['checkpoint']}, {date(side['created'])})" for side in (new, old)]
    return (
        f"{told[0]} against {told[1]}: {plural(images['matched'], 'image')} in both, matched by the hash of"
        f" the file. A change is from {old['name']} to {new['name']}."
    )


def _tiles(found: Comparison) -> Iterator[Fact]:
    tests, network = found["answers"], found["network"]
    if tests["labelled"]:
        right = [tests["both_right"] + tests[key] for key in ("broken", "mended")]
        before, after = (share(n / tests["labelled"]) for n in right)
        difference, interval = points(tests).split(" [")
        yield Fact("accuracy", after, f"was {before}, on {plural(tests['labelled'], 'image')}")
        yield Fact("difference", difference, f"95 % interval [{interval}")
        yield Fact("newly wrong", f"{tests['broken']:,}", f"{tests['mended']:,} newly right")
    if tests["changed"] is None:
        yield from _errors(found)
    else:
        part = f" ({share(tests['changed'] / tests['compared'])})" if tests["compared"] else ""
        yield Fact("answers changed", f"{tests['changed']:,}", f"of {tests['compared']:,}{part}")
    worse = found["numbers"]["checks_worse"]
    better = sum(check["worse"] is False for check in found["checks"])
    yield Fact("checks worse", f"{worse:,}", f"{better:,} better")
    if network["tensors"]:
        off = plural(len(network["zeroed"]), "filter")
        moved = f"{len(network['changed']):,} of {network['tensors']:,}"
        yield Fact("tensors changed", moved, f"{off} newly zero")


def _errors(found: Comparison) -> Iterator[Fact]:
    """Of values, which name no class: their errors, and how far they moved."""
    for row in found["set"]:
        if row["metric"] in OF_VALUES and row["new"] is not None:
            yield Fact(requirements.WORDS[row["metric"]], number(row["new"]), f"was {number(row['old'])}")
    if (moved := found["shifts"]["logit"]) is not None:
        images = plural(found["shifts"]["images"], "image")
        yield Fact("shift of a value", number(moved), f"the mean size over {images}")


def _crossed(found: Comparison, old: str) -> tuple[tuple[str, str, str], ...]:
    """Right and wrong answers of both: a row for each of the old model's, columns by the new one's."""
    tests = found["answers"]
    if not tests["labelled"]:
        return ()
    return (
        (f"{old} right", f"{tests['both_right']:,}", f"{tests['broken']:,} newly wrong"),
        (f"{old} wrong", f"{tests['mended']:,} newly right", f"{tests['both_wrong']:,}"),
    )


def _changed(
    evidence: Evidence | None, answers: Sequence[Any], rows: Sequence[ImageRow], linked: bool
) -> Iterator[ChangedRow]:
    listed = {row.number: row for row in rows}
    pictures = _Pictures(evidence)
    for answer in answers[:LISTED]:
        row = listed.get(answer["id"])
        mine, theirs = answer["answers"]
        href = (row.href or f"#row-{row.number}") if row else "#images"
        yield ChangedRow(
            number=answer["id"],
            href=href if linked else "",
            print_href=href if row and row.printed else "",
            path=answer["path"],
            label=answer["label"] or NONE,
            sign=kind(answer["kind"]),
            main=mine["class_name"],
            main_probability=probability(mine["probability"]),
            other=theirs["class_name"],
            other_probability=probability(theirs["probability"]),
            picture=row.picture if row and row.picture else pictures.small(answer["id"]),
        )


class _Pictures:
    """What the model saw of images, where the evidence has it."""

    def __init__(self, evidence: Evidence | None) -> None:
        self.evidence = evidence
        self.thumbnails = evidence.thumbnails() if evidence else {}
        self.records = {record["id"]: record for record in evidence.records()} if evidence else {}

    def seen(self, id_: str) -> Array | None:
        record = self.records.get(id_)
        if self.evidence is None or record is None or not record["measured"]:
            return self.thumbnails.get(id_)
        return self.evidence.array(record, "seen")

    def small(self, id_: str) -> Raster | None:
        seen = self.seen(id_)
        return None if seen is None else figures.fit(figures.photo(seen), 72)


def kind(name: str) -> Sign:
    """How an answer changed, in words."""
    return Sign(LEVELS[name], WORDS.get(name, name))


def _sign(answer: Mapping[str, Any], old: str) -> Sign:
    """How an image's answer changed, for its card."""
    words, sign = f"{old} answered {answer['answers'][1]['class_name']}", kind(answer["kind"])
    return Sign(sign.level, words if answer["kind"] == "no label" else f"{sign.text}: {words}")


def _changed_note(found: Comparison) -> str:
    answers = found["changed"]
    if not answers:
        values = found["answers"]["changed"] is None
        return "Values name no class that could change." if values else "No answer changed."
    kinds = {answer["kind"] for answer in answers}
    order = "the most confident first"
    if len(kinds) > 1:
        order = f"newly wrong answers first, of each kind {order}"
    if len(answers) <= LISTED:
        return f"{sentence(order)}."
    return f"{LISTED} of {len(answers):,} are listed, {order}; all are in the JSON file."


def _maps(
    found: Comparison, evidence: Evidence, maps: Sequence[MapsBefore], titles: Mapping[str, str], anchor: str
) -> Iterator[MapsBeside]:
    pictures = _Pictures(evidence)
    alike = {(pair["id"], pair["method"]): pair for pair in found["map_pairs"]}
    kinds = {answer["id"]: kind(answer["kind"]).text for answer in found["changed"]}
    names = found["old"]["name"], found["new"]["name"]
    for both in maps:
        pair, seen = alike.get((both.id, both.method)), pictures.seen(both.id)
        if pair is None or seen is None or faults(both.old) or faults(both.new):
            continue
        moved = "" if pair["shift_px"] is None else f", centre moved by {number(pair['shift_px'], 2)} px"
        record = pictures.records[both.id]
        said = f", {kinds[both.id]}" if both.id in kinds else ""
        title = titles.get(both.method, both.method)
        stem = f"{anchor}-{both.id}-{both.method}"
        yield MapsBeside(
            title=title,
            image=f"{both.id} {record['path']}{said}",
            words=f"rank correlation {fixed(pair['rho'])}{moved}",
            figures=tuple(_three(both, figures.photo(seen), names, stem, title)),
        )


def _three(both: MapsBefore, photo: Array, names: tuple[str, str], stem: str, title: str) -> Iterator[Figure]:
    """Both maps on one scale, and the new one less the old one around zero."""
    signed = bool(min(both.old.min(), both.new.min()) < 0)
    by = scale(np.stack((both.old, both.new)).reshape(2, -1), signed)
    for side, name, values in zip(("old", "new"), names, (both.old, both.new), strict=True):
        alt = f"{title} of {name}: on the scale of both"
        yield _figure(values, by, photo, f"{stem}-{side}", name, alt)
    moved = both.new.astype(np.float64) - both.old
    if not faults(moved):
        alt = f"{title}: {names[1]} less {names[0]}"
        yield _figure(moved, scale(moved, True), photo, f"{stem}-difference", "difference", alt)


def _figure(values: Array, by: Scale, photo: Array, id_: str, title: str, alt: str) -> Figure:
    drawn = figures.overlay(values, by, photo)
    plain = Raster(drawn.pixels, drawn.exact, small=True)  # the page explores maps of cards, not these
    plain_id = "".join(c if c.isalnum() or c in "-_" else "-" for c in id_)
    return Figure(plain_id, "map", title, "", alt, plain, bar=bar(by))


def _map_rows(maps: Mapping[str, Any], titles: Mapping[str, str]) -> Iterator[Row]:
    for name, row in maps.items():
        moved = NONE if row["shift_px"] is None else f"{number(row['shift_px'], 2)} px"
        grown = NONE if row["growth"] is None else f"× {number(row['growth'], 2)}"
        level: Level = "note" if row["rho"] >= 0.5 else "warn"
        yield Row(
            titles.get(name, name),
            fixed(row["lowest_rho"]),
            moved,
            Sign(level, fixed(row["rho"])),
            f"{plural(row['images'], 'image')}, size {grown}",
        )


def _checks(checks: Iterable[Any]) -> Iterator[Row]:
    for check in checks:
        better: Level = "ok" if check["worse"] is False else "note"
        level = LEVEL[check["new"]] if check["worse"] else better
        word = {True: "worse", False: "better", None: "other"}[check["worse"]]
        yield Row(check["title"], check["old"], check["new"], Sign(level, word), check["sentence"])


def _requirements(rows: Iterable[Any]) -> Iterator[Row]:
    for row in rows:
        metric = row["metric"]
        numbers = metric != "check" and not metric.startswith("check.")
        values = [requirements.told(metric, row[key]) if numbers else NONE for key in ("old", "new")]
        margins = [row["old_margin"], row["new_margin"]]
        met = row["new_outcome"] == "passed"
        words = "met" if met else "not met" if row["new_outcome"] == "failed" else row["new_outcome"]
        detail = ""
        if None not in margins:
            points = bool(unit(metric))
            told = [number(100 * margin if points else margin, 2) for margin in margins]
            detail = " → ".join(told) + (" points" if points else "")
        yield Row(sentence(row["name"]), values[0], values[1], Sign("ok" if met else "bad", words), detail)


def _numbers(found: Comparison) -> Iterator[Row]:
    for one in found["set"]:
        told = share if any(part in one["metric"] for part in SHARES) else number
        a, b = one["old"], one["new"]
        words = {True: "better", False: "worse", None: "same" if a == b else "other"}[one["better"]]
        level: Level = "ok" if one["better"] else "note" if one["better"] is None else "warn"
        name = requirements.WORDS.get(one["metric"], one["metric"].replace("_", " "))
        yield Row(sentence(name), told(a), told(b), Sign(level, words))


def _tensors(network: Mapping[str, Any]) -> tuple[tuple[Row, ...], str]:
    if network["tensors"] is None:
        return (), "Nothing was kept of the weights of one of the two: they are not compared."
    rows = []
    for one in network["changed"][:TENSORS_LISTED]:
        far = NONE if one["distance"] is None else share(one["distance"])
        filters = NONE if one["rows"] is None else f"{one['rows_changed']:,} of {one['rows']:,}"
        rows.append(Row(one["name"], far, filters, SAME))
    rest = len(network["changed"]) - len(rows)
    note = f"{plural(network['tensors'], 'tensor')} in both, {len(network['changed']):,} with other values"
    more = f"; {rest:,} more are in the JSON file" if rest else ""
    if network["dead"] is not None:
        more += f". Dead channels: {network['dead'][0]} → {network['dead'][1]}"
    said = "A distance is that of the weights, as a part of their norm, to about 4 %."
    return tuple(rows), f"{note}{more}. {said}"


def _curve(row: Mapping[str, Any], old: str, new: str, id_: str) -> Figure:
    """Both lines on one plot, each at the severities that it was asked at, with their intervals."""
    sides = [(new, row["new_line"]), (old, row["old_line"])]
    x = np.unique(np.concatenate([line["x"] for _, line in sides]))
    lines = [(name, _between(x, line, "y")) for name, line in sides]
    bands = {n: (_between(x, side, "low"), _between(x, side, "high")) for n, (_, side) in enumerate(sides)}
    drawn = plot(x, lines, bands, row["x_label"], row["line"], (0.0, 1.0), (60.0, 10.0))
    said = holding(row["holds"], new, old) if row["holds"] else ""
    return Figure(id_, "curve", row["title"], said, f"{row['title']}: {said}", plot=drawn)


def _between(x: Array, line: Mapping[str, Any], key: str) -> Array:
    """A line's values at x, straight between the places that it was asked at, NaN beyond them."""
    return np.asarray(np.interp(x, line["x"], line[key], right=np.nan))


def _curves_note(curves: Sequence[Any]) -> str:
    rest = len(curves) - CURVES_DRAWN
    return f"{plural(rest, 'more curve is', 'more curves are')} in the JSON file." if rest > 0 else ""


def _identity(found: Comparison) -> Iterator[Fact]:
    for side in (found["new"], found["old"]):
        detail = f"{side['checkpoint']}, {side['source']}, reportgen {side['reportgen']}"
        yield Fact(f"model of {side['name']}", side["checkpoint_sha256"], detail)
    for what in ("images", "recipe"):
        a, b = found["new"][what], found["old"][what]
        yield Fact(f"{what} of both" if a == b else f"{what} of {found['new']['name']}", a)
        if a != b:
            yield Fact(f"{what} of {found['old']['name']}", b)
