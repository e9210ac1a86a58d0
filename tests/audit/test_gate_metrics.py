"""Every metric that a recipe may put a gate on is one that a run can give, and the other way round."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reportgen.audit.labels import GatedLabels
from reportgen.audit.quantities import gated
from reportgen.audit.values import GatedValues
from reportgen.findings import Heatmap
from reportgen.probes import Method, probe
from reportgen.recipe import gates, load
from reportgen.recipe.gates import metric_names
from reportgen.recipe.starter import schema

WORDS = """Words: what it is.

    Definition. It is.

    Reading. Read it.

    Limits. It has some.

    Source. Us.
    """


# of networks with attention, which this one has not
OF_ATTENTION = {"legrad", "transmm"}


def test_every_metric_that_a_gate_may_name_is_given_by_a_run(results: dict[str, Any]) -> None:
    assert [gate["metric"] for gate in results["gates"]] == metric_names()
    # those of two classes, of labels and of values are given by the runs of tests/test_heads.py
    others = {"roc_auc", "average_precision", *gated(GatedLabels), *gated(GatedValues)}
    others.add("top_5_accuracy")  # the network has three classes; tests/audit/test_heads.py has more
    others |= {metric for metric in metric_names() if gates.tested_method(metric) in OF_ATTENTION}
    # neither foreign pictures nor masks are named, and fewer than a hundred images show no threshold below
    # which answers are referred
    absent = "foreign", "background", "abstention"
    others |= {metric for metric in metric_names() if gates.tested_check(metric) in absent}
    unknown = {gate["metric"] for gate in results["gates"] if gate["value"] is None}
    assert unknown == others
    for gate in results["gates"]:
        assert gate["outcome"] == ("cannot be judged" if gate["metric"] in others else "passed"), gate


def test_every_map_that_is_tested_may_be_named_by_a_gate(
    results: dict[str, Any], explaining: list[str]
) -> None:
    named = {gates.tested_method(metric) for metric in metric_names()} - {None}
    assert named == set(explaining)
    assert set(results["trust"]["methods"]) == named - OF_ATTENTION
    offered = schema()["$defs"]["Gate"]["properties"]["metric"]["anyOf"][0]["enum"]
    assert {gates.tested_method(metric) for metric in offered} - {None} == named


@pytest.mark.parametrize("name", ["invariance", "occlusion-study", "occlusion-class-map", "hypercolumns"])
def test_a_map_that_explains_no_answer_is_named_by_no_gate(tmp_path: Path, name: str) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"visualizations: [{name}]\ngates: [{{metric: trust.{name}.faithfulness, min: 0}}]\n")
    with pytest.raises(Exception, match=f"unknown metric 'trust.{name}.faithfulness'"):
        load(recipe)


def test_only_what_is_seen_of_single_images_can_explain() -> None:
    with pytest.raises(ValueError, match="only a probe of scope 'image'"):
        probe("p", scope="set", explains=True)(type("P", (), {"__doc__": WORDS}))
    found: Any = probe("p", scope="image", explains=True)(type("P", (), {"__doc__": WORDS}))
    assert isinstance(found.method, Method) and found.method.words()["explains"] is True
    assert not hasattr(Heatmap, "attribution"), "a finding does not say it a second time"
