"""Decoding what nobody vouches for: every mode, every damage, and the order of the stream."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reportgen.inputs.images.listing import hashed
from reportgen.inputs.images.loading import Decoded, ImageFile, Rejected, Unreadable, decode, stream
from reportgen.inputs.images.preprocessing import Preprocessing

RGB = Preprocessing(None, (8, 8), (0.5,) * 3, (0.5,) * 3)
GREY = Preprocessing(None, (8, 8), (0.5,), (0.5,))


def photograph(width: int = 64, height: int = 48) -> Image.Image:
    rng = np.random.default_rng(1)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def surveyed(path: Path, number: int = 0) -> ImageFile:
    return hashed(ImageFile(number, path, path.name))


def saved(folder: Path, image: Image.Image, name: str = "x.png", **options) -> ImageFile:
    image.save(folder / name, **options)
    return surveyed(folder / name)


def written(folder: Path, data: bytes, name: str = "x.png") -> ImageFile:
    (folder / name).write_bytes(data)
    return surveyed(folder / name)


def encoded(image: Image.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM", "JPEG", "WEBP", "AVIF", "GIF"])
def test_every_format_gives_the_pixels_that_were_saved(tmp_path, form):
    lossy = form in ("JPEG", "WEBP", "AVIF", "GIF")
    image = Image.new("RGB", (8, 8), (200, 30, 90)) if lossy else photograph(8, 8)
    file = written(tmp_path, encoded(image, form), "x.dat")  # the content decides, not the suffix
    found = decode(file, RGB)
    difference = found.seen.astype(int) - np.asarray(image, dtype=int)
    assert np.abs(difference).max() <= (4 if lossy else 0)
    assert found.notes == ()
    np.testing.assert_allclose(found.pixels, found.seen.transpose(2, 0, 1) / 127.5 - 1, atol=1e-6)


def test_the_original_is_an_rgb_jpeg_of_bounded_size(tmp_path):
    found = decode(saved(tmp_path, photograph(1300, 500)), RGB)
    original = Image.open(io.BytesIO(found.original_jpeg))
    assert (original.format, original.mode, original.size) == ("JPEG", "RGB", (640, 246))
    assert found.geometry.original_px == (1300, 500)
    small = decode(saved(tmp_path, photograph(30, 20)), RGB)
    assert Image.open(io.BytesIO(small.original_jpeg)).size == (30, 20)


def test_the_original_carries_no_metadata(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "a secret maker"
    file = saved(tmp_path, photograph(), "x.jpg", exif=exif, comment=b"a secret comment")
    assert b"secret" in (tmp_path / "x.jpg").read_bytes()
    assert b"secret" not in decode(file, RGB).original_jpeg


def test_a_grey_model_sees_luma_and_the_original_stays_in_colour(tmp_path):
    image = photograph(8, 8)
    found = decode(saved(tmp_path, image), GREY)
    np.testing.assert_array_equal(found.seen[..., 0], np.asarray(image.convert("L")))
    assert Image.open(io.BytesIO(found.original_jpeg)).mode == "RGB"


def test_a_grey_file_reaches_a_grey_model_unchanged(tmp_path):
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    found = decode(saved(tmp_path, ramp), Preprocessing(None, (16, 16), (0.0,), (1.0,)))
    np.testing.assert_array_equal(found.seen[..., 0], np.asarray(ramp))


# -- modes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_exif_orientation_is_undone(tmp_path, orientation, suffix):
    """The file stores the picture turned; the reader sees it upright."""
    upright = photograph(8, 8)
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,  # stored turned left: a viewer turns it right
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = saved(tmp_path, upright.transpose(turns[orientation]), f"x.{suffix}", exif=exif)
    found = decode(file, RGB)
    np.testing.assert_array_equal(found.seen, np.asarray(upright))
    assert found.notes == (f"EXIF orientation {orientation} applied",)


def test_exif_swaps_the_original_size(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    file = saved(tmp_path, photograph(40, 20), "x.jpg", exif=exif)
    assert decode(file, RGB).geometry.original_px == (20, 40)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_is_no_reason_to_reject(tmp_path):
    good = encoded(photograph(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    assert isinstance(decode(written(tmp_path, good, "x.jpg"), RGB), Decoded)


def test_alpha_is_laid_over_white(tmp_path):
    values = np.zeros((8, 8, 4), np.uint8)
    values[:, :4, 3] = 255  # opaque black left, transparent black right
    found = decode(saved(tmp_path, Image.fromarray(values)), RGB)
    assert found.seen[:, :4].max() == 0
    assert found.seen[:, 4:].min() == 255
    assert found.notes == ("alpha over white",)


def test_alpha_that_hides_nothing_is_not_worth_a_note(tmp_path):
    image = photograph(8, 8)
    image.putalpha(255)
    assert decode(saved(tmp_path, image), RGB).notes == ()


def test_palette_with_transparency(tmp_path):
    image = Image.new("P", (8, 8), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(1, (4, 0, 8, 8))
    image.save(tmp_path / "x.png", transparency=1)
    found = decode(surveyed(tmp_path / "x.png"), RGB)
    assert found.seen[0, 0].tolist() == [255, 0, 0]
    assert found.seen[0, 7].tolist() == [255, 255, 255]
    assert found.notes == ("alpha over white",)


def test_grey_with_alpha(tmp_path):
    values = np.array([[[10, 255], [10, 0]]] * 2, np.uint8)
    found = decode(saved(tmp_path, Image.fromarray(values, "LA").resize((8, 8), 0)), RGB)
    assert found.seen[0, 0].tolist() == [10] * 3
    assert found.seen[0, 7].tolist() == [255] * 3


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_is_scaled_over_its_full_range(tmp_path, suffix):
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    found = decode(saved(tmp_path, Image.fromarray(ramp), f"x.{suffix}"), RGB)
    np.testing.assert_array_equal(found.seen[..., 1], np.rint(ramp / 257.0))
    assert found.notes == ("16 bit scaled to 8 bit",)


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG written by hand: Pillow writes neither 16-bit colour nor lies about the size."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + pixels + chunk(b"IEND", b"")


def test_16_bit_colour_keeps_the_high_bytes(tmp_path):
    row = b"\0" + struct.pack(">HHH", 0xFFFF, 0x80FF, 0x0000) * 8
    found = decode(written(tmp_path, png(8, 8, 16, 2, row * 8)), RGB)
    assert found.seen[3, 3].tolist() == [255, 128, 0]
    assert found.notes == ("16 bit scaled to 8 bit",)


def test_16_bit_pgm(tmp_path):
    data = b"P5 8 8 65535\n" + struct.pack(">H", 0x8080) * 64
    found = decode(written(tmp_path, data, "x.pgm"), RGB)
    assert found.seen[0, 0].tolist() == [128] * 3


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.0, 5.0)])
def test_float_images_are_scaled_and_the_note_says_how(tmp_path, low, high):
    ramp = np.linspace(low, high, 64, dtype=np.float32).reshape(8, 8)
    found = decode(saved(tmp_path, Image.fromarray(ramp), "x.tif"), RGB)
    assert (found.seen.min(), found.seen.max()) == (0, 255)
    assert np.all(np.diff(found.seen[..., 0].ravel().astype(int)) >= 0)
    assert "scaled to 8 bit" in found.notes[0]


def test_a_float_image_with_nan_is_rejected(tmp_path):
    values = np.full((8, 8), np.nan, np.float32)
    with pytest.raises(Unreadable, match="not finite"):
        decode(saved(tmp_path, Image.fromarray(values), "x.tif"), RGB)


@pytest.mark.parametrize("value", [0, 1])
def test_one_bit_images_are_black_or_white(tmp_path, value):
    found = decode(saved(tmp_path, Image.new("1", (8, 8), value)), RGB)
    assert set(found.seen.ravel().tolist()) == {255 * value}


def test_cmyk_jpeg_becomes_rgb(tmp_path):
    red = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    found = decode(saved(tmp_path, red, "x.jpg", quality=100), RGB)
    assert found.seen[0, 0].tolist() == pytest.approx([255, 0, 0], abs=3)
    assert "CMYK" in found.notes[0]


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_of_many_frames_is_taken(tmp_path, form):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if form == "WEBP" else {}
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:], **options)
    found = decode(written(tmp_path, data), RGB)
    assert found.seen[4, 4].tolist() == [255, 0, 0]
    assert found.notes == ("first of 3 frames",)


# -- damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "TIFF", "GIF", "PPM", "WEBP", "AVIF"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_truncated_files_are_rejected(tmp_path, form, share):
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = encoded(image, form)
    with pytest.raises(Unreadable) as caught:
        decode(written(tmp_path, data[: int(len(data) * share)]), RGB)
    assert "\n" not in str(caught.value)
    assert "0x" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [b"hello", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff", b"%!PS-Adobe-3.0", b"<svg/>", b"\0" * 99],
)
def test_what_is_no_image_is_rejected_in_words(tmp_path, data):
    with pytest.raises(Unreadable, match=r"not an image of a known kind|damaged"):
        decode(written(tmp_path, data), RGB)


def test_formats_outside_the_allow_list_are_not_opened(tmp_path):
    for form in ("ICO", "TGA", "PCX", "SGI"):
        with pytest.raises(Unreadable, match="not an image of a known kind"):
            decode(written(tmp_path, encoded(photograph(), form)), RGB)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [9_500, 40_000, 2**31 - 1])
def test_a_decompression_bomb_is_rejected_before_it_is_unpacked(tmp_path, side):
    rows = b"\0" * ((side + 1) * side if side < 10_000 else 1000)  # the first is a whole picture
    file = written(tmp_path, png(side, side, 8, 0, rows))
    assert file.path.stat().st_size < 100_000
    with pytest.raises(Unreadable, match="more than 89 million pixels"):
        decode(file, RGB)


def test_a_sliver_that_the_resize_would_blow_up_is_rejected(tmp_path):
    p = Preprocessing(256, (224, 224), (0.5,) * 3, (0.5,) * 3)
    with pytest.raises(Unreadable, match="would be resized to 25600000 × 256"):
        decode(saved(tmp_path, Image.new("L", (100_000, 1))), p)
    found = decode(saved(tmp_path, Image.new("L", (900, 1))), p)
    assert found.seen.shape == (224, 224, 3)


def test_a_wrong_checksum_in_a_png_is_rejected(tmp_path):
    data = bytearray(encoded(photograph(), "PNG"))
    data[data.index(b"IDAT") + 20] ^= 1
    with pytest.raises(Unreadable):
        decode(written(tmp_path, bytes(data)), RGB)


@pytest.mark.filterwarnings("ignore:::PIL")
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_bytes_never_raise_anything_but_unreadable(tmp_path_factory, data):
    form = data.draw(st.sampled_from(["PNG", "JPEG", "BMP", "TIFF", "GIF", "PPM", "WEBP", "AVIF"]))
    good = bytearray(encoded(photograph(24, 16), form))
    for _ in range(data.draw(st.integers(1, 8))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    file = written(tmp_path_factory.mktemp("damaged"), bytes(good))
    try:
        found = decode(file, RGB)
    except Unreadable as error:
        assert str(error) and "\n" not in str(error)
    else:
        assert found.seen.shape == (8, 8, 3)
        assert np.isfinite(found.pixels).all()


def test_a_file_that_changed_since_the_survey_is_rejected(tmp_path):
    file = saved(tmp_path, photograph())
    photograph(32, 32).save(file.path)
    with pytest.raises(Unreadable, match="changed while it was read"):
        decode(file, RGB)
    file.path.unlink()
    with pytest.raises(Unreadable, match="no such file"):
        decode(file, RGB)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_the_place_of_a_file_does_not_wait_for_ever(tmp_path):
    file = saved(tmp_path, photograph())
    file.path.unlink()
    os.mkfifo(file.path)
    with pytest.raises(Unreadable, match="not a regular file"):
        decode(file, RGB)


# -- the stream ----------------------------------------------------------------------------------


def test_the_stream_keeps_order_and_goes_on_after_a_rejected_image(tmp_path):
    files = []
    for number in range(30):
        name = f"{number:02d}.png"
        if number % 7 == 3:
            (tmp_path / name).write_bytes(b"no image")
        else:
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / name)
        files.append(surveyed(tmp_path / name, number))
    found = list(stream(files, RGB, workers=3, ahead=5))
    assert [x.file.number for x in found] == list(range(30))
    for number, x in enumerate(found):
        assert isinstance(x, Rejected if number % 7 == 3 else Decoded)
        if isinstance(x, Decoded):
            assert x.seen[0, 0, 0] == number


def test_a_decoded_image_does_not_depend_on_its_neighbours(tmp_path):
    files = [saved(tmp_path, photograph(40 + n, 30), f"{n}.png") for n in range(8)]
    there = {x.file.shown: hashlib.sha256(x.pixels).digest() for x in stream(files, RGB)}
    back = {x.file.shown: hashlib.sha256(x.pixels).digest() for x in stream(files[::-1], RGB, 1, 1)}
    assert there == back


def test_no_more_files_are_read_than_asked_ahead(tmp_path):
    file = saved(tmp_path, photograph())
    asked = []

    def endless():
        while True:
            asked.append(1)
            yield file

    flow = stream(endless(), RGB, workers=2, ahead=4)
    for _ in range(3):
        next(flow)
    assert len(asked) <= 3 + 4
    flow.close()


def test_a_closed_stream_leaves_no_thread(tmp_path):
    flow = stream([saved(tmp_path, photograph())] * 20, RGB)
    next(flow)
    flow.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("decode")]
