"""Whether a named group of images is answered worse than the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.checks import check
from reportgen.checks.case import Answers, Case, unjudged, untested
from reportgen.checks.parts import Part, judged_parts
from reportgen.checks.words import counted, listed, percent, points, rounded_up
from reportgen.findings import GRAVE, Exhibits, Table, Verdict
from reportgen.stats import wilson

GROUPS_AT_MOST = 1000  # of a column; one that has more names single images
TABLE_AT_MOST = 40
NAMED = 3
REMEDY = (
    "Look at the images of the named group; train with more of them, or say that it is not meant for them."
)


@dataclass(frozen=True)
class Row:
    """A group of a column: how many images, how many of them right, and confidence less accuracy."""

    column: str
    name: str
    count: int
    right: int
    gap: float


@check("groups", group="the answers")
class Groups:
    """Groups: is a group of images, as the labels' file names them, answered worse than the rest?

    Measurement. For each column that `images.groups` names, the accuracy of every group of at least `fewest`
    images is held against that of all other images that have a word in that column: the difference with
    Newcombe's interval, where Fisher's exact test, corrected for the number of groups in all columns (Holm),
    shows one. Mean confidence less accuracy stands beside it, group by group.

    Reading. A camera, a hospital or a kind of skin that is answered worse is where harm is done, whatever the
    accuracy of the set. A gap may be the group's own, or that of classes that are frequent in it.

    Limits. It sees the columns that are named and no others, and no group within a group. Smaller groups
    are too few to judge, and are named. A group of 60 among 600 that is right 25 points less often was found
    in nearly all draws, one of 40 that is 20 points worse in most.

    Remedy. Look at the images of the group; train with more of them, or state that it is not meant for them.

    Source. Newcombe 1998; Holm 1979; Buolamwini & Gebru 2018, Gender Shades.
    """

    limit: float = 0.05
    fewest: int = 30

    def judge(self, case: Case) -> Verdict:
        if not case.groups:
            return untested(
                "no groups of images are named",
                "Name columns of the labels' CSV: images.groups.",
                ["images.groups"],
            )
        if not case.answers.judged.any():
            return unjudged(case.answers)
        parts, rows, few, crowded = self._parts(case)
        figures = (_table(rows),) if rows else ()
        notes = _notes(few, crowded, self.fewest)
        if not parts:
            text = f"No column has two groups, one of {self.fewest:,} images or more.{notes}"
            return Verdict("undecided", text, remedy="Label more images of each group.", figures=figures)
        found = judged_parts(list(parts.values()), self.limit)
        worst, bad = found.largest, found.status in GRAVE
        low, high = worst.ends
        return Verdict(
            status=found.status,
            sentence=self._sentence(found.worse, worst, len(parts), found.status) + notes,
            effect=worst.gap,
            low=low,
            high=high,
            unit="points",
            limit=self.limit,
            limit_reason="one answer in twenty more is wrong for whoever is in that group",
            n=worst.count + worst.others,
            remedy=REMEDY if bad else self._more(worst) if found.status == "undecided" else "",
            exhibits=Exhibits(images=_wrong_of(case, found.worse, parts), settings=("images.groups",)),
            figures=figures,
        )

    def _parts(self, case: Case) -> tuple[dict[tuple[str, str], Part], list[Row], list[str], list[str]]:
        """The groups that can be judged by (column, word), the table's rows, the words of those too few, and
        the columns that have too many groups."""
        parts: dict[tuple[str, str], Part] = {}
        rows: list[Row] = []
        few: list[str] = []
        crowded: list[str] = []
        for column, words in case.groups.items():
            known = case.answers.judged & (np.array(words) != "")
            answers = case.answers.only(known)
            names, member, counts = np.unique(np.array(words)[known], return_inverse=True, return_counts=True)
            if len(names) > GROUPS_AT_MOST:
                crowded.append(f"{column} ({len(names):,})")
                continue
            right = np.bincount(member, answers.right, len(names)).astype(int)
            sure = np.bincount(member, answers.confidence, len(names)) / counts
            for k, name in enumerate(names.tolist()):
                gap = float(sure[k] - right[k] / counts[k])
                rows.append(Row(column, name, int(counts[k]), int(right[k]), gap))
                others = int(counts.sum() - counts[k])
                if counts[k] < self.fewest:
                    few.append(f"{column} {name} ({counts[k]:,})")
                elif others >= self.fewest:
                    of = int(right.sum() - right[k])
                    parts[column, name] = Part(f"{column} {name}", int(right[k]), int(counts[k]), of, others)
        return parts, rows, few, crowded

    def _sentence(self, worse: tuple[Part, ...], worst: Part, count: int, status: str) -> str:
        if worse:
            rest = [f"{part.name} ({part.right:,} of {part.count:,})" for part in worse[1:]]
            more = f" Worse, too: {listed(rest, NAMED)}." if rest else ""
            return f"Of {counted(worst.count, 'image')} of {worst.name} {worst.words()}.{more}"
        lowest = f"{worst.name} is the lowest, {percent(worst.right / worst.count)} of {worst.count:,} right"
        what = f"{100 * self.limit:.0f} points worse than the rest"
        if status == "clear":
            return f"None of {counted(count, 'group')} is {what}: {lowest}."
        low, high = worst.ends
        ends = f"its gap is {points(worst.gap)}, 95 % interval {points(low)} to {points(high)}"
        return f"Whether one of {counted(count, 'group')} is {what} is open: {lowest}; {ends}."

    def _more(self, worst: Part) -> str:
        """How many images of the group may decide it: an interval is as wide as one over the root of them."""
        distance = abs(self.limit - worst.gap)
        times = max(1.5, ((worst.ends[1] - worst.gap) / max(distance, 0.02)) ** 2)
        return f"Label more images: about {rounded_up(worst.count * times):,} of {worst.name} may decide it."


def _notes(few: list[str], crowded: list[str], fewest: int) -> str:
    text = f" Too few to judge (under {fewest:,}): {listed(few, NAMED)}." if few else ""
    return text + (f" Too many groups to judge: {listed(crowded, NAMED)}." if crowded else "")


def _wrong_of(case: Case, worse: tuple[Part, ...], parts: dict[tuple[str, str], Part]) -> tuple[int, ...]:
    """The wrong answers in the groups that are worse, group by group."""
    found: list[int] = []
    for part in worse:
        column, word = next(key for key, value in parts.items() if value is part)
        member = np.array(case.groups[column]) == word
        found += case.answers.numbers[member & _wrong(case.answers)].tolist()
    return tuple(dict.fromkeys(found))


def _wrong(answers: Answers) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.asarray(answers.judged & ~answers.right)


def _table(rows: list[Row]) -> Table:
    """The groups, column by column, the lowest accuracy first."""
    order = sorted(rows, key=lambda row: (row.column, row.right / row.count))[:TABLE_AT_MOST]
    shown = []
    for row in order:
        low, high = wilson(row.right, row.count)
        ends = f"{100 * low:.1f} % to {100 * high:.1f} %"
        shown.append((row.column, row.name, row.count, row.right, ends, row.gap))
    heads = ("column", "group", "images", "right", "95 % interval", "confidence less accuracy")
    return Table("groups", "Accuracy and calibration by group", heads, tuple(shown))
