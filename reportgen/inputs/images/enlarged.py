"""By what a picture looks enlarged: interpolation leaves traces that blur does not.

Gallagher 2005, Detection of Linear and Cubic Interpolation in JPEG Compressed Images: what is interpolated
varies periodically in its second differences; Mahdian & Saic 2008, Blind Authentication Using Periodic
Properties of Interpolation, sec. II.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Values: TypeAlias = npt.NDArray[np.floating[Any]]

LEAST_PX = 64  # of a side; in a shorter one a few bright strokes have a period too
FEWEST_PAIRS = 12  # of neighbouring rows or columns that are compared
LARGEST = 8.0  # the factor up to which a period is told from what a picture shows
PEAK = 10.0  # times that a period must stand out of its neighbours, along both axes
REPEATED = 0.25  # share of the rows and columns that repeat the one before


def period(grey: Values, jpeg: bool = False) -> float:
    """The period in px of what enlarging left in grey values (h, w) from 0 to 255 along both axes, 0 for no
    trace. That of an enlargement by 2, 3 or 4 is such a factor; others leave a multiple of one.

    The blocks of a `jpeg` have the periods 8, 4, 8/3 and 2, which are not looked for there.
    """
    if min(grey.shape) < LEAST_PX:
        return 0.0
    repeated = min(_repeated(grey), _repeated(grey.T))
    if repeated >= REPEATED:
        return float(1 / (1 - min(repeated, 1 - 1 / LARGEST)))
    across, down = _frequency(grey, jpeg), _frequency(grey.T, jpeg)
    if across is None or down is None or abs(across - down) > 1.5 / min(grey.shape):
        return 0.0
    return float(1 / across)


def _repeated(grey: Values) -> float:
    """The share of the columns that equal the one before, of those that are not of one value."""
    varied = grey.std(0) > 0
    pairs = varied[1:] & varied[:-1]
    same = (grey[:, 1:] == grey[:, :-1]).all(0) & pairs
    return float(same.sum() / pairs.sum()) if pairs.sum() >= FEWEST_PAIRS else 0.0


def _frequency(grey: Values, jpeg: bool) -> float | None:
    """The frequency, in cycles a pixel, at which the second differences along the rows vary, or none."""
    second = np.abs(grey[:, 2:] - 2 * grey[:, 1:-1] + grey[:, :-2]).mean(0)
    second = np.log(second + 1e-2)  # a bright edge is one of many
    second = second - second.mean()
    power = np.abs(np.fft.rfft(second * np.hanning(len(second)))) ** 2
    frequency = np.fft.rfftfreq(len(second))
    usual = _around(power)
    stands = np.where(frequency >= 0.9 / LARGEST, power / np.maximum(usual, 1e-12), 0)
    if jpeg:
        blocks = np.abs(frequency * 8 - np.round(frequency * 8)) / 8 < 2 / len(second)
        stands = np.where(blocks, 0, stands)
    best = int(stands.argmax())
    if stands[best] < PEAK:
        return None
    return float(frequency[best])


def _around(power: Values) -> Values:
    """The median of the neighbours of each value (F,)."""
    wide = np.pad(power, 10, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(wide, 21)
    return np.asarray(np.median(windows, 1))
