"""cleanlab: Datalab on pictures, labels, probabilities and features; the health summary of the labels."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from flaws.peers.cases import TRAINING, Case
from flaws.peers.results import Result

PACKAGES = ("cleanlab", "cleanvision")
NAMED_BY = {
    "label-noise": ("label",),
    "swapped-labels": ("label", "health_summary"),
    "off-by-one": ("label", "health_summary"),
    "two-labels": ("near_duplicate", "label"),
    "missing-class": ("class_imbalance", "health_summary"),
    "blank-images": ("low_information", "outlier", "near_duplicate"),
    "ood-images": ("outlier", "label"),
    "rotated-class": ("underperforming_group", "outlier", "label"),
    "minority-class": ("underperforming_group", "class_imbalance", "label", "health_summary"),
    "hidden-subclass": ("underperforming_group", "label"),
    "inverted": ("dark", "light", "outlier", "underperforming_group"),
    "wrong-mean-std": ("outlier", "underperforming_group"),
    "crop-for-squash": ("odd_aspect_ratio", "odd_size", "underperforming_group"),
    "leakage": ("near_duplicate",),
}


def run(case: Case, seed: int = 0) -> list[Result]:
    """Every issue type of Datalab and the health summary. The order of the images is drawn, since one that
    is sorted by class is itself an issue; training pictures stand in one table with the audited ones, as in
    its tutorial on train and test splits."""
    import datasets
    from cleanlab import Datalab

    part = case.together()
    order = np.random.default_rng(seed).permutation(len(part))
    names = np.array(part.paths)[order]
    pictures = [Image.fromarray(part.pictures[k]).convert("RGB") for k in order]
    columns: dict[str, Any] = {"image": pictures, "label": part.labels[order].tolist()}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        table = datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image())
        lab = Datalab(data=table, label_name="label", image_key="image", verbosity=0)
        lab.find_issues(pred_probs=part.probabilities[order], features=part.features[order])
    results = [_issue(lab, kind, names, case.classes) for kind in _kinds(lab)]
    return [*results, _health(case)]


def _kinds(lab: Any) -> Iterator[str]:
    for kind in lab.get_issue_summary()["issue_type"]:
        if f"is_{kind}_issue" in lab.get_issues():
            yield kind


def _issue(lab: Any, kind: str, names: Any, classes: tuple[str, ...]) -> Result:
    flagged = lab.get_issues()[f"is_{kind}_issue"].to_numpy(dtype=bool)
    count, total = int(flagged.sum()), len(flagged)
    sentence = f"{kind}: {count} of {total} images ({100 * count / total:.1f} %)"
    if kind == "label" and count:
        found = lab.get_issues("label")[flagged]
        turns = Counter(zip(found["given_label"], found["predicted_label"], strict=True)).most_common(2)
        sentence += "".join(f"; given {classes[a]}, predicted {classes[b]}: {n}" for (a, b), n in turns)
    if kind == "near_duplicate" and count:
        sets = lab.get_issues(kind).loc[flagged, "near_duplicate_sets"]
        groups = {frozenset([row, *map(int, near)]) for row, near in sets.items()}
        sentence += f"; {len(groups)} sets"
    return Result(kind, bool(count), sentence, _audited(names[flagged])).of_classes()


def _audited(names: Any) -> frozenset[str]:
    return frozenset(name for name in names.tolist() if not name.startswith(TRAINING))


def _health(case: Case) -> Result:
    """cleanlab.dataset.health_summary: tables, and no decision."""
    from cleanlab.dataset import health_summary

    part = case.audited
    held = health_summary(part.labels, part.probabilities, class_names=list(case.classes), verbose=False)
    worst, pair = held["classes_by_label_quality"].iloc[0], held["overlapping_classes"].iloc[0]
    sentence = (
        f"label health {held['overall_label_health_score']:.3f}; worst class {worst['Class Name']}; most "
        f"overlapping {pair['Class Name A']} and {pair['Class Name B']} ({pair['Num Overlapping Examples']})"
    )
    return Result("health_summary", False, sentence)
