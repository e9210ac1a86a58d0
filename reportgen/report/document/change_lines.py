"""A comparison -> sentences with a number, the worst first, and the one that stands on the first screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reportgen.audit.gates import FAILED, PASSED
from reportgen.report.document.checks import LEVEL
from reportgen.report.document.requirements import WORDS
from reportgen.report.values.card import LEVELS, Level, Sign
from reportgen.report.values.comparison import ChangeLine
from reportgen.report.wording import fixed, listed, number, plural, probability, sentence, share

Comparison = Mapping[str, Any]
CHANCE = 0.05  # McNemar's p from which on a difference may well be chance
UNLIKE = 0.5  # a mean rank correlation below this: the maps look elsewhere
NAMED = 4
OF_VALUES = ("mae", "rmse")


def lines(found: Comparison, anchor: str, titles: Mapping[str, str] | None = None) -> tuple[ChangeLine, ...]:
    """What changed, the worst first; one sentence where nothing did. `titles` are those of visualizations."""
    every = [
        *_limits(found, anchor),
        *_requirements(found, anchor),
        *_network(found, anchor),
        *_answers(found, anchor),
        *_checks(found, anchor),
        *_curves(found, anchor),
        *_maps(found, anchor, titles or {}),
        *_shifts(found, anchor),
        *_tensors(found, anchor),
    ]
    if not every:
        same = plural(found["answers"]["compared"], "answer")
        text = f"Nothing changed: {same}, every verdict and every weight that both audits kept are the same."
        return (ChangeLine("ok", "the same", text, f"#{anchor}-identity", "hashes"),)
    return tuple(sorted(every, key=lambda line: LEVELS.index(line.level)))


def headline(found: Comparison) -> tuple[Sign, tuple[str, ...]]:
    """For the first screen: the change of the accuracy with its interval, or of the answers, and counts."""
    tests, level = found["answers"], "note"
    failed = [gate for gate in found["gates"] if not gate["passed"]]
    if failed or _surely_worse(tests) or found["network"]["zeroed"]:
        level = "bad"
    elif found["gates"] or _surely_better(tests):
        level = "ok"
    compared = _compared(found)
    if tests["changed"] == 0:
        compared = f"no answer of {tests['compared']:,} changed" if tests["compared"] else "no image in both"
    told = tests["labelled"] and tests["changed"]
    text = f"accuracy {points(tests)}" if told else compared
    counts = [compared] if told else []
    if told:
        counts.append(f"{tests['broken']:,} newly wrong, {tests['mended']:,} newly right")
    if off := len(found["network"]["zeroed"]):
        counts.append(f"{plural(off, 'filter')} newly zero")
    if found["gates"]:
        kept = len(found["gates"]) - len(failed)
        counts.append(f"{kept} of {plural(len(found['gates']), 'limit')} on changes kept")
    if worse := found["numbers"]["checks_worse"]:
        counts.append(f"{plural(worse, 'check')} worse")
    return Sign(level, text), tuple(counts)  # type: ignore[arg-type]


def _compared(found: Comparison) -> str:
    """How many answers changed; of values, which name no class, their errors."""
    tests = found["answers"]
    if tests["changed"] is None:
        return of_values(found)
    return f"{tests['changed']:,} of {plural(tests['compared'], 'answer')} changed"


def of_values(found: Comparison) -> str:
    """The errors of both models' values, and how far a value moved, in words."""
    parts = [
        f"{WORDS[row['metric']]} {number(row['new'])}, was {number(row['old'])}"
        for row in found["set"]
        if row["metric"] in OF_VALUES and None not in (row["old"], row["new"])
    ]
    if (moved := found["shifts"]["logit"]) is not None:
        images = plural(found["shifts"]["images"], "image")
        parts.append(f"a value moves by {number(moved)} in the mean of {images}")
    return "; ".join(parts) or f"{plural(found['answers']['compared'], 'image')} in both, without a label"


def points(tests: Mapping[str, Any]) -> str:
    """The change of the accuracy on the images that both have: "+4.2 points [+2.1, +6.3]"."""
    ends = ", ".join(_signed(100 * tests[f"accuracy_change_{end}"]) for end in ("low", "high"))
    return f"{_signed(100 * tests['accuracy_change'])} points [{ends}]"


def _signed(value: float) -> str:
    return f"{round(value, 1) + 0.0:+.1f}".replace("-", "−")


def _surely_better(tests: Mapping[str, Any]) -> bool:
    return bool(tests["labelled"] and tests["mended"] > tests["broken"] and tests["mcnemar_p"] < CHANCE)


def _surely_worse(tests: Mapping[str, Any]) -> bool:
    return bool(tests["labelled"] and tests["broken"] > tests["mended"] and tests["mcnemar_p"] < CHANCE)


def _limits(found: Comparison, anchor: str) -> Iterator[ChangeLine]:
    for gate in found["gates"]:
        if gate["outcome"] != PASSED:
            tag = "past its limit" if gate["outcome"] == FAILED else "cannot be judged"
            reason = gate["reason"].removeprefix("diff.").replace("_", " ")
            text = f"{sentence(reason)}: {gate['name'].removeprefix('diff.').replace('_', ' ')} is required."
            yield ChangeLine("bad", tag, text, f"#{anchor}-limits", "limits")


def _requirements(found: Comparison, anchor: str) -> Iterator[ChangeLine]:
    for row in found["requirements"]:
        if row["old_outcome"] and row["old_outcome"] != row["new_outcome"]:
            met = row["new_outcome"] == PASSED
            text = f"{sentence(row['name'])}: {row['new_outcome']}, was {row['old_outcome']}."
            href = f"#{anchor}-requirements"
            yield ChangeLine("ok" if met else "bad", "requirement", text, href, "margins")


def _network(found: Comparison, anchor: str) -> Iterator[ChangeLine]:
    network, href = found["network"], f"#{anchor}-network"
    if network["zeroed"]:
        text = f"{_channels(network['zeroed'], 'filter')} all zero, and {_were(network['zeroed'])} not."
        remedy = "Look at how the checkpoint was saved and loaded."
        yield ChangeLine("bad", "zero filters", text, href, "network", remedy)
    if network["restored"]:
        text = f"{_channels(network['restored'], 'filter')} no longer zero."
        yield ChangeLine("ok", "zero filters", text, href, "network")
    if network["died"]:
        text = f"{_channels(network['died'], 'channel')} never above zero over these images, and"
        yield ChangeLine("warn", "channels", f"{text} {_were(network['died'])} before.", href, "network")
    if more := (network.get("died_count") or 0) - len(network["died"]):
        was, now = network["dead"]
        text = f"At least {plural(more, 'channel')} died that no list names: {was:,} were dead, {now:,} are."
        yield ChangeLine("warn", "channels", text, href, "network")
    if network["revived"]:
        text = f"{_channels(network['revived'], 'channel')} above zero again."
        yield ChangeLine("ok", "channels", text, href, "network")
    if moved := [*network["added"], *network["removed"], *network["reshaped"]]:
        text = f"The networks are not built alike: {_some(moved)} are in one only or of another shape."
        yield ChangeLine("note", "network", text, href, "network")


def _channels(channels: list[Any], noun: str) -> str:
    """ "Filter 3 of conv1 is", "Filters 3 and 4 of conv1 and 7 of conv2 are"."""
    by_layer: dict[str, list[str]] = {}
    for one in channels:
        by_layer.setdefault(one["layer"].removesuffix(".weight"), []).append(str(one["channel"]))
    parts = [f"{_some(numbers)} of {layer}" for layer, numbers in by_layer.items()]
    several = len(channels) > 1
    return f"{sentence(noun)}{'s' if several else ''} {_some(parts)} {'are' if several else 'is'}"


def _were(channels: list[Any]) -> str:
    return "were" if len(channels) > 1 else "was"


def _some(names: list[str]) -> str:
    rest = len(names) - NAMED
    return listed(names[:NAMED]) if rest <= 0 else f"{', '.join(names[:NAMED])} and {rest:,} more"


def _answers(found: Comparison, anchor: str) -> Iterator[ChangeLine]:
    tests = found["answers"]
    if tests["changed"] is None:
        worse = any(row["better"] is False for row in found["set"] if row["metric"] in OF_VALUES)
        if worse or found["shifts"]["logit"]:
            text = answers(found)
            yield ChangeLine("warn" if worse else "note", "values", text, f"#{anchor}-numbers", "numbers")
        return
    if tests["changed"] or tests["unanswered"]:
        level: Level = "note"
        if _surely_worse(tests):
            level = "bad"
        elif _surely_better(tests):
            level = "ok"
        elif tests["broken"]:
            level = "warn"
        yield ChangeLine(level, "answers", answers(found), f"#{anchor}-answers", "list")


def answers(found: Comparison) -> str:
    """How many answers changed and what that does to the accuracy, and whether it may be chance."""
    tests = found["answers"]
    if tests["changed"] is None:
        return f"{sentence(of_values(found))}."
    text = f"{tests['changed']:,} of {plural(tests['compared'], 'answer')} changed"
    if tests["unanswered"]:
        left_out = plural(tests["unanswered"], "image is", "images are")
        text += f" ({left_out} left out, as an answer there is not finite)"
    if not tests["labelled"]:
        return f"{text}; no image has a label to judge them by."
    p = tests["mcnemar_p"]
    said = "p < 0.001" if p < 0.0005 else f"p = {probability(p)}"
    text += f": {tests['mended']:,} newly right, {tests['broken']:,} newly wrong (McNemar {said})"
    if tests["changed_both_wrong"]:
        text += f", {tests['changed_both_wrong']:,} wrong both times"
    if tests["changed_unlabelled"]:
        text += f", {tests['changed_unlabelled']:,} without a label"
    text += f". The accuracy changes by {points(tests)}"
    if tests["mended"] == tests["broken"]:
        return f"{text}."
    return f"{text}: that {'is hardly chance' if p < CHANCE else 'may well be chance'}."


def _checks(found: Comparison, anchor: str) -> Iterator[ChangeLine]:
    unknown = [check["title"] for check in found["checks"] if check["worse"] is None]
    if unknown:
        text = f"Asked in one of the two audits only, and not compared: {_some(unknown)}."
        yield ChangeLine("note", "check", text, f"#{anchor}-checks", "checks")
    for check in (one for one in found["checks"] if one["worse"] is not None):
        text = f"{check['title']}: {check['new']}, was {check['old']}. {check['sentence']}"
        href = f"#{anchor}-checks"
        if check["worse"]:
            yield ChangeLine(LEVEL[check["new"]], "check", text, href, "checks", check["remedy"])
        elif check["new"] == "clear":
            yield ChangeLine("ok", "check", text, href, "checks")
        else:
            yield ChangeLine("note", "check", text, href, "checks")


def _curves(found: Comparison, anchor: str) -> Iterator[ChangeLine]:
    """What the two are surely told apart by; curves that differ within their intervals say nothing."""
    new, old = found["new"]["name"], found["old"]["name"]
    ways: tuple[tuple[str, Level, str], ...] = (("old", "warn", "less far"), ("new", "ok", "further"))
    for further, level, words in ways:
        rows = [row for row in found["curves"] if row["holds"] and row["holds"]["further"] == further]
        if rows:
            named = _some([_lowered(row["title"]) for row in rows])
            text = f"Under {named} the answers of {new} hold {words} than those of {old}: {rows[0]['title']},"
            text += f" {holding(rows[0]['holds'], new, old)}."
            yield ChangeLine(level, "limits of use", text, f"#{anchor}-curves", "curves")


def holding(holds: Mapping[str, Any], new: str, old: str) -> str:
    """Up to where each of two holds, and whether that is decided."""
    text = f"{new} holds to {_severity(holds['new'])}, {old} to {_severity(holds['old'])}"
    return text if holds["further"] else f"{text}: not told apart"


def _severity(ends: Sequence[float]) -> str:
    """ "severity 1 to 3", with its interval; an everyday change is half of one."""
    low, high = (f"{end:g}" for end in ends)
    if not ends[0]:
        return f"severity {high} at most" if ends[1] else "none"
    return f"severity {low}" if low == high else f"severity {low} to {high}"


def _lowered(title: str) -> str:
    """A title within a sentence: names and abbreviations keep their capitals."""
    first = title.split()[0]
    return title if first.isupper() or first == "Gaussian" else f"{title[:1].lower()}{title[1:]}"


def _maps(found: Comparison, anchor: str, titles: Mapping[str, str]) -> Iterator[ChangeLine]:
    rows = [(name, row) for name, row in found["maps"].items() if row["rho"] < 1 - 1e-9]
    if rows:
        name, row = rows[0]
        shift = row["shift_px"]
        moved = "" if shift is None else f", and their centre moved by {number(shift, 2)} px"
        text = (
            f"The maps of {titles.get(name, name)} changed most: rank correlation {fixed(row['rho'])} in the"
            f" mean of {plural(row['images'], 'image')}, lowest {fixed(row['lowest_rho'])}{moved}."
        )
        level = "warn" if row["rho"] < UNLIKE else "note"
        yield ChangeLine(level, "maps", text, f"#{anchor}-maps", "maps")  # type: ignore[arg-type]


def _shifts(found: Comparison, anchor: str) -> Iterator[ChangeLine]:
    moved = found["shifts"]
    if moved["probability"]:
        logit = "" if moved["logit"] is None else f", that of a logit {number(moved['logit'])}"
        text = f"The mean shift of the old answer's probability is {share(moved['probability'])}{logit}."
        yield ChangeLine("note", "scores", text, f"#{anchor}-numbers", "numbers")


def _tensors(found: Comparison, anchor: str) -> Iterator[ChangeLine]:
    network = found["network"]
    if network["changed"]:
        first = network["changed"][0]
        text = f"{len(network['changed']):,} of {plural(network['tensors'], 'tensor')} are others"
        if first["distance"] is not None:
            text += f", {first['name']} furthest: it moved by about {share(first['distance'])} of its norm"
        yield ChangeLine("note", "weights", f"{text}.", f"#{anchor}-network", "network")
    elif network["tensors"] and found["answers"]["changed"]:
        text = "All weights are the same: what changed comes of the images, the preprocessing or the machine."
        yield ChangeLine("warn", "weights", text, f"#{anchor}-network", "network")
