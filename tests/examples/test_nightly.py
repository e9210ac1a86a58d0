"""examples/nightly: what schedulers read is well formed, and its shell parts run."""

from __future__ import annotations

import configparser
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from dockerfile_parse import DockerfileParser

from reportgen.recipe import load

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "nightly"


@pytest.mark.parametrize("script", ["nightly.sh", "story.sh"])
def test_scripts_are_of_any_posix_shell(script: str) -> None:
    subprocess.run(["sh", "-n", EXAMPLE / script], check=True)
    if checker := shutil.which("shellcheck"):
        subprocess.run([checker, EXAMPLE / script], check=True)


def test_the_line_for_cron_has_five_fields_and_a_command() -> None:
    lines = (EXAMPLE / "crontab").read_text().splitlines()
    (entry,) = (line for line in lines if line and not re.match(r"#|\w+=", line))
    *fields, command = entry.split(None, 5)
    assert len(fields) == 5
    assert all(re.fullmatch(r"[\d*/,-]+", field) for field in fields)
    assert command.startswith("sh ")


@pytest.mark.parametrize("name", ["reportgen-nightly.service", "reportgen-nightly.timer"])
def test_units_of_systemd_have_what_they_need(name: str) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(EXAMPLE / name)
    if name.endswith("timer"):
        assert unit["Timer"]["OnCalendar"]
        assert unit["Install"]["WantedBy"] == "timers.target"
    else:
        assert unit["Service"]["Type"] == "oneshot"
        assert "nightly.sh" in unit["Service"]["ExecStart"]
    if checker := shutil.which("systemd-analyze"):
        command = [checker, "verify", "--man=no", EXAMPLE / name]
        found = subprocess.run(command, check=False, timeout=60, capture_output=True, text=True)
        assert found.stderr == ""  # of unknown keys it only warns


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("github-actions.yml", ["--builtin-schema", "vendor.github-workflows"]),
        ("gitlab-ci.yml", ["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"]),
    ],
)
def test_files_of_ci_systems_keep_to_their_schemas(name: str, words: list[str], tmp_path: Path) -> None:
    def complaints(path: Path) -> str:
        command = [sys.executable, "-m", "check_jsonschema", *words, str(path)]
        done = subprocess.run(command, check=False, timeout=60, capture_output=True, text=True)
        return "" if done.returncode == 0 else done.stdout + done.stderr

    assert complaints(EXAMPLE / name) == ""
    wrong = tmp_path / name
    text = (EXAMPLE / name).read_text()
    wrong.write_text(text.replace("permissions:", "permisions:").replace("rules:", "rulez:"))
    assert "Schema validation errors" in complaints(wrong)


def read(name: str) -> Any:
    return yaml.safe_load((EXAMPLE / name).read_text(encoding="utf-8"))


def test_the_workflow_of_github_runs_the_night_and_keeps_the_report() -> None:
    flow = read("github-actions.yml")
    (job,) = flow["jobs"].values()
    assert {"schedule", "workflow_dispatch"} <= flow[True].keys()  # YAML 1.1 reads `on` as true
    assert {"runs-on", "steps"} <= job.keys()
    assert all(("uses" in step) != ("run" in step) for step in job["steps"])
    (audit,) = (step for step in job["steps"] if "nightly.sh" in step.get("run", ""))
    assert {"CHECKPOINT", "IMAGES", "RECIPE", "REPORTS"} == audit["env"].keys()


def test_the_job_of_gitlab_has_test_results() -> None:
    (job,) = read("gitlab-ci.yml").values()
    assert job["artifacts"]["reports"]["junit"].endswith("junit.xml")
    assert any("nightly.sh" in line for line in job["script"])
    # the same bare image as the container's, and what the PDF needs in it
    recipe = (EXAMPLE / "Dockerfile").read_text()
    libraries = set(re.findall(r"\blib[a-z0-9.-]+\b", recipe.partition("install")[2].partition("&&")[0]))
    assert "libpango-1.0-0" in libraries
    assert libraries <= set(" ".join(job["before_script"]).split())
    assert f"FROM {job['image']}" in recipe


def test_the_cron_job_of_kubernetes_runs_one_at_a_time_and_gives_it_time_to_stop() -> None:
    job = read("cronjob.yml")
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    for version in ("1.31", kubernetes_validate.latest_version()):
        kubernetes_validate.validate(job, version, strict=True)
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert pod["terminationGracePeriodSeconds"] > 30
    (container,) = pod["containers"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_brackets_of_the_jenkinsfile_and_steps_of_the_dockerfile_are_whole() -> None:
    text = re.sub(r"//.*", "", (EXAMPLE / "Jenkinsfile").read_text())
    assert text.count("{") == text.count("}")
    assert "nightly.sh" in text
    steps = DockerfileParser(fileobj=io.BytesIO((EXAMPLE / "Dockerfile").read_bytes())).structure
    asked = [step["instruction"] for step in steps if step["instruction"] != "COMMENT"]
    assert asked == ["FROM", "RUN", "COPY", "RUN", "USER", "ENTRYPOINT"]
    assert json.loads(steps[-1]["value"])[0] == "sh"


def test_the_recipe_is_one() -> None:
    gates = load(EXAMPLE / "recipe.yaml").gates
    assert {gate.diff for gate in gates} >= {"answers_changed", "filters_zeroed"}


def test_a_night_names_what_it_asks_for_and_ends_as_reportgen_does(tmp_path: Path) -> None:
    """With a stand-in for the command that says what it was given."""
    stand_in = tmp_path / "stand-in"
    stand_in.write_text(
        '#!/bin/sh\necho "$@"\nmkdir -p reports/n1 reports/n2\necho summary > reports/n1/summary.md\n'
        "echo summary > reports/n2/summary.md\necho {} > reports/n2/results.json\nexit 1\n"
    )
    stand_in.chmod(0o755)

    def night(name: str, **more: str) -> Any:
        env = {
            **os.environ,
            "CHECKPOINT": "c.safetensors", "IMAGES": "images", "RECIPE": "r.yaml", "REPORTS": "reports",
            "NIGHT": name, "REPORTGEN": str(stand_in), "GITHUB_STEP_SUMMARY": str(tmp_path / "page.md"),
            **more,
        }
        script = ["sh", str(EXAMPLE / "nightly.sh")]
        return subprocess.run(script, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)

    first = night("n1")
    assert first.returncode == 1
    assert "--baseline" not in first.stdout
    assert first.stdout.startswith("run c.safetensors images --recipe r.yaml --out reports/n1 ")
    (tmp_path / "reports" / "latest-good").symlink_to("n1")
    assert "--baseline reports/latest-good" in night("n2").stdout
    assert (tmp_path / "page.md").read_text() == "summary\nsummary\n"
    tracked = night("n2", TRACK="--mlflow http://tracker:5000").stdout.splitlines()
    assert tracked[-1] == "track reports/n2 --mlflow http://tracker:5000"
    missing = subprocess.run(
        ["sh", str(EXAMPLE / "nightly.sh")],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert missing.returncode != 0
    assert "the checkpoint to audit" in missing.stderr


@pytest.mark.matrix
def test_the_story_of_three_nights_goes_as_it_should(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(
        ["sh", str(EXAMPLE / "story.sh"), str(tmp_path / "nights")],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    reports = tmp_path / "nights" / "reports"
    assert os.readlink(reports / "latest-good") == "2026-11-26"
    found = json.loads((tmp_path / "nights" / "diff" / "diff.json").read_bytes())
    assert found["network"]["zeroed"] == [{"layer": "conv1.weight", "channel": 3}]
    assert found["changed"][0]["kind"] == "broken"
    third = json.loads((reports / "2026-11-26" / "results.json").read_bytes())
    assert [past["met"] for past in third["history"]["audits"]] == [True, False]
    assert third["baseline"]["old"]["name"] == "2026-11-24"
    mended = {one["what"] for one in third["history"]["findings"] if one["kind"] == "mended"}
    assert mended == {"diff.filters_zeroed ≤ 0", "check.weights"}
    page = (reports / "2026-11-26" / "report.html").read_text(encoding="utf-8")
    assert "Between the two lies 1 audit: 2026-11-25, which did not meet the requirements." in page
