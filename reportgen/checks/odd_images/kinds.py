"""What makes a picture another kind than the rest: its file, its colours, its shape, its light."""

from __future__ import annotations

import numpy as np

from reportgen.checks.case import Pictures
from reportgen.findings import Array

BLANK = 1e-4  # contrast of a picture that has one value
GREY = 0.03  # largest difference of two colours of a pixel: JPEG rounds a grey one to a little
MINORITY = 0.2  # a larger share is another kind of picture, not an odd one
SPREADS = 4.0  # robust standard deviations from the median
LEAST = {  # spreads below which a property is taken for the same in all
    "luminance": 0.02,
    "contrast": 0.02,
    "saturation": 0.03,
    "sharpness": 0.15,
    "size": 0.1,
    "shape": 0.05,
}
WORDS = {  # what a picture far below, or far above, the median is called
    "luminance": ("very dark", "very bright"),
    "contrast": ("of little contrast", "of much contrast"),
    "saturation": ("pale", "gaudy"),
    "sharpness": ("blurred", "very sharp or noisy"),
    "size": ("small", "large"),
    "shape": ("narrow", "wide"),
}


def kinds_of(pictures: Pictures) -> dict[str, Array]:
    """The kinds of odd pictures by what a sentence calls them, bool (N,) each; none that is empty, that is
    more than a minority, or that has the same pictures as one before it."""
    n = len(pictures)
    column = pictures.column
    blank = (column("contrast") < BLANK) & (column("colour") < 2 * GREY)
    grey, tall = column("colour") <= GREY, column("height") > 1.1 * column("width")
    wide = column("width") > 1.1 * column("height")
    named: dict[str, Array] = {
        "blank (one value in all pixels)": blank,
        "grey among coloured ones": grey & ~blank,
        "coloured among grey ones": ~grey,
        "upright among lying ones": tall if wide.mean() >= 1 - MINORITY else np.zeros(n, dtype=bool),
        "lying among upright ones": wide if tall.mean() >= 1 - MINORITY else np.zeros(n, dtype=bool),
        "turned by their EXIF tag": column("orientation") != 1,
    }
    for name in ("format", "mode"):
        values, counts = np.unique(column(name), return_counts=True)
        usual = values[counts.argmax()]
        named[f"of another {name} than most"] = column(name) != usual
    quality = column("jpeg_quality")
    known = quality[quality > 0]
    if len(known):
        named["much compressed JPEGs"] = (quality > 0) & (quality < np.median(known) - 20)
    named |= _far_along(pictures, blank)
    kept: dict[str, Array] = {}
    for name, member in named.items():
        is_blank = name.startswith("blank")
        few = member.any() and (is_blank or member.mean() <= MINORITY)
        if few and not any((member == other).all() for other in kept.values()):
            kept[name] = member
    return kept


def _far_along(pictures: Pictures, blank: Array) -> dict[str, Array]:
    """Pictures far from the median along a property, below and above, in robust standard deviations."""
    area = np.maximum(pictures.column("width") * pictures.column("height"), 1)
    values = {
        **{name: pictures.column(name) for name in ("luminance", "contrast", "saturation")},
        "sharpness": np.log(np.maximum(pictures.column("sharpness"), 1e-8)),
        "size": np.log(area) / 2,
        "shape": np.log(pictures.column("width") / np.maximum(pictures.column("height"), 1)),
    }
    found = {}
    for name, column in values.items():
        usual = column[~blank]
        if not len(usual):
            continue
        middle = np.median(usual)
        spread = max(1.4826 * float(np.median(np.abs(usual - middle))), LEAST[name])
        low, high = WORDS[name]
        found[low] = (column < middle - SPREADS * spread) & ~blank
        found[high] = (column > middle + SPREADS * spread) & ~blank
    return found
