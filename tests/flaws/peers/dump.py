"""`python -m flaws.peers.dump FOLDER [NAME …]`: plants flaws and their twins once, as folders for a peer.

What is there already is kept."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from flaws import in_networks, in_pictures  # noqa: F401  # they register their flaws
from flaws.peers.cases import PLANTED, write
from flaws.planting import FLAWS, Flaw, Planted


def main() -> None:
    """Writes a folder a flaw and one a twin, and beside them what was planted and what has to be said."""
    arguments = argparse.ArgumentParser(prog="flaws.peers.dump", description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("names", nargs="*", help="some flaws; all by default")
    chosen = arguments.parse_args()
    unknown = set(chosen.names) - set(FLAWS)
    if unknown:
        arguments.error(f"no flaw is named {', '.join(sorted(unknown))}; there are {', '.join(FLAWS)}")
    for name in chosen.names or FLAWS:
        if not (chosen.folder / name / PLANTED).exists():
            dump(FLAWS[name], chosen.folder)
        print(name, flush=True)


def dump(flaw: Flaw, folder: Path, seed: int = 0) -> None:
    """Writes one flaw and, where it is not there yet, its twin."""
    planted, twin = flaw.plant(seed), flaw.twin(seed)
    beside = flaw.twin.__name__.replace("_", "-")
    if planted.training:
        twin = twin.but(training=_untouched(planted))
        beside += "-with-training"
    write(planted, folder / flaw.name)
    if not (folder / beside / "case.json").exists():
        write(twin, folder / beside)
    said = [
        {"words": said.words, "number": said.number, "tolerance": said.tolerance} for said in planted.says
    ]
    about = {"twin": beside, "touched": sorted(planted.touched), "says": said}
    (folder / flaw.name / PLANTED).write_text(json.dumps(about, indent=1))


def _untouched(planted: Planted) -> dict[str, np.ndarray]:
    """The training pictures that are not in the audited set: what a clean twin trained on."""
    held = {picture.tobytes() for picture in planted.pictures.values()}
    return {path: picture for path, picture in planted.training.items() if picture.tobytes() not in held}


if __name__ == "__main__":
    main()
