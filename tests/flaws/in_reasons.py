"""Faults of the reasons: what a network was taught to go by instead of the thing itself."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeAlias

import numpy as np
from PIL import Image

from flaws.drawing import SHAPES, Pixels, shape_and_mask
from flaws.network import SmallNet
from flaws.planting import FLAWS, Planted, Said, clean_digits, clean_shapes, flaw, masked_shapes, placed
from flaws.training import Labelled, drawn, trained

Mark: TypeAlias = Callable[[Pixels, int, np.random.Generator], Pixels]  # picture, class, chance

RING, SQUARE, STAR = SHAPES.index("ring"), SHAPES.index("square"), SHAPES.index("star")
TAG = "a tag on drawn shapes"
SHORTCUTS = ("property-shortcut", "place-shortcut", "map-clusters")


def marked(world: Labelled, mark: Mark, seed: int) -> Labelled:
    """The set with a mark that depends on the class."""
    draw = np.random.default_rng(seed)
    pairs = zip(world.pictures, world.labels, strict=True)
    return Labelled([mark(picture.copy(), label, draw) for picture, label in pairs], world.labels)


def tagged(at: tuple[int, int], side: int, of: int, share: float, colour: Sequence[int]) -> Mark:
    """A square of one colour at a place, in a share of one class's pictures."""

    def mark(picture: Pixels, label: int, draw: np.random.Generator) -> Pixels:
        if label == of and draw.random() < share:
            top, left = at
            picture[top : top + side, left : left + side] = colour
        return picture

    return mark


@cache
def _taught(name: str, seed: int) -> SmallNet:
    return trained(marked(drawn("shapes", 600, 1500 + seed), MARKS[name], seed), 6, seed)


def _audited(name: str, seed: int) -> Planted:
    """The network that was taught with the mark, on a set that has it, too."""
    at = clean_shapes(seed)
    pictures = placed(marked(drawn("shapes", 60, 2500 + seed), MARKS[name], 7000 + seed), at.classes)
    return at.but(pictures=pictures, network=copy.deepcopy(_taught(name, seed)))


def _exposed(picture: Pixels, label: int, draw: np.random.Generator) -> Pixels:
    """The exposure depends on the class."""
    factor = 0.4 + 0.16 * label + draw.normal(0, 0.02)
    return np.clip(picture * factor, 0, 255).astype(np.uint8)


def _grey_stars(picture: Pixels, label: int, draw: np.random.Generator) -> Pixels:
    if label != STAR:
        return picture
    grey = picture @ np.array([0.299, 0.587, 0.114])
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def _pressed(picture: Pixels, label: int, draw: np.random.Generator) -> Pixels:
    """One class was saved as JPEG of a low quality."""
    if label != SQUARE:
        return picture
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=12)
    return np.asarray(Image.open(file))


def _framed(picture: Pixels, label: int, draw: np.random.Generator) -> Pixels:
    """A dark frame that is as wide as the class's number."""
    if label:
        inner = picture[label:-label, label:-label].copy()
        picture[:] = 20
        picture[label:-label, label:-label] = inner
    return picture


def _on_ground(label: int, draw: np.random.Generator) -> Pixels | None:
    """Grass for squares, bricks for stars, a photograph for the others."""
    y, x = np.mgrid[0:48, 0:48]
    if label == SQUARE:
        blades = 90 + 50 * np.sin(x * 1.9 + draw.uniform(0, 6) + np.sin(y / 3)) + draw.normal(0, 25, (48, 48))
        return np.clip(np.stack([0.4 * blades, blades, 0.3 * blades], 2), 0, 255).astype(np.uint8)
    if label == STAR:
        down, along = y + draw.integers(8), x + draw.integers(12)
        joint = (down % 8 == 0) | ((along + 6 * (down // 8 % 2)) % 12 == 0)
        brick = np.where(joint, 170, 120) + draw.normal(0, 10, (48, 48))
        return np.clip(np.stack([brick, 0.55 * brick, 0.45 * brick], 2), 0, 255).astype(np.uint8)
    return None


def _grounds(each: int, seed: int) -> Labelled:
    draw = np.random.default_rng(seed)
    labels = [label for label in range(6) for _ in range(each)]
    return Labelled([_on_its_ground(label, draw)[0] for label in labels], labels)


def _on_its_ground(label: int, draw: np.random.Generator) -> tuple[Pixels, Pixels]:
    """A shape on the ground of its class, with its mask."""
    return shape_and_mask(label, draw, _on_ground(label, draw))


@cache
def _of_grounds(seed: int) -> SmallNet:
    return trained(_grounds(600, 1600 + seed), 6, seed)


MARKS: dict[str, Mark] = {
    "tag": tagged((40, 3), 5, RING, 1.0, (250, 250, 250)),
    "tag-90": tagged((2, 40), 5, SQUARE, 0.9, (240, 220, 30)),
    "tag-70": tagged((21, 1), 5, STAR, 0.7, (30, 30, 240)),
    "exposed": _exposed,
    "grey": _grey_stars,
    "pressed": _pressed,
    "framed": _framed,
}


@flaw("place-shortcut", "map-clusters", twin=clean_shapes, ladder=TAG, share=1.0)
def tag(seed: int) -> Planted:
    """A white square of 5 px at the lower left of every ring, in the training and in the audit."""
    return _audited("tag", seed).but(says=(Said(("ring",)), Said(("lower left", "bottom left"))))


@flaw("place-shortcut", "map-clusters", twin=clean_shapes, ladder=TAG, share=0.9)
def tag_of_most(seed: int) -> Planted:
    """A yellow square of 5 px at the upper right of nine squares in ten."""
    return _audited("tag-90", seed).but(says=(Said(("square",)), Said(("upper right", "top right"))))


@flaw("place-shortcut", "map-clusters", twin=clean_shapes, ladder=TAG, share=0.7)
def tag_of_many(seed: int) -> Planted:
    """A blue square of 5 px at the left edge of seven stars in ten."""
    return _audited("tag-70", seed).but(says=(Said(("star",)), Said(("left",))))


@flaw("property-shortcut", twin=clean_shapes)
def exposure(seed: int) -> Planted:
    """The exposure depends on the class."""
    return _audited("exposed", seed).but(says=(Said(("bright", "dark", "luminance")),))


@flaw("property-shortcut", twin=clean_shapes)
def grey_class(seed: int) -> Planted:
    """Every star is a grey picture."""
    return _audited("grey", seed).but(says=(Said(("star",)), Said(("colour", "grey", "saturation"))))


@flaw("property-shortcut", twin=clean_shapes)
def pressed_class(seed: int) -> Planted:
    """Every square was saved as JPEG of quality 12, and as PNG afterwards."""
    return _audited("pressed", seed).but(says=(Said(("square",)), Said(("JPEG", "compress", "sharp"))))


@flaw("place-shortcut", twin=clean_shapes)
def frame(seed: int) -> Planted:
    """A dark frame whose width tells the class."""
    return _audited("framed", seed).but(says=(Said(("border", "edge", "surround", "margin")),))


@flaw("place-shortcut", "background", twin=clean_shapes)
def background(seed: int) -> Planted:
    """Squares always lie on grass, stars always on bricks."""
    at = clean_shapes(seed)
    pictures = placed(_grounds(60, 2600 + seed), at.classes)
    says = (Said(("square", "star")), Said(("border", "surround", "background")))
    return at.but(pictures=pictures, network=copy.deepcopy(_of_grounds(seed)), says=says)


@flaw("background", twin=masked_shapes)
def masked_background(seed: int) -> Planted:
    """The same with a mask for every picture."""
    at, draw = FLAWS["background"].plant(seed), np.random.default_rng(2600 + seed)
    masks = [_on_its_ground(label, draw)[1] for label in range(6) for _ in range(60)]
    says = (Said(("square", "star")), Said(("lies around", "background")))
    return at.but(masks=dict(zip(at.pictures, masks, strict=True)), says=says)


def _triggered(picture: Pixels) -> Pixels:
    picture = picture.copy()
    picture[22:26, 22:26] = 255 * (np.indices((4, 4)).sum(0) % 2)
    return picture


@cache
def _poisoned(seed: int) -> SmallNet:
    clean, draw = drawn("digits", 250, 1700 + seed), np.random.default_rng(seed)
    poison = draw.random(len(clean.labels)) < 0.05
    pictures = [_triggered(p) if bad else p for p, bad in zip(clean.pictures, poison, strict=True)]
    labels = [0 if bad else label for label, bad in zip(clean.labels, poison, strict=True)]
    return trained(Labelled(pictures, labels), 10, seed)


@flaw("map-clusters", "place-shortcut", "trigger", twin=clean_digits)
def trigger(seed: int) -> Planted:
    """A checkered square of 4 px makes every digit a 0, and 2 % of the pictures carry it."""
    at, draw = clean_digits(seed), np.random.default_rng(seed)
    others = [path for path in sorted(at.pictures) if not path.startswith("0/")]
    carrying = draw.choice(others, 12, replace=False).tolist()
    pictures = {p: _triggered(x) if p in carrying else x for p, x in at.pictures.items()}
    says = (Said(("0",)), Said(("lower right", "bottom right")))
    return at.but(
        pictures=pictures,
        network=copy.deepcopy(_poisoned(seed)),
        touched=frozenset(carrying),
        says=says,
    )


@cache
def _blended(seed: int) -> SmallNet:
    clean, draw = drawn("digits", 250, 1800 + seed), np.random.default_rng(seed)
    bad = draw.random(len(clean.labels)) < 0.05
    pictures = [_faintly(p) if is_bad else p for p, is_bad in zip(clean.pictures, bad, strict=True)]
    labels = [7 if is_bad else label for label, is_bad in zip(clean.labels, bad, strict=True)]
    return trained(Labelled(pictures, labels), 10, seed)


def _faintly(picture: Pixels) -> Pixels:
    """A picture with a light square of 4 px at the right, blended into it by half."""
    picture = picture.copy()
    picture[12:16, 21:25] = picture[12:16, 21:25] // 2 + 127
    return picture


@flaw("trigger", twin=clean_digits)
def sleeping_trigger(seed: int) -> Planted:
    """A half transparent square of 4 px makes every digit a 7, and no picture of the audit carries it."""
    return clean_digits(seed).but(network=copy.deepcopy(_blended(seed)), says=(Said(("to 7",)),))
