"""The rule by which what is said of a planted flaw is found, partly or missed: by us and by peers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from flaws.planting import Said

Outcome = Literal["found", "partly", "missed"]
GRAVE = ("fault", "warning")
PRECISION, RECALL = 0.8, 0.5  # of the images that a verdict shows, against those that were planted


@dataclass(frozen=True)
class Told:
    """What an audit said: every verdict by the check's name, with the paths of the images that it shows."""

    verdicts: dict[str, dict[str, Any]]
    shown: dict[str, frozenset[str]]

    @property
    def grave(self) -> list[str]:
        """The checks that a reader has to act on: faults and warnings that follow from no other."""
        return [
            name
            for name, verdict in self.verdicts.items()
            if verdict["status"] in GRAVE and not verdict["explained_by"]
        ]


def judged(named_by: Iterable[str], says: Iterable[Said], touched: frozenset[str], told: Told) -> Outcome:
    """`found`: one of these checks is grave with the right words, numbers and images; `partly`: it is
    grave without them, or it says them and does not decide; `missed`: neither."""
    best: Outcome = "missed"
    for name in named_by:
        verdict = told.verdicts.get(name)
        if verdict is None:
            continue
        right = all(said.stands_in(verdict["sentence"]) for said in says)
        right = right and names_images(touched, told.shown[name])
        if name in told.grave:
            if right:
                return "found"
            best = "partly"
        elif verdict["status"] == "undecided" and right:
            best = "partly"
    return best


def names_images(planted: frozenset[str], shown: frozenset[str]) -> bool:
    """Whether most of the images shown are planted ones, and enough of these are shown."""
    if not planted:
        return True
    if not shown:
        return False
    both = len(planted & shown)
    return both >= PRECISION * len(shown) and both >= RECALL * len(planted)
