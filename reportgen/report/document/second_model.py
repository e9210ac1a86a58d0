"""Two models' evidence and numbers -> the section that shows them side by side.

The numbers are those of results.json; here they are only worded and placed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from reportgen.audit.compare.kept import MapsBefore, maps_before
from reportgen.audit.compare.sides import Side
from reportgen.evidence import Evidence
from reportgen.findings import Finding, Gallery, Table, pack
from reportgen.report.cards.blocks import Scene, block
from reportgen.report.document.between import Between
from reportgen.report.document.change import change
from reportgen.report.document.change_lines import answers
from reportgen.report.document.compared import gained, numbers
from reportgen.report.document.sanity import section
from reportgen.report.values.card import Block, Level, Sign
from reportgen.report.values.document import FindingLine, ImageRow, Method, TrustSection, badges
from reportgen.report.values.second_model import MapRow, Pair, SideBySide
from reportgen.report.wording import NONE, share

BESIDE = "Side by side"
Results = Mapping[str, Any]


def side_by_side(
    evidence: Evidence, results: Results, trust: TrustSection | None, rows: Sequence[ImageRow]
) -> SideBySide | None:
    """The section, None where one model was measured. `rows` are those of the table of images."""
    other, second = evidence.beside, results.get("beside")
    if other is None or second is None:
        return None
    theirs = section(second["trust"], other)
    kept = _kept(evidence, other, second)
    shown = change(second["comparison"], evidence, kept, rows, "beside", Between(BESIDE), beside=True)
    maps = tuple(_maps(evidence, second, trust, theirs))
    return SideBySide(
        main=second["main"],
        other=second["name"],
        lead=_lead(evidence, other, second),
        rows=tuple(numbers(evidence, other, results, second)),
        left_out=_left_out(evidence, second),
        answers=answers(second["comparison"]),
        change=shown,
        maps=maps,
        maps_note=_maps_note(maps),
        pairs=tuple(_pairs(evidence, other, second)),
        sections=_sections(other, second["name"]),
        same=frozenset(_same(evidence, other)),
        badges=badges(theirs),
        signs=shown.signs,
        alike={
            image["id"]: {name: _two(one["rho"]) for name, one in image["maps"].items()}
            for image in second["images"]
        },
    )


def lines(side: SideBySide | None, results: Results) -> Iterable[FindingLine]:
    """What changed, as sentences with numbers."""
    if side is None:
        return
    first = next((line for line in side.change.lines if line.text == side.answers), None)
    level: Level = "warn" if first and first.level == "bad" else "note"
    yield FindingLine(level, "side by side", side.answers, "#beside-answers", "list")
    for line in (one for one in side.change.lines if one.level in ("bad", "warn") and one is not first):
        yield FindingLine(line.level, line.tag, line.text, line.href, line.link, line.remedy)
    totals, own = results["metrics"], results["beside"]["metrics"]
    if totals["accuracy"] is not None and own["accuracy"] is not None:
        gap = 100 * (totals["accuracy"] - own["accuracy"])
        text = (
            f"{share(totals['accuracy'])} of {side.main}'s labelled answers are right,"
            f" {share(own['accuracy'])} of {side.other}'s: {gained(gap)}."
        )
        yield FindingLine("note", "side by side", text, "#beside", "numbers")
    if side.left_out:
        yield FindingLine("note", "side by side", side.left_out, "#beside", "numbers")


def _lead(evidence: Evidence, other: Evidence, second: Results) -> str:
    files = [model.manifest["checkpoint"]["name"] for model in (evidence, other)]
    return (
        f"{second['main']} ({files[0]}), which this report is about, and {second['name']} ({files[1]}),"
        f" measured on the same images. A change is from {second['name']} to {second['main']}."
    )


def _left_out(evidence: Evidence, second: Results) -> str:
    titles = {shown["name"]: shown["title"] for shown in evidence.manifest["visualizations"]}
    mine = {shown["name"] for shown in evidence.manifest["visualizations"] if not shown["applicable"]}
    parts = [f"{titles[name]} ({why})" for name, why in second["left_out"].items() if name not in mine]
    return f"Left out for {second['name']}: {'; '.join(parts)}." if parts else ""


def _kept(evidence: Evidence, other: Evidence, second: Results) -> list[MapsBefore]:
    """Both models' maps of the images that changed, from their evidence."""
    new, old = Side(second["main"], {}, evidence), Side(second["name"], {}, other)
    return maps_before(new, old, second["comparison"])


def _maps_note(rows: Sequence[MapRow]) -> str:
    """What it means that some visualizations have no correlation."""
    if all(row.rho != NONE for row in rows):
        return ""
    return f"ρ is {NONE} where no image has both maps on one grid, of one crop and for one class."


def _maps(
    evidence: Evidence, second: Results, mine: TrustSection | None, theirs: TrustSection | None
) -> Iterable[MapRow]:
    """A row for each visualization whose maps were tested or can be compared, in the recipe's order."""
    words = [{row.method: row.word for row in tests.rows} if tests else {} for tests in (mine, theirs)]
    untested = Sign("note", "not tested")
    for shown in evidence.manifest["visualizations"]:
        name, alike = shown["name"], second["maps"].get(shown["name"])
        if alike or any(name in tests for tests in words):
            yield MapRow(
                title=shown["title"],
                main=words[0].get(name, untested),
                other=words[1].get(name, untested),
                rho=_two(alike["rho"]) if alike else NONE,
                images=f"{alike['images']:,}" if alike else NONE,
            )


def _two(rho: float) -> str:
    return f"{round(rho, 2) + 0.0:.2f}".replace("-", "−")


def _pairs(evidence: Evidence, other: Evidence, second: Results) -> Iterable[Pair]:
    """The first gallery or table of the visualizations that are to stand beside each other, where both
    models have it."""
    mine, theirs = evidence.model_findings(), other.model_findings()
    for shown in evidence.manifest["visualizations"]:
        name = shown["name"]
        if shown["compare"] != "beside" or name not in mine or name not in theirs:
            continue
        firsts = [_leading(findings[name][0]) for findings in (mine, theirs)]
        if all(firsts):
            yield Pair(
                shown["title"],
                f"#model-{name}",
                block(shown, firsts[0], _scene("beside-main", second["main"])),
                block(shown, firsts[1], _scene("beside-other", second["name"])),
            )


def _leading(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The first gallery, else the first table, alone; nothing where there is neither."""
    pictured = [finding for kind in (Gallery, Table) for finding in findings if isinstance(finding, kind)]
    return tuple(pictured[:1])


def _scene(anchor: str, subject: str) -> Scene:
    return Scene(anchor, subject, np.zeros((1, 1, 3), np.uint8))


def _sections(other: Evidence, called: str) -> dict[str, Block]:
    """The other model's sections of the network and of the whole set."""
    findings, shown = other.model_findings(), other.manifest["visualizations"]
    return {
        method["name"]: block(method, findings[method["name"]][0], _scene("beside", called))
        for method in shown
        if method["applicable"] and method["name"] in findings
    }


def _same(evidence: Evidence, other: Evidence) -> Iterable[str]:
    mine, theirs = evidence.model_findings(), other.model_findings()
    for name in mine.keys() & theirs.keys():
        if _equal(mine[name][0], theirs[name][0]):
            yield name


def _equal(mine: Sequence[Finding], theirs: Sequence[Finding]) -> bool:
    packed = [[pack(finding) for finding in findings] for findings in (mine, theirs)]
    return len(mine) == len(theirs) and all(
        a[1] == b[1]
        and a[0].keys() == b[0].keys()
        and all(np.array_equal(a[0][key], b[0][key]) for key in a[0])
        for a, b in zip(*packed, strict=True)
    )


def method(side: SideBySide) -> Method:
    """How to read two models side by side."""
    return Method(
        id="how-beside",
        name="beside",
        title="Two models side by side",
        summary="What one has over the other, on the same images.",
        definition=(
            f"Both models answered the same files, each by its own preprocessing. An answer is newly right"
            f" where {side.main} is right and {side.other} was wrong, and newly wrong the other way round."
            " McNemar's exact test asks how often, were both equally likely, the two counts would be at"
            " least so unequal: p = 2·P(X ≤ the smaller), X binomial with half of all that are newly right"
            " or newly wrong as its mean. ρ is Spearman's rank correlation of the two models' maps of one"
            " image, value by value, where they lie on one grid; its mean is over the images for which both"
            " explain the same class."
        ),
        reading=(
            "A p below 0.05 says that so unequal counts are hardly chance; one above it says that these"
            " images cannot tell the models apart, not that they are equal. A ρ near 1 says that both look"
            " at the same places, near 0 that knowing one map says nothing of the other."
        ),
        limits=(
            "The images that get figures are those that the main model chose: they show more of its"
            " mistakes than of the other's. Maps are drawn each on its own scale, so compare where they"
            " are strong and not how strong. A ρ between fine maps falls with every shifted pixel."
        ),
        source=(
            "McNemar 1947, Note on the Sampling Error of the Difference Between Correlated Proportions or"
            " Percentages. Dietterich 1998, Approximate Statistical Tests for Comparing Supervised"
            " Classification Learning Algorithms. Interval: Wilson 1927."
        ),
        options="",
        absent="",
    )
