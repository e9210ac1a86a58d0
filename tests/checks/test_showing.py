"""An experiment in pictures: rows that belong together, and images that carry what was found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reportgen.checks.case import Sources
from reportgen.checks.following import Pair, Suspect, elsewhere, turned_first
from reportgen.checks.intervention import Intervention, Outcome
from reportgen.checks.showing import Step, experiment, outcome
from reportgen.findings import Exhibits, Verdict
from reportgen.report.carriers import carriers

BOX = (0, 0, 4, 4)


def pasted(number, by=9):
    return Intervention(number, BOX, source=by)


class Small(Sources):
    """Images as even grey pictures of their number, and interventions as their negatives; 3 is lost."""

    def seen(self, numbers):
        return {n: np.full((8, 8, 1), n, np.uint8) for n in numbers if n != 3}

    def changed(self, asked):
        return {each.key: np.full((8, 8, 1), 255 - each.number, np.uint8) for each in asked}


def test_rows_show_the_same_pictures_before_and_after(make_case):
    case = replace(make_case([0, 1], np.eye(2)), sources=Small())
    steps = [
        Step("before", "Before", [1, 2, 3, 4]),
        Step("after", "After", [pasted(1), pasted(2), pasted(3), None]),
    ]
    before, after = experiment(case, steps)
    # of 3 no picture is left, and nothing was made of 4
    assert before.numbers.tolist() == after.numbers.tolist() == [1, 2]
    assert np.allclose(before.values[:, 0, 0] * 255, [1, 2])
    assert np.allclose(after.values[:, 0, 0] * 255, [254, 253])
    assert (before.title, after.title) == ("Before", "After")
    assert experiment(case, [Step("before", "Before", [3]), Step("after", "After", [pasted(3)])]) == ()


def test_counts_are_of_what_was_answered():
    known = {pasted(n).key: Outcome(1 if n < 9 else 0, 0.9) for n in range(12)}
    asked = [*(pasted(n) for n in range(12)), None, pasted(99)]
    assert outcome(1, asked, known).startswith("9 of 12 [")
    assert outcome(1, [None], known) == "none could be asked"


def test_pairs_that_turn_come_first_and_keep_their_order():
    suspect = Suspect(1, "there", lambda changed, by: Intervention(changed, BOX, source=by))
    chosen = [Pair(n, 9, 8) for n in range(5)]
    known = {pasted(n).key: Outcome(n % 2, 0.9) for n in range(5)}
    assert [pair.changed for pair in turned_first(suspect, chosen, known)] == [1, 3, 0, 2, 4]


@pytest.mark.parametrize("box", [(0, 0, 9, 9), (10, 10, 19, 19), (19, 0, 28, 9)])
def test_an_equal_part_from_elsewhere_does_not_touch_the_place(box):
    for n in range(40):
        found = elsewhere(Pair(n, 100 + n, 7), box, 28, 28)
        top, left, bottom, right = found.box
        assert (bottom - top, right - left) == (9, 9)
        assert min(top, left) >= 0 and max(bottom, right) <= 28
        assert top >= box[2] or bottom <= box[0] or left >= box[3] or right <= box[1]
        assert found == elsewhere(Pair(n, 100 + n, 7), box, 28, 28)
    assert elsewhere(Pair(1, 2, 3), (0, 0, 20, 20), 28, 28) is None


def test_images_carry_only_shortcuts_that_were_found():
    def verdict(status, images, explained_by=""):
        return Verdict(status, "Said.", exhibits=Exhibits(images=images), explained_by=explained_by)

    class Kept:
        def __init__(self):
            groups = [
                {"name": "place-shortcut", "group": "shortcuts", "title": "Place shortcut"},
                {"name": "background", "group": "shortcuts", "title": "Background"},
                {"name": "map-clusters", "group": "shortcuts", "title": "Map clusters"},
                {"name": "property-shortcut", "group": "shortcuts", "title": "Property shortcut"},
                {"name": "accuracy", "group": "the answers", "title": "Accuracy"},
            ]
            self.manifest = {"checks": groups}

        def verdicts(self):
            return {
                "place-shortcut": verdict("fault", (1, 2)),
                "background": verdict("warning", (2,)),
                "map-clusters": verdict("fault", (5,), "place-shortcut"),
                "property-shortcut": verdict("undecided", (6,)),
                "accuracy": verdict("fault", (7,)),
            }

    assert carriers(Kept()) == {"000001": ("Place shortcut",), "000002": ("Place shortcut", "Background")}
