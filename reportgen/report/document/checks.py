"""The verdicts of the checks -> the table of questions, the first findings, and how to read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reportgen.audit.checks import CheckResult
from reportgen.evidence import Evidence
from reportgen.report.cards.blocks import of_model
from reportgen.report.values.card import Level, Sign
from reportgen.report.values.checks import CheckGroup, CheckRow, ChecksSection, FoldedRow
from reportgen.report.values.document import FindingLine, ImageRow, Method
from reportgen.report.wording import listed, number, plural, sentence, share, view

LEVEL: dict[str, Level] = {
    "fault": "bad",
    "warning": "warn",
    "clear": "ok",
    "undecided": "note",
    "untested": "note",
}
IMAGES_AT_MOST = 12  # exhibits named one by one before the rest are counted


def section(
    evidence: Evidence, results: Sequence[CheckResult], rows: Iterable[ImageRow]
) -> ChecksSection | None:
    """The table of questions by group; None where none was asked. `rows` are those of the table of images."""
    if not results:
        return None
    verdicts = evidence.verdicts()
    hrefs = {row.number: row.href or f"#row-{row.number}" for row in rows}
    folded = [result for result in results if result["explained_by"]]
    groups: dict[str, list[CheckRow]] = {}
    for result in results:
        row = _row(result, folded, hrefs, verdicts[result["name"]].figures)
        groups.setdefault(sentence(result["group"]), []).append(row)
    return ChecksSection(_lead(results), tuple(CheckGroup(t, tuple(held)) for t, held in groups.items()))


def _lead(results: Sequence[CheckResult]) -> str:
    counts: Counter[str] = Counter(result["status"] for result in results)
    words = {
        "fault": "a fault is shown",
        "warning": "one is likely",
        "clear": "nothing of weight was found",
        "undecided": "the images do not decide it",
        "untested": "not tested",
    }
    parts = [f"in {counts[status]} {said}" for status, said in words.items() if counts[status]]
    return f"Of {plural(len(results), 'question')} that the audit asked, {listed(parts)}."


def _row(
    result: CheckResult,
    folded: Sequence[CheckResult],
    hrefs: Mapping[str, str],
    figures: Sequence[Any],
) -> CheckRow:
    shown, name = result["exhibits"], result["name"]
    images = shown["images"][:IMAGES_AT_MOST]
    left = len(shown["images"]) - len(images)
    under = [f"{other['title']}" for other in folded if other["explained_by"] == name]
    words = {"name": f"check-{name}", "title": result["title"], "summary": result["question"]}
    follows = f" It follows from “{result['explained_by']}”." if result["explained_by"] else ""
    return CheckRow(
        id=f"check-{name}",
        name=name,
        title=result["title"],
        question=sentence(result["question"]),
        sign=Sign(LEVEL[result["status"]], result["status"]),
        sentence=result["sentence"] + follows,
        size=size(result),
        remedy=result["remedy"] if result["status"] != "clear" else "",
        folded=tuple(
            FoldedRow(f"check-{o['name']}", o["title"], o["sentence"], o["otherwise"] or "")
            for o in folded
            if o["explained_by"] == name and under
        ),
        images=tuple((id_, hrefs.get(id_, "#images")) for id_ in images),
        more_images=plural(left, "more image") if left else "",
        all_images=plural(len(shown["images"]), "image"),
        view=view(check=name) if shown["images"] else "",
        places=_places(shown),
        block=of_model(words, figures) if figures else None,
    )


def _places(shown: Mapping[str, Any]) -> tuple[str, ...]:
    """The layers, channels and settings that show a verdict, in words."""
    channels: dict[str, list[int]] = {}
    for channel in shown["channels"]:
        channels.setdefault(channel["layer"], []).append(channel["channel"])
    parts = [f"layer {layer}" for layer in shown["layers"] if layer not in channels]
    parts += [f"layer {layer}, channels {_few(numbers)}" for layer, numbers in channels.items()]
    return (*parts, *(f"recipe: {key}" for key in shown["settings"]))


def _few(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - IMAGES_AT_MOST} more" if len(numbers) > IMAGES_AT_MOST else ""
    return ", ".join(map(str, numbers[:IMAGES_AT_MOST])) + more


def size(result: Mapping[str, Any]) -> str:
    """The size of the harm with its interval, and the limit that it is held against; "" where it has none."""
    if result["effect"] is None:
        return ""
    unit = result["unit"]
    text = in_unit(result["effect"], unit)
    if result["low"] is not None and result["high"] is not None:
        text += f" [{in_unit(result['low'], unit)} to {in_unit(result['high'], unit)}]"
    return text if result["limit"] is None else f"{text}, limit {in_unit(result['limit'], unit)}"


def in_unit(value: float, unit: str) -> str:
    """A size in its unit: a `share` in percent, a difference of shares in `points`."""
    if unit == "share":
        return share(value)
    if unit == "points":
        return f"{100 * value:.1f} points".replace("-", "−")
    return f"{number(value)} {unit}".strip()


def lines(results: Sequence[CheckResult]) -> Iterable[FindingLine]:
    """A line for each fault and warning that follows from no other one."""
    for result in results:
        if result["status"] in ("fault", "warning") and not result["explained_by"]:
            yield FindingLine(
                LEVEL[result["status"]],
                result["title"].lower(),
                result["sentence"],
                f"#check-{result['name']}",
                "check",
                remedy=result["remedy"],
                image=next(iter(result["exhibits"]["images"]), ""),
                view=view(check=result["name"]) if result["exhibits"]["images"] else "",
            )


def shown_by(results: Sequence[CheckResult]) -> dict[str, list[str]]:
    """The checks that show an image in evidence of their verdict, by the image's id."""
    named: dict[str, list[str]] = {}
    for result in results:
        for id_ in dict.fromkeys(result["exhibits"]["images"]):
            named.setdefault(id_, []).append(result["name"])
    return named


def asked(results: Sequence[CheckResult]) -> frozenset[str]:
    """The checks that were asked and answered, be it that the images do not decide."""
    return frozenset(result["name"] for result in results if result["status"] != "untested")


def judging(results: Sequence[CheckResult], words: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The visualizations whose numbers a check that was asked decides upon, as the checks' `words` say."""
    named = asked(results)
    return frozenset(method for one in words if one["name"] in named for method in one.get("judges", ()))


def methods(words: Iterable[Mapping[str, Any]]) -> dict[str, list[Method]]:
    """How to read each check, by group."""
    groups: dict[str, list[Method]] = {}
    for asked in words:
        options = "; ".join(f"{key} {value}" for key, value in asked["options"].items())
        method = Method(
            id=f"how-check-{asked['name']}",
            name=asked["name"],
            title=asked["title"],
            summary=sentence(asked["question"]),
            definition=asked["measurement"],
            reading=f"{asked['reading']} {asked['remedy']}",
            limits=asked["limits"],
            source=asked["source"],
            options=options,
            absent="",
        )
        groups.setdefault(f"Questions about {asked['group']}", []).append(method)
    return groups
