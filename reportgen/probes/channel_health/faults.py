"""What a channel can be found to have, and how the report says it: numbers, sentences, tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reportgen.findings import Array, Finding, Flag, Remark, Scalar, Table, Tally

ENOUGH_IMAGES = 100  # over fewer a sound channel may well sleep
# fault: its title, what it is in short, the name of the value that tells it
FAULTS = {
    "not-finite": ("Not finite", "NaN or infinity somewhere", "highest value"),
    "dead": ("Dead", "never above zero", "highest value"),
    "saturated": ("Saturated", "nearly everywhere at the rectifier's ceiling", "share of places"),
    "near-constant": ("Near-constant", "hardly varying beside their layer", "spread / layer's spread"),
    "copies": ("Same as the input", "following the grey input", "r with the input"),
    "duplicates": ("Duplicates", "following another channel of their layer", "r"),
    "aliased": ("Aliased", "most of their energy near the highest frequency", "share of energy"),
}
JUDGED = tuple(fault for fault in FAULTS if fault != "aliased")  # of the layers that `layers` names


@dataclass(frozen=True)
class Health:
    """What one layer's channels were found to have; a fault that cannot be judged there is absent."""

    layer: str
    channels: int
    faults: dict[str, tuple[Array, Array]]  # has it (C,) bool, the value that tells it (C,)
    twins: Array  # (C,) the channel of lower number that each follows most
    share: float | None = None  # of values not above zero, or of energy near the highest frequency

    def count(self, fault: str) -> int | None:
        """How many channels have a fault."""
        return int(self.faults[fault][0].sum()) if fault in self.faults else None


def counts(name: str, title: str, judged: Sequence[Health], faults: Sequence[str], share: str) -> Table:
    """A row a layer: how many of its channels have each fault that any row is judged for, and its share."""
    shown = [fault for fault in faults if any(fault in health.faults for health in judged)]
    if not any(health.count("not-finite") for health in judged):
        shown = [fault for fault in shown if fault != "not-finite"]
    columns = ("layer", "channels", *(FAULTS[fault][0].lower() for fault in shown), share)
    rows = tuple(
        (
            health.layer,
            health.channels,
            *(health.count(fault) for fault in shown),
            None if health.share is None else 100 * health.share,
        )
        for health in judged
    )
    return Table(name, title, columns, rows)


def unjudged(judged: Sequence[Health]) -> tuple[Finding, ...]:
    """The faults that no layer could be judged for."""
    absent = [FAULTS[fault][0] for fault in JUDGED if all(fault not in health.faults for health in judged)]
    return (Remark("judged", f"Cannot be judged here: {', '.join(absent).lower()}."),) if absent else ()


def left_out(tally: Tally, images: int) -> tuple[Finding, ...]:
    """A sentence on the images that a layer could not be judged by; nothing where there are none."""
    counts = {name: int(n) for name, n in tally.sums.items() if name.endswith("/left-out")}
    worst = max(counts, key=lambda name: counts[name], default="")
    if not worst or not counts[worst]:
        return ()
    text = (
        f"Left out: {counts[worst]:,} of {images:,} images, for which no channel of"
        f" {worst.removesuffix('/left-out')} is finite (NaN or infinite)"
    )
    return (Flag("left-out", text, True, "bad"),)


def verdict(fault: str, judged: Sequence[Health], images: int) -> tuple[Finding, ...]:
    """How many channels have a fault, and a sentence where any has; nothing where none was judged."""
    known = [health for health in judged if health.count(fault) is not None]
    total = sum(health.count(fault) or 0 for health in known)
    if not known or (fault == "not-finite" and not total):
        return ()
    title, means, _ = FAULTS[fault]
    number = Scalar(fault, title, total)
    if not total:
        return (number,)
    worst = max(known, key=lambda health: (health.count(fault) or 0) / health.channels)
    several = sum(bool(health.count(fault)) for health in known) > 1
    text = (
        f"{title}, {means}: {total:,} of {sum(health.channels for health in known):,} channels over these"
        f" {images:,} images, {'most of all' if several else 'all'} in {worst.layer}"
        f" ({worst.count(fault)} of {worst.channels})"
    )
    level: Literal["note", "warn", "bad"] = "warn" if images >= ENOUGH_IMAGES else "note"
    return (number, Flag(f"{fault}-found", text, True, "bad" if fault == "not-finite" else level))


def listing(judged: Sequence[Health], at_most: int) -> Table:
    """The channels that were found, at most so many of a layer and fault."""
    rows = []
    for health in judged:
        for fault, (has, value) in health.faults.items():
            title, _, what = FAULTS[fault]
            for channel in np.flatnonzero(has)[:at_most].tolist():
                measured = float(value[channel]) if np.isfinite(value[channel]) else None
                with_ = f" with {health.twins[channel]}" if fault == "duplicates" else ""
                rows.append((health.layer, channel, title.lower(), measured, what + with_))
    title = f"Channels that were found, at most {at_most} of a layer and fault"
    return Table("channels", title, ("layer", "channel", "fault", "value", "what it is"), tuple(rows))
