"""CleanVision: its Imagelab on the folder of the pictures; labels and network are not its concern."""

from __future__ import annotations

import contextlib
import io
from typing import Any

from flaws.peers.cases import Case
from flaws.peers.results import Result

PACKAGES = ("cleanvision",)
MAX_PREVALENCE = 0.5  # its report drops a kind that more of the images have
NAMED_BY = {
    "two-labels": ("exact_duplicates", "near_duplicates"),
    "leakage": ("exact_duplicates", "near_duplicates"),
    "blank-images": ("low_information", "exact_duplicates", "near_duplicates"),
    "ood-images": ("low_information", "odd_size", "blurry", "grayscale"),
    "inverted": ("light", "dark"),
    "crop-for-squash": ("odd_aspect_ratio", "odd_size"),
}


def run(case: Case) -> list[Result]:
    """Every kind of issue on the audited pictures, and on training and audited ones in one where both are."""
    from cleanvision import Imagelab

    folder = case.folder / "images"
    files = [folder / path for path in case.audited.paths]
    if case.training is not None:
        files += [case.folder / "training" / path for path in case.training.paths]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        lab = Imagelab(filepaths=[str(file) for file in files])
        lab.find_issues(n_jobs=1)
    return [_issue(lab, kind, str(folder)) for kind in lab.issue_summary["issue_type"]]


def _issue(lab: Any, kind: str, folder: str) -> Result:
    flagged = lab.issues[f"is_{kind}_issue"].to_numpy(dtype=bool)
    paths = [str(path) for path in lab.issues.index[flagged]]
    count, total = len(paths), len(flagged)
    shown = frozenset(path.removeprefix(f"{folder}/") for path in paths if path.startswith(folder))
    sentence = f"{kind}: {count} of {total} images"
    if kind.endswith("duplicates"):
        sentence += f" in {len(lab.info[kind]['sets'])} sets"
    alarm = 0 < count <= MAX_PREVALENCE * total
    return Result(kind, alarm, sentence, shown).of_classes()
