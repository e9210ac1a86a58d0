"""Pictures that are no 8-bit photographs: bands, deep data with a range, DICOM, HEIC, large ones."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reportgen.errors import InputError, RecipeError
from reportgen.inputs.images import bands, listing
from reportgen.inputs.images.listing import ImageFile, suffixes
from reportgen.inputs.images.loading import Unreadable, decode, survey
from reportgen.inputs.images.preprocessing import Preprocessing


def prepared(channels: int = 1, side: int = 4, **more) -> Preprocessing:
    return Preprocessing(None, (side, side), (0.0,) * channels, (1.0,) * channels, **more)


def decoded(path: Path, p: Preprocessing):
    return decode(ImageFile(0, path, path.name), p)


def refused(path: Path, p: Preprocessing) -> str:
    with pytest.raises(Unreadable) as caught:
        decoded(path, p)
    assert "\n" not in str(caught.value)
    return str(caught.value)


RAMP = (np.arange(8 * 8 * 5) % 256).astype(np.uint8).reshape(8, 8, 5)


@pytest.mark.parametrize("first", [True, False])
def test_the_bands_of_an_array_are_the_channels_of_the_input(tmp_path, first):
    np.save(tmp_path / "a.npy", RAMP.transpose(2, 0, 1) if first else RAMP)
    found = decoded(tmp_path / "a.npy", prepared(5, 8, show=(4, 2, 0)))
    assert np.allclose(found.pixels, RAMP.transpose(2, 0, 1) / 255)
    assert np.array_equal(found.seen, RAMP[..., [4, 2, 0]])
    assert found.original_jpeg.startswith(b"\xff\xd8")


def test_bands_that_can_be_two_axes_are_not_guessed(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 8, 4), np.uint8))
    assert "first or its last axis" in refused(tmp_path / "a.npy", prepared(4, 8))


def test_an_array_of_objects_is_refused_unread(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert "damaged" in refused(tmp_path / "a.npy", prepared(5, 8))


def test_bands_are_counted_and_never_dropped(tmp_path):
    np.save(tmp_path / "a.npy", RAMP)
    assert "5 bands, the model takes 4" in refused(tmp_path / "a.npy", prepared(4, 8))
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    assert "3 bands, the model takes 4" in refused(tmp_path / "b.png", prepared(4, 8))


def test_four_bands_of_a_png_and_pages_of_a_tiff(tmp_path):
    Image.fromarray(np.ascontiguousarray(RAMP[..., :4])).save(tmp_path / "a.png")
    assert np.allclose(
        decoded(tmp_path / "a.png", prepared(4, 8)).pixels, RAMP[..., :4].transpose(2, 0, 1) / 255
    )
    pages = [Image.fromarray(np.ascontiguousarray(RAMP[..., n])) for n in range(5)]
    pages[0].save(tmp_path / "b.tif", save_all=True, append_images=pages[1:])
    assert np.allclose(decoded(tmp_path / "b.tif", prepared(5, 8)).pixels, RAMP.transpose(2, 0, 1) / 255)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_a_tiff_of_many_bands(tmp_path, planar):
    tifffile = pytest.importorskip("tifffile")
    deep = (RAMP.astype(np.uint16) * 16)[..., [0, 1, 2, 3, 4] * 2]  # ten bands, 12 bit
    values = deep if planar == "contig" else deep.transpose(2, 0, 1)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", planarconfig=planar)
    found = decoded(tmp_path / "a.tif", prepared(10, 8, range=(0, 4095)))
    assert np.allclose(found.pixels, deep.transpose(2, 0, 1) / 4095, atol=1e-6)


def test_twelve_bit_with_its_range_keeps_every_level(tmp_path):
    values = np.arange(0, 4096, 4, dtype=np.uint16).reshape(32, 32)
    Image.fromarray(values).save(tmp_path / "a.png")
    found = decoded(tmp_path / "a.png", prepared(3, 32, range=(0, 4095)))
    assert len(np.unique(found.pixels)) == 1024
    assert np.allclose(found.pixels[0], values / 4095)
    assert "values 0 to 4095 scaled to 0 to 1" in found.notes


def test_twelve_bit_without_a_range_is_said_with_a_remedy_that_works(tmp_path):
    Image.fromarray(np.full((4, 4), 4000, np.uint16)).save(tmp_path / "a.png")
    found = decoded(tmp_path / "a.png", prepared(1))
    assert any("reach only 4000 of 65535" in note and "[0, 4095]" in note for note in found.notes)
    mended = decoded(tmp_path / "a.png", prepared(1, range=(0, 4095)))
    assert mended.pixels.mean() == pytest.approx(4000 / 4095)


def test_values_beyond_the_range_are_cut_and_counted(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[-5.0, 0.0], [50.0, 200.0]], np.float32))
    found = decoded(tmp_path / "a.npy", prepared(1, 2, range=(0, 100)))
    assert found.pixels.tolist() == [[[0.0, 0.0], [0.5, 1.0]]]
    assert any("beyond that range: 2" in note for note in found.notes)
    assert "set model.preprocessing.range" in refused(tmp_path / "a.npy", prepared(1, 2))


def test_bands_are_resized_in_full_precision(tmp_path):
    values = np.random.default_rng(0).uniform(0, 1, (9, 12, 6)).astype(np.float32)
    np.save(tmp_path / "a.npy", values)
    p = Preprocessing((6, 8), (4, 4), (0.5,) * 6, (0.25,) * 6)
    found = decoded(tmp_path / "a.npy", p)
    one = Image.fromarray(np.ascontiguousarray(values[..., 3])).resize((8, 6), Image.Resampling.BILINEAR)
    assert np.allclose(found.pixels[3], (np.asarray(one)[1:5, 2:6] - 0.5) / 0.25, atol=1e-6)
    assert found.geometry.crop_px == (2, 1, 6, 5)


def test_shown_bands_are_those_that_are_there():
    with pytest.raises(RecipeError, match="not one or three of 5"):
        prepared(5, 8, show=(0, 9, 1))
    with pytest.raises(RecipeError, match="names 2 bands"):
        prepared(5, bands=("red", "green"))
    assert prepared(2).shown == (0,) and prepared(7).shown == (0, 1, 2)


def test_dicom(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import FileDataset, FileMetaDataset

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    held = FileDataset(str(tmp_path / "a.dcm"), {}, file_meta=meta, preamble=b"\0" * 128)
    values = np.arange(16, dtype=np.uint16).reshape(4, 4) * 200
    held.Rows, held.Columns, held.SamplesPerPixel = 4, 4, 1
    held.BitsAllocated, held.BitsStored, held.HighBit, held.PixelRepresentation = 16, 12, 11, 0
    held.PhotometricInterpretation, held.PixelData = "MONOCHROME2", values.tobytes()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    held.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert np.allclose(decoded(tmp_path / "a.dcm", prepared(1)).pixels[0], values / 4095)
    held.PhotometricInterpretation = "MONOCHROME1"
    held.save_as(tmp_path / "b.dcm", enforce_file_format=True)
    assert np.allclose(decoded(tmp_path / "b.dcm", prepared(1)).pixels[0], 1 - values / 4095, atol=1e-6)
    held.PhotometricInterpretation, held.RescaleSlope, held.RescaleIntercept = "MONOCHROME2", 1, -1024
    held.save_as(tmp_path / "c.dcm", enforce_file_format=True)
    windowed = decoded(tmp_path / "c.dcm", prepared(1, range=(-1000, 1000))).pixels[0]
    assert np.allclose(windowed, np.clip((values - 1024.0 + 1000) / 2000, 0, 1), atol=1e-6)


def test_heic(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    Image.new("RGB", (8, 8), (200, 40, 30)).save(tmp_path / "a.heic", quality=100)
    found = decoded(tmp_path / "a.heic", prepared(3, 8))
    assert np.abs(found.seen.astype(int) - (200, 40, 30)).max() < 8


def test_without_their_packages_dicom_and_heic_are_named_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(listing, "find_spec", lambda name: None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    (tmp_path / "b.DCM").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "c.jp2").write_bytes(b"x")
    with pytest.raises(InputError, match=r"1 of \.dcm, 1 of \.heic, 1 of \.jp2") as caught:
        survey(tmp_path, "auto", ("a", "b"), tmp_path)
    assert "pip install pillow-heif pydicom" in caught.value.cause
    Image.new("RGB", (4, 4)).save(tmp_path / "d.png")
    _, notes = survey(tmp_path, "auto", ("a", "b"), tmp_path)
    assert any(".heic" in note and "left out" in note for note in notes)


def test_a_limit_on_pixels_that_can_be_raised(tmp_path):
    Image.new("L", (300, 200), 128).save(tmp_path / "a.png")
    words = refused(tmp_path / "a.png", prepared(1, largest_px=50_000))
    assert "300 × 200 px" in words and "images.at_most_megapixels" in words
    assert decoded(tmp_path / "a.png", prepared(1, largest_px=60_000)).pixels.shape == (1, 4, 4)


def test_more_pixels_than_pillows_own_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("reportgen.inputs.images.loading.LARGEST_PX", 100)
    Image.new("L", (30, 30), 7).save(tmp_path / "a.png")
    assert decoded(tmp_path / "a.png", prepared(1, largest_px=1000)).seen[0, 0, 0] == 7


@pytest.mark.parametrize("name", ["a.jpg", "a.mpo"])
def test_a_multi_picture_jpeg_shows_its_first(tmp_path, name):
    red, blue = Image.new("RGB", (16, 16), (200, 40, 30)), Image.new("RGB", (16, 16), (30, 40, 200))
    red.save(tmp_path / name, "MPO", save_all=True, append_images=[blue], quality=95)
    assert decoded(tmp_path / name, prepared(3, 16)).seen[8, 8].argmax() == 0
    assert Path(name).suffix in suffixes()


def test_a_network_of_five_bands_is_audited_whole(tmp_path):
    """The page shows the chosen bands, and its maps are of the size of the input."""
    from reportgen.pipeline import run
    from reportgen.recipe import load

    torch.manual_seed(0)
    (tmp_path / "net.py").write_text(
        "from torch import nn\ndef make():\n    return nn.Sequential(nn.Conv2d(5, 4, 3), nn.ReLU(), "
        "nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))\n"
    )
    space: dict = {}
    exec((tmp_path / "net.py").read_text(), space)
    torch.save(space["make"]().state_dict(), tmp_path / "c.pt")
    (tmp_path / "im").mkdir()
    for n in range(3):
        np.save(tmp_path / "im" / f"{n}.npy", np.random.default_rng(n).uniform(0, 1, (16, 16, 5)))
    (tmp_path / "r.yaml").write_text(
        "model:\n  source: net.py:make\n  preprocessing: {resize: null, crop: 16, mean: [0.5], std: [0.5], "
        "bands: [blue, green, red, edge, infrared], show: [infrared, red, green]}\n"
        "trust: {images: 1, steps: 4, random_orders: 2}\noutput: {pdf: false}\n"
    )
    run(load(tmp_path / "r.yaml"), tmp_path / "c.pt", tmp_path / "im", tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "shown as a picture: infrared, red, green" in page


def test_damaged_arrays_and_dicoms_are_refused_in_words(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, RAMP)
    data = buffer.getvalue()
    for n, cut in enumerate((7, 60, 100, len(data) - 3)):
        (tmp_path / f"{n}.npy").write_bytes(data[:cut])
        refused(tmp_path / f"{n}.npy", prepared(5, 8))
    (tmp_path / "x.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    refused(tmp_path / "x.dcm", prepared(1))
    assert bands.MOST_BANDS == 16
