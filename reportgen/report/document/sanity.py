"""Which maps can be relied on: the section of the questions that were put to them.

The numbers are those of results.json; here they are only worded and drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reportgen.audit.maps import TITLES, Answer, Tested, Trust, Word
from reportgen.evidence import QUESTIONS, Evidence, Question
from reportgen.report.values.card import Level, Sign
from reportgen.report.values.document import (
    ADVICE,
    AgreementCell,
    FindingLine,
    Method,
    TrustCell,
    TrustRow,
    TrustSection,
)
from reportgen.report.wording import NONE, fixed, listed, plural, sentence

WORDS: dict[bool | None, tuple[Level, str]] = {
    True: ("ok", "passes"),
    False: ("warn", ADVICE),
    None: ("note", "not decided"),
}
SIGNS: dict[Word, Sign] = {
    "yes": Sign("ok", "yes"),
    "no": Sign("warn", "no"),
    "undecided": Sign("note", "open"),
    "not asked": Sign("note", NONE),
}
HEADS: dict[Question, str] = {
    "weights": "weights",
    "counts": "what counts",
    "class": "class",
    "picture": "right picture",
    "amount": "how much",
    "steady": "steady",
    "object": "object",
}


def section(summary: Trust | None, evidence: Evidence) -> TrustSection | None:
    """The set-wide section, worst maps first; None where no map was put to the test."""
    if not summary:
        return None
    titles = {tests["name"]: tests["title"] for tests in evidence.manifest["visualizations"]}
    order = sorted(summary["methods"].items(), key=lambda item: _badness(item[1]))
    asked = [q for q in QUESTIONS if any(_was_asked(tests["answers"][q]) for _, tests in order)]
    return TrustSection(
        lead=f"Every kind of map was asked the same questions on {plural(summary['images'], 'image')}, of"
        f" which {summary['doubtful']} have a wrong answer or one of the least sure.{_dear(summary)}",
        limits="Each answer is yes, no or open by a 95 % interval over these images, corrected for the number"
        " of kinds of map. No single score is made of them.",
        heads=tuple((HEADS[question], TITLES[question]) for question in asked),
        unasked=tuple(_unasked(summary, [q for q in QUESTIONS if q not in asked])),
        rows=tuple(_row(name, titles[name], tests, asked) for name, tests in order),
        agreeing=" ".join(filter(None, (agreeing(summary, titles), scored(summary)))),
        names=tuple(titles[name] for name in summary["agreement"]["methods"]),
        agreement=tuple(tuple(map(_cell, row)) for row in summary["agreement"]["rho"]),
        images=tuple((tests["id"], f"#i{tests['id']}-trial") for tests in evidence.trust()),
    )


def _dear(summary: Trust) -> str:
    """That some maps were made again for fewer images, in words."""
    asked = [tests["answers"]["weights"] for tests in summary["methods"].values()]
    fewest = min((answer["images"] for answer in asked if _was_asked(answer)), default=summary["images"])
    if not 0 < fewest < summary["images"]:
        return ""
    return f" Maps of many forwards were made again, for shuffled weights or noise, on {fewest} of them."


def _was_asked(answer: Answer) -> bool:
    return answer["answer"] != "not asked"


def _unasked(summary: Trust, questions: Iterable[Question]) -> Iterable[str]:
    for question in questions:
        reasons = {tests["answers"][question]["sentence"]: None for tests in summary["methods"].values()}
        yield f"Not asked: {TITLES[question]} {sentence('; '.join(reasons))}"


def _badness(tests: Tested) -> tuple[int, int, int, float]:
    """Sorts: first those that fail, by how many questions; then what is open; then what passes; by gain."""
    words = [answer["answer"] for answer in tests["answers"].values()]
    place = {False: 0, None: 1, True: 2}[tests["relies"]]
    return place, -words.count("no"), words.count("yes"), tests["gain"] or 0.0


def _row(name: str, title: str, tests: Tested, asked: Iterable[Question]) -> TrustRow:
    level, word = WORDS[tests["relies"]]
    return TrustRow(
        id=f"trust-{name}",
        method=name,
        title=title,
        word=Sign(level, word),
        verdict=sentence(tests["verdict"].replace(f": {ADVICE} on this map", "")),
        cells=tuple(_answered(tests["answers"][question]) for question in asked),
        gain=tests["gain"],
    )


def _answered(answer: Answer) -> TrustCell:
    value = answer["value"]
    return TrustCell(
        SIGNS[answer["answer"]], "" if value is None else fixed(value), sentence(answer["sentence"])
    )


def agreeing(summary: Trust, titles: Mapping[str, str]) -> str:
    """How far the maps that pass agree with each other."""
    passing = summary["passing"]
    if passing["rho"] is None or passing["least"] is None:
        return ""
    names = [titles[name] for name in passing["methods"]]
    said = f"{listed(names)} pass, and agree with each other by ρ {fixed(passing['rho'])} in the mean"
    if len(names) > 2:
        one, other = (titles[name] for name in passing["apart"])
        said += f", {one} and {other} by {fixed(passing['least'])} only"
    return f"{said}: do not quote one alone."


def scored(summary: Trust) -> str:
    """Which of the two scores gives the better maps on this model."""
    scores = summary.get("scores")
    return scores["sentence"] if scores else ""


def _cell(rho: float | None) -> AgreementCell:
    if rho is None:
        return AgreementCell(NONE, "none")
    return AgreementCell(fixed(rho), f"{'minus' if rho < 0 else 'plus'}-{round(10 * abs(rho))}")


def lines(trust: TrustSection | None) -> Iterable[FindingLine]:
    """A sentence for each visualization that failed a question, worst first."""
    for row in trust.rows if trust else ():
        if row.word.text == ADVICE:
            text = f"{row.title} {row.verdict[:1].lower()}{row.verdict[1:].rstrip('.')}."
            yield FindingLine(row.word.level, ADVICE, text, f"#{row.id}", "test")


def method(summary: Trust | None, recipe: Mapping[str, Any], readout: str) -> Method | None:
    """How to read the tests, which follow the `readout` of a class: its probability, or a value."""
    if not summary:
        return None
    options = recipe.get("trust")
    own = options if isinstance(options, Mapping) else {}
    return Method(
        id="how-trust",
        name="trust",
        title="The test of the maps",
        summary="Whether a map says something of this model.",
        definition=(
            "Weights: the map is made again by networks whose weights are shuffled within each tensor,"
            " half of the layers from the input on and then all; ρ is Spearman's rank correlation with the"
            " map as it was, both smoothed over noisy copies. It must not be above that of other images'"
            " maps and of a Gaussian in the middle by more than the limit. What counts: the map is"
            " averaged on squares, and these are ranked; insertion uncovers the squares of an image in"
            f" that order, deletion takes them away; the gain is the area under the {readout} of the class"
            " in insertion less that in deletion, as a share of what the better of two orders by"
            " occlusion gains, with blurred squares and with squares filled in from what is left. Class: ρ"
            " with the map of the strongest other class, beside ρ with itself under a little noise. Right"
            " picture: four pictures in one, and the share of positive values in the right quarter. How"
            " much: ρ of the squares with the fall of the score as each alone is blurred. Steady: ρ under"
            " noise that changes the logits by less than 1 %. Object: the share of positive values in the"
            " recipe's boxes."
        ),
        reading=(
            "Yes and no are said where a 95 % interval over the images lies on one side of what is asked"
            " for, no also where it lies below what would matter; open is what these images do not decide."
            " A map with a no should not be quoted for what the question asks. Maps that agree are no proof"
            " of each other: they may share a flaw."
        ),
        limits=(
            "Blurred and filled-in images, and mosaics, are unlike what the model was trained on. Fine"
            " maps are judged by what is left of them on 56 places a side or on the squares. Maps of many"
            " forwards are made again for few images. What passed has passed on these images, for the"
            " first target."
        ),
        source=(
            "Adebayo et al. 2018 (arXiv:1810.03292) and Hedström et al. 2023 (arXiv:2401.06465): shuffled"
            " weights. Blücher et al. 2024 (arXiv:2401.06654): the gain. Rong et al. 2022"
            " (arXiv:2202.00449): filling in. Sixt et al. 2020 (arXiv:1912.09818): other classes."
            " Arias-Duart et al. 2022 (arXiv:2109.15035) and Böhle et al. 2021 (arXiv:2104.00032):"
            " mosaics. Hesse et al. 2024 (arXiv:2407.11910): single squares. Arras et al. 2022"
            " (arXiv:2003.07258): boxes."
        ),
        options="; ".join(f"{key} {value}" for key, value in own.items() if not isinstance(value, Mapping)),
        absent="",
    )
