"""What the reader must know first: the verdict, and findings as sentences, worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reportgen.audit.gates import FAILED, PASSED, UNJUDGED
from reportgen.evidence import Findings, Record, is_unanswered
from reportgen.findings import Flag
from reportgen.report.cards.cards import anchor
from reportgen.report.document import checks, heads, set_findings
from reportgen.report.document.answers import has_answers
from reportgen.report.document.sanity import lines as doubted
from reportgen.report.document.second_model import lines as compared
from reportgen.report.values.card import LEVELS, Level, Sign
from reportgen.report.values.document import ADVICE, FindingLine, TrustSection
from reportgen.report.values.second_model import SideBySide
from reportgen.report.wording import listed, plural, probability, share

SUREST = 3  # wrong answers named one by one
Signs = Mapping[str, Sequence[tuple[str, Sign]]]  # image id -> (visualization, sign)


def verdict(results: Mapping[str, Any], lines: Iterable[FindingLine]) -> tuple[Sign, tuple[str, ...]]:
    """The verdict in a word or three, and the counts that it rests on."""
    gates, totals = results["gates"], results["metrics"]
    outcomes = Counter(gate["outcome"] for gate in gates)
    # a map that is not to be relied on is the visualization's fault, not the model's
    doubts = any(line.level in ("bad", "warn") and line.tag != ADVICE for line in lines)
    details = tuple(_details(outcomes, totals, heads.noun(results["model"]) == "classes"))
    if outcomes[FAILED]:
        return Sign("bad", "Failed"), details
    if outcomes[UNJUDGED]:
        return Sign("bad", "Cannot be judged"), details
    if not gates:
        return Sign("note", "Measured, no gate set"), details
    word = Sign("warn", "Passed with warnings") if doubts else Sign("ok", "Passed")
    return word, details


def _details(outcomes: Counter[str], totals: Mapping[str, Any], exclusive: bool) -> Iterable[str]:
    """The counts that the verdict rests on."""
    if gates := outcomes.total():
        yield f"{outcomes[PASSED]} of {plural(gates, 'gate')} passed"
    if outcomes[UNJUDGED]:
        yield f"{outcomes[UNJUDGED]} cannot be judged"
    other = heads.details(totals)
    yield from other or ()
    if totals["labelled"] and other is None:
        yield f"{totals['right']:,} of {totals['labelled']:,} labelled answers right"
    answers = totals["images"] - totals["rejected"] - totals["unanswered"]
    if exclusive:
        yield f"{totals['unsure']:,} of {answers:,} answers unsure"
    if totals["unanswered"]:
        yield f"{plural(totals['unanswered'], 'image')} without an answer"
    if totals["rejected"]:
        yield f"{plural(totals['rejected'], 'image')} rejected"


def findings(
    results: Mapping[str, Any],
    manifest: Mapping[str, Any],
    records: Sequence[Record],
    signs: Signs,
    trust: TrustSection | None = None,
    whole: Findings | None = None,
    side: SideBySide | None = None,
) -> tuple[FindingLine, ...]:
    """Sentences with a number and a link to their evidence, worst first; what a check warns of stands among
    the worst, since it is a pattern and may be the cause of all the single images that follow."""
    patterns = tuple(checks.lines(results.get("checks", ())))
    lines = [
        *_gates(results["gates"], "#answers" if has_answers(results["metrics"]) else "#top"),
        *_not_finite(records),
        *_warnings(manifest["model"].get("warnings", ())),
        *patterns,
        *set_findings.wrong(results["metrics"], surest_wrong(records, manifest["model"]["classes"])),
        *doubted(trust),
        *set_findings.weak(results["metrics"], checks.asked(results.get("checks", ()))),
        *_flagged(signs, sum(record["measured"] for record in records)),
        *_of_the_whole(whole or {}),
        *_rejected(records),
        *_absent(manifest["visualizations"]),
        *compared(side, results),
        *_notes(manifest["model"]["notes"]),
        *_right(results["metrics"]),
    ]
    return tuple(sorted(lines, key=lambda line: 0 if line in patterns else LEVELS.index(line.level)))


def _gates(gates: Iterable[Mapping[str, Any]], href: str) -> Iterable[FindingLine]:
    for gate in gates:
        level: Level = "ok" if gate["passed"] else "bad"
        text = f"Gate {gate['name']}: {gate['reason']}."
        yield FindingLine(level, f"gate {gate['outcome']}", text, href, "numbers")


def _not_finite(records: Sequence[Record]) -> Iterable[FindingLine]:
    broken = [record for record in records if is_unanswered(record)]
    if broken:
        text = (
            f"The model's output is not finite (NaN or infinite) for {len(broken):,} of"
            f" {plural(len(records), 'image')}, first {broken[0]['id']} {broken[0]['path']}: it answers"
            " nothing there, neither right nor wrong."
        )
        yield FindingLine("bad", "not finite", text, *_evidence(broken[0]))


def surest_wrong(records: Sequence[Record], classes: list[str]) -> tuple[str, ...]:
    """The wrong answers that were given with the most probability, each in words; a few stand for all."""
    wrong = [record for record in records if record["correct"] is False]
    wrong.sort(key=lambda record: -(record["predictions"][0]["probability"] or 0))
    return tuple(_in_words(record, classes) for record in wrong[:SUREST])


def _in_words(record: Record, classes: list[str]) -> str:
    if of_labels := heads.wrong_labels(record, classes):
        return of_labels
    best = record["predictions"][0]
    sure = probability(best["probability"])
    return (
        f"{record['id']} {record['path']}, answered {best['class_name']} at {sure}"
        f" (its label {record['label']} has {probability(record['label_probability'])})"
    )


def _flagged(signs: Signs, shown: int) -> Iterable[FindingLine]:
    """One line a sentence, with the images where it holds."""
    where: dict[tuple[str, Sign], list[str]] = {}
    for number_, flags in signs.items():
        for key in flags:
            where.setdefault(key, []).append(number_)
    for (method, sign), numbers in sorted(where.items(), key=lambda item: -len(item[1])):
        named = ", ".join(numbers[:3]) + (", …" if len(numbers) > 3 else "")
        text = f"{sign.text.rstrip('.')} ({len(numbers)} of {plural(shown, 'image')}: {named})."
        yield FindingLine(sign.level, method, text, f"#i{numbers[0]}", "card")


def _of_the_whole(by_name: Findings) -> Iterable[FindingLine]:
    """What the visualizations of the model and of the whole set warn of."""
    for method, slots in by_name.items():
        for finding in slots[0]:
            if isinstance(finding, Flag) and bool(finding.values):
                yield FindingLine(finding.level, method, finding.text, f"#model-{method}", "section")


def _rejected(records: Sequence[Record]) -> Iterable[FindingLine]:
    rejected = [record for record in records if record["status"] == "rejected"]
    if rejected:
        first = rejected[0]
        text = (
            f"{len(rejected):,} of {plural(len(records), 'image')} could not be used,"
            f" first {first['path']}: {first['reason']}."
        )
        yield FindingLine("warn", "rejected", text, "#rejected", "list")


def _absent(visualizations: Iterable[Mapping[str, Any]]) -> Iterable[FindingLine]:
    """What does not apply, a line a reason: several may lack the same."""
    absent: dict[str, list[Mapping[str, Any]]] = {}
    for shown in visualizations:
        if not shown["applicable"]:
            absent.setdefault(shown["reason"], []).append(shown)
    for reason, several in absent.items():
        were = "were" if len(several) > 1 else "was"
        text = f"{listed([shown['title'] for shown in several])} {were} left out: {reason}."
        yield FindingLine("note", "left out", text, f"#how-{several[0]['name']}", "method")


def _right(totals: Mapping[str, Any]) -> Iterable[FindingLine]:
    if totals["accuracy"] == 1:
        low = share(totals["accuracy_low"])
        what = "images have all labels right and no other" if totals.get("labels") else "answers are right"
        text = f"All {totals['labelled']:,} labelled {what} (95 % interval from {low})."
        yield FindingLine("ok", "right", text, "#answers", "numbers")


def _warnings(warnings: Iterable[str]) -> Iterable[FindingLine]:
    """What trying the network out has shown, and every answer has to be read with."""
    for warning in warnings:
        yield FindingLine("bad", "the network", warning, "#provenance", "provenance")


def _notes(notes: Iterable[str]) -> Iterable[FindingLine]:
    for note in notes:
        yield FindingLine("note", "note", note, "#provenance", "provenance")


def _evidence(record: Record) -> tuple[str, str]:
    """Where a sentence about an image leads, and the words of the link."""
    if record["measured"]:
        return f"#{anchor(record)}", "card"
    return "#images", "images"  # the table may not have room for every row
