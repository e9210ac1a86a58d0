"""The recipe's gates, and numbers that nobody required -> rows with value, interval, images and margin."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reportgen.audit.calibration import JUDGED_FROM
from reportgen.audit.gate_numbers import check_of
from reportgen.audit.gates import ENDS, FAILED, PASSED, SEVERITY, SIGNS, UNJUDGED, apart, exact, unit
from reportgen.evidence import best
from reportgen.report.document import checks, heads
from reportgen.report.document.set_findings import CLASS_FROM
from reportgen.report.triage import CHECK, THRESHOLD, is_referred
from reportgen.report.values.card import Level, Sign
from reportgen.report.values.summary import Requirement
from reportgen.report.wording import NONE, number, plural, sentence, share, view

LINE = 160  # letters of a fault's sentence that stand in the first line

Results = Mapping[str, Any]
WORDS = {
    "lowest_class_accuracy": "accuracy of the lowest class",
    "ece": "calibration error",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "roc_auc": "area under the ROC curve",
    "rejected": "rejected images",
    "unanswered": "images without an answer",
    "unsure": "unsure answers",
    "labelled": "labelled images",
}
# the images that a number rests on, where the table can show just these
OF_IMAGES = {
    "accuracy": view(show="labelled"),
    "labelled": view(show="labelled"),
    "unanswered": view(show="unanswered"),
}
LEVELS: dict[str, Level] = {PASSED: "ok", FAILED: "bad", UNJUDGED: "bad"}
OUTCOMES = {PASSED: "met", FAILED: "not met", UNJUDGED: "cannot be judged"}
AT_WORST = {"clear": "clear", "undecided": "no warning", "warning": "no fault"}
MEASURED_AT_MOST = 6  # rows that nobody asked for
STATUS: dict[str, str] = {"fault": "weak", "warning": "perhaps weak"}


def met(gates: Sequence[Results]) -> Sign:
    """The first statement: how many requirements are met."""
    if not gates:
        return Sign("note", "No requirement set")
    outcomes = Counter(gate["outcome"] for gate in gates)
    text = f"Requirements: {outcomes[PASSED]} of {len(gates)} met"
    if outcomes[UNJUDGED]:
        text += f", {outcomes[UNJUDGED]} cannot be judged"
    return Sign("ok" if outcomes[PASSED] == len(gates) else "bad", text)


def evidence(results: Results) -> tuple[Sign, tuple[str, ...]]:
    """The second statement: whether the images suffice to say so, and why they do not."""
    why = tuple(dict.fromkeys(_missing(results)))
    if why:
        return Sign("warn", "Evidence: not sufficient"), why
    if not results["gates"]:
        return Sign("note", "Evidence: there is no requirement to hold it against"), ()
    return Sign("ok", "Evidence: sufficient"), ()


def _missing(results: Results) -> Iterator[str]:
    totals = results["metrics"]
    if not totals["labelled"]:
        yield "no image has a label"
    elif totals["labelled"] < JUDGED_FROM:
        yield f"{plural(totals['labelled'], 'label')} of at least {JUDGED_FROM}"
    if totals["unanswered"]:
        yield f"{plural(totals['unanswered'], 'image')} without an answer"
    for gate in results["gates"]:
        if gate["outcome"] == UNJUDGED:
            yield f"{name(gate, results)} cannot be judged"
        elif straddled(gate):
            limit = exact(gate["metric"], gate["limit"])
            yield f"the interval of {name(gate, results)} holds its limit of {limit}"


def counts(results: Results) -> Iterator[str]:
    """The first fault that checks show, how many answers are right, and which images have none."""
    totals = results["metrics"]
    yield from _fault(results.get("checks", ()))
    told = heads.details(totals)
    yield from told or ()
    if totals["labelled"] and told is None:
        yield f"{totals['right']:,} of {totals['labelled']:,} labelled answers right"
    if totals["unanswered"]:
        yield f"{plural(totals['unanswered'], 'image')} without an answer"
    if totals["rejected"]:
        yield f"{plural(totals['rejected'], 'image')} rejected"


def _fault(asked: Sequence[Results]) -> Iterator[str]:
    """The sentence of the first fault that follows from no other, as far as a line takes it: what is to be
    known before how many answers are right, which may be right for that reason. It is cut between words only,
    as a class may have a name with points and colons."""
    faults = [check for check in asked if check["status"] == "fault" and not check["explained_by"]]
    if faults:
        told = textwrap.shorten(faults[0]["sentence"], LINE, placeholder=" …")
        more = f" And {plural(len(faults) - 1, 'more fault')}." if len(faults) > 1 else ""
        yield f"Fault: {told}{more}"


def straddled(gate: Results) -> bool:
    """Whether a limit on a value lies within its interval: other images might have said otherwise. What
    changed is said of these very images."""
    if gate.get("compares"):
        return False
    low, high = gate["low"], gate["high"]
    if gate["bound"] not in ("min", "max") or low is None or high is None or check_of(gate["metric"]):
        return False
    return bool(low < gate["limit"] <= high if gate["bound"] == "min" else low <= gate["limit"] < high)


def required(results: Results) -> Iterator[Requirement]:
    """A row a gate."""
    for gate in results["gates"]:
        asked = f"{SIGNS[gate['bound']]} {exact(gate['metric'], gate['limit'])}" if not _check(gate) else ""
        if not asked:
            asked = AT_WORST[SEVERITY[int(gate["limit"])]]
        elif gate.get("baseline") is not None:
            limit, was = (told(gate["metric"], gate[key]) for key in ("limit", "baseline"))
            asked = f"{SIGNS[gate['bound']]} {limit}, the baseline having {was}"
        elif ENDS[gate["bound"]]:
            asked += f", {ENDS[gate['bound']]} end"
        yield Requirement(
            name=sentence(name(gate, results)),
            required=asked,
            found=_found(gate, results),
            interval=_interval(gate["metric"], gate["low"], gate["high"]),
            n=NONE if gate["n"] is None else f"{gate['n']:,}",
            result=Sign(LEVELS[gate["outcome"]], OUTCOMES[gate["outcome"]]),
            words=_words(gate),
            href=_href(gate),
            view=OF_IMAGES.get(gate["metric"], ""),
        )


def _check(gate: Results) -> bool:
    return bool(gate["bound"] == "at_worst")


def _href(gate: Results) -> str:
    check = gate.get("check") or check_of(gate["metric"])
    if check:
        return f"#check-{check}"
    room, _, rest = gate["metric"].partition(".")
    rooms = {"trust": f"#trust-{rest.partition('.')[0]}", "beside": "#beside", "diff": "#since"}
    return rooms.get(room, "#images")


def name(gate: Results, results: Results) -> str:
    """What a gate is on, in words."""
    titles = {asked["name"]: asked["title"] for asked in results["checks"]}
    metric = gate["metric"]
    if _check(gate):
        return str(titles.get(gate["check"], gate["check"]))
    if check := check_of(metric):
        return f"{titles.get(check, check)}: {metric.removeprefix(f'{check}.').replace('_', ' ')}"
    room, _, rest = metric.partition(".")
    if room == "trust":
        method, _, what = rest.rpartition(".")
        return f"maps of {method}: {what.replace('_', ' ')}"
    if room == "diff":
        return f"change: {rest.replace('_', ' ')}"
    if room == "beside":
        return f"second model: {rest.replace('_', ' ')}"
    return WORDS.get(str(metric), str(metric).replace("_", " "))


def _found(gate: Results, results: Results) -> str:
    if not _check(gate):
        value, limit = gate["value"], gate["limit"]
        text = told(gate["metric"], value)
        # what is missed by a hair must not read as if it were met
        if value is None or value == limit or text != told(gate["metric"], limit):
            return text
        return apart(gate["metric"], value, limit)
    status = next((one["status"] for one in results["checks"] if one["name"] == gate["check"]), "untested")
    return str(status)


def told(metric: str, value: float | None) -> str:
    """A metric's value in its unit: shares in percent, their differences in points."""
    if value is None:
        return NONE
    if mark := unit(metric):
        return share(value) if mark == " %" else checks.in_unit(value, "points")
    return number(value)


def _interval(metric: str, low: float | None, high: float | None) -> str:
    return NONE if low is None or high is None else f"{told(metric, low)} to {told(metric, high)}"


def _words(gate: Results) -> str:
    """The result with its margin, and whether the interval says the same."""
    if gate["outcome"] == UNJUDGED:
        return f"{sentence(gate['reason'])}."
    if _check(gate) or gate["margin"] is None:
        return ""
    size = abs(gate["margin"])
    if not size:
        return "at the limit"
    whole = int(size) if size == int(size) else size
    amount = f"{number(100 * size, 2)} points" if unit(gate["metric"]) else number(whole)
    text = f"{amount} {'to spare' if gate['outcome'] == PASSED else 'short'}"
    if ENDS[gate["bound"]] or gate["low"] is None or gate.get("compares"):
        return text
    end = "lower" if gate["bound"] == "min" else "upper"
    if gate["outcome"] == PASSED:
        return f"{text}; {'not' if straddled(gate) else 'also'} by the {end} end"
    return f"{text}; {'chance is not excluded' if straddled(gate) else 'by the whole interval'}"


def measured(results: Results) -> Iterable[Requirement]:
    """What nobody required and a reader would ask for: accuracy, the worst class, and where it is weak."""
    rows = [*_of_answers(results), *_referring(results), *_of_checks(results["checks"])]
    return rows[:MEASURED_AT_MOST]


def _of_answers(results: Results) -> Iterator[Requirement]:
    totals, asked = results["metrics"], {gate["metric"] for gate in results["gates"]}
    if totals["accuracy"] is not None and "accuracy" not in asked:
        title = "All labels right" if totals["labels"] else "Accuracy"
        ends = totals["accuracy_low"], totals["accuracy_high"]
        images = view(show="labelled")
        yield _measured(title, totals["accuracy"], ends, totals["labelled"], "#images", images)
    enough = [row for row in totals["per_class"] or () if row["count"] >= CLASS_FROM]
    if len(enough) > 1 and "lowest_class_accuracy" not in asked:
        worst = min(enough, key=lambda row: (row["accuracy"], -row["count"]))
        title = f"Worst class ({worst['class_name']})"
        ends, images = (worst["low"], worst["high"]), view(label=worst["class_name"])
        yield _measured(title, worst["accuracy"], ends, worst["count"], "#answers", images)


def _measured(
    title: str, value: float, ends: tuple[float, float], n: int, href: str, images: str
) -> Requirement:
    interval, sign = f"{share(ends[0])} to {share(ends[1])}", Sign("note", "measured")
    return Requirement(title, NONE, share(value), interval, f"{n:,}", sign, "", href, images)


def _referring(results: Results) -> Iterator[Requirement]:
    """Below which confidence a person should look, how many answers that are and how many mistakes are among
    them: where that was found, and confidence tells right from wrong."""
    check = next((one for one in results["checks"] if one["name"] == CHECK), None)
    below = check["numbers"].get(THRESHOLD, {}).get("value") if check and check["status"] == "clear" else None
    if not below:  # at 0 every answer may be given
        return
    answered = [image for image in results["images"] if image["status"] == "ok" and best(image)]
    referred = [image for image in answered if is_referred(image, below)]
    wrong, caught = (sum(image["correct"] is False for image in those) for those in (answered, referred))
    yield Requirement(
        name=f"Answers below {below:g}, to be referred",
        required=NONE,
        found=f"{len(referred):,} of {len(answered):,}",
        interval=NONE,
        n=f"{len(answered):,}",
        result=Sign("ok", "clear"),
        words=f"{caught:,} of {plural(wrong, 'mistake')} among them",
        href=f"#check-{CHECK}",
        found_view=view(show="refer") if referred else "",
    )


def _of_checks(asked: Sequence[Results]) -> Iterator[Requirement]:
    """The harms that were found, each with its size."""
    for result in asked:
        is_harm = result["status"] in STATUS and result["effect"] is not None and not result["explained_by"]
        if not is_harm:
            continue
        low, high, unit_ = result["low"], result["high"], result["unit"]
        known = low is not None and high is not None
        yield Requirement(
            name=result["title"],
            required=NONE,
            found=checks.in_unit(result["effect"], unit_),
            interval=f"{checks.in_unit(low, unit_)} to {checks.in_unit(high, unit_)}" if known else NONE,
            n=NONE if result["n"] is None else f"{result['n']:,}",
            result=Sign(checks.LEVEL[result["status"]], STATUS[result["status"]]),
            words=result["sentence"],
            href=f"#check-{result['name']}",
        )
