"""A row of nights in one folder: links to the latest report and to the latest good one, and what is left of
old ones."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reportgen.audit.seal import sums
from reportgen.errors import ReportgenError
from reportgen.evidence.shards import SCHEMA
from reportgen.ownership import EVIDENCE, discard, is_report, owned, write_sums
from reportgen.workspace import workspace

LATEST, GOOD = "latest", "latest-good"
KEPT_WHOLE = ("results.json", "SHA256SUMS")  # of a report that is thinned, with all of its evidence


@dataclass(frozen=True)
class Night:
    """A report beside others of its title."""

    folder: Path
    created: str
    good: bool  # every requirement was met
    whole: bool  # it has its page yet


def link(out: Path, good: bool) -> list[str]:
    """Points `latest`, beside a report's folder, at it, and `latest-good` where it met its requirements. What
    is in the way and no link stays, and a sentence says so."""
    names = [LATEST, *([GOOD] if good else [])]
    return [said for name in names if (said := _pointed(out.resolve(), name))]


def _pointed(folder: Path, name: str) -> str:
    """Replaces a link in one step: it is never missing."""
    place = folder.parent / name
    if os.path.lexists(place) and not place.is_symlink():
        return f"{place} is no link, and stays as it is"
    if place == folder:
        return f"{folder} itself is called {name}: there is no link to it"
    fresh = folder.parent / f".{name}.{secrets.token_hex(8)}"
    try:
        fresh.symlink_to(folder.name)
        fresh.replace(place)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        return f"{place} could not be written: {error.strerror}"
    return ""


def nights(out: Path) -> list[Night]:
    """The reports beside one, and it, of its title, the latest first; links are not followed."""
    folder = out.resolve()
    title = _results(folder)["title"]
    found = [
        night for path in folder.parent.iterdir() if not path.is_symlink() if (night := _night(path, title))
    ]
    return sorted(found, key=lambda night: (night.created, night.folder.name), reverse=True)


def _night(path: Path, title: str) -> Night | None:
    if not path.is_dir() or not is_report(path):
        return None
    try:
        results = _results(path)
        good = all(gate["passed"] for gate in results["gates"])
        known = results["title"] == title and _is_this_version(path)
        return Night(path, results["created"], good, (path / "report.html").exists()) if known else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _results(folder: Path) -> Any:
    return json.loads((folder / "results.json").read_bytes())


def _is_this_version(path: Path) -> bool:
    manifest = json.loads((path / EVIDENCE / "manifest.json").read_bytes())
    return bool(manifest["schema"] == SCHEMA)


def thinned(out: Path, keep: int) -> Iterator[Path]:
    """Thins all but the latest `keep` of the reports beside one: their page, PDF, maps and what else is
    ours go; results.json, evidence and seal stay, so that they can be verified, compared and rendered again.
    The latest good report is never thinned, nor one that a run is writing. Yields the folders that were."""
    own = out.resolve()  # counts as the latest, whatever the clock of an older one said
    every = sorted(nights(out), key=lambda night: night.folder.resolve() != own)
    good = next((night for night in every if night.good), None)
    for night in every[keep:]:
        if night.whole and night is not good and _thin(night.folder):
            yield night.folder


def _thin(folder: Path) -> bool:
    try:
        with workspace(folder):  # holds the lock
            going = {
                name for name in owned(folder) if name not in KEPT_WHOLE and not name.startswith(EVIDENCE)
            }
            left = {name: digest for name, digest in sums(folder).items() if name not in going}
            discard(folder, going)
            write_sums(folder, left)  # with the hashes as they were: a change before this is still found
    except (ReportgenError, OSError):  # the new report is whole whatever an old one is like
        return False
    return True
