"""Whether a picture is in the set more than once, and under which labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from reportgen.checks import check
from reportgen.checks.case import Case, Pictures, untested
from reportgen.checks.copies import compared, confirmed, greys_of, groups_of
from reportgen.checks.nearby import alike
from reportgen.checks.showing import pictures_of
from reportgen.checks.words import counted, interval, listed, percent
from reportgen.findings import Array, Exhibits, Finding, Status, Verdict
from reportgen.stats import wilson

SHOWN = 6  # pairs side by side
REMEDY_LABELS = "Decide which label is right, and keep one copy of each picture."
REMEDY_COPIES = "Keep one copy of each picture: copies make intervals too narrow."


@check("duplicates", group="the images", any_head=True)
class Duplicates:
    """Duplicates: is a picture in the set more than once, perhaps under two labels?

    Measurement. Files of equal bytes, pictures of equal pixels, and pictures that are nearly alike: their
    perceptual hashes of 64 bits, or that of one and of the other's mirror image, differ in at most
    `distance` bits, and their grey versions of 64×64 pixels correlate by at least `correlation`. Pictures
    of almost one colour are compared by their pixels alone. Accuracy is counted again with one of each group,
    and without groups whose labels differ.

    Reading. One picture under two labels is a fault: one of the labels is wrong, whatever is answered. Copies
    under one label count one answer several times, so that the accuracy's interval looks narrower than it is.

    Limits. Frames of one film, or pictures of a series, are alike without being copies, and so are simple
    drawings of one thing. A crop, a turn, or a shift by a thirtieth of the width is not found. Among
    more than 20,000 images near-duplicates are looked for in a sample. Sets of up to 5,000 digits,
    shapes or photographs without copies had hardly any.

    Remedy. Decide which label is right, and keep one copy of each picture.

    Source. Zauner 2010, Implementation and Benchmarking of Perceptual Image Hash Functions; Barz & Denzler
    2020, Do We Train on Test Data? (arXiv:1902.00423).
    """

    limit: float = 0.02
    distance: int = 6
    correlation: float = 0.98

    def judge(self, case: Case) -> Verdict:
        pictures = case.pictures
        if pictures is None or not len(pictures):
            return untested("the facts of the pictures are not in the evidence")
        exact, groups = self._grouped(case, pictures)
        sizes = np.bincount(groups)
        copies = int((sizes - 1).sum())
        torn = _torn(exact, case.answers.labels)  # one picture, two labels
        n = len(pictures)
        low, high = wilson(copies, n)
        share = copies / n
        bad = len(torn) or low > self.limit
        status: Status = "fault" if bad else "warning" if share > self.limit else "clear"
        census = status == "clear"  # in this set there are no more: nothing is estimated
        order = _worst_first(groups, case.answers.labels)
        return Verdict(
            status=status,
            sentence=self._sentence(case, groups, exact, torn),
            effect=share,
            low=None if census else low,
            high=None if census else high,
            unit="share",
            limit=self.limit,
            limit_reason="of fifty images one is counted again; two labels are a fault in any number",
            n=n,
            remedy=REMEDY_LABELS if len(torn) else REMEDY_COPIES if bad or status == "warning" else "",
            exhibits=Exhibits(images=tuple(int(case.answers.numbers[k]) for group in order for k in group)),
            figures=self._figures(case, order),
            explains=("label-noise", "accuracy", "calibration") if len(torn) else (),
        )

    def without(self, case: Case, verdict: Verdict) -> Case:
        """The case with one picture of each group, and none of those under two labels."""
        assert case.pictures is not None  # else nothing was judged
        _, groups = self._grouped(case, case.pictures)
        return case.with_answers(case.answers.only(_counted_once(groups, case.answers.labels)))

    def _grouped(self, case: Case, pictures: Pictures) -> tuple[Array, Array]:
        """The group of each picture by equal pixels, and by nearly alike ones, (N,) each."""
        exact = groups_of(pictures.pixels)
        return exact, self._joined(exact, self._near(case, pictures, exact))

    def _near(self, case: Case, pictures: Pictures, exact: Array) -> Array:
        """Pairs (P, 2) of places of pictures that are nearly alike, of one of each group of equal pixels."""
        first = np.unique(exact, return_index=True)[1]
        patterned = compared(pictures, first)
        pairs = alike(pictures.perceptual[patterned], pictures.perceptual[patterned], self.distance)
        pairs = patterned[pairs[pairs[:, 0] < pairs[:, 1]]]
        greys = greys_of(case, pairs.ravel())
        return confirmed(pairs, greys, greys, self.correlation)

    def _joined(self, exact: Array, pairs: Array) -> Array:
        """The group of each picture (N,): equal ones, and those that a chain of pairs joins."""
        n = len(exact)
        first = np.unique(exact, return_index=True)[1][exact]
        edges = np.concatenate([np.stack([np.arange(n), first], 1), pairs])
        graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n))
        return np.asarray(connected_components(graph, directed=False)[1])

    def _sentence(self, case: Case, groups: Array, exact: Array, torn: Array) -> str:
        n, sizes = len(groups), np.bincount(groups)
        many, in_groups = int((sizes > 1).sum()), int(sizes[sizes > 1].sum())
        if not many:
            return f"None of {counted(n, 'picture')} is there twice, nor one that is nearly alike."
        same = np.bincount(exact)
        equal, more = int((same > 1).sum()), counted(in_groups, "file")
        if equal:
            text = f"{counted(many, 'picture stands', 'pictures stand')} in the set more than once, as {more}"
            near = f" ({equal:,} with equal pixels, {many - equal:,} nearly alike)"
            text += f" of {n:,}{near if equal < many else ''}"
        else:  # they may be copies, or only look so
            groups_ = counted(many, "group", "groups")
            text = f"{more} of {n:,} are nearly alike, in {groups_}, none with equal pixels"
        if len(torn):
            names = [_with_labels(case, np.flatnonzero(exact == group)) for group in torn]
            text += f"; {len(torn):,} of them under two labels: {listed(names, 3)}"
        return f"{text}.{self._again(case, groups)}"

    def _again(self, case: Case, groups: Array) -> str:
        """The accuracy as it is with one of each."""
        answers = case.answers
        if not answers.judged.any():
            return ""
        once = answers.only(_counted_once(groups, answers.labels))
        right, of = int(once.right.sum()), int(once.judged.sum())
        if not of or of == int(answers.judged.sum()):
            return ""
        before = answers.right.sum() / answers.judged.sum()
        if percent(right / of) == percent(before):
            return ""
        now = f"{percent(right / of)} {interval(*wilson(right, of))}"
        return f" Each counted once, accuracy is {now} instead of {percent(before)}."

    def _figures(self, case: Case, order: Sequence[Sequence[int]]) -> tuple[Finding, ...]:
        """The first pairs side by side."""
        pairs = [group[:2] for group in order[:SHOWN]]
        numbers = [int(case.answers.numbers[k]) for pair in pairs for k in pair]
        return pictures_of(
            case, numbers, "pairs", "The same picture twice, pair by pair", columns=4, together=2
        )


def _counted_once(groups: Array, labels: Array) -> Array:
    """Which images count once (N,): the first of each group, and none of a group whose labels differ."""
    kept = np.zeros(len(groups), dtype=bool)
    kept[np.unique(groups, return_index=True)[1]] = True
    return np.asarray(kept & ~np.isin(groups, _torn(groups, labels)))


def _torn(groups: Array, labels: Array) -> Array:
    """The groups of whose pictures two have labels that differ."""
    labelled = labels >= 0
    pairs = np.unique(np.stack([groups[labelled], labels[labelled]], 1), axis=0)
    names, counts = np.unique(pairs[:, 0], return_counts=True)
    return np.asarray(names[counts > 1])


def _worst_first(groups: Array, labels: Array) -> list[list[int]]:
    """The places of the pictures of each group of several: those with two labels first, then the largest."""
    torn = set(_torn(groups, labels).tolist())
    order = np.argsort(groups, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(groups))[:-1])
    several = [part.tolist() for part in parts if len(part) > 1]
    return sorted(several, key=lambda part: (groups[part[0]] not in torn, -len(part), part[0]))


def _with_labels(case: Case, places: Array) -> str:
    return " = ".join(
        f"{case.answers.paths[k]} ({case.classes[case.answers.labels[k]]})"
        for k in places[:2]
        if case.answers.labels[k] >= 0
    )
