"""`python -m flaws.peers PEER FOLDER [NAME …]`: gives the cases to a peer, prints what it makes of them."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from flaws.peers.cases import PLANTED, Case, read
from flaws.peers.results import Result, expected, outcome

PEERS = ("cleanlab", "cleanvision", "deepchecks", "bnnr")


def main() -> None:
    """A row a flaw: the outcome, by which result, and the alarms on its twin."""
    arguments = argparse.ArgumentParser(prog="flaws.peers", description=__doc__)
    arguments.add_argument("peer", choices=PEERS)
    arguments.add_argument("folder", type=Path, help="what `python -m flaws.peers.dump` wrote")
    arguments.add_argument("names", nargs="*", help="some flaws; all that are there by default")
    arguments.add_argument("--say", action="store_true", help="print the sentences")
    chosen = arguments.parse_args()
    warnings.simplefilter("ignore")
    peer = importlib.import_module(f"flaws.peers.with_{chosen.peer}")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in peer.PACKAGES)
    print(f"{versions}\n\n| flaw | outcome | by | alarms on the twin |\n|---|---|---|---|")
    names = chosen.names or [path.parent.name for path in sorted(chosen.folder.glob(f"*/{PLANTED}"))]
    _table(peer, chosen.folder, names, chosen.say)


def _table(peer: ModuleType, folder: Path, names: list[str], say: bool) -> None:
    counts: Counter[str] = Counter()
    twins: dict[str, list[Result]] = {}
    for name in names:
        planted = expected(folder / name)
        results = kept(peer.run, read(folder / name), peer.__name__)
        if planted.twin not in twins:
            twins[planted.twin] = kept(peer.run, read(folder / planted.twin), peer.__name__)
        named_by = peer.NAMED_BY.get(name, ())
        said = outcome(named_by, planted, results)
        counts[said] += 1
        by = [result.name for result in results if result.name in named_by and result.alarm]
        alarms = [result.name for result in twins[planted.twin] if result.alarm]
        print(f"| {name} | {said} | {', '.join(by) or '–'} | {', '.join(alarms) or '–'} |", flush=True)
        if say:
            _say(results, named_by)
    parts = ", ".join(f"{count} {word}" for word, count in counts.items())
    loud = sum(any(result.alarm for result in results) for results in twins.values())
    print(f"\n{sum(counts.values())} planted: {parts}; {loud} of {len(twins)} clean twins gave an alarm")
    for name, results in twins.items() if say else ():
        print(f"twin {name}:")
        _say(results, ())


def kept(run: Callable[[Case], list[Result]], case: Case, peer: str) -> list[Result]:
    """What the peer says, from the case's folder where it was asked before; an error of the peer is kept as
    information."""
    file = case.folder / f"{peer.rpartition('.')[2]}.json"
    if not file.exists():
        try:
            results = run(case)
        except Exception as error:  # what a peer cannot run is a result, too
            results = [Result("error", False, f"{type(error).__name__}: {error}")]
        held = [[one.name, one.alarm, one.sentence, sorted(one.images)] for one in results]
        file.write_text(json.dumps(held, indent=1))
    return [
        Result(name, alarm, sentence, frozenset(images))
        for name, alarm, sentence, images in json.loads(file.read_text())
    ]


def _say(results: list[Result], named_by: tuple[str, ...]) -> None:
    for one in results:
        if one.alarm or one.name in named_by or one.name == "error":
            mark = "alarm" if one.alarm else "told"
            print(f"    {one.name}: {mark}: {one.sentence} [{len(one.images)} images]")


if __name__ == "__main__":
    main()
