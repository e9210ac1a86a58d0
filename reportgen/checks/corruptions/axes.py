"""The axes along which pictures are made worse: an everyday change and five severities each, in the unit of
the cause.

Those of ImageNet-C are its published parameters (Hendrycks & Dietterich 2019, `make_imagenet_c.py`), for
pictures of 224 px. Lengths in pixels are scaled by the shorter side of the model's input, so that a severity
is the same for every size of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from reportgen.checks.case import View
from reportgen.checks.changes import Change, Kind
from reportgen.engine.needs import ModelFacts

REFERENCE_PX = 224
EVERYDAY = 0.5  # the severity of what pictures meet every day
SEVERITIES = (EVERYDAY, 1.0, 2.0, 3.0, 4.0, 5.0)
SEVERITY = "holds_to_severity"  # the number of an axis that is of none of its units
Channels: TypeAlias = Literal["any", "grey or RGB", "RGB"]


@dataclass(frozen=True)
class Axis:
    """One axis. `everyday`, `amounts` (5,) and `more` (6,) are those of `Change`, lengths for 224 px; `none`
    is the amount that changes nothing. `number` names what a gate may be on; `words` puts an amount into a
    sentence, and `reason` says why the everyday change is one."""

    kind: Kind
    title: str
    everyday: float
    amounts: tuple[float, float, float, float, float]
    none: float
    number: str
    words: str
    reason: str
    more: tuple[float, ...] = (0.0,) * 6
    lengths: bool = False
    whole: bool = False  # of whole pixels, and at least one
    channels: Channels = "any"
    published: bool = False  # whether the amounts are ImageNet-C's

    @property
    def falling(self) -> bool:
        """Whether a smaller amount is worse, as of a quality."""
        return self.amounts[0] > self.amounts[-1]

    def amount(self, severity: float, side_px: int) -> float:
        """The amount of a severity, or of none (0), for an input with this shorter side."""
        if not severity:
            return self.none
        amount = self.everyday if severity == EVERYDAY else self.amounts[int(severity) - 1]
        scaled = amount * side_px / REFERENCE_PX if self.lengths else amount
        return float(max(1, round(scaled))) if self.whole else scaled

    def change(self, severity: float, side_px: int) -> Change:
        """The change of pixels of a severity."""
        more = self.more[SEVERITIES.index(severity)] * (side_px / REFERENCE_PX if self.lengths else 1)
        return Change(self.kind, self.amount(severity, side_px), more)

    def view(self, severity: float, side_px: int) -> View:
        """The view of a severity."""
        return View(f"{self.kind} {severity:g}", pixels=self.change(severity, side_px))

    def said(self, severity: float, side_px: int) -> str:
        """An amount as a sentence has it: "blur of 0.38 px"."""
        amount = self.amount(severity, side_px)
        return self.words.format(f"{100 * amount:.3g}" if "%" in self.words else f"{amount:.3g}")

    def fits(self, channels: int) -> bool:
        """Whether pictures of so many channels can be changed so."""
        return {"any": True, "grey or RGB": channels in (1, 3), "RGB": channels == 3}[self.channels]


AXES = (
    Axis(
        "noise",
        "Gaussian noise",
        0.02,
        (0.08, 0.12, 0.18, 0.26, 0.38),
        0,
        "holds_to_std",
        "noise of {}",
        "a small camera in a dim room",
        published=True,
    ),
    Axis(
        "blur",
        "Gaussian blur",
        0.5,
        (1, 2, 3, 4, 6),
        0,
        "holds_to_px",
        "blur of {} px",
        "what resizing leaves",
        lengths=True,
        published=True,
    ),
    Axis(
        "jpeg",
        "JPEG",
        85,
        (25, 18, 15, 10, 7),
        100,
        "holds_to_quality",
        "JPEG quality {}",
        "as cameras and editors save",
        channels="grey or RGB",
        published=True,
    ),
    Axis(
        "darker",
        "Darker",
        0.85,
        (0.8, 0.65, 0.5, 0.35, 0.2),
        1,
        "holds_to_factor",
        "{} % of the light",
        "a quarter of a stop",
    ),
    Axis(
        "contrast",
        "Contrast",
        0.85,
        (0.4, 0.3, 0.2, 0.1, 0.05),
        1,
        "holds_to_factor",
        "{} % of the contrast",
        "a hazy day",
        published=True,
    ),
    Axis(
        "turn",
        "Turn",
        3,
        (5, 10, 15, 20, 30),
        0,
        "holds_to_degrees",
        "a turn of ±{}°",
        "a hand that is not quite level",
    ),
    Axis(
        "shift",
        "Shift",
        4,
        (8, 16, 24, 32, 48),
        0,
        "holds_to_px",
        "a shift of {} px",
        "a fiftieth of the side",
        lengths=True,
        whole=True,
    ),
    Axis(
        "scale",
        "Scale",
        1.05,
        (1.1, 1.2, 1.3, 1.4, 1.6),
        1,
        "holds_to_factor",
        "a scale of {} or its inverse",
        "a step nearer or further",
    ),
    Axis(
        "patch",
        "Grey patch",
        16,
        (32, 48, 64, 80, 112),
        0,
        "holds_to_px",
        "a grey patch of {} px",
        "a two hundredth of the picture",
        lengths=True,
        whole=True,
    ),
    Axis(
        "brighter",
        "Brighter",
        0.02,
        (0.1, 0.2, 0.3, 0.4, 0.5),
        0,
        "holds_to_added",
        "{} % brighter",
        "the black of another camera",
        published=True,
    ),
    Axis(
        "shot-noise",
        "Shot noise",
        500,
        (60, 25, 12, 5, 3),
        1e6,
        "holds_to_photons",
        "shot noise of {} photons",
        "a small camera in a dim room",
        published=True,
    ),
    Axis(
        "motion-blur",
        "Motion blur",
        1,
        (3, 5, 8, 12, 15),
        0,
        "holds_to_px",
        "motion blur of {} px",
        "a steady hand",
        more=(6, 20, 30, 30, 30, 40),
        lengths=True,
        published=True,
    ),
    Axis(
        "pixelation",
        "Pixelation",
        0.8,
        (0.6, 0.5, 0.4, 0.3, 0.25),
        1,
        "holds_to_share",
        "{} % of the resolution",
        "four fifths of the pixels",
        published=True,
    ),
    Axis(
        "saturation",
        "More colour",
        1.1,
        (1.25, 1.5, 2, 5, 20),
        1,
        "holds_to_factor",
        "{} times the colour",
        "another camera's setting",
        more=(0, 0, 0, 0, 0.1, 0.2),
        channels="RGB",
    ),
    Axis(
        "grey",
        "Less colour",
        0.1,
        (0.25, 0.5, 0.7, 0.9, 1),
        0,
        "holds_to_share",
        "{} % less colour",
        "another camera's setting",
        channels="RGB",
    ),
)
UNFIT = {
    "grey or RGB": "JPEG holds grey and RGB pictures",
    "RGB": "only RGB pictures have colours",
}


def fitting(model: ModelFacts) -> list[Axis]:
    """The axes that pictures of the model's channels have."""
    return [axis for axis in AXES if axis.fits(model.input_shape[0])]


def side_of(model: ModelFacts) -> int:
    """The shorter side of the model's input, px."""
    return min(model.input_shape[1:])


def views_of(axes: Sequence[Axis], side_px: int) -> list[View]:
    """Every severity of every axis."""
    return [axis.view(severity, side_px) for axis in axes for severity in SEVERITIES]
