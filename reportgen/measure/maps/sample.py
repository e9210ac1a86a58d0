"""Which images the maps are put to the test on."""

from __future__ import annotations

import random
from collections.abc import Sequence

from reportgen.evidence import Record

UNSURE = 4  # of the shown images the least sure: one in so many


def drawn(measured: Sequence[Record], count: int, seed: int) -> list[tuple[int, bool]]:
    """The numbers of the images whose maps are put to the test, and whether each is doubtful: answered
    wrongly, or among the least sure quarter of those shown.

    Half of them are doubtful, as far as there are any, and the two kinds take turns, so that the first few
    are a sample of the same kind. Drawn with the seed.
    """
    shown = [record for record in measured if record["measured"]]
    doubtful = _doubtful(shown)
    draw = random.Random(seed)
    kinds = [
        sorted(r["number"] for r in shown if (r["number"] in doubtful) is kind) for kind in (True, False)
    ]
    wrong, right = (draw.sample(numbers, len(numbers)) for numbers in kinds)
    half = count // 2
    first = min(len(wrong), max(half, count - len(right)))
    wrong, right = wrong[:first], right[: count - first]
    in_turn = [
        number
        for place in range(max(len(wrong), len(right)))
        for numbers in (right, wrong)
        for number in numbers[place : place + 1]
    ]
    return [(number, number in doubtful) for number in in_turn]


def _doubtful(shown: Sequence[Record]) -> set[int]:
    wrong = {record["number"] for record in shown if record["correct"] is False}
    probable = [record for record in shown if record["predictions"][0]["probability"] is not None]
    ranked = sorted(probable, key=lambda r: (r["predictions"][0]["probability"] or 0, r["number"]))
    return wrong | {record["number"] for record in ranked[: len(shown) // UNSURE]}
