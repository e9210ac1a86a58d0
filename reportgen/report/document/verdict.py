"""What the reader must know first: findings as sentences, patterns before single images, worst first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reportgen.evidence import Findings, Record, is_unanswered
from reportgen.findings import Flag
from reportgen.report.cards.cards import UNANSWERED, anchor
from reportgen.report.document import checks, heads, set_findings
from reportgen.report.document.sanity import lines as doubted
from reportgen.report.document.second_model import lines as compared
from reportgen.report.values.card import LEVELS, Sign
from reportgen.report.values.comparison import ChangeLine
from reportgen.report.values.document import ADVICE, FindingLine, TrustSection
from reportgen.report.values.second_model import SideBySide
from reportgen.report.wording import listed, plural, probability, share, view

SUREST = 3  # wrong answers named one by one
NAMED = 4  # maps that passed, named one by one
NOT_FINITE = "Look for an overflow: run in float32, and see which layers the check of the channels names."
REJECTED = "Mend these files, or take them out of the set."
Signs = Mapping[str, Sequence[tuple[str, Sign]]]  # image id -> (visualization, sign)


def findings(
    results: Mapping[str, Any],
    manifest: Mapping[str, Any],
    records: Sequence[Record],
    signs: Signs,
    trust: TrustSection | None = None,
    whole: Findings | None = None,
    side: SideBySide | None = None,
    before: Sequence[ChangeLine] = (),
) -> tuple[FindingLine, ...]:
    """Sentences with a number and a link to their evidence, worst first; what a check warns of stands among
    the worst, since it is a pattern and may be the cause of all the single images that follow. The gates are
    no findings: they have rows of their own. `before` are sentences on what came before this audit."""
    patterns = tuple(checks.lines(results.get("checks", ())))
    judged = checks.judging(results.get("checks", ()), manifest.get("checks", ()))
    surest = _surest(records)
    named = tuple(_in_words(record, manifest["model"]["classes"]) for record in surest)
    lines = [
        *_not_finite(records),
        *_warnings(manifest["model"].get("warnings", ())),
        *patterns,
        *(FindingLine(one.level, one.tag, one.text, one.href, one.link, one.remedy) for one in before),
        *(
            replace(line, image=surest[0]["id"] if surest else "")
            for line in set_findings.wrong(results["metrics"], named)
        ),
        *_doubted(trust),
        *set_findings.weak(results["metrics"], checks.asked(results.get("checks", ()))),
        *_flagged(signs, sum(record["measured"] for record in records), manifest["visualizations"]),
        *_of_the_whole(whole or {}, judged),
        *_rejected(records),
        *_absent(manifest["visualizations"]),
        *compared(side, results),
        *_notes(manifest["model"]["notes"]),
        *_right(results["metrics"]),
    ]
    return tuple(sorted(lines, key=lambda line: 0 if line in patterns else LEVELS.index(line.level)))


def _doubted(trust: TrustSection | None) -> Iterable[FindingLine]:
    """The maps that failed their tests, in one line: they are one thing not to be done."""
    lines = tuple(doubted(trust))
    if not trust or not lines:
        return
    titles = [row.title for row in trust.rows if row.word.text == ADVICE]
    passed = [row.title for row in trust.rows if row.word.level == "ok"]
    rest = len(trust.rows) - len(titles)
    remedy = f"Do not quote a map that failed its test. {_passed(passed, rest)}"
    if len(lines) == 1:
        yield replace(lines[0], remedy=remedy)
        return
    text = f"{len(lines)} of {len(trust.rows)} kinds of map failed their test: {listed(titles)}."
    yield FindingLine(lines[0].level, ADVICE, text, "#trust", "test", remedy=remedy)


def _passed(titles: Sequence[str], rest: int) -> str:
    """Which of the others passed, the `rest` being those that did not fail."""
    if not titles and rest:
        return "No other is decided: more images would tell (trust.images)."
    if not titles:
        return "No map passed its test."
    return f"{listed(titles)} passed." if len(titles) <= NAMED else f"{len(titles)} others passed."


def _not_finite(records: Sequence[Record]) -> Iterable[FindingLine]:
    broken = [record for record in records if is_unanswered(record)]
    if broken:
        text = (
            f"The model's output is not finite (NaN or infinite) for {len(broken):,} of"
            f" {plural(len(records), 'image')}, first {broken[0]['id']} {broken[0]['path']}: it answers"
            " nothing there, neither right nor wrong."
        )
        yield FindingLine(
            "bad",
            "not finite",
            text,
            *_evidence(broken[0]),
            remedy=NOT_FINITE,
            image=broken[0]["id"],
            view=view(show=UNANSWERED),
        )


def _surest(records: Sequence[Record]) -> list[Record]:
    """The wrong answers that were given with the most probability; a few stand for all."""
    wrong = [record for record in records if record["correct"] is False]
    wrong.sort(key=lambda record: -(record["predictions"][0]["probability"] or 0))
    return wrong[:SUREST]


def _in_words(record: Record, classes: list[str]) -> str:
    if of_labels := heads.wrong_labels(record, classes):
        return of_labels
    best = record["predictions"][0]
    sure = probability(best["probability"])
    return (
        f"{record['id']} {record['path']}, answered {best['class_name']} at {sure}"
        f" (its label {record['label']} has {probability(record['label_probability'])})"
    )


def _flagged(
    signs: Signs, shown: int, visualizations: Iterable[Mapping[str, Any]]
) -> Iterable[FindingLine]:
    """One line a sentence, with the images where it holds."""
    titles = {one["name"]: one["title"] for one in visualizations}
    where: dict[tuple[str, Sign], list[str]] = {}
    for number_, flags in signs.items():
        for key in flags:
            where.setdefault(key, []).append(number_)
    for (method, sign), numbers in sorted(where.items(), key=lambda item: -len(item[1])):
        named = ", ".join(numbers[:3]) + (", …" if len(numbers) > 3 else "")
        text = f"{sign.text.rstrip('.')} ({len(numbers)} of {plural(shown, 'image')}: {named})."
        # what a map says of itself concerns whoever chose its options
        # the table's flags are of what weighs
        flag = view(flag=titles.get(method, method)) if sign.level in ("warn", "bad") else ""
        yield FindingLine(sign.level, method, text, f"#i{numbers[0]}", "card", kind="operator", view=flag)


def _of_the_whole(by_name: Findings, judged: Collection[str]) -> Iterable[FindingLine]:
    """What the visualizations of the model and of the whole set warn of. Where a check decides what the
    numbers of one mean, its verdict is what is found."""
    for method, slots in by_name.items():
        for finding in slots[0]:
            if isinstance(finding, Flag) and bool(finding.values):
                line = FindingLine(finding.level, method, finding.text, f"#model-{method}", "section")
                weighs = finding.level == "bad" or (finding.level == "warn" and method not in judged)
                yield line if weighs else replace(line, kind="operator")


def _rejected(records: Sequence[Record]) -> Iterable[FindingLine]:
    rejected = [record for record in records if record["status"] == "rejected"]
    if rejected:
        first = rejected[0]
        text = (
            f"{len(rejected):,} of {plural(len(records), 'image')} could not be used,"
            f" first {first['path']}: {first['reason']}."
        )
        yield FindingLine("warn", "rejected", text, "#rejected", "list", remedy=REJECTED)


def _absent(visualizations: Iterable[Mapping[str, Any]]) -> Iterable[FindingLine]:
    """What does not apply, a line a reason: several may lack the same."""
    absent: dict[str, list[Mapping[str, Any]]] = {}
    for shown in visualizations:
        if not shown["applicable"]:
            absent.setdefault(shown["reason"], []).append(shown)
    for reason, several in absent.items():
        were = "were" if len(several) > 1 else "was"
        text = f"{listed([shown['title'] for shown in several])} {were} left out: {reason}."
        yield FindingLine("note", "left out", text, f"#how-{several[0]['name']}", "method", kind="operator")


def _right(totals: Mapping[str, Any]) -> Iterable[FindingLine]:
    if totals["accuracy"] == 1:
        low = share(totals["accuracy_low"])
        what = "images have all labels right and no other" if totals.get("labels") else "answers are right"
        text = f"All {totals['labelled']:,} labelled {what} (95 % interval from {low})."
        yield FindingLine("ok", "right", text, "#answers", "numbers", kind="passed")


def _warnings(warnings: Iterable[str]) -> Iterable[FindingLine]:
    """What trying the network out has shown, and every answer has to be read with."""
    for warning in warnings:
        yield FindingLine("bad", "the network", warning, "#provenance", "provenance")


def _notes(notes: Iterable[str]) -> Iterable[FindingLine]:
    for note in notes:
        yield FindingLine("note", "note", note, "#provenance", "provenance", kind="operator")


def _evidence(record: Record) -> tuple[str, str]:
    """Where a sentence about an image leads, and the words of the link."""
    if record["measured"]:
        return f"#{anchor(record)}", "card"
    return "#images", "images"  # the table may not have room for every row
