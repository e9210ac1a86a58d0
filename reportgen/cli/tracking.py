"""`track`: a finished report becomes a run of MLflow, or an offline run of Weights & Biases."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from reportgen.cli.options import Folder, Json, Verbose
from reportgen.cli.terminal import say, tell
from reportgen.errors import RecipeError


def track(
    folder: Folder,
    mlflow: Annotated[
        str | None, typer.Option("--mlflow", help="MLflow's address: http://…, sqlite:///…, a folder.")
    ] = None,
    experiment: Annotated[
        str | None, typer.Option("--experiment", help="Of MLflow; the report's title without.")
    ] = None,
    wandb: Annotated[
        str | None, typer.Option("--wandb", help="A project of W&B: an offline run, sent by nobody.")
    ] = None,
    wandb_dir: Annotated[
        Path, typer.Option("--wandb-dir", help="Where that is written, in a folder wandb.")
    ] = Path(),
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Make a report a run of MLflow, or an offline one of Weights & Biases."""
    from reportgen.pipeline.tracking import Places, tracked

    if mlflow is None and wandb is None:
        raise RecipeError("no tracker is named", "name --mlflow ADDRESS, --wandb PROJECT, or both")
    if experiment is not None and mlflow is None:
        raise RecipeError("--experiment is MLflow's, and --mlflow is not given", "name --mlflow ADDRESS")
    runs = tracked(folder, Places(mlflow, experiment, wandb, wandb_dir))
    if as_json:
        written = {
            "mlflow": runs.mlflow._asdict() if runs.mlflow else None,
            "wandb": str(runs.wandb) if runs.wandb else None,
        }
        tell(json.dumps(written, indent=1))
        return
    if runs.mlflow:
        known = " (it was there already)" if runs.mlflow.known else ""
        tell(f"mlflow: experiment {runs.mlflow.experiment_id}, run {runs.mlflow.run_id}{known}")
    if runs.wandb:
        tell(f"wandb: {runs.wandb}")
        say(f"nothing was sent; this sends it: wandb sync {shlex.quote(str(runs.wandb))}")
