"""The arrays of a shard: read back bit by bit, whole or image by image, and smaller than they were."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import save

from reportgen.evidence import Evidence, Writer
from reportgen.evidence.arrays import FEW_BYTES, Stored, packed
from reportgen.evidence.levels import Steps
from reportgen.findings import Gallery, Heatmap, Picture, Scalar, Segments, faults
from reportgen.report.pictures.scales import scale

rng = np.random.default_rng(0)
SMOOTH = np.sin(np.arange(3 * 50 * 50) / 300).reshape(3, 50, 50)
ARRAYS = {
    "floats": SMOOTH.astype(np.float32),
    "doubles": np.round(SMOOTH, 2),
    "not finite": np.where(SMOOTH > 0.9, np.nan, np.where(SMOOTH < -0.9, -np.inf, 0.5)).astype(np.float32),
    "integers": rng.integers(-3, 3, (3, 50, 50)),
    "bytes": rng.integers(0, 4, (3, 50, 50), dtype=np.uint8),
    "bools": SMOOTH > 0.2,
    "noise": rng.random((3, 5000)),
    "small": np.arange(6).reshape(3, 2),
    "line": np.zeros(6000),
    "none": np.zeros((0, 4)),
    "number": np.float32(3),
}


def same(a, b) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == np.ascontiguousarray(b).tobytes()


@pytest.mark.parametrize("by_image", [True, False])
def test_arrays_are_read_back_bit_by_bit(tmp_path, by_image):
    rows = [name for name, values in ARRAYS.items() if np.ndim(values)] if by_image else []
    file = tmp_path / "a.safetensors"
    data = packed(ARRAYS, rows)
    assert data == packed(dict(reversed(list(ARRAYS.items()))), rows)
    assert len(data) < 0.7 * sum(np.asarray(values).nbytes for values in ARRAYS.values())
    file.write_bytes(data)
    with Stored(file) as stored:
        assert sorted(stored.names()) == sorted(ARRAYS)
        for name, values in ARRAYS.items():
            assert same(stored.whole(name), np.asarray(values)), name
            for row in range(len(values) if np.ndim(values) > 1 else 0):
                assert same(stored.of_image(name, row), values[row]), name
        assert stored.bytes_of("bytes" if by_image else "line", 0, 0) == b""
        with pytest.raises(SafetensorError):
            stored.whole("another")


def test_arrays_as_an_earlier_version_wrote_them_are_read(tmp_path):
    file = tmp_path / "a.safetensors"
    file.write_bytes(save({"a": ARRAYS["floats"], "b": np.frombuffer(b"abcdef", np.uint8)}))
    with Stored(file) as stored:
        assert same(stored.whole("a"), ARRAYS["floats"])
        assert same(stored.of_image("a", 2), ARRAYS["floats"][2])
        assert stored.bytes_of("b", 2, 4) == b"cd"


def findings(side: int = 48):
    noise = rng.standard_t(2, (2, 3, side, side)).astype(np.float32)
    broken = noise[:, 0].copy()
    broken[1, 3, 3] = np.nan
    return (
        Heatmap("map", "Map", noise[:, 0], "logit", signed=True),
        Heatmap("amount", "Amount", np.abs(noise[:, 1]), "logit"),
        Heatmap("broken", "Broken", broken, "logit"),
        Heatmap("coarse", "Coarse", noise[:, 0, :7, :7], "logit"),
        Picture("colour", "Colour", noise, "dS/dx", "signed"),
        Gallery("tiles", "Tiles", noise, None, "a"),
        Gallery("kernels", "Kernels", noise[..., :5, :5], None, "a"),
        Segments("parts", "Parts", rng.integers(0, 9, (2, side, side)), "parts"),
        Scalar("s", "S", noise[:, 0, 0, 0], "px"),
    )


def written(folder, every, exact: bool = False):
    writer = Writer(folder, "k", exact)
    records = [{"number": n, "row": n, "measured": True, "status": "ok"} for n in range(2)]
    seen = rng.integers(0, 20, (2, 48, 48, 3), dtype=np.uint8)
    writer.write("batch-000000", {"v": [every]}, records, {"seen": seen})
    writer.write("model", {"v": [every]})
    writer.seal({"title": "T"}, {"seconds": {}})
    evidence = Evidence(folder)
    return [evidence.findings(record)["v"][0] for record in evidence.records()], evidence, seen


@pytest.mark.parametrize("exact", [True, False])
def test_maps_of_images_are_kept_in_levels_unless_they_are_to_be_exact(tmp_path, exact):
    every = findings()
    images, evidence, seen = written(tmp_path / "e", every, exact)
    for row, found in enumerate(images):
        for measured, read in zip(every, found, strict=True):
            many = measured.name in ("map", "amount", "colour", "tiles")
            broken = measured.name == "broken" and row == 0  # of this image all is finite
            equal = same(np.asarray(read.values), np.asarray(measured.values[row]))
            assert equal == (exact or not (many or broken)), measured.name
        assert same(evidence.array(evidence.records()[row], "seen"), seen[row])
    for measured, read in zip(every, evidence.model_findings()["v"][0], strict=True):
        assert same(np.asarray(read.values), np.asarray(measured.values)), measured.name


def test_an_image_s_evidence_is_less_than_half_of_what_it_was_and_prints_the_same(tmp_path):
    every = findings(96)
    (first, _), _, _ = written(tmp_path / "levels", every)
    written(tmp_path / "exact", every, exact=True)
    sizes = [(tmp_path / room / "batch-000000.safetensors").stat().st_size for room in ("levels", "exact")]
    raw = sum(np.asarray(finding.values).nbytes for finding in every)
    assert sizes[0] < 0.5 * raw
    assert sizes[0] < sizes[1] < raw
    by_name = {finding.name: finding for finding in first}
    for name, signed in (("map", True), ("amount", False)):
        measured = next(f for f in every if f.name == name).values[0]
        assert scale(by_name[name].values, signed) == scale(measured, signed)


def test_the_file_is_none_larger_than_what_it_holds_for_little_arrays(tmp_path):
    little = {"a": np.zeros(FEW_BYTES // 8), "b": np.zeros((2, 3), np.float32)}
    assert packed(little, ["b"], {"b": Steps(4)}) == save(little)


def test_the_ends_of_a_map_are_those_of_all_of_it(tmp_path):
    signed = SMOOTH.astype(np.float32) - np.float32(0.25)
    maps = {"levels": signed, "one value": np.full_like(signed, 0.5), "not finite": ARRAYS["not finite"]}
    fine = {key: Steps(16384, None, "sizes") for key in maps}
    file = tmp_path / "a.safetensors"
    file.write_bytes(packed(maps, list(maps), fine))
    with Stored(file) as stored:
        for key in maps:
            for row in range(3):
                ends, whole = stored.ends_of_image(key, row), stored.of_image(key, row)
                assert faults(ends) == faults(whole)
                assert np.array_equal(ends.min(), whole.min(), equal_nan=True)
                assert np.array_equal(ends.max(), whole.max(), equal_nan=True)
        assert stored.ends_of_image("levels", 0).size < 10 < stored.ends_of_image("not finite", 0).size
