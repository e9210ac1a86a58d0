"""`python -m flaws [NAME …] [--seeds N]`: plants flaws and their clean twins, audits both, prints a table."""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from flaws import in_networks, in_photographs, in_pictures, in_reasons  # noqa: F401  # they register flaws
from flaws.audit import audited, outcome
from flaws.judging import Told
from flaws.planting import FLAWS


def main() -> None:
    """Prints a row a flaw: what an audit said of it, and the false alarms of its twin."""
    arguments = argparse.ArgumentParser(prog="flaws", description=__doc__)
    arguments.add_argument("names", nargs="*", help="some flaws; all by default")
    arguments.add_argument("--seeds", type=int, default=1, help="how often each is planted")
    arguments.add_argument("--say", action="store_true", help="print the sentences")
    chosen = arguments.parse_args()
    unknown = set(chosen.names) - set(FLAWS)
    if unknown:
        arguments.error(f"no flaw is named {', '.join(sorted(unknown))}; there are {', '.join(FLAWS)}")
    print("| flaw | named by | outcome | said beside it | false alarms of the twin |\n|---|---|---|---|---|")
    counts: Counter[str] = Counter()
    told: dict[str, list[str]] = {}
    twins: dict[tuple[object, int], Told] = {}
    for name in chosen.names or FLAWS:
        for seed in range(chosen.seeds):
            told.setdefault(name, []).append(_row(name, seed, twins, chosen.say))
            counts[told[name][-1]] += 1
    alarms = sum(bool(told.grave) for told in twins.values())
    parts = ", ".join(f"{count} {word}" for word, count in counts.items())
    print(f"\n{sum(counts.values())} planted: {parts}; {alarms} of {len(twins)} clean twins gave an alarm")
    for line in weakest(told):
        print(line)


def weakest(told: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """For each ladder that was climbed the smallest share of a class that was found on every seed; `told` are
    the outcomes by flaw."""
    for ladder in dict.fromkeys(FLAWS[name].ladder for name in told):
        rungs = sorted((FLAWS[name] for name in told if FLAWS[name].ladder == ladder), key=lambda f: f.share)
        found = [flaw for flaw in rungs if set(told[flaw.name]) == {"found"}]
        if ladder:
            least = f"on {found[0].share:.0%} of a class ({found[0].name})" if found else "none"
            tried = ", ".join(f"{flaw.share:.0%}" for flaw in rungs)
            yield f"the weakest found of {ladder}: {least}; planted on {tried}"


def _row(name: str, seed: int, twins: dict[tuple[object, int], Told], say: bool) -> str:
    """Audits one flaw, and its twin where that was not done yet; the outcome."""
    flaw = FLAWS[name]
    planted = flaw.plant(seed)
    with tempfile.TemporaryDirectory() as folder:
        told = audited(planted, Path(folder), seed)
    if (flaw.twin, seed) not in twins:
        with tempfile.TemporaryDirectory() as folder:
            twins[flaw.twin, seed] = audited(flaw.twin(seed), Path(folder), seed)
    twin, said = twins[flaw.twin, seed], outcome(flaw, planted, told)
    beside = [other for other in told.grave if other not in flaw.named_by]
    by = [other for other in flaw.named_by if other in told.grave]
    cells = [name, ", ".join(by or flaw.named_by), said, ", ".join(beside) or "–"]
    print(f"| {' | '.join(cells)} | {', '.join(twin.grave) or '–'} |", flush=True)
    if say:
        for other in dict.fromkeys([*flaw.named_by, *told.grave]):
            if other in told.verdicts:
                verdict = told.verdicts[other]
                print(f"    {other}: {verdict['status']}: {verdict['sentence']}")
        for other in twin.grave:
            print(f"    twin: {other}: {twin.verdicts[other]['status']}: {twin.verdicts[other]['sentence']}")
    return said


if __name__ == "__main__":
    main()
