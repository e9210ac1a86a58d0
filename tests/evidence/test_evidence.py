"""Evidence: what is written is read back, whole or not at all."""

from __future__ import annotations

import json

import numpy as np
import pytest

from reportgen.errors import InputError
from reportgen.evidence import Evidence, Writer, canonical_json
from reportgen.findings import (
    ClassMap,
    Comparison,
    Curve,
    Flag,
    Gallery,
    Graph,
    Heatmap,
    Mask,
    Picture,
    Remark,
    Scalar,
    Segments,
    Table,
    at,
    faults,
    pack,
    unpack,
)

rng = np.random.default_rng(0)
IMAGE = (
    Heatmap("map", "Map", rng.normal(size=(2, 3, 4)).astype(np.float32), "logit", True, "last"),
    Picture("colour", "Colour", rng.random((2, 3, 4, 4), dtype=np.float32), "", "signed"),
    Mask("mask", "Mask", rng.random((2, 4, 4)) > 0.5, "half"),
    Segments("segments", "Segments", rng.integers(0, 5, (2, 4, 4)), "five"),
    ClassMap("c", "C", rng.integers(0, 9, (2, 3, 3)), "class"),
    Curve("k", "K", rng.random((2, 2, 5), dtype=np.float32), np.arange(5), ("a", "b"), "x", "y", None),
    Curve(
        "b",
        "B",
        rng.random((2, 1, 5), dtype=np.float32),
        np.arange(5),
        ("a",),
        "x",
        "y",
        rng.random((2, 2, 5)),
    ),
    Gallery("g", "g", rng.random((2, 3, 5, 5), dtype=np.float32), np.array([[1, 2, 9], [0, 4, 8]]), "a"),
    Scalar("s", "S", np.array([1.5, np.nan], dtype=np.float32), "px"),
    Flag("f", "watch out", np.array([True, False]), "bad"),
    Remark("r", "35 of 35"),
)
TABLE = Table("t", "T", ("a", "b, px"), ((1, "x"), (None, "y")), (1, ""))
COMPARED = Comparison("x", "X", np.array([0.5, 1]), np.ones((2, 3)), ("a", "b"), "share", "dot: a part")
LIMITED = Curve("l", "L", np.ones((1, 3)), np.arange(3), ("a",), "px", "p", None, (0.0, 1.0))

GRAPH = Graph(
    "g",
    "G",
    (("input", "input", "", "", (3, 8, 8)), ("conv", "conv 3×3, 8", "a.b", "a", None)),
    ((0, 1),),
)


def record(number: int, row: int, measured: bool = True) -> dict:
    return {"number": number, "row": row, "measured": measured, "status": "ok"}


def written(folder, key="k"):
    writer = Writer(folder, key)
    writer.write("model", {"architecture": [(TABLE, GRAPH)]})
    slots = [IMAGE, IMAGE[:1]]
    logits = np.arange(6, dtype=np.float32).reshape(2, 3)
    originals = np.frombuffer(b"abcde", np.uint8)
    records = [{**record(0, 0), "original_bytes": [0, 2]}, {**record(1, 1), "original_bytes": [2, 5]}]
    writer.write(
        "batch-000000", {"v": slots}, records, {"logits": logits, "originals": originals}, {"forwards": 2}
    )
    writer.seal({"title": "T"}, {"seconds": {"total": 1.5}})
    return Evidence(folder)


def same(a, b) -> bool:
    (arrays, rest), (others, remaining) = pack(a), pack(b)
    return rest == remaining and all(
        np.array_equal(arrays[k], others[k], equal_nan=arrays[k].dtype.kind == "f")
        and arrays[k].dtype == others[k].dtype
        for k in arrays
    )


@pytest.mark.parametrize(
    "finding", [*IMAGE, TABLE, COMPARED, LIMITED, GRAPH], ids=lambda f: type(f).__name__
)
def test_packing_is_undone_by_unpacking(finding):
    arrays, rest = pack(finding)
    found = unpack(arrays, json.loads(json.dumps(rest)))
    assert same(found, finding)
    if not arrays:
        assert found == finding  # tuples again, not lists


def test_every_image_reads_its_own_row_back(tmp_path):
    evidence = written(tmp_path / "evidence")
    for n, found in enumerate(evidence.records()):
        slots = evidence.findings(found)["v"]
        assert [len(slot) for slot in slots] == [11, 1]
        for got, whole in zip(slots[0], IMAGE, strict=True):
            assert same(got, at(whole, n))
        assert evidence.array(found, "logits").tolist() == [[0, 1, 2], [3, 4, 5]][n]
        assert evidence.array(found, "input") is None
        assert evidence.original(found) == [b"ab", b"cde"][n]
    assert evidence.model_findings()["architecture"][0] == (TABLE, GRAPH)
    assert evidence.timing["seconds"] == {"total": 1.5}


def test_equal_measurements_give_equal_bytes(tmp_path):
    written(tmp_path / "a")
    written(tmp_path / "b")
    files = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert "manifest.json" in files
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_second_writer_with_the_same_key_keeps_whole_shards_and_another_key_none(tmp_path):
    folder = tmp_path / "evidence"
    written(folder)
    arrays = folder / "batch-000000.safetensors"
    assert set(Writer(folder, "k").finished) == {"model", "batch-000000"}
    assert Writer(folder, "k").cost() == {"forwards": 2}
    arrays.write_bytes(arrays.read_bytes()[:-1])  # half written
    assert set(Writer(folder, "k").finished) == {"model"}
    assert not Writer(folder, "other").finished
    assert not arrays.exists()


def test_any_changed_byte_is_found(tmp_path):
    evidence = written(tmp_path / "evidence")
    assert not list(evidence.altered())
    for name in ("batch-000000.safetensors", "batch-000000.json", "model.json"):
        path = evidence.folder / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:])
        assert list(evidence.altered()) == [name]
        path.write_bytes(whole)
    (evidence.folder / "model.json").unlink()
    assert list(evidence.altered()) == ["model.json"]


def test_the_measured_record_of_the_second_round_counts(tmp_path):
    writer = Writer(tmp_path, "k")
    writer.write("score-000000", {}, [record(0, 0, False), record(1, 1, False)])
    writer.write("batch-000000", {}, [record(1, 0)])
    writer.seal({}, {})
    assert [(r["number"], r["shard"]) for r in Evidence(tmp_path).records()] == [
        (0, "score-000000"),
        (1, "batch-000000"),
    ]


def test_unsealed_evidence_is_refused(tmp_path):
    Writer(tmp_path / "evidence", "k").write("model", {})
    with pytest.raises(InputError, match="no complete evidence"):
        _ = Evidence(tmp_path / "evidence").manifest


def test_nan_never_reaches_json():
    with pytest.raises(ValueError):
        canonical_json({"loss": float("nan")})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((3, 3)), "all zero"),
        (np.full((3, 3), 2.5), "constant: every value is 2.5"),
        (np.array([[1.0, np.nan], [np.inf, 0]]), "2 of 4 values are not finite"),
        (np.array([[0.0, 1e-30]]), None),
    ],
)
def test_maps_that_must_not_be_stretched(values, words):
    found = faults(values)
    assert found is None if words is None else words in found


def test_a_finding_says_which_class_it_explains_or_its_slot_does(tmp_path):
    own = Heatmap("map", "Map", np.ones((2, 3, 4), np.float32), "logit", explains=np.array([7, -1]))
    silent = Heatmap("other", "Other", np.ones((2, 3, 4), np.float32), "logit")
    writer = Writer(tmp_path, "k")
    records = [{**record(n, n), "targets": [{"class_index": 3 + n}, {"class_index": 5}]} for n in (0, 1)]
    slots = [(own, silent)] * 2
    writer.write("batch-000000", {"aimed": slots, "free": slots[:1]}, records, {})
    shown = [{"name": "aimed", "per_target": True}, {"name": "free", "per_target": False}]
    writer.seal({"visualizations": shown, "beside": None}, {})
    evidence = Evidence(tmp_path)

    def told(number: int, name: str) -> list:
        found = evidence.findings(evidence.records()[number])[name]
        return [None if f.explains is None else int(f.explains) for held in found for f in held]

    assert told(0, "aimed") == [7, 3, 7, 5] and told(1, "aimed") == [-1, 4, -1, 5]
    assert told(0, "free") == [7, None]


def test_a_shard_that_a_report_would_leave_behind_is_refused(tmp_path):
    from reportgen.ownership import NAMES

    writer = Writer(tmp_path / "evidence", "key")
    for name in ("batch", "viewed-03-000001"):
        writer.write(name, {})
        assert NAMES.fullmatch(f"evidence/{name}.json") and NAMES.fullmatch(f"evidence/{name}.safetensors")
    for name in ("swept-blur-00", "Batch", "../batch", "batch-"):
        with pytest.raises(ValueError, match="no shard is named"):
            writer.write(name, {})
