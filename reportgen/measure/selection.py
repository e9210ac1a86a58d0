"""Which images get figures when there are more than the recipe shows."""

from __future__ import annotations

import random
from collections.abc import Sequence

from reportgen.evidence import Record, best, is_unanswered, sha256_of
from reportgen.inputs import ImageFile

CHANGED = "changed"  # no wish of a recipe: what is compared with another audit shows what changed first
WORDS = {
    CHANGED: "changed answers",
    "wrong": "wrong answers",
    "unsure": "least sure answers",
    "random": "drawn at random",
}


def choose(
    records: Sequence[Record],
    at_most: int,
    wishes: Sequence[str],
    seed: int,
    changed: Sequence[int] = (),
) -> tuple[list[int], str]:
    """The numbers of the images to show, in order, and how they were chosen, in words.

    Each wish gets an equal share of `at_most`; what one leaves unused goes to the others. `wrong`
    takes the most confident mistakes first, `unsure` the lowest top probability first, `random`
    draws with `seed`. The `changed` images, by number, are taken before all that, up to half of `at_most`.
    An image without an answer has no figures, as there is nothing to explain.
    """
    scored = [r for r in records if r["status"] == "ok" and best(r)]
    without = _without(sum(map(is_unanswered, records)))
    if len(scored) <= at_most:
        every = f"All {len(scored)} that have an answer" if without else f"All {len(scored)}"
        words = "The only one is shown." if len(scored) == 1 and not without else f"{every} are shown."
        return [r["number"] for r in scored], f"{words}{without}"
    by_confidence = sorted(scored, key=_confidence)
    ranked = {
        "wrong": [r["number"] for r in reversed(by_confidence) if r["correct"] is False],
        "unsure": [r["number"] for r in by_confidence],
        "random": random.Random(seed).sample([r["number"] for r in scored], len(scored)),
    }
    known = {r["number"] for r in scored}
    before = [number for number in changed if number in known][: -(-at_most // 2)]
    chosen: dict[int, str] = dict.fromkeys(before, CHANGED)
    for index, wish in [*enumerate(wishes), *((len(wishes) - 1, wish) for wish in wishes)]:
        share = (at_most - len(chosen)) // (len(wishes) - index)  # all that is left, the second time
        fresh = [number for number in ranked[wish] if number not in chosen]
        chosen |= dict.fromkeys(fresh[:share], wish)
    counts = [(list(chosen.values()).count(wish), WORDS[wish]) for wish in dict.fromkeys((CHANGED, *wishes))]
    parts = ", ".join(f"{count} {words}" for count, words in counts if count)
    return sorted(chosen), f"{len(chosen)} of {len(scored)} are shown: {parts} (seed {seed}).{without}"


def sample(files: Sequence[ImageFile], count: int, seed: int) -> list[int]:
    """The numbers of `count` readable images drawn at random, in order, or of all where there are fewer.

    Drawn by the hash of each image's bytes: a sample does not depend on names or order, and a smaller
    one is part of a larger one.
    """
    readable = [file for file in files if file.reason is None]
    drawn = sorted(readable, key=lambda file: (sha256_of(f"{seed} {file.sha256}".encode()), file.number))
    return sorted(file.number for file in drawn[:count])


def _confidence(record: Record) -> float:
    return float(record["predictions"][0]["probability"] or 0)


def _without(count: int) -> str:
    """What is said of the images that have no answer."""
    images = "1 image has" if count == 1 else f"{count} images have"
    return f" {images} no answer, and so no figures." if count else ""
