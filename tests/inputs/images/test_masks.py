"""Masks of images: which file is whose, and where it lies on the model's input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reportgen.errors import InputError
from reportgen.inputs.images.loading import Unreadable, decode
from reportgen.inputs.images.masks import MaskFolder
from reportgen.inputs.images.preprocessing import Preprocessing, apply
from reportgen.inputs.images.survey import surveyed

P = Preprocessing(12, (8, 10), (0.5,) * 3, (0.25,) * 3)


def saved(values: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("a/one.jpg", "a/two.png", "b/Grün.JPEG"):
        saved(rng.integers(0, 255, (20, 30, 3), np.uint8), tmp_path / "images" / name)
    return tmp_path


def masked(folder: Path, value: int | None = None):
    masks = MaskFolder(folder / "masks", value)
    return surveyed(folder / "images", "none", ("x",), folder, masks=masks).files


def test_a_mask_lies_where_its_image_does(folder: Path) -> None:
    values = np.zeros((20, 30), np.uint8)
    values[3:12, 5:21], values[12:14] = 15, 3
    for name in ("a/one.png", "a/two.png.png", "Grün.png"):
        saved(values, folder / "masks" / name)
    files = masked(folder, 15)
    picture = Image.fromarray(np.where(values == 15, 255, 0).astype(np.uint8)).convert("RGB")
    nearest = Preprocessing(12, (8, 10), (0.5,) * 3, (0.25,) * 3, "nearest")
    expected = apply(picture, nearest)[1][..., 0] == 255  # the geometry of an image itself
    for file in files:
        mask = decode(file, P).mask
        assert mask is not None and mask.shape == (8, 10) and 0 < mask.sum() < 80
        assert np.array_equal(mask, expected)
    whole = [decode(file, P).mask for file in masked(folder)]  # any value but 0
    assert all(mask is not None and mask.sum() > expected.sum() for mask in whole)


@pytest.mark.parametrize("kind", ["bool", "float", "deep", "palette", "rgba", "one channel"])
def test_kinds_of_masks(folder: Path, kind: str) -> None:
    inside = np.zeros((20, 30), bool)
    inside[4:15, 8:22] = True
    path = folder / "masks" / "a" / "one.png"
    path.parent.mkdir(parents=True)
    if kind == "palette":
        picture = Image.fromarray(inside.astype(np.uint8) * 7).convert("P")
        picture.putdata((inside * 7).astype(np.uint8).ravel().tolist())
        picture.putpalette([0] * 768)  # a palette that shows all values black
        picture.save(path)
    elif kind == "rgba":
        colours = np.dstack([inside * 255, inside * 0, inside * 0, np.full(inside.shape, 255)])
        saved(colours.astype(np.uint8), path)
    elif kind == "deep":
        saved(inside.astype(np.uint16) * 40000, path)
    else:
        array = {"bool": inside, "float": inside * 0.5, "one channel": inside[None]}[kind]
        np.save(path.with_suffix(".npy"), array)
    file = masked(folder)[0]
    mask = decode(file, Preprocessing((20, 30), None, (0.5,) * 3, (0.25,) * 3)).mask
    assert mask is not None and np.array_equal(mask, inside)


def reason(folder: Path, values: np.ndarray, value: int | None = None) -> str:
    saved(values, folder / "masks" / "a" / "one.png")
    with pytest.raises(Unreadable) as error:
        decode(masked(folder, value)[0], P)
    return str(error.value)


def test_what_is_wrong_with_a_mask_is_said_of_its_image(folder: Path) -> None:
    empty = np.zeros((20, 30), np.uint8)
    corner = empty.copy()
    corner[0, 0] = 1
    assert "10 × 20 px, the upright picture 30 × 20 px" in reason(folder, np.ones((20, 10), np.uint8))
    assert reason(folder, empty) == "its mask has no place that is not 0"
    assert reason(folder, corner, 4) == "its mask has no place of value 4"
    assert "empty after resize and crop" in reason(folder, corner)
    (folder / "masks" / "a" / "one.png").write_bytes(b"no picture")
    with pytest.raises(Unreadable, match="its mask cannot be read"):
        decode(masked(folder)[0], P)
    assert "no mask is called like it (two.png or .npy)" in (masked(folder)[1].reason or "")


def test_what_is_wrong_with_the_folder_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        masked(folder)
    with pytest.raises(InputError, match="in the image set themselves"):
        surveyed(folder / "images", "none", ("x",), folder, masks=MaskFolder(folder / "images" / "a"))
    one = np.ones((20, 30), np.uint8)
    saved(one, folder / "masks" / "a" / "one.png")
    np.save(folder / "masks" / "a" / "one.npy", one)
    with pytest.raises(InputError, match=r"a/one\.jpg has two masks, one\.npy and one\.png"):
        masked(folder)


def test_a_mask_that_two_images_share_by_name_is_refused(folder: Path) -> None:
    one = np.ones((20, 30), np.uint8)
    saved(np.zeros((20, 30, 3), np.uint8), folder / "images" / "b" / "one.jpg")
    saved(one, folder / "masks" / "one.png")
    with pytest.raises(InputError, match="could be the mask of 2 images"):
        masked(folder)


def test_a_set_whose_images_have_no_masks_at_all_is_refused(folder: Path) -> None:
    (folder / "masks").mkdir()
    with pytest.raises(InputError, match="no mask is called like it"):
        masked(folder)
