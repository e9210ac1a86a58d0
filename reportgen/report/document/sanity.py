"""Which maps can be relied on: the section of the tests that they passed or failed.

The numbers are those of results.json; here they are only worded and drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reportgen.audit.sanity import CASCADE, Tested, Trust
from reportgen.evidence import Evidence, Stage
from reportgen.report.values.card import Level, Sign
from reportgen.report.values.document import (
    ADVICE,
    AgreementCell,
    FindingLine,
    Method,
    TrustRow,
    TrustSection,
)
from reportgen.report.wording import NONE, fixed, plural, sentence, signed

WORDS: dict[bool | None, tuple[Level, str]] = {
    True: ("ok", "passes"),
    False: ("warn", ADVICE),
    None: ("note", "not judged"),
}


def section(summary: Trust | None, evidence: Evidence) -> TrustSection | None:
    """The set-wide section, worst maps first; None where no map was put to the test."""
    if not summary:
        return None
    titles = {tests["name"]: tests["title"] for tests in evidence.manifest["visualizations"]}
    order = sorted(summary["methods"].items(), key=lambda item: _badness(item[1], summary["stage"]))
    images = plural(summary["images"], "image")
    limits, stage = summary["limits"], summary["stage"]
    return TrustSection(
        lead=f"Every map of {images}, drawn by the seed from the half that was answered most surely, was put"
        " to the test: does the answer depend on the places that the map marks, and does the map depend on"
        " the model's weights?",
        limits=f"A map passes where it beats random orders by {limits['beats_random_sd']:g} standard"
        f" deviations (SD) or more, and where its rank correlation ρ with the map of a network whose"
        f" {CASCADE[stage]} was shuffled is at most {limits['randomised']:g} in size.",
        stage=stage,
        stages=tuple(f"ρ, {words}" + (" (judged)" if key == stage else "") for key, words in CASCADE.items()),
        rows=tuple(_row(name, titles[name], tests) for name, tests in order),
        names=tuple(titles[name] for name in summary["agreement"]["methods"]),
        agreement=tuple(tuple(map(_cell, row)) for row in summary["agreement"]["rho"]),
        images=tuple((tests["id"], f"#i{tests['id']}-trial") for tests in evidence.trust()),
    )


def _badness(tests: Tested, stage: Stage) -> tuple[int, int, float]:
    """Sorts: judged unreliable first, by the tests failed, by ρ; then what was not judged."""
    verdicts = (tests["responds"], tests["beats_random"])
    rho = tests["randomised"][stage]
    place = {False: 0, None: 1, True: 2}[tests["relies"]]
    return place, -verdicts.count(False), -abs(rho) if rho is not None else 0.0


def _row(name: str, title: str, tests: Tested) -> TrustRow:
    low, high = tests["interval"] or (None, None)
    level, word = WORDS[tests["relies"]]
    return TrustRow(
        id=f"trust-{name}",
        method=name,
        title=title,
        word=Sign(level, word),
        verdict=sentence(tests["verdict"].replace(f": {ADVICE} on this map", "")),
        faithfulness=signed(tests["faithfulness"]),
        random=signed(tests["random_faithfulness"]),
        advantage=signed(tests["advantage"]),
        interval=NONE if low is None else f"{signed(low)} to {signed(high)}",
        spread=NONE
        if tests["beats_random_sd"] is None
        else f"{tests['beats_random_sd']:.1f} SD".replace("-", "−"),
        cascade=tuple(fixed(tests["randomised"][depth]) for depth in CASCADE),
        stability=fixed(tests["stability"]),
        low=_place(low),
        high=_place(high),
        middle=_place(tests["advantage"]),
    )


def _place(value: float | None) -> float | None:
    """A difference in [-1, 1] on an axis from 0 to 100."""
    return None if value is None else round(50 + 50 * min(1.0, max(-1.0, value)), 1)


def _cell(rho: float | None) -> AgreementCell:
    if rho is None:
        return AgreementCell(NONE, "none")
    return AgreementCell(fixed(rho), f"{'minus' if rho < 0 else 'plus'}-{round(10 * abs(rho))}")


def lines(trust: TrustSection | None) -> Iterable[FindingLine]:
    """A sentence for each visualization that failed a test, worst first."""
    for row in trust.rows if trust else ():
        if row.word.text == ADVICE:
            text = row.verdict[:1].lower() + row.verdict[1:]
            yield FindingLine(row.word.level, ADVICE, f"{row.title} {text}.", f"#{row.id}", "test")


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
            "Each map is averaged on squares, and these are ranked. Insertion uncovers the squares of a"
            " blurred image in that order, deletion blurs those of the image; the area under the"
            f" {readout} of the class is the AUC. Faithfulness is the insertion AUC less the deletion"
            " AUC, and the advantage is what a map has over random orders. The weights are then shuffled"
            " within each tensor, from the output down (the last layer, the upper half of the layers,"
            " all), and the map is made again: ρ is Spearman's rank correlation of the two. Stability is"
            " ρ under small noise in the input, agreement ρ between two visualizations. Means are over"
            " the tested images, intervals are 95 %."
        ),
        reading=(
            "A map to be relied on lies far above random orders and has a ρ near 0 once the weights are"
            " shuffled. One that keeps its ρ shows the image and not what the model learnt. Maps that"
            " agree are no proof of each other: they may share a flaw."
        ),
        limits=(
            "A blurred image is unlike what the model was trained on. Fine maps are judged by what is"
            " left of them on the squares. A map that passes has passed on these images, for the first"
            " target; the edges that all maps of an image share keep ρ above 0."
        ),
        source=(
            "Petsiuk, Das & Saenko 2018, RISE (arXiv:1806.07421): deletion, insertion. Adebayo et al."
            " 2018, Sanity Checks for Saliency Maps (arXiv:1810.03292): shuffled weights."
        ),
        options="; ".join(f"{key} {value}" for key, value in own.items() if not isinstance(value, Mapping)),
        absent="",
    )
