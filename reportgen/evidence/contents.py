"""What a shard is made of: arrays by name, how each is kept, and everything else as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reportgen.evidence.arrays import packed
from reportgen.evidence.levels import Steps
from reportgen.evidence.shards import BATCH, TALLIED, is_of
from reportgen.findings import Array, Finding, Gallery, Heatmap, Picture, Tally, pack

MAP_STEPS = 1 << 14  # of a map, from the lowest to the highest value that is drawn
COLOUR_STEPS = 1 << 11  # of a colour picture and of a tile: eight of each of the 255 levels on the screen


@dataclass
class Contents:
    """A shard's arrays by name, and its findings without them. Those of a batch of images are read
    image by image, and its maps kept in levels, unless they are to be `exact`."""

    shard: str
    exact: bool
    arrays: dict[str, Array] = field(default_factory=dict)
    findings: dict[str, list[list[dict[str, Any]]]] = field(default_factory=dict)
    _by_image: set[str] = field(default_factory=set)
    _steps: dict[str, Steps] = field(default_factory=dict)

    def add_core(self, arrays: Mapping[str, Array]) -> None:
        """Arrays with a leading axis of rows."""
        named = {f"core/{key}": value for key, value in arrays.items()}
        self.arrays |= named
        if self._of_images:
            self._by_image |= named.keys()

    def add_tallies(self, tallies: Mapping[str, Tally]) -> None:
        """What probes of scope `set` keep of a batch, exact."""
        for method, tally in tallies.items():
            for how in TALLIED:
                arrays = getattr(tally, how)
                self.arrays |= {f"tally/{method}/{how}/{key}": value for key, value in arrays.items()}

    def add_findings(self, findings: Mapping[str, Sequence[tuple[Finding, ...]]]) -> None:
        """Findings by visualization: a tuple a target."""
        for method, slots in findings.items():
            self.findings[method] = [
                [self._added(f"{method}/{slot}", finding) for finding in of_target]
                for slot, of_target in enumerate(slots)
            ]

    def data(self) -> bytes:
        """The file of the arrays."""
        return packed(self.arrays, self._by_image, self._steps)

    @property
    def _of_images(self) -> bool:
        return is_of(self.shard, BATCH)

    def _added(self, prefix: str, finding: Finding) -> dict[str, Any]:
        fields, rest = pack(finding)
        for name, values in fields.items():
            key = f"{prefix}/{rest['name']}/{name}"
            self.arrays[key] = values
            if self._of_images and name in finding.per_image:
                self._by_image.add(key)
        steps = None if self.exact or not self._of_images else _steps_of(finding)
        if steps is not None:
            self._steps[f"{prefix}/{rest['name']}/values"] = steps
        return rest


def _steps_of(finding: Finding) -> Steps | None:
    """How finely what is drawn is kept; None of what is kept exactly."""
    if isinstance(finding, Heatmap):
        return Steps(MAP_STEPS, None, "sizes" if finding.signed else "values")
    if isinstance(finding, Picture):
        return Steps(COLOUR_STEPS, None, "sizes" if finding.encoding == "signed" else "none")
    if isinstance(finding, Gallery):  # (N, k, h, w) or (N, k, 3, h, w), a tile by itself
        return Steps(COLOUR_STEPS, finding.values.ndim - 2)
    return None
