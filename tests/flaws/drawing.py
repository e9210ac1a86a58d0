"""Two sets that are drawn on the spot: digits in many typefaces, and shapes on photographs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Pixels: TypeAlias = npt.NDArray[np.uint8]

PHOTOS = Path(__file__).resolve().parents[2] / "examples" / "photos"
FACES = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSerif-Bold"),
    *("DejaVuSansMono", "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "cmr10", "cmss10", "cmtt10"),
)
SIDE = {"digits": 28, "shapes": 48}
SHAPES = ("cross", "disc", "ring", "square", "star", "triangle")
CLASSES = {"digits": tuple(str(k) for k in range(10)), "shapes": SHAPES}


def digit(which: int, draw: np.random.Generator, shift: float = 2.0) -> Pixels:
    """A digit (28, 28), white on black: a typeface, size, turn, slant and place by chance, and noise."""
    big = Image.new("L", (112, 112))
    pen = ImageDraw.Draw(big)
    pen.text((56, 56), str(which), fill=255, font=_face(str(draw.choice(FACES)), 92), anchor="mm")
    turn, slant = draw.normal(0, 10), draw.normal(0, 0.15)
    big = big.transform((112, 112), Image.Transform.AFFINE, (1, slant, -56 * slant, 0, 1, 0))
    big = big.rotate(turn, resample=Image.Resampling.BILINEAR)
    side = int(draw.integers(22, 30))
    small = big.resize((side, side), Image.Resampling.BOX)
    canvas = Image.new("L", (28, 28))
    at = (28 - side) // 2 + draw.uniform(-shift, shift, 2)
    canvas.paste(small, (round(at[0]), round(at[1])))
    light = np.asarray(canvas, dtype=np.float64) * draw.uniform(0.75, 1.0)
    return np.clip(light + draw.normal(0, 14, (28, 28)), 0, 255).astype(np.uint8)


@cache
def _face(name: str, size: int) -> Any:
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"), size)


@cache
def photographs() -> tuple[Pixels, ...]:
    """The examples' photographs at 240 px, as backgrounds."""
    files = sorted([*PHOTOS.glob("*.jpg"), *PHOTOS.glob("*.png")])
    opened = [Image.open(file).convert("RGB") for file in files]
    return tuple(np.asarray(picture.resize((240, 240), Image.Resampling.BOX)) for picture in opened)


def backdrop(draw: np.random.Generator, height: int, width: int) -> Pixels:
    """A piece of a photograph (height, width, 3), dimmed a little so that a shape stands out."""
    photos = photographs()
    photo = photos[int(draw.integers(len(photos)))]
    top, left = draw.integers(0, 240 - height), draw.integers(0, 240 - width)
    piece = photo[top : top + height, left : left + width]
    return np.asarray(piece * 0.7, dtype=np.uint8)


def outline(name: str, radius: float, turn: float) -> list[tuple[float, float]]:
    """The corners of a shape around (0, 0)."""
    if name == "square":
        at = [(k * np.pi / 2 + np.pi / 4, 1.2) for k in range(4)]
    elif name == "triangle":
        at = [(k * 2 * np.pi / 3, 1.25) for k in range(3)]
    elif name == "star":
        at = [(k * np.pi / 5, 1.25 if k % 2 else 0.5) for k in range(10)]
    else:  # a cross
        a, b = 1.2, 0.4
        corners = [(b, a), (b, b), (a, b), (a, -b), (b, -b), (b, -a), (-b, -a), (-b, -b), (-a, -b)]
        corners += [(-a, b), (-b, b), (-b, a)]
        at = [(float(np.arctan2(y, x)), float(np.hypot(x, y))) for x, y in corners]
    return [(radius * r * float(np.cos(t + turn)), radius * r * float(np.sin(t + turn))) for t, r in at]


def shape(
    which: int | str,
    draw: np.random.Generator,
    behind: Pixels | None = None,
    size: tuple[int, int] = (48, 48),
    middle: tuple[float, float] | None = None,
) -> Pixels:
    """A shape of one colour on a piece of a photograph, (h, w, 3). `middle` is its place, or chance."""
    return shape_and_mask(which, draw, behind, size, middle)[0]


def shape_and_mask(
    which: int | str,
    draw: np.random.Generator,
    behind: Pixels | None = None,
    size: tuple[int, int] = (48, 48),
    middle: tuple[float, float] | None = None,
) -> tuple[Pixels, Pixels]:
    """The same with its mask (h, w): 255 where any of the shape is, else 0."""
    name = which if isinstance(which, str) else SHAPES[which]
    height, width = size
    ground = backdrop(draw, height, width) if behind is None else behind
    big = Image.fromarray(ground).resize((4 * width, 4 * height), Image.Resampling.BICUBIC)
    cut = Image.new("L", big.size)
    pens = [(ImageDraw.Draw(big), 0), (ImageDraw.Draw(cut), 1)]
    radius = 4 * draw.uniform(8, 14)
    room = radius * 1.3
    x, y = draw.uniform(room, 4 * width - room), draw.uniform(room, 4 * height - room)
    if middle is not None:
        x, y = 4 * middle[0], 4 * middle[1]
    colour = tuple(int(v) for v in draw.integers(60, 256, 3))
    turn = 0.0 if name in ("disc", "ring") else draw.uniform(0, 6.3)
    for pen, is_mask in pens:
        ink: Any = 255 if is_mask else colour
        box = (x - radius, y - radius, x + radius, y + radius)
        if name == "disc":
            pen.ellipse(box, fill=ink)
        elif name == "ring":
            pen.ellipse(box, outline=ink, width=int(radius * 0.4))
        else:
            pen.polygon([(x + a, y + b) for a, b in outline(name, radius, turn)], fill=ink)
    covered = np.asarray(cut.resize((width, height), Image.Resampling.BOX)) > 0
    small = np.asarray(big.resize((width, height), Image.Resampling.BOX), dtype=np.float64)
    noisy = np.clip(small + draw.normal(0, 6, small.shape), 0, 255).astype(np.uint8)
    return noisy, np.where(covered, 255, 0).astype(np.uint8)
