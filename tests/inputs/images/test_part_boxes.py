"""Parts of images: a CSV of boxes that is right, one that is not, and where the boxes come to lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reportgen.errors import InputError
from reportgen.inputs.images.loading import Decoded, stream
from reportgen.inputs.images.part_boxes import placed, read_parts
from reportgen.inputs.images.preprocessing import Geometry, Preprocessing, apply
from reportgen.inputs.images.survey import survey

HEAD = "path,part,left,top,right,bottom\n"
PLAIN = Preprocessing(resize=None, crop=(20, 20), mean=(0.0,), std=(1.0,))


def csv(folder: Path, text: str, name: str = "parts.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def image(path: Path, size=(20, 20)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, 128).save(path)
    return path


def test_names_come_in_order_of_first_mention_and_paths_from_the_csvs_folder(tmp_path):
    rows = "nose;b/x.png;1;2;3;4\n\neye;x.png;0;0;1.5;9\n"
    path = csv(tmp_path, "\ufeffpart;path;left;top;right;bottom\n" + rows)
    found = read_parts(path)
    assert found.names == ("nose", "eye")
    assert [(row.path, row.box) for row in found.rows] == [
        (tmp_path / "b" / "x.png", (1, 2, 3, 4)),
        (tmp_path / "x.png", (0, 0, 1.5, 9)),
    ]
    assert [row.place for row in found.rows] == [f"{path}:2", f"{path}:4"]


@pytest.mark.parametrize(
    "text, place, cause, remedy",
    [
        ("path,part,left,top,right\n", ":1", "no column is named 'bottom'", "begin the CSV with"),
        ("a.png,nose,1,2,3,4\n", ":1", "no column is named 'part'", "path,part,left,top,right,bottom"),
        (HEAD.replace("top", "left"), ":1", "two columns are named 'left'", "rename"),
        (HEAD, "", "no part is listed", "add a line"),
        (HEAD + "a.png,nose,1,2,3,4\n,nose,1,2,3,4\n", ":3", "the path is empty", "fill it in"),
        (HEAD + "a.png,,1,2,3,4\n", ":2", "the part has no name", "fill it in"),
        (HEAD + "a.png,nose,1,2,x,4\n", ":2", "right is 'x'", "pixels of the original image"),
        (HEAD + "a.png,nose,1,2,nan,4\n", ":2", "right is 'nan'", "pixels"),
        (HEAD + "a.png,nose,1,2,inf,4\n", ":2", "right is 'inf'", "pixels"),
        (HEAD + "a.png,nose,-1,2,3,4\n", ":2", "left is '-1'", "counted from 0"),
        (HEAD + "a.png,nose,1,2,3\n", ":2", "bottom is ''", "pixels"),
        (HEAD + "a.png,nose,3,2,1,4\n", ":2", "is empty: left 3, top 2, right 1, bottom 4", "left < right"),
        (HEAD + "a.png,nose,1,2,3,4\na.png,nose,1,2,3,5\n", ":3", "stands at", "keep one"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_the_remedy(tmp_path, text, place, cause, remedy):
    path = csv(tmp_path, text)
    with pytest.raises(InputError) as raised:
        read_parts(path)
    assert raised.value.cause.startswith(f"{path}{place}: ")
    assert cause in raised.value.cause
    assert remedy in raised.value.remedy


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"parts\.csv cannot be read"):
        read_parts(tmp_path / "parts.csv")


@pytest.mark.parametrize("beside", [True, False])
def test_boxes_reach_their_images_by_path_from_the_csv_or_from_the_set(tmp_path, beside):
    images = tmp_path / "set"
    for name in ("a.png", "sub/b.png", "c.png"):
        image(images / name)
    prefix = "set/" if beside else ""
    rows = "".join(f"{prefix}{name},nose,1,2,3,4\n" for name in ("a.png", "sub/b.png", "gone.png"))
    listed = read_parts(csv(tmp_path, HEAD + rows + f"{prefix}a.png,eye,5,6,7,8\n"))
    files, notes = survey(images, "none", ("cat",), tmp_path, parts=listed)
    assert {file.shown: file.parts for file in files} == {
        "a.png": ((1, 2, 3, 4), (5, 6, 7, 8)),
        "c.png": (None, None),
        "sub/b.png": ((1, 2, 3, 4), None),
    }
    assert "1 images of parts.csv are not in this set." in notes


def test_a_csv_of_other_images_is_an_error(tmp_path):
    image(tmp_path / "set" / "a.png")
    listed = read_parts(csv(tmp_path, HEAD + "b.png,nose,1,2,3,4\n"))
    with pytest.raises(InputError, match=r"parts\.csv:2: no row names an image of this set"):
        survey(tmp_path / "set", "none", ("cat",), tmp_path, parts=listed)


def test_without_a_csv_no_image_has_parts(tmp_path):
    image(tmp_path / "a.png")
    files, _ = survey(tmp_path, "none", ("cat",), tmp_path)
    (decoded,) = stream(files, PLAIN)
    assert files[0].parts == ()
    assert isinstance(decoded, Decoded) and decoded.boxes.shape == (0, 4)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_bright_part_is_found_where_its_box_comes_to_lie(tmp_path, orientation):
    """The box is that of the upright picture; the pixels that it covers on the input are the bright ones."""
    upright = np.zeros((90, 120), np.uint8)
    upright[30:60, 45:75] = 255
    stored = upright if orientation == 1 else np.rot90(upright)  # 6: shown a quarter turn clockwise
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    listed = read_parts(csv(tmp_path, HEAD + "a.png,spot,45,30,75,60\n"))
    files, _ = survey(tmp_path, "none", ("cat",), tmp_path, parts=listed)
    preprocessing = Preprocessing(resize=60, crop=(48, 48), mean=(0.0,), std=(1.0,))
    (decoded,) = stream(files, preprocessing)
    top, left, bottom, right = decoded.boxes[0]
    bright = decoded.pixels[0] > 0.5
    assert bright[top:bottom, left:right].all()
    assert bright.sum() == (bottom - top) * (right - left) == 20 * 20


def test_a_part_out_of_view_is_lacking_and_the_record_says_so(tmp_path):
    image(tmp_path / "a.png", (60, 20))
    rows = "a.png,out,0,0,10,10\na.png,half,15,0,25,10\na.png,less,14,0,24,10\na.png,in,30,5,35,9\n"
    listed = read_parts(csv(tmp_path, HEAD + rows))
    files, _ = survey(tmp_path, "none", ("cat",), tmp_path, parts=listed)
    (decoded,) = stream(files, PLAIN)  # the view is x from 20 to 40
    assert decoded.boxes.tolist() == [[0, 0, 0, 0], [0, 0, 10, 5], [0, 0, 0, 0], [5, 10, 9, 15]]
    assert "parts that are more than half out of the model's view: 2" in decoded.notes


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(20, 90), st.integers(20, 90)),
    resize=st.integers(16, 40),
    box=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_a_placed_box_covers_the_part_and_little_more(size, resize, box):
    """Against the centres of the original's pixels, each sent to the input on its own."""
    preprocessing = Preprocessing(resize=resize, crop=(16, 16), mean=(0.0,), std=(1.0,))
    geometry: Geometry = apply(Image.new("L", size), preprocessing)[2]
    x0, x1 = sorted((box[0] * size[0], box[1] * size[0]))
    y0, y1 = sorted((box[2] * size[1], box[3] * size[1]))
    if x1 - x0 < 1 or y1 - y0 < 1:
        return
    top, left, bottom, right = placed(((x0, y0, x1, y1),), geometry)[0]
    cx0, cy0, cx1, cy1 = geometry.crop_original_px
    sx, sy = (cx1 - cx0) / 16, (cy1 - cy0) / 16  # original pixels an input pixel
    if (top, left, bottom, right) == (0, 0, 0, 0):
        seen = max(0, min(x1, cx1) - max(x0, cx0)) * max(0, min(y1, cy1) - max(y0, cy0))
        assert seen <= 0.5001 * (x1 - x0) * (y1 - y0)
        return
    assert 0 <= left < right <= 16 and 0 <= top < bottom <= 16
    assert cx0 + left * sx <= max(x0, cx0) + 1e-3 and cx0 + right * sx >= min(x1, cx1) - 1e-3
    assert cx0 + (left + 1) * sx > x0 - 1e-3 and cx0 + (right - 1) * sx < x1 + 1e-3
    assert cy0 + top * sy <= max(y0, cy0) + 1e-3 and cy0 + bottom * sy >= min(y1, cy1) - 1e-3
