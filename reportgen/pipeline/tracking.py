"""`reportgen track`: a finished report, looked at for changes, becomes a run of a tracker."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from reportgen.audit import seal
from reportgen.audit.results import results
from reportgen.errors import InputError
from reportgen.evidence import Evidence
from reportgen.report.document.document import document
from reportgen.report.render.summary_md import status
from reportgen.tracking import to_mlflow, to_wandb
from reportgen.tracking.facts import Facts, facts


def facts_of(folder: Path) -> Facts:
    """What a tracker is given of a report. Raises InputError where the folder holds none, or where something
    in it is not as it was written: what nobody measured is no record."""
    if altered := seal.verify(folder):
        more = f" and {len(altered) - 1} more" if altered[1:] else ""
        raise InputError(
            f"{folder} is not as it was written: {altered[0]}{more}",
            f"write the report again from its evidence (reportgen render {folder}), or audit again",
        )
    evidence = Evidence(folder / "evidence")
    kept = folder / "results.json"
    found = json.loads(kept.read_bytes()) if kept.is_file() else results(evidence)
    return facts(folder, found, status(document(evidence, found)))


@dataclass(frozen=True)
class Places:
    """Where a report goes: MLflow's address and experiment, W&B's project and the folder for its run."""

    mlflow: str | None = None
    experiment: str | None = None
    wandb: str | None = None
    wandb_dir: Path = Path()


@dataclass(frozen=True)
class Runs:
    """The runs that a report became."""

    mlflow: to_mlflow.Tracked | None
    wandb: Path | None


def tracked(folder: Path, places: Places) -> Runs:
    """Makes a report a run in every place that is named. Raises InputError and RecipeError."""
    told = facts_of(folder)
    run = to_mlflow.track(told, places.mlflow, places.experiment) if places.mlflow is not None else None
    offline = to_wandb.track(told, places.wandb, places.wandb_dir) if places.wandb is not None else None
    return Runs(run, offline)
