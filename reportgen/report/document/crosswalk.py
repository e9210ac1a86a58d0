"""Clauses of published texts -> what this report measured of them, what its recipe states, what neither has.

The clauses are told in our own words, and none is ever called fulfilled: that is for those who answer for the
system. Of texts whose numbering we do not hold, the topics stand without numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reportgen.report.document.provenance import STATED
from reportgen.report.values.card import Sign
from reportgen.report.values.document import Crosswalk, CrosswalkRow
from reportgen.report.wording import plural

Results = Mapping[str, Any]
MEASURED, OF_RECIPE, MISSING = Sign("ok", "measured"), Sign("note", "stated"), Sign("warn", "not covered")
OPEN = Sign("note", "not decided")
LEAD = (
    "Which sections of this report bear on which clause. Measured means that a number of this audit bears on"
    " it, not that the clause is met; not decided, that these images leave it open; stated is what the recipe"
    " says and nobody checked. What is not covered has to come from elsewhere."
)


@dataclass(frozen=True)
class Clause:
    """A clause or topic, what it asks for, and what of a report bears on it: checks by name, `answers` to
    labelled images, `maps` put to the test, `record` (hashes, versions, recipe), keys of the `statement`.
    What no report of ours has is said in `never`."""

    name: str
    asks: str
    checks: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    never: str = ""


@dataclass(frozen=True)
class Text:
    """A published text and its clauses."""

    title: str
    source: str
    clauses: tuple[Clause, ...]


EU_AI_ACT = Text(
    "EU Artificial Intelligence Act",
    "Regulation (EU) 2024/1689, for high-risk systems. Which system is one, it says itself.",
    (
        Clause(
            "Article 9",
            "a system of risk management over the whole life",
            never="a process, and no number of a model",
        ),
        Clause(
            "Article 10(2)(f), (g)",
            "test data looked through for biases that may harm or discriminate, and what is done about them",
            checks=("balance", "groups", "slices", "properties"),
        ),
        Clause(
            "Article 10(3)",
            "test data that are relevant, representative and, as far as can be, complete and without error",
            checks=("duplicates", "leakage", "label-noise", "odd-images", "resolution"),
            states=("images",),
        ),
        Clause(
            "Article 10(4)",
            "data that fit the place and the setting of use",
            states=("images", "intended_use"),
        ),
        Clause(
            "Article 12",
            "events recorded by the system while it is used",
            never="it is about operation, after the audit",
        ),
        Clause(
            "Article 13(3)(b)(i)",
            "the intended purpose in the instructions for use",
            states=("intended_use",),
        ),
        Clause(
            "Article 13(3)(b)(ii), Article 15(3)",
            "the level of accuracy and its metrics, and what robustness was tested against",
            checks=("accuracy", "corruptions", "stability"),
            parts=("answers",),
        ),
        Clause(
            "Article 13(3)(b)(v)",
            "how it performs for groups of persons that it is meant for",
            checks=("groups",),
        ),
        Clause(
            "Article 13(3)(b)(vii)",
            "what lets those who deploy it read its output",
            checks=("calibration", "abstention"),
            parts=("maps",),
        ),
        Clause(
            "Article 14(4)(a)",
            "persons who oversee it understand what it can and cannot do",
            checks=("abstention",),
            states=("limits",),
        ),
        Clause(
            "Article 15(4)",
            "it holds against errors, faults and inconsistencies of its surroundings",
            checks=("corruptions", "stability", "foreign"),
        ),
        Clause(
            "Article 15(5)",
            "it resists attempts to alter its use: poisoned data or models, adversarial inputs",
            never="no attack is tried here; that small patches decide answers is asked under shortcuts",
        ),
        Clause(
            "Annex IV 1",
            "what the system is: purpose, provider, version",
            parts=("record",),
            states=("intended_use", "owner"),
        ),
        Clause(
            "Annex IV 2(d)",
            "where the training data are from and how they were chosen, labelled and cleaned",
            never="the training is not seen here",
        ),
        Clause(
            "Annex IV 2(g)",
            "the test data, the metrics, and test reports that are dated and signed by those responsible",
            parts=("answers", "record"),
            states=("images",),
        ),
        Clause(
            "Annex IV 3",
            "what it can do, its limits, and how accurate it is for groups",
            checks=("groups", "slices"),
            parts=("answers",),
            states=("limits",),
        ),
        Clause("Annex IV 4", "why these metrics fit this system", states=("reasons",)),
        Clause(
            "Annex IV 9",
            "a plan for watching it after it is on the market",
            never="it is about operation, after the audit",
        ),
    ),
)

MISSION_KI = Text(
    "MISSION KI quality standard, topics of its highest level",
    "MISSION KI, published November 2025. Topics, not its numbering.",
    (
        Clause(
            "falls of performance",
            "every fall that nobody expected is looked for",
            checks=("groups", "slices", "properties", "corruptions"),
        ),
        Clause(
            "limits of the input",
            "the range of inputs in which it works is known",
            checks=("corruptions", "foreign", "stability"),
            states=("limits",),
        ),
        Clause(
            "shortcuts",
            "shortcuts are looked for, and that none was found is written down, too",
            checks=("map-clusters", "place-shortcut", "property-shortcut"),
        ),
        Clause(
            "uncertainty", "the uncertainty that it tells is calibrated", checks=("calibration", "abstention")
        ),
        Clause("limits of the tests", "what the tests do not show is said", parts=("limits",)),
        Clause(
            "explanations",
            "methods that explain answers, and how to read them without being a specialist",
            parts=("maps",),
        ),
        Clause(
            "purpose and ownership",
            "what it is for, and who answers for it",
            states=("intended_use", "owner"),
        ),
        Clause(
            "data protection, security of the system",
            "persons' data and the system around the model are protected",
            never="a model and its images say nothing of it",
        ),
    ),
)

ISO_4213 = Text(
    "ISO/IEC TS 4213:2022, classification performance",
    "Assessment of machine learning classification performance. Topics, not its numbering.",
    (
        Clause("confusion matrix", "how often which class was answered for which", parts=("answers",)),
        Clause("precision, recall, F1", "the usual numbers, by class and in the mean", parts=("answers",)),
        Clause("area under the ROC curve", "how well scores order the classes", checks=("accuracy",)),
        Clause("baseline", "a comparison with the simplest answer", checks=("accuracy",)),
        Clause("leakage", "no test image was among those of the training", checks=("leakage",)),
        Clause("class imbalance", "how many images each class has, and what that hides", checks=("balance",)),
        Clause(
            "channel effects",
            "what the way of recording does to the answers",
            checks=("groups", "properties", "property-shortcut"),
        ),
        Clause("statistical significance", "whether a difference is more than chance", parts=("answers",)),
        Clause(
            "comparison with other models", "the same task, the same images, other models", parts=("beside",)
        ),
    ),
)
TEXTS = {"eu-ai-act": EU_AI_ACT, "mission-ki": MISSION_KI, "iso-4213": ISO_4213}


def crosswalk(recipe: Results, results: Results) -> Crosswalk | None:
    """The table of the text that `output.crosswalk` names; None where it names none."""
    asked = recipe["output"].get("crosswalk")
    if not asked:
        return None
    text = TEXTS[asked]
    rows = tuple(_row(clause, recipe, results) for clause in text.clauses)
    missing = sum(row.sign == MISSING for row in rows)
    counted = f"Of {plural(len(rows), 'clause')} {missing} {'is' if missing == 1 else 'are'} not covered."
    return Crosswalk(text.title, text.source, f"{LEAD} {counted}", rows)


def _row(clause: Clause, recipe: Results, results: Results) -> CrosswalkRow:
    measured, open_ = list(_measured(clause, results)), list(_open(clause, recipe, results))
    stated = [STATED[key] for key in clause.states if (recipe.get("statement") or {}).get(key)]
    links = [(title, href) for title, href in measured]
    links += [(f"stated: {words}", "#stated") for words in stated]
    decided = any("(undecided)" not in title for title, _ in measured)
    sign = MEASURED if decided else OPEN if measured else OF_RECIPE if stated else MISSING
    if clause.never:
        return CrosswalkRow(clause.name, clause.asks, MISSING, (), clause.never)
    return CrosswalkRow(clause.name, clause.asks, sign, tuple(links), "; ".join(open_))


def _measured(clause: Clause, results: Results) -> Iterator[tuple[str, str]]:
    """What this audit measured of it, and where that stands."""
    asked = {check["name"]: check for check in results["checks"]}
    for name in clause.checks:
        if name in asked and asked[name]["status"] != "untested":
            yield f"{asked[name]['title']} ({asked[name]['status']})", f"#check-{name}"
    for part in clause.parts:
        if found := _part(part, results):
            yield found


def _part(part: str, results: Results) -> tuple[str, str] | None:
    if part == "answers" and results["metrics"]["labelled"]:
        return f"answers to {results['metrics']['labelled']:,} labelled images", "#answers"
    if part == "maps" and results["trust"]:
        return f"maps tested on {plural(results['trust']['images'], 'image')}", "#trust"
    if part == "beside" and results.get("beside"):
        return "a second model on the same images", "#beside"
    return {
        "record": ("hashes, versions, recipe", "#identity"),
        "limits": ("limits of this audit", "#limits"),
    }.get(part)


def _open(clause: Clause, recipe: Results, results: Results) -> Iterator[str]:
    """What could have been measured or stated, and was not."""
    asked = {check["name"]: check["status"] for check in results["checks"]}
    untested = [name for name in clause.checks if asked.get(name, "untested") == "untested"]
    if untested:
        yield f"not tested: {', '.join(untested)}"
    undecided = [name for name in clause.checks if asked.get(name) == "undecided"]
    if undecided:
        yield f"not decided by these images: {', '.join(undecided)}"
    for part, words in (
        ("answers", "no labelled image"),
        ("maps", "no map was tested"),
        ("beside", "no second model"),
    ):
        if part in clause.parts and not _part(part, results):
            yield words
    silent = [STATED[key] for key in clause.states if not (recipe.get("statement") or {}).get(key)]
    if silent:
        yield f"not stated: {', '.join(silent)}"
