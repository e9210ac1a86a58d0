"""Numbers, dates and places as a reader wants them: three digits, a unit, a true minus sign."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlencode

import numpy as np

from reportgen.findings import Array

NONE = "–"  # stands where there is no value
MONTHS = ("January February March April May June July August September October November December").split()


def number(value: float | int | None, digits: int = 3) -> str:
    """A number with `digits` significant digits; whole numbers are grouped by thousands."""
    if value is None:
        return NONE
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if not math.isfinite(value):
        return "not finite"
    rounded = float(f"{value:.{digits}g}")
    size = abs(rounded)
    if size and not 1e-3 <= size < 1e5:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        return f"{mantissa}e{int(power)}".replace("-", "−")
    decimals = 0 if not size else max(0, digits - 1 - math.floor(math.log10(size)))
    return f"{value:,.{decimals}f}".replace("-", "−")


def count(value: int | None) -> str:
    """A count in three digits with its magnitude: 4,652,008 is "4.65 M"."""
    if value is None:
        return NONE
    for size, mark in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e5, "k")):
        if value >= size:
            scale = 1e3 if mark == "k" else size
            return f"{value / scale:.3g} {mark}"
    return f"{value:,}"


def size(n_bytes: int | float) -> str:
    """Bytes in binary units: "17.8 MiB"."""
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if n_bytes >= 2**power:
            return f"{n_bytes / 2**power:.1f} {unit}"
    return f"{int(n_bytes)} B"


def duration(seconds: float) -> str:
    """Seconds as "0.8 s", "41 s" or "3 min 5 s"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def probability(value: float | None) -> str:
    """Three decimals; what rounds to 0 or 1 without being it is said so."""
    if value is None:
        return NONE
    if 0 < value < 0.0005:
        return "<0.001"
    if 0.9995 <= value < 1:
        return ">0.999"
    return f"{value:.3f}"


def share(value: float | None) -> str:
    """A share of one as a percentage with one decimal."""
    return NONE if value is None else f"{100 * value:.1f} %"


def shape(sizes: Any) -> str:
    """A shape: "16×112×112"."""
    return "×".join(str(n) for n in sizes) if sizes else NONE


def plural(n: int, one: str, many: str | None = None) -> str:
    """ "1 image", "3 images"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def ordinal(n: int) -> str:
    """A place in a row: "1st", "22nd", "113th"."""
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n:,}{ending}"


def listed(parts: Sequence[str]) -> str:
    """ "a, b and c"."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def date(moment: str) -> str:
    """An ISO moment as "22 November 2026, 07:00 UTC"."""
    at = datetime.fromisoformat(moment).astimezone(timezone.utc)
    return f"{at.day} {MONTHS[at.month - 1]} {at.year}, {at:%H:%M} UTC"


def cell(value: Any) -> str:
    """A table cell: text as it is, numbers printed, lists as shapes, None as a dash."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    return shape(value) if isinstance(value, list | tuple) else str(value)


def place(values: Array) -> str:
    """Where a map (h, w) has its largest value, in thirds: "upper left", "centre"."""
    row, column = np.unravel_index(int(np.argmax(values)), values.shape)
    height, width = values.shape
    down = ("upper", "", "lower")[min(2, 3 * int(row) // height)]
    across = ("left", "", "right")[min(2, 3 * int(column) // width)]
    if not down and not across:
        return "centre"
    return " ".join(word for word in (down or "middle", across or "centre") if word)


def fixed(value: float | None) -> str:
    """Two decimals with a true minus: what a correlation needs."""
    return NONE if value is None else f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def signed(value: float | None) -> str:
    """Three decimals with their sign: a difference of probabilities."""
    return NONE if value is None else f"{round(value, 3) + 0.0:+.3f}".replace("-", "−")


def view(**wanted: str) -> str:
    """What an address says to narrow the table of images: view(label="cat", answer="dog")."""
    return urlencode(wanted)
