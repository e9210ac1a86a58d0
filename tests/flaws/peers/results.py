"""What a peer says of a case: a name, whether the reader is to act on it, words, images."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flaws.judging import Outcome, Told, judged
from flaws.peers.cases import PLANTED
from flaws.planting import Said


@dataclass(frozen=True)
class Result:
    """A result of a peer. `alarm`: graver than information by its own condition, severity or count."""

    name: str
    alarm: bool
    sentence: str
    images: frozenset[str] = frozenset()

    def of_classes(self) -> Result:
        """The same with the class said that more than half of its images are of: the peer names the images
        only, and a reader would see it."""
        counts = Counter(path.split("/")[0] for path in self.images)
        most = [f"class {name}: {n} of {len(self.images)}" for name, n in counts.most_common(1)]
        if not most or counts.most_common(1)[0][1] * 2 <= len(self.images):
            return self
        return replace(self, sentence=f"{self.sentence} ({most[0]})")


def told(results: Iterable[Result]) -> Told:
    """The results as verdicts; what is information only is told, and not decided."""
    listed = list(results)
    verdicts: dict[str, dict[str, Any]] = {
        result.name: {
            "status": "warning" if result.alarm else "undecided",
            "sentence": result.sentence,
            "explained_by": None,
        }
        for result in listed
    }
    return Told(verdicts, {result.name: result.images for result in listed})


@dataclass(frozen=True)
class Expected:
    """What was planted in a case: its twin's folder, the images that it is in, and what has to be said."""

    twin: str
    touched: frozenset[str]
    says: tuple[Said, ...]


def expected(folder: Path) -> Expected:
    """Reads it from the case's folder."""
    about = json.loads((folder / PLANTED).read_text())
    says = tuple(Said(tuple(one["words"]), one["number"], one["tolerance"]) for one in about["says"])
    return Expected(about["twin"], frozenset(about["touched"]), says)


def outcome(named_by: Iterable[str], planted: Expected, results: Iterable[Result]) -> Outcome:
    """What the peer's results make of the flaw, by the rule that the audit's verdicts are judged by, in the
    peer's favour in one thing: where images were planted and it names them, no number is asked for."""
    says = [said for said in planted.says if not planted.touched or said.number is None]
    return judged(named_by, says, planted.touched, told(results))
