"""Faults of the pictures and of their labels."""

from __future__ import annotations

import numpy as np
from PIL import Image

from flaws.drawing import Pixels, backdrop
from flaws.planting import Planted, Said, clean_digits, clean_shapes, flaw, placed
from flaws.training import answered, drawn

NOISE = 0.08
ODD = 0.05


@flaw("label-noise", twin=clean_digits)
def label_noise(seed: int) -> Planted:
    """Eight per cent of the labels are wrong, at random."""
    at, draw = clean_digits(seed), np.random.default_rng(seed)
    paths = sorted(at.pictures)
    wrong = set(draw.choice(paths, int(NOISE * len(paths)), replace=False).tolist())
    pictures: dict[str, Pixels] = {}
    touched = []
    for path in paths:
        folder, name = path.split("/")
        if path in wrong:
            folder = str((int(folder) + int(draw.integers(1, 10))) % 10)
            touched.append(f"{folder}/{name}")
        pictures[f"{folder}/{name}"] = at.pictures[path]
    share = Said(number=100 * NOISE, tolerance=2.5)
    return at.but(pictures=pictures, touched=frozenset(touched), says=(share,))


@flaw("class-names", twin=clean_digits)
def swapped_labels(seed: int) -> Planted:
    """The folders of 3 and 5 are exchanged."""
    at, turn = clean_digits(seed), {"3": "5", "5": "3"}
    pictures = {}
    for path, picture in at.pictures.items():
        folder, name = path.split("/")
        pictures[f"{turn.get(folder, folder)}/{name}"] = picture
    return at.but(pictures=pictures, says=(Said(("3",)), Said(("5",))))


@flaw("class-names", twin=clean_digits)
def off_by_one(seed: int) -> Planted:
    """The list of classes is one on from the network's outputs."""
    at = clean_digits(seed)
    says = (Said(("off by one", "shifted", "one further", "one on", "one off", "next")),)
    return at.but(classes=(*at.classes[1:], at.classes[0]), says=says)


@flaw("duplicates", twin=clean_shapes)
def two_labels(seed: int) -> Planted:
    """Fifteen pictures stand under two labels, byte for byte."""
    at, draw = clean_shapes(seed), np.random.default_rng(seed)
    pictures, touched = dict(at.pictures), []
    for path in draw.choice(sorted(at.pictures), 15, replace=False).tolist():
        others = [name for name in at.classes if name != path.split("/")[0]]
        again = f"{draw.choice(others)}/copy-{path.split('/')[1]}"
        pictures[again] = at.pictures[path]
        touched += [path, again]
    return at.but(pictures=pictures, touched=frozenset(touched), says=(Said(number=15),))


@flaw("leakage", twin=clean_shapes)
def leakage(seed: int) -> Planted:
    """Half of the pictures are in the training folder, too."""
    at, draw = clean_shapes(seed), np.random.default_rng(seed)
    leaked = draw.choice(sorted(at.pictures), len(at.pictures) // 2, replace=False).tolist()
    training = placed(drawn("shapes", 60, 5000 + seed), at.classes)
    training |= {path.replace("/", "/t-"): at.pictures[path] for path in leaked}
    return at.but(training=training, touched=frozenset(leaked), says=(Said(number=len(leaked)),))


@flaw("balance", twin=clean_digits)
def missing_class(seed: int) -> Planted:
    """No picture of an 8."""
    at = clean_digits(seed)
    kept = {path: picture for path, picture in at.pictures.items() if not path.startswith("8/")}
    return at.but(pictures=kept, says=(Said(("8",)),))


@flaw("odd-images", twin=clean_digits)
def blank_images(seed: int) -> Planted:
    """Five per cent of the pictures have one value in all pixels."""
    at, draw = clean_digits(seed), np.random.default_rng(seed)
    blank = draw.choice(sorted(at.pictures), int(ODD * len(at.pictures)), replace=False).tolist()
    pictures = dict(at.pictures)
    for path in blank:
        pictures[path] = np.full((28, 28), int(draw.integers(0, 256)), dtype=np.uint8)
    return at.but(pictures=pictures, touched=frozenset(blank), says=(Said(number=len(blank)),))


@flaw("odd-images", twin=clean_digits)
def ood_images(seed: int) -> Planted:
    """Five per cent of the pictures are pieces of photographs."""
    at, draw = clean_digits(seed), np.random.default_rng(seed)
    odd = draw.choice(sorted(at.pictures), int(ODD * len(at.pictures)), replace=False).tolist()
    pictures = dict(at.pictures)
    for path in odd:
        pictures[path] = backdrop(draw, 28, 28).mean(2).astype(np.uint8)
    return at.but(pictures=pictures, touched=frozenset(odd), says=(Said(number=len(odd), tolerance=6),))


@flaw("resolution", "odd-images", "properties", twin=clean_shapes)
def enlarged_images(seed: int) -> Planted:
    """A sixth of the pictures were a fifth of their size, and were enlarged again."""
    at, draw = clean_shapes(seed), np.random.default_rng(seed)
    chosen = draw.choice(sorted(at.pictures), len(at.pictures) // 6, replace=False).tolist()
    pictures = dict(at.pictures)
    for path in chosen:
        height, width = pictures[path].shape[:2]
        small = Image.fromarray(pictures[path]).resize((width // 5, height // 5), Image.Resampling.BOX)
        pictures[path] = np.asarray(small.resize((width, height), Image.Resampling.NEAREST))
    says = (Said(number=len(chosen), tolerance=3), Said(("enlarged", "sharp", "blurred")))
    return at.but(pictures=pictures, touched=frozenset(chosen), says=says)


@flaw("preprocessing", "odd-images", "slices", "properties", twin=clean_digits)
def rotated_class(seed: int) -> Planted:
    """Every picture of one class lies on its side: the class whose answers suffer most."""
    at = clean_digits(seed)
    turned = {path: np.rot90(picture).copy() for path, picture in at.pictures.items()}
    got = dict(zip(turned, answered(at.network, list(turned.values())), strict=True))

    def right(name: str) -> int:
        return sum(at.classes[k] == name for path, k in got.items() if path.startswith(f"{name}/"))

    worst = min(at.classes, key=right)
    pictures = {
        path: turned[path] if path.startswith(f"{worst}/") else picture
        for path, picture in at.pictures.items()
    }
    return at.but(pictures=pictures, says=(Said((worst,)), Said(("turn", "side"))))


@flaw("preprocessing", twin=clean_digits)
def inverted(seed: int) -> Planted:
    """The pictures are black on white, those of the training white on black."""
    at = clean_digits(seed)
    pictures = {path: (255 - picture).astype(np.uint8) for path, picture in at.pictures.items()}
    return at.but(pictures=pictures, says=(Said(("invert", "negative")),))
