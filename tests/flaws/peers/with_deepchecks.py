"""deepchecks.vision: its three suites, with the training beside where there is a folder of it."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from flaws.peers.cases import Case, Part
from flaws.peers.results import Result

PACKAGES = ("deepchecks",)
PERFORMANCE, SEGMENTS, CONFUSION = "Class Performance", "Weak Segments Performance", "Confusion Matrix"
OUTLIERS = ("Brightness", "RMS Contrast", "Area", "Aspect Ratio", "Mean Red Relative Intensity")
NAMED_BY = {
    "label-noise": (CONFUSION, PERFORMANCE),
    "swapped-labels": (CONFUSION, PERFORMANCE),
    "off-by-one": (CONFUSION, PERFORMANCE),
    "leakage": ("Image Dataset Drift", "Heatmap Comparison", "Image Property Drift"),
    "missing-class": (CONFUSION, "Label Drift", "New Labels", "Label Property Outliers"),
    "blank-images": OUTLIERS,
    "ood-images": OUTLIERS,
    "rotated-class": (CONFUSION, PERFORMANCE, SEGMENTS),
    "inverted": (*OUTLIERS, SEGMENTS),
    "wrong-mean-std": (PERFORMANCE, SEGMENTS),
    "crop-for-squash": (*OUTLIERS, SEGMENTS),
    "minority-class": (PERFORMANCE, CONFUSION),
    "hidden-subclass": (SEGMENTS, CONFUSION, PERFORMANCE),
}


def run(case: Case) -> list[Result]:
    """Every check of the suites that ran: one whose condition fails or warns is an alarm."""
    from deepchecks.vision.suites import data_integrity, model_evaluation, train_test_validation

    audited = _data(case, case.audited, "audited")
    suites = [data_integrity(), model_evaluation()]
    given: tuple[Any, ...] = (audited,)
    if case.training is not None:  # "train" comes first
        given = (_data(case, case.training, "training"), audited)
        suites.append(train_test_validation())
    results: dict[str, Result] = {}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for suite in suites:
            for one in suite.run(*given, with_display=False).results:
                for result in _read(one, case):
                    before = results.get(result.name)
                    results[result.name] = result if before is None or result.alarm else before
    return list(results.values())


def _data(case: Case, part: Part, name: str) -> Any:
    from deepchecks.vision import VisionData

    def batch(rows: list[int]) -> dict[str, Any]:
        pictures = [part.pictures[row] for row in rows]
        return {
            "images": [p[..., None] if p.ndim == 2 else p for p in pictures],
            "labels": [int(part.labels[row]) for row in rows],
            "predictions": [_exact(part.probabilities[row]) for row in rows],
            "image_identifiers": [part.paths[row] for row in rows],
        }

    rows = list(range(len(part)))
    loader = torch.utils.data.DataLoader(rows, batch_size=64, shuffle=True, collate_fn=batch)  # type: ignore[arg-type, var-annotated]
    names = dict(enumerate(case.classes))
    return VisionData(loader, "classification", names, dataset_name=name, reshuffle_data=False)


def _exact(probabilities: Any) -> Any:
    """They have to sum to one in double precision."""
    wide = np.asarray(probabilities, dtype=np.float64)
    return wide / wide.sum()


def _read(one: Any, case: Case) -> Iterator[Result]:
    if not hasattr(one, "conditions_results"):
        return  # a check that could not run
    name = re.sub(r" - .*$", "", one.get_header())
    if one.check.__class__.__name__ == "ImagePropertyOutliers":
        yield from _outliers(one.value)
        return
    failed = [c for c in one.conditions_results if c.category.name in ("FAIL", "WARN")]
    sentence = "; ".join(f"{c.name}: {c.details}" for c in failed) or f"{name}: {_short(one, case)}"
    yield Result(name, bool(failed), sentence)


def _outliers(value: dict[str, Any]) -> Iterator[Result]:
    """A result a property; the check has no condition by default."""
    for name, held in value.items():
        if isinstance(held, dict):
            images = frozenset(held["outliers_identifiers"])
            yield Result(name, False, f"{name}: {len(images)} outliers", images).of_classes()


def _short(one: Any, case: Case) -> str:
    """What a reader sees first: the worst class, the most frequent confusion."""
    if one.check.__class__.__name__ == "ClassPerformance":
        worst = one.value.sort_values("Value").iloc[0]
        return f"lowest is {worst['Metric']} of {worst['Class Name']}: {worst['Value']:.2f}"
    if one.check.__class__.__name__ == "ConfusionMatrixReport":
        matrix = np.array(one.value, dtype=float)
        np.fill_diagonal(matrix, 0)
        pairs = np.argsort(-matrix, axis=None)[:2]
        names = _observed(case)
        at = [divmod(int(k), len(matrix)) for k in pairs]
        return ", ".join(f"{names[a]} as {names[b]}: {int(matrix[a, b])}" for a, b in at)
    return str(one.value)[:400]


def _observed(case: Case) -> list[str]:
    """The classes of the confusion matrix: those that are a label or an answer."""
    seen = set(case.audited.labels.tolist()) | set(case.audited.probabilities.argmax(1).tolist())
    return [name for k, name in enumerate(case.classes) if k in seen]
