"""BNNR: its analyze_model on the network and a loader, with maps and the scan of the pictures."""

from __future__ import annotations

import contextlib
import io
import tempfile
from typing import Any

import torch

from flaws.peers.cases import Case
from flaws.peers.results import Result

PACKAGES = ("bnnr",)
ALARMS = ("critical", "high", "medium", "warning")  # what it gives besides is low or info
CONFUSED, ZERO, LITTLE = "confused_pair", "zero_recall_class", "near_zero_recall"
LOW, OVER, COLLAPSE = "low_overall_accuracy", "dominant_prediction_bias", "class_collapse_suspected"
NAMED_BY = {
    "label-noise": (CONFUSED,),
    "swapped-labels": (CONFUSED, ZERO, LITTLE),
    "off-by-one": (ZERO, LITTLE, LOW, CONFUSED),
    "two-labels": ("near_duplicates",),
    "leakage": ("near_duplicates",),
    "missing-class": ("minority_class_suppression", OVER, "class_diagnostics"),
    "blank-images": ("zero_variance", "near_black", "near_white", "near_duplicates"),
    "ood-images": ("artifact_focus_suspected", CONFUSED),
    "rotated-class": (ZERO, LITTLE, CONFUSED),
    "inverted": (LOW, COLLAPSE),
    "wrong-mean-std": (LOW, COLLAPSE),
    "bn-never-updated": (LOW, COLLAPSE),
    "zeroed-filters": (LOW, COLLAPSE),
    "duplicated-filters": (LOW, COLLAPSE),
    "crop-for-squash": (LOW, COLLAPSE),
    "minority-class": (ZERO, LITTLE, "minority_class_suppression"),
    "hidden-subclass": (CONFUSED,),
    "over-confident": ("miscalibration_top1",),
    "under-confident": ("miscalibration_top1",),
}


def run(case: Case) -> list[Result]:
    """Its findings and the warnings of its scan."""
    from bnnr import SimpleTorchAdapter, analyze_model

    part, network = case.audited, case.network
    adapter = SimpleTorchAdapter(
        network,
        torch.nn.CrossEntropyLoss(),
        torch.optim.Adam(network.parameters()),
        target_layers=[network.conv4],
        device="cpu",
    )
    pairs = torch.utils.data.TensorDataset(torch.from_numpy(part.inputs), torch.from_numpy(part.labels))
    loader = torch.utils.data.DataLoader(pairs, batch_size=64)
    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with quiet[0], quiet[1], tempfile.TemporaryDirectory() as folder:
        report = analyze_model(adapter, loader, device="cpu", output_dir=folder)
    results = [_finding(one, case.classes) for one in report.findings]
    return results + [_warning(one, report, case) for one in report.data_quality_result["warnings"]]


def _finding(one: dict[str, Any], classes: tuple[str, ...]) -> Result:
    """With the names of the classes, which it has by number."""
    numbers = [int(k) for k in one.get("class_ids", []) if str(k).isdigit()]
    of = ", ".join(classes[k] for k in numbers if k < len(classes))
    sentence = f"{one['severity']}: {one['title']}: {one['description']} ({of})"
    return Result(one["finding_type"], one["severity"] in ALARMS, sentence)


def _warning(one: dict[str, Any], report: Any, case: Case) -> Result:
    rows = list(one.get("indices", []))
    if one["type"] == "near_duplicates":
        groups = report.data_quality_result["duplicate_groups"]
        rows = [row for group in groups for row in group["indices"]]
    images = frozenset(case.audited.paths[row] for row in rows)
    return Result(one["type"], one["severity"] in ALARMS, f"{one['severity']}: {one['message']}", images)
