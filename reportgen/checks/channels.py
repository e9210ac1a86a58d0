"""Whether the channels of the network carry anything over these images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from reportgen.checks import check
from reportgen.checks.case import Case, untested
from reportgen.checks.words import counted, listed, percent
from reportgen.findings import Exhibits, Status, Table, Verdict

MEASURED_BY = "channel-health"
# images: a channel that wakes on a tenth of them is silent on all of 30 once in 24 sets; a quarter of a layer
# seldom is. Of single channels channel-health itself warns from a hundred on.
FEWEST = 30
REMEDY = "Look at what comes before it: its normalisation, its weights, the learning rate."
# what channels can be, in the words of a sentence about several, and the share of a layer from which it
# matters as a multiple of the limit: copies cost capacity, silence costs it and what comes after
KINDS = {
    "dead": ("dead", 1.0),
    "saturated": ("saturated", 1.0),
    "near-constant": ("near-constant", 1.0),
    "not finite": ("not finite", 0.0),
    "duplicates": ("duplicates of others", 2.0),
    "duplicate": ("duplicates of others", 2.0),
}


@dataclass(frozen=True)
class Idle:
    """Channels of one layer that carry nothing of their own: how many of how many, and in what way."""

    layer: str
    count: int
    channels: int
    words: str
    times: float

    @property
    def share(self) -> float:
        """Of the layer's channels."""
        return self.count / self.channels

    @property
    def whole(self) -> bool:
        """Whether nothing is left of the layer."""
        return self.count == self.channels and self.times == 1.0

    def told(self) -> str:
        """In words."""
        if self.whole:
            every = f"all {self.channels} channels of {self.layer} are {self.words}"
            return f"{every}: its branch carries nothing"
        verb = "is" if self.count == 1 else "are"
        return f"{self.count} of {counted(self.channels, 'channel')} of {self.layer} {verb} {self.words}"


@check("channels", group="the network", any_head=True)
class Channels:
    """Channels: does every layer carry something over these images?

    Measurement. Over all places of all images channel-health counts, layer by layer, the channels that never
    rise above zero (dead), that stand at a ceiling (saturated), that hardly vary (near-constant), and that
    follow another one (duplicates). A quarter of a layer's channels is a finding, of duplicates half.

    Reading. A layer all of whose channels are dead passes nothing on: where the answers still vary, it
    is in a branch that does nothing. Many dead channels come of too high a learning rate, of pruning, or of
    preprocessing other than in training. Fewer than 30 images do not decide it: a channel that sleeps on few
    may wake on others, and only that all carry something is seen at once.

    Limits. It holds for these images. Some dead channels are
    left by every training, and a narrow task needs few. Aliased channels, and those that repeat the input,
    are told under channel-health and are no finding here. Only layers that channel-health looks at are
    judged. Found in tests: a branch whose channels are all dead.

    Remedy. Look at what comes before the layer; train again with a lower rate, or remove the branch.

    Source. Zeiler & Fergus 2013, sec. 4.1 (arXiv:1311.2901); Glorot & Bengio 2010 on saturation.
    """

    limit: float = 0.25

    judges: ClassVar[tuple[str, ...]] = (MEASURED_BY,)

    def judge(self, case: Case) -> Verdict:
        found = case.sources.findings(MEASURED_BY)
        tables = [f for f in found if isinstance(f, Table) and f.name == "layers"]
        if not tables:
            remedy = f"Put {MEASURED_BY} under visualizations in the recipe."
            why = f"{MEASURED_BY}, which looks at every channel, was not asked for or does not apply"
            return untested(why, remedy, ["visualizations"])
        idle = sorted(_idle(tables[0]), key=lambda each: -each.share)
        grave = [each for each in idle if each.share > self.limit * each.times]
        whole = [each for each in grave if each.whole]
        layers = len(tables[0].rows)
        status: Status = "fault" if whole else "warning" if grave else "clear"
        n = len(case.answers.numbers)
        if n < FEWEST and grave and not any(each.times == 0 for each in grave):
            return self._too_few(grave, n)
        largest = max((each.share for each in grave or idle), default=0.0)
        return Verdict(
            status=status,
            sentence=_sentence(grave, idle, layers),
            effect=largest,
            unit="share",
            limit=self.limit,
            limit_reason="a quarter of a layer's channels does nothing; of duplicates a half",
            n=n,
            remedy=REMEDY if grave else "",
            exhibits=Exhibits(layers=tuple(dict.fromkeys(each.layer for each in grave))),
        )

    def _too_few(self, grave: Sequence[Idle], n: int) -> Verdict:
        """The verdict on channels that are silent on images too few to say so of them."""
        images = counted(n, "image")
        return Verdict(
            "undecided",
            f"{images} cannot tell silent channels from those that sleep on them: {grave[0].told()}.",
            effect=grave[0].share,
            unit="share",
            limit=self.limit,
            n=n,
            remedy=f"Give more images: {FEWEST} may decide it.",
        )


def _idle(table: Table) -> list[Idle]:
    """What the rows of channel-health's table say."""
    found = []
    for row in table.rows:
        cells: dict[str, Any] = dict(zip(table.columns, row, strict=True))
        for column, (words, times) in KINDS.items():
            if count := cells.get(column):
                found.append(Idle(cells["layer"], int(count), int(cells["channels"]), words, times))
    return found


def _sentence(grave: Sequence[Idle], idle: Sequence[Idle], layers: int) -> str:
    if grave:
        said = listed([each.told() for each in grave], 3)
        return f"{said[:1].upper()}{said[1:]}."
    judged = counted(layers, "layer that was looked at", "layers that were looked at")
    if not idle:
        return f"Every channel of {judged} carries something of its own."
    first = idle[0]
    most = f"{first.count} of {first.channels} channels of {first.layer} are {first.words}"
    return f"Each of {judged} carries something; at most {percent(first.share)} of one does not: {most}."
