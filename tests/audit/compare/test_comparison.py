"""Two real audits compared: counts by plain loops over what each of them says alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from scipy.stats import spearmanr

from reportgen.audit.compare.comparison import compare
from reportgen.audit.compare.limits import OF_DIFF
from reportgen.audit.compare.maps import centre, maps_of
from reportgen.audit.compare.sides import read_side
from reportgen.audit.gates import DIFF_UNITS
from reportgen.audit.schema import diff_schema, results_schema
from reportgen.audit.seal import verify
from reportgen.errors import InputError
from reportgen.evidence import Evidence
from reportgen.stats import mcnemar, paired_difference


def answers(folder: Path) -> dict[str, Any]:
    results = json.loads((folder / "results.json").read_bytes())
    return {image["sha256"]: image for image in results["images"] if image["status"] == "ok"}


@pytest.fixture(scope="session")
def found(nights: Any) -> Any:
    return compare(read_side(nights.report("second")), read_side(nights.report("first")))


def test_changed_answers_are_those_of_a_plain_loop(nights: Any, found: Any) -> None:
    old, new = answers(nights.report("first")), answers(nights.report("second"))
    assert old.keys() == new.keys()

    def said(image: Any) -> str:
        return str(image["predictions"][0]["class_name"])

    changed = {new[key]["id"] for key in old if said(old[key]) != said(new[key])}
    broken = sum(old[key]["correct"] and not new[key]["correct"] for key in old)
    mended = sum(new[key]["correct"] and not old[key]["correct"] for key in old)
    tests = found["answers"]
    assert {one["id"] for one in found["changed"]} == changed
    assert (tests["broken"], tests["mended"], tests["compared"]) == (broken, mended, len(old))
    assert tests["accuracy_change"] == pytest.approx((mended - broken) / len(old))
    ends = tests["accuracy_change_low"], tests["accuracy_change_high"]
    assert ends == pytest.approx(paired_difference(mended, broken, len(old)))
    assert tests["mcnemar_p"] == pytest.approx(mcnemar(mended, broken))


def test_shifts_of_scores_are_those_of_the_logits(nights: Any, found: Any) -> None:
    evidence = [Evidence(nights.report(name) / "evidence") for name in ("second", "first")]
    rows = [
        {r["sha256"]: side.array(r, "logits") for r in side.records() if r["status"] == "ok"}
        for side in evidence
    ]
    moved = [np.abs(rows[0][key].astype(float) - rows[1][key]).mean() for key in rows[0]]
    assert found["shifts"]["logit"] == pytest.approx(np.mean(moved), rel=1e-6)
    listed = found["shifts"]["largest"]
    assert [abs(one["shift"]) for one in listed] == sorted(
        (abs(one["shift"]) for one in listed), reverse=True
    )


def test_maps_are_compared_as_scipy_and_a_plain_loop_do(nights: Any, found: Any) -> None:
    new, old = (Evidence(nights.report(name) / "evidence") for name in ("second", "first"))
    records = [{r["id"]: r for r in side.records()} for side in (new, old)]
    assert found["map_pairs"]
    for pair in found["map_pairs"]:
        a = maps_of(new, records[0][pair["id"]])[pair["method"]].values
        b = maps_of(old, records[1][pair["id"]])[pair["method"]].values
        assert pair["rho"] == pytest.approx(spearmanr(a.ravel(), b.ravel()).statistic, abs=1e-9)
        both = (plain_centre(a), plain_centre(b))
        if None not in both:
            far = np.hypot(*(28 * (np.array(both[0]) - np.array(both[1]))))
            assert pair["shift_px"] == pytest.approx(far, abs=1e-6)


def plain_centre(values: Any) -> tuple[float, float] | None:
    total = x = y = 0.0
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            weight = max(0.0, float(values[row, column]))
            total += weight
            x += weight * (column + 0.5) / values.shape[1]
            y += weight * (row + 0.5) / values.shape[0]
    return (x / total, y / total) if total else None


def test_the_centre_of_one_place_is_its_middle() -> None:
    values = np.zeros((4, 8))
    values[1, 6] = 3
    assert centre(values) == pytest.approx((6.5 / 8, 1.5 / 4))
    assert centre(-values) is None


def test_the_zeroed_filter_is_named_and_nothing_else_of_the_network(found: Any) -> None:
    network = found["network"]
    assert network["zeroed"] == [{"layer": "conv.weight", "channel": 1}]
    assert [one["name"] for one in network["changed"] if one["rows"]] == ["conv.weight"]
    (weight,) = (one for one in network["changed"] if one["name"] == "conv.weight")
    assert weight["rows_changed"] == 1
    assert found["numbers"]["filters_zeroed"] == 1
    assert [check["name"] for check in found["checks"] if check["worse"]] == ["weights"]


def test_the_distance_of_a_tensor_is_near_what_the_weights_say(nights: Any, found: Any) -> None:
    from safetensors.numpy import load_file

    before, after = load_file(nights.good)["conv.weight"], load_file(nights.bad)["conv.weight"]
    (weight,) = (one for one in found["network"]["changed"] if one["name"] == "conv.weight")
    true = np.linalg.norm(after - before) / np.linalg.norm(before)
    assert weight["distance"] == pytest.approx(true, rel=0.25)


def test_an_audit_against_itself_has_not_changed(nights: Any) -> None:
    side = read_side(nights.report("first"))
    same = compare(side, side, [{"diff": "answers_changed", "max": 0.0}])
    assert same["changed"] == same["checks"] == same["obstacles"] == same["network"]["changed"] == []
    assert same["numbers"]["map_rho"] == pytest.approx(1)
    assert [gate["passed"] for gate in same["gates"]] == [True]


def test_the_numbers_validate_and_the_schema_is_one(nights: Any, found: Any) -> None:
    checker = jsonschema.Draft202012Validator
    checker.check_schema(diff_schema())
    checker(diff_schema()).validate(found)
    checker(results_schema()).validate(json.loads((nights.report("second") / "results.json").read_bytes()))


def test_units_of_limits_are_those_of_the_numbers() -> None:
    assert {name: mark.unit for name, mark in OF_DIFF.items() if mark.unit} == DIFF_UNITS


def test_without_evidence_answers_and_verdicts_are_compared_and_the_rest_is_named(
    nights: Any, found: Any, tmp_path: Path
) -> None:
    shutil.copy(nights.report("first") / "results.json", tmp_path)
    less = compare(read_side(nights.report("second")), read_side(tmp_path))
    assert less["answers"] == found["answers"]
    assert less["checks"] == found["checks"]
    assert less["network"]["tensors"] is None
    assert [one["what"] for one in less["obstacles"]] == ["evidence"]
    assert less["maps"] == {}


def test_another_recipe_version_and_set_are_named(nights: Any, tmp_path: Path) -> None:
    results = json.loads((nights.report("first") / "results.json").read_bytes())
    results["recipe"]["run"]["seed"] = 7
    results["environment"]["torch"] = "1.0"
    results["images"] = results["images"][:-1]
    results["images"][0]["label"] = "another"
    (tmp_path / "results.json").write_text(json.dumps(results))
    told = {
        one["what"]: one["sentence"]
        for one in compare(read_side(nights.report("second")), read_side(tmp_path))["obstacles"]
    }
    assert {"recipe", "version", "images", "labels"} <= told.keys()
    assert "run.seed" in told["recipe"]
    assert "torch 1.0 →" in told["version"]
    assert told["images"].startswith("1 image is in the new audit only")


def test_what_is_no_report_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no report"):
        read_side(tmp_path)
    (tmp_path / "results.json").write_text('{"schema": "reportgen.results/9"}')
    with pytest.raises(InputError, match="another version"):
        read_side(tmp_path)


def test_a_run_with_a_baseline_keeps_all_that_its_report_needs(nights: Any, tmp_path: Path) -> None:
    from reportgen.report import write_report

    copy = shutil.copytree(nights.report("second"), tmp_path / "second")
    page = (copy / "report.html").read_text(encoding="utf-8")
    assert "Since first: " in page
    assert "Filter 1 of conv is all zero, and was not." in page
    results = json.loads((copy / "results.json").read_bytes())
    rows = {gate["name"]: gate["outcome"] for gate in results["gates"]}
    assert rows["diff.filters_zeroed ≤ 0"] == "failed"
    assert rows["diff.answers_changed ≤ 90 %"] == "passed"
    assert [past["name"] for past in results["history"]["audits"]] == ["first"]
    write_report(copy, pdf=False)  # the first report is not beside it
    assert (copy / "report.html").read_text(encoding="utf-8") == page
    assert verify(copy) == []
    kept = copy / "evidence" / "baseline.json"
    kept.write_bytes(kept.read_bytes().replace(b'"broken": ', b'"broken":  '))
    assert verify(copy) == ["evidence/baseline.json"]


def test_changed_images_get_figures_first(nights: Any) -> None:
    results = json.loads((nights.report("second") / "results.json").read_bytes())
    changed = [one["id"] for one in results["baseline"]["changed"]]
    evidence = Evidence(nights.report("second") / "evidence")
    shown = {record["id"] for record in evidence.records() if record["measured"]}
    assert changed
    assert len(shown) == 5
    assert shown & set(changed)
    assert len(shown & set(changed)) >= min(3, len(changed))  # half of them, rounded up


def test_a_run_without_its_baseline_asks_no_limit_on_changes(nights: Any) -> None:
    results = json.loads((nights.report("first") / "results.json").read_bytes())
    assert results["gates"] == []
    assert results["baseline"] is None


def test_limits_on_changes_that_are_not_asked_are_said(nights: Any) -> None:
    page = (nights.report("first") / "report.html").read_text(encoding="utf-8")
    assert "3 limits (answers changed, filters zeroed and loss): name an earlier report" in page


def test_a_file_of_the_user_s_in_the_evidence_s_folder_is_not_taken_for_ours(
    nights: Any, tmp_path: Path
) -> None:
    from reportgen.ownership import owned

    first = shutil.copytree(nights.report("first"), tmp_path / "first")
    (first / "evidence" / "baseline.json").write_text("mine")
    assert "evidence/baseline.json" not in owned(first)
    assert "evidence/history.json" in owned(first)
    assert "evidence/baseline.json" in owned(nights.report("second"))
