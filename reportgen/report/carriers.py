"""Which images carry a shortcut that was found: those that the verdicts of its checks show."""

from __future__ import annotations

from collections.abc import Mapping

from reportgen.evidence import Evidence

GROUP = "shortcuts"


def carriers(evidence: Evidence) -> Mapping[str, tuple[str, ...]]:
    """The titles of the checks that found a shortcut in an image, by the image's id; a verdict that follows
    from another one is left out."""
    words = {asked["name"]: asked for asked in evidence.manifest.get("checks", ())}
    found: dict[str, tuple[str, ...]] = {}
    for name, verdict in evidence.verdicts().items():
        if words[name]["group"] != GROUP or not verdict.grave or verdict.explained_by:
            continue
        for number in verdict.exhibits.images:
            id_ = f"{number:06d}"
            found[id_] = (*found.get(id_, ()), words[name]["title"])
    return found
