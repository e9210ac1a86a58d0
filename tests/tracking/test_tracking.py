"""`track`: what a report became is read back from a real MLflow server, and from W&B's offline file."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from reportgen.cli.commands import app
from reportgen.errors import InputError, RecipeError
from reportgen.pipeline.tracking import Places, facts_of, tracked
from reportgen.tracking import to_mlflow
from reportgen.tracking.to_mlflow import without_password

# the room is no package: tests are imported by their files
spec = importlib.util.spec_from_file_location("offline_run", Path(__file__).with_name("offline_run.py"))
assert spec and spec.loader
offline_run = importlib.util.module_from_spec(spec)
spec.loader.exec_module(offline_run)


def results_of(report: Path) -> Any:
    return json.loads((report / "results.json").read_bytes())


@pytest.fixture
def client(server: str) -> Any:
    import mlflow

    return mlflow.MlflowClient(tracking_uri=server)


def test_a_report_is_one_run_of_mlflow_with_numbers_verdict_and_files(
    report: Path, server: str, client: Any, tmp_path: Path
) -> None:
    done = CliRunner().invoke(app, ["track", str(report), "--mlflow", server, "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)["mlflow"]
    run, results = client.get_run(told["run_id"]), results_of(report)
    assert run.info.status == "FINISHED"
    assert client.get_experiment(told["experiment_id"]).name == results["title"]
    assert run.data.metrics["accuracy"] == pytest.approx(results["metrics"]["accuracy"])
    assert run.data.metrics["diff.answers_changed"] == 0
    assert (run.data.metrics["requirements.met"], run.data.metrics["requirements.not_met"]) == (2, 1)
    assert run.data.params["checkpoint_sha256"] == results["model"]["checkpoint_sha256"]
    assert run.data.tags["reportgen.verdict"] == "failed"
    assert run.data.tags["mlflow.note.content"] == (report / "summary.md").read_text()
    got = Path(client.download_artifacts(told["run_id"], "report", str(tmp_path)))
    assert {path.name for path in got.iterdir()} == {path.name for path in report.iterdir() if path.is_file()}
    assert all((report / path.name).read_bytes() == path.read_bytes() for path in got.iterdir())
    again = tracked(report, Places(mlflow=server)).mlflow
    assert again == (told["experiment_id"], told["run_id"], True)
    assert len(client.search_runs([told["experiment_id"]])) == 1


def test_a_run_that_was_cut_short_is_completed(
    report: Path, server: str, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    def broken(*given: Any) -> None:
        raise OSError("no route to host")

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "log_artifact", broken)
        with pytest.raises(RecipeError, match="no route to host"):
            tracked(report, Places(mlflow=server, experiment="cut short"))
    run = tracked(report, Places(mlflow=server, experiment="cut short")).mlflow
    assert run is not None
    (kept,) = client.search_runs([run.experiment_id])
    assert (kept.info.run_id, kept.info.status, run.known) == (run.run_id, "FINISHED", False)
    assert len(client.list_artifacts(run.run_id, "report")) == len(facts_of(report).files)


def test_what_was_changed_since_is_no_record(report: Path, tmp_path: Path) -> None:
    altered = tmp_path / "altered"
    shutil.copytree(report, altered)
    (altered / "summary.md").write_text("all is well\n")
    with pytest.raises(InputError, match=r"not as it was written: summary\.md"):
        tracked(altered, Places(mlflow="http://127.0.0.1:9", wandb="digits", wandb_dir=tmp_path))
    assert not (tmp_path / "wandb").exists()


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ([], "no tracker is named"),
        (["--wandb", "digits", "--experiment", "mine"], "--experiment is MLflow's"),
        (["--wandb", "a/b"], "'a/b' cannot be a project's name"),
        (["--mlflow", "http://127.0.0.1:9"], "MLflow at http://127.0.0.1:9: "),
    ],
)
def test_what_cannot_be_done_is_one_line(
    report: Path, words: list[str], cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    done = CliRunner().invoke(app, ["track", str(report), *words])
    assert done.exit_code == 2
    error, remedy = done.stderr.splitlines()[-2:]
    assert error.startswith(f"error: {cause}")
    assert remedy.startswith("remedy: ")


def test_passwords_are_not_printed() -> None:
    assert without_password("http://me:secret@host:5000/x") == "http://host:5000/x"
    assert without_password("sqlite:///runs.db") == "sqlite:///runs.db"
    hidden = to_mlflow._line(OSError("cannot reach http://me:secret@host/x: refused"))
    assert "secret" not in hidden


def test_an_offline_run_of_wandb_has_numbers_verdict_and_files(report: Path, tmp_path: Path) -> None:
    before = dict(os.environ)
    folder = tracked(report, Places(wandb="digits", wandb_dir=tmp_path)).wandb
    assert dict(os.environ) == before
    assert folder is not None
    assert folder.parent == tmp_path / "wandb"
    (file,) = folder.glob("run-*.wandb")
    kinds: dict[str, list[Any]] = {}
    for record in offline_run.records(file):
        kinds.setdefault(record.WhichOneof("record_type"), []).append(record)
    told, results = facts_of(report), results_of(report)
    (begun,) = kinds["run"]
    assert (begun.run.project, begun.run.run_id) == ("digits", told.digest[:32])
    assert list(begun.run.tags) == ["failed"]
    config = {entry.key: json.loads(entry.value_json) for entry in begun.run.config.update}
    assert config["checkpoint_sha256"] == results["model"]["checkpoint_sha256"]
    summary = {entry.key: entry.value_json for one in kinds["summary"] for entry in one.summary.update}
    assert json.loads(summary["accuracy"]) == pytest.approx(results["metrics"]["accuracy"])
    assert told.numbers.keys() <= summary.keys()
    (kept,) = kinds["artifact"]
    staged = {entry.path: Path(entry.local_path) for entry in kept.artifact.manifest.contents}
    assert staged.keys() == {path.name for _, path in told.files}
    for name, path in staged.items():
        assert tmp_path in path.parents  # all of the run lies there, nothing in the home of whoever ran it
        assert path.read_bytes() == (report / name).read_bytes()
