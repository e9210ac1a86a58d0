"""Which score gives the better maps: said only where the interval over images decides."""

from __future__ import annotations

import numpy as np
import pytest

from reportgen.audit.maps.two_scores import two_scores


def records(gain, spread, images=20, methods=("saliency", "grad-cam"), seed=0):
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(images):
        asked = {}
        for name in methods:
            share = draw.uniform(0.3, 0.6)
            asked[name] = {
                "asked": {"picture": {"share": share, "other_score": share + draw.normal(gain, spread)}}
            }
        found.append({"methods": asked})
    return found


@pytest.mark.parametrize(
    ("gain", "spread", "better"),
    [(0.1, 0.05, "contrast"), (-0.1, 0.05, "logit"), (0.0, 0.2, None), (0.0, 0.002, "neither")],
)
def test_the_better_one_is_named(gain, spread, better):
    said = two_scores(records(gain, spread), ["saliency", "grad-cam"], "logit")
    assert said["better"] == better
    assert said["low"] <= said["difference"] <= said["high"]
    assert said["images"] == 20 and said["methods"] == ["saliency", "grad-cam"]
    assert ("not decided" in said["sentence"]) == (better is None)


def test_it_says_the_same_whichever_score_the_maps_explain():
    given = records(0.1, 0.05)
    swapped = [
        {
            "methods": {
                name: {
                    "asked": {
                        "picture": {
                            "share": row["asked"]["picture"]["other_score"],
                            "other_score": row["asked"]["picture"]["share"],
                        }
                    }
                }
                for name, row in record["methods"].items()
            }
        }
        for record in given
    ]
    first, second = (
        two_scores(given, ["saliency", "grad-cam"], "logit"),
        two_scores(swapped, ["saliency", "grad-cam"], "contrast"),
    )
    for key in ("difference", "low", "high"):
        assert first[key] == pytest.approx(second[key])
    assert first["better"] == second["better"] == "contrast"
    assert "set `score: contrast`" in first["sentence"] and "which these maps explain" in second["sentence"]


def test_few_images_and_older_evidence_say_nothing():
    assert two_scores(records(0.1, 0.05, images=2), ["saliency"], "logit") is None
    old = [{"methods": {"saliency": {"asked": {"picture": {"share": 0.4}}}}}] * 20
    assert two_scores(old, ["saliency"], "logit") is None
