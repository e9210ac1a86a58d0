"""What may be done to the pixels that a model sees, to find out what its answers bear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    "noise",
    "shot-noise",
    "blur",
    "motion-blur",
    "brighter",
    "darker",
    "contrast",
    "saturation",
    "grey",
    "jpeg",
    "pixelation",
    "shift",
    "turn",
    "scale",
    "patch",
    "rounding",
]


@dataclass(frozen=True)
class Change:
    """One change of pixels in [0, 1], after decoding and resizing and before normalisation.

    `amount` and `more` are in the unit of the cause, lengths in pixels of the model's input:

    | kind | amount | more |
    |---|---|---|
    | noise | standard deviation of what is added to every value | |
    | shot-noise | photons of a full pixel; the noise is Poisson's | |
    | blur | sigma of a Gaussian, px | |
    | motion-blur | sigma of half a Gaussian along a line, px | where the line ends, px |
    | brighter | added to the value (V of HSV; of other than RGB to every value) | |
    | darker | factor of every value | |
    | contrast | factor of the distance from each channel's mean | |
    | saturation | factor of the saturation (S of HSV) | added to it |
    | grey | share of the colour that is taken away | |
    | jpeg | quality, 1 to 100 | |
    | pixelation | share of the resolution that is left | |
    | shift | whole px along an axis, to one of the four sides | |
    | turn | degrees, to one of the two sides | |
    | scale | factor by which it is enlarged or made smaller | |
    | patch | side of a square of mid-grey, px | |
    | rounding | half a step of 8 bits, as a share of the range | |

    What is drawn by chance (noise, sides, places) is drawn for each image by its pixels and the kind, and is
    the same for every amount.
    """

    kind: Kind
    amount: float
    more: float = 0.0
