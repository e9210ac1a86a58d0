"""What a better way to preprocess is, in a sentence and in a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reportgen.checks.case import Answers, Case
from reportgen.checks.preprocessing.trying import Found, Tried, first_half
from reportgen.checks.words import counted, interval, percent
from reportgen.findings import Comparison, Finding
from reportgen.stats import wilson


def sentence(case: Case, found: Found) -> str:
    answers, words = case.sampled, found.tried.way.words
    right = found.tried.right(answers.labels)
    if found.kind == "part":
        wrong = int((answers.judged & ~answers.right).sum())
        mended, share = int(found.where.sum()), f"{percent(found.gain)} {interval(found.low, found.high)}"
        return (
            f"{mended} of {counted(wrong, 'wrong answer')} would be right with {words}: about {share} of the "
            f"images seem to need it{_so(found)}."
        )
    if found.kind == "class":
        of = int(found.where.sum())
        more = f", and so for {counted(found.others, 'more class', 'more classes')}" if found.others else ""
        return (
            f"{case.classes[found.label]}: only {int(answers.right[found.where].sum())} of {of} images are "
            f"answered right, but {int(right[found.where].sum())} of {of} with {words}{_so(found)}{more}."
        )
    confirm = answers.judged & ~first_half(case)
    n, now = int(confirm.sum()), int(right[confirm].sum())
    text = (
        f"With {words} {percent(now / n)} {interval(*wilson(now, n))} of {counted(n, 'image')} held back for "
        f"this test are answered right, instead of {percent(float(answers.right[confirm].mean()))}"
    )
    lost = _cropped_away(case) if found.tried.way.view.fit else 0.0
    away = f"; the recipe's crop throws away {percent(lost, 0)} of each image" if lost > 0 else ""
    return f"{text}{away}."


def _so(found: Found) -> str:
    """What a turn that helps says of the images."""
    turned = found.tried.way.view.turned
    return {0: "", 90: ", as they lie on their side", 180: ", as they stand on their head"}.get(
        turned, ", as they lie on their side"
    )


def _cropped_away(case: Case) -> float:
    """The share of an image's pixels that the recipe's crop throws away, the mean over the images."""
    crop, resize = case.preprocessing.get("crop"), case.preprocessing.get("resize")
    if case.pictures is None or not crop:
        return 0.0
    width, height = case.pictures.column("width"), case.pictures.column("height")
    if isinstance(resize, list):
        height, width = np.full(len(height), resize[0]), np.full(len(width), resize[1])
    elif resize:
        shorter = np.minimum(width, height)
        width, height = width * resize / shorter, height * resize / shorter
    kept = np.minimum(crop[1], width) * np.minimum(crop[0], height) / (width * height)
    return float(1 - kept.mean())


def figures_of(ways: Sequence[Tried], answers: Answers) -> tuple[Finding, ...]:
    """Every way's accuracy on the images of the sample that it was asked, beside the recipe's own."""
    ways = [t for t in ways if (answers.judged & t.asked).any()]
    rows: list[Any] = []
    own: list[float] = []
    for t in ways:
        where = answers.judged & t.asked
        n, right = int(where.sum()), int(t.right(answers.labels)[where].sum())
        low, high = wilson(right, n)
        rows.append((100 * low, 100 * right / n, 100 * high))
        own.append(100 * float(answers.right[where].mean()))
    return (
        Comparison(
            name="alternatives",
            title="Accuracy by other ways to prepare the images",
            values=np.array(own),
            reference=np.array(rows),
            labels=tuple(t.way.view.name for t in ways),
            quantity="images answered right, %",
            reading="dot: as the recipe has it; bar: by the other way, with its 95 % interval",
        ),
    )


def surer_in_words(answers: Answers, found: Found) -> str:
    """The sentence where no label says what is right."""
    known = found.where
    changed = found.tried.answers[known] != answers.answers[known]
    now, before = found.tried.probabilities.max(1)[known].mean(), answers.confidence[known].mean()
    return (
        f"With {found.tried.way.words} the answers are surer: mean confidence {percent(float(now))} instead "
        f"of {percent(float(before))}, and {percent(float(changed.mean()))} of the answers change; without "
        "labels this is only likely."
    )
