"""results.json, junit.xml and maps say what the evidence says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reportgen.audit.results import _finite, as_json, rendered_in
from reportgen.audit.results import results as results_of
from reportgen.audit.schema import results_schema
from reportgen.audit.seal import verify
from reportgen.evidence import Evidence, Writer
from reportgen.formats import FORMATS, Report
from reportgen.ownership import owned
from reportgen.progress import untold
from reportgen.report import write_report
from reportgen.report.render import exports, junit, themes


def export(folder: Path) -> Path:
    """Writes the formats for programs alone."""
    evidence = Evidence(folder / "evidence")
    report = Report(evidence, results_of(evidence), themes.theme("default"), False, False, untold)
    for name in ("results.json", "junit.xml", "maps"):
        assert FORMATS[name](report, folder) is None
    return folder


@pytest.fixture
def written(write_evidence: Callable[..., Path], tmp_path: Path) -> Path:
    return export(write_evidence(tmp_path, targets=2, save_maps=True))


def results(folder: Path) -> dict:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads((folder / "results.json").read_bytes(), parse_constant=refuse)


def test_every_image_is_there_with_what_it_got(written: Path) -> None:
    found = results(written)
    for image, record in zip(found["images"], Evidence(written / "evidence").records(), strict=True):
        for key in ("id", "path", "status", "reason", "label", "predictions"):
            assert image[key] == record[key]
    rejected = [image for image in found["images"] if image["status"] == "rejected"]
    assert found["metrics"]["rejected"] == len(rejected) == 1


def test_findings_are_scalars_and_flags_of_each_target(written: Path) -> None:
    images = results(written)["images"]
    evidence = Evidence(written / "evidence")
    for image, record in zip(images[:3], evidence.records(), strict=False):
        occlusion = image["findings"]["occlusion"]
        share = next(f for f in evidence.findings(record)["occlusion"][0] if f.name == "mask-share")
        assert occlusion["mask-share"] == pytest.approx(float(share.values))
        assert occlusion["target"] == record["targets"][0]["class_name"]
        assert [more["target"] for more in occlusion["targets"]] == [record["targets"][1]["class_name"]]
        assert "target" not in image["findings"]["predictions"]
    assert images[3]["findings"] == {}  # the rejected one
    assert [bool(image["findings"]["occlusion"]["flags"]) for image in images[:3]] == [False, False, True]
    # the fixture's dead map is named in words
    dead = "map: all zero: nothing in this map responds to the target"
    assert images[1]["findings"]["saliency"]["flags"] == [dead]
    assert images[0]["findings"]["saliency"]["flags"] == []


def test_gates_are_judged(written: Path) -> None:
    gates = {gate["metric"]: gate for gate in results(written)["gates"]}
    assert not gates["accuracy"]["passed"]  # one of two labelled images is right, 0.9 is asked
    assert gates["accuracy"]["value"] == 0.5
    assert gates["rejected"]["passed"]


LIMITS = {"randomised": 0.1, "beats_random_sd": 1.645, "same_class": 0.9, "steady": 0.5}


def trust_record(number: int, rho: float | None) -> dict:
    methods = {
        name: {
            "asked": {
                "weights": {"all": rho, "others": 0.3, "gaussian": 0.1},
                "counts": {"blur": own, "imputed": own - 0.01 * number},
            },
            "flag": None,
        }
        for name, own in (("saliency", 0.4), ("grad-cam", -0.1))
    }
    return {
        "number": number,
        "doubtful": False,
        "methods": methods,
        "random": {"gain": {fill: [0.0, 0.1, -0.1, 0.0] for fill in ("blur", "imputed")}},
        "greedy": {"blur": 0.5, "imputed": 0.5},
        "agreement": {"methods": list(methods), "rho": [[1.0, rho], [rho, 1.0]]},
    }


@pytest.fixture
def tried(write_evidence: Callable[..., Path], tmp_path: Path) -> Evidence:
    """Evidence in which four images' maps were put to the test, with a gate on each method."""
    evidence = Evidence(write_evidence(tmp_path / "tried") / "evidence")
    gates = [{"metric": f"trust.{name}.advantage", "min": 0.1} for name in ("saliency", "grad-cam")]
    recipe = evidence.manifest["recipe"] | {"trust": {"limits": LIMITS}, "gates": gates}
    writer = Writer(evidence.folder, "key")
    writer.write("trust-000000", {}, [trust_record(n, rho) for n, rho in enumerate((0.2, 0.21, None, 0.19))])
    writer.seal(evidence.manifest | {"recipe": recipe}, evidence.timing)
    return Evidence(evidence.folder)


def test_the_trust_of_the_maps_is_there_and_gates_test_it(tried: Evidence) -> None:
    found = results_of(tried)
    trust = found["trust"]
    assert trust["images"] == 4
    assert list(trust["methods"]) == ["saliency", "grad-cam"]
    assert trust["methods"]["saliency"]["advantage"] == pytest.approx(0.4)
    assert trust["methods"]["saliency"]["relies"] is True
    assert "do not rely" in trust["methods"]["grad-cam"]["verdict"]
    assert [gate["passed"] for gate in found["gates"]] == [True, False]


def test_results_are_what_their_schema_says(tried: Evidence, written: Path) -> None:
    schema = results_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    checker = jsonschema.Draft202012Validator(schema)
    for found in (results(written), json.loads(json.dumps(results_of(tried)))):
        seconds = found["cost"]["seconds"]
        found["cost"]["seconds"] = {"encode": 0.0, **seconds}  # the fixture has not measured it
        checker.validate(found)
        changed = {**found, "trust": {"images": 1}}
        assert not checker.is_valid(changed)


def test_where_no_map_was_tested_there_is_no_trust(written: Path) -> None:
    assert results(written)["trust"] is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    )
)
def test_a_number_that_is_not_finite_becomes_null_and_nothing_else_changes(value: object) -> None:
    kept = json.loads(json.dumps(_finite(value), allow_nan=False))
    words = json.dumps(value, allow_nan=True)
    assert kept == json.loads(words, parse_constant=lambda constant: None)


def test_maps_are_raw_float32_on_the_input_grid(written: Path) -> None:
    evidence = Evidence(written / "evidence")
    assert sorted(path.name for path in (written / "maps").iterdir()) == [
        "000000.npz",
        "000001.npz",
        "000002.npz",
    ]
    _, height, width = evidence.manifest["model"]["input_shape"]
    for record in evidence.records()[:3]:
        maps = np.load(written / "maps" / f"{record['id']}.npz")
        raw = {name: {f.name: f for f in slots[0]} for name, slots in evidence.findings(record).items()}
        for name in ("saliency", "occlusion", "grad-cam", "hypercolumns"):
            assert (maps[name].shape, maps[name].dtype) == ((height, width), np.float32)
        np.testing.assert_array_equal(maps["saliency"], raw["saliency"]["map"].values)
        np.testing.assert_array_equal(maps["occlusion-probability"], raw["occlusion"]["probability"].values)
        np.testing.assert_array_equal(maps["logits"], evidence.array(record, "logits"))
        upsampled = torch.nn.functional.interpolate(
            torch.from_numpy(np.array(raw["grad-cam"]["map"].values))[None, None],
            size=(height, width),
            mode="bilinear",
            align_corners=False,
        )
        np.testing.assert_allclose(maps["grad-cam"], upsampled[0, 0], atol=1e-5)


SIZES = [((7, 7), (224, 224)), ((6, 9), (96, 64)), ((1, 1), (8, 8)), ((3, 5), (3, 5))]


@pytest.mark.parametrize(("shape", "size"), SIZES)
def test_upsampling_is_bilinear_without_aligned_corners(
    shape: tuple[int, int], size: tuple[int, int]
) -> None:
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(values)[None, None], size=size, mode="bilinear", align_corners=False
    )
    np.testing.assert_allclose(exports.upsampled(values, *size), expected[0, 0], atol=1e-5)


def test_no_maps_unless_they_were_asked_for(small_evidence: Path) -> None:
    export(small_evidence)
    assert not (small_evidence / "maps").exists()


def test_the_exports_of_equal_evidence_are_equal_bytes(written: Path) -> None:
    names = ["results.json", "junit.xml", "maps/000001.npz"]
    before = [(written / name).read_bytes() for name in names]
    export(written)
    assert [(written / name).read_bytes() for name in names] == before


def test_junit_counts_what_it_holds(written: Path) -> None:
    suite = ElementTree.parse(written / "junit.xml").getroot().find("testsuite")
    assert suite is not None
    cases = suite.findall("testcase")
    assert int(suite.attrib["tests"]) == len(cases)
    failed = [case.attrib["name"] for case in cases if case.find("failure") is not None]
    skipped = [case.attrib["name"] for case in cases if case.find("skipped") is not None]
    assert failed == ["accuracy ≥ 90 %"]
    assert int(suite.attrib["failures"]) == len(failed)
    # the rejected image, and the visualization that does not apply
    assert skipped == ["000003 broken.png", "guided-backprop"]
    assert int(suite.attrib["skipped"]) == len(skipped)


@given(st.text())
def test_any_name_can_stand_in_junit(name: str) -> None:
    root = ElementTree.Element("testcase", name=junit._text(name))
    ElementTree.fromstring(ElementTree.tostring(root))


def test_the_time_of_rendering_is_filled_in_and_all_else_stays(small_evidence: Path) -> None:
    found = results_of(Evidence(small_evidence / "evidence"))
    before = json.dumps(found)
    timed = rendered_in(found, 2.5)
    assert json.dumps(found) == before, "the value that others hold does not change"
    seconds = found["cost"]["seconds"]
    assert timed["cost"]["seconds"] == {**seconds, "render": 2.5, "total": seconds["total"] + 2.5}
    assert list(timed["cost"]["seconds"]) == list(seconds)
    assert {**timed, "cost": None} == {**found, "cost": None}
    assert {**timed["cost"], "seconds": None} == {**found["cost"], "seconds": None}


def test_results_json_is_the_value_that_rendering_returns_and_is_sealed(rendered: Path) -> None:
    (rendered / "results.json").unlink()
    found = write_report(rendered).results
    assert found["cost"]["seconds"]["render"]
    assert (rendered / "results.json").read_text(encoding="utf-8") == as_json(found)
    assert verify(rendered) == []


def test_every_format_is_written_sealed_and_known_as_ours(rendered: Path) -> None:
    named = {line.split("  ")[1] for line in (rendered / "SHA256SUMS").read_text().splitlines()}
    files = {name for name in FORMATS if name != "maps"}
    assert files <= named
    assert files <= owned(rendered)


def test_what_was_just_written_is_not_read_back(
    small_evidence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The numbers are handed on as a value; the file is for others. (The seal hashes it as a stream.)"""

    def watched(name: str) -> Callable[..., Any]:
        original = getattr(Path, name)

        def read(path: Path, *args: Any, **named: Any) -> Any:
            assert path.name != "results.json"
            return original(path, *args, **named)

        return read

    for name in ("read_bytes", "read_text"):
        monkeypatch.setattr(Path, name, watched(name))
    found = write_report(small_evidence, pdf=False).results
    monkeypatch.undo()
    assert results(small_evidence) == found
