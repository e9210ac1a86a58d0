"""A report -> an offline run of Weights & Biases: numbers in its summary, what went in as configuration, the
verdict as tags, the report's files as an artifact.

Nothing is sent: the run is written to a folder, and `wandb sync` of that sends it when somebody asks for it.
The run's id is that of the report, so that a report that is sent twice is one run.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from reportgen.errors import RecipeError
from reportgen.tracking.facts import Facts
from reportgen.tracking.surroundings import environment
from reportgen.version import with_extra

QUIET = {"WANDB_ERROR_REPORTING": "false", "DO_NOT_TRACK": "true", "WANDB_MODE": "offline"}
ROOMS = {"WANDB_DATA_DIR": "data", "WANDB_CACHE_DIR": "cache", "WANDB_CONFIG_DIR": "config"}
NOT_IN_A_NAME = re.compile(r"[^\w.-]", re.ASCII)
FORBIDDEN = "/\\#?%:"  # in a project's name
LETTERS_OF_A_PROJECT, LETTERS_OF_A_NAME = 128, 100


def track(facts: Facts, project: str, folder: Path) -> Path:
    """Writes an offline run of a project below `folder`/wandb; the folder that `wandb sync` takes.

    Raises RecipeError where wandb is not installed, the project's name cannot be one, or nothing can be
    written there.
    """
    if not project.strip() or len(project) > LETTERS_OF_A_PROJECT or set(project) & set(FORBIDDEN):
        raise RecipeError(
            f"{project!r} cannot be a project's name", f"at most 128 letters, none of {' '.join(FORBIDDEN)}"
        )
    # the files to send stay with the run, not in the home of whoever ran this
    place = folder.resolve() / "wandb"
    with environment({**QUIET, **{name: str(place / room) for name, room in ROOMS.items()}}):
        try:
            import wandb
        except ImportError as error:
            raise RecipeError("wandb is not installed", with_extra("wandb")) from error
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return _written(wandb, facts, project, folder)
        except (wandb.errors.Error, OSError) as error:
            words = " ".join(str(error).split())[:200]
            raise RecipeError(f"W&B in {folder}: {words}", "name another folder (--wandb-dir)") from error


def _written(wandb: Any, facts: Facts, project: str, folder: Path) -> Path:
    settings = wandb.Settings(
        silent=True,
        console="off",
        disable_git=True,
        disable_code=True,
        save_code=False,
        x_disable_stats=True,
        x_disable_meta=True,
        x_save_requirements=False,
    )
    others = wandb.run is not None  # of whoever calls this from a program of their own
    run = wandb.init(
        project=project,
        id=facts.digest[:32],
        name=facts.name,
        notes=facts.tags["reportgen.status"],
        tags=[facts.tags["reportgen.verdict"]],
        job_type="audit",
        config={**facts.params, **facts.tags},
        dir=str(folder),
        mode="offline",
        reinit="create_new",
        settings=settings,
    )
    run.summary.update(dict(facts.numbers))
    run.log_artifact(_artifact(wandb, facts))
    run.finish()
    if not others:  # the service that writes the file ends, and has written all of it then
        wandb.teardown()
    return Path(run.settings.sync_dir)


def _artifact(wandb: Any, facts: Facts) -> Any:
    name = NOT_IN_A_NAME.sub("-", facts.title)[:LETTERS_OF_A_NAME] or "report"
    artifact = wandb.Artifact(name, type="report", metadata={"seal_sha256": facts.digest})
    for room, path in facts.files:
        artifact.add_file(str(path), f"{room}/{path.name}" if room else path.name)
    return artifact
