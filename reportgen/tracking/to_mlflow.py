"""A report -> a run of MLflow: numbers as metrics, what went in as parameters, the verdict as tags, the
report's files as artifacts and its summary as the run's description.

MLflow's own variables (MLFLOW_TRACKING_TOKEN, …) say how it signs in. A report is a run once: given again it
is found by the hash of its seal, and a run that was cut short is completed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from reportgen.errors import RecipeError
from reportgen.tracking.facts import Facts
from reportgen.tracking.surroundings import environment
from reportgen.version import with_extra

T = TypeVar("T")
REPORT = "reportgen.report"  # the tag that a report is found by
FOLDER = "report"  # of the artifacts
NOT_IN_A_KEY = re.compile(r"[^\w\-. :/]", re.ASCII)
SIGNED_IN = re.compile(r"://[^\s/@]*@")  # who signs in, in an address
LETTERS = {"param": 6000, "tag": 5000}  # at most, of a value
AT_ONCE = 100  # entries of one request: the least that all servers take
# nothing is told to anybody but the named server; one that does not answer is known in seconds, not minutes
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
UNLESS_SAID = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}


class Tracked(NamedTuple):
    """A run of MLflow, and whether the report was there before."""

    experiment_id: str
    run_id: str
    known: bool


def track(facts: Facts, uri: str, experiment: str | None = None) -> Tracked:
    """Makes a report a run of an experiment, by default one called as the report's title; `uri` is that of a
    server, a database or a folder, as MLflow has it.

    Raises RecipeError where MLflow is not installed, cannot be reached or refuses something.
    """
    with environment(QUIET, UNLESS_SAID):
        try:
            import mlflow
            import requests
        except ImportError as error:
            raise RecipeError("mlflow is not installed", with_extra("mlflow")) from error
        try:
            client = mlflow.MlflowClient(tracking_uri=uri)
            return _tracked(client, facts, experiment or facts.title)
        except (mlflow.exceptions.MlflowException, requests.RequestException, OSError, ImportError) as error:
            raise RecipeError(
                f"MLflow at {without_password(uri)}: {_line(error)}",
                "check the address and what MLflow's variables say; then the same command goes on",
            ) from error


def _tracked(client: Any, facts: Facts, experiment: str) -> Tracked:
    place = _experiment(client, experiment)
    found = client.search_runs([place], f"tags.`{REPORT}` = '{facts.digest}'", max_results=1)
    if found and found[0].info.status == "FINISHED":
        return Tracked(place, found[0].info.run_id, True)
    moment = int(facts.created.timestamp() * 1000)
    run = found[0] if found else client.create_run(place, moment, {REPORT: facts.digest}, facts.name)
    number = run.info.run_id
    written = _entries(facts, moment)
    for kind, entries in written.items():
        for some in _batches(entries):
            client.log_batch(number, **{kind: some})
    for room, path in facts.files:
        client.log_artifact(number, str(path), f"{FOLDER}/{room}" if room else FOLDER)
    client.set_terminated(number, "FINISHED")
    return Tracked(place, number, False)


def _experiment(client: Any, name: str) -> str:
    """The experiment of a name, made where there is none."""
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name))


def _entries(facts: Facts, moment: int) -> dict[str, list[Any]]:
    from mlflow.entities import Metric, Param, RunTag

    tags = {**facts.tags, "mlflow.note.content": facts.summary}
    return {
        "metrics": [Metric(key, value, moment, 0) for key, value in _keyed(facts.numbers)],
        "params": [Param(key, value[: LETTERS["param"]]) for key, value in _keyed(facts.params)],
        "tags": [RunTag(key, value[: LETTERS["tag"]]) for key, value in _keyed(tags)],
    }


def _keyed(entries: Mapping[str, T]) -> Iterator[tuple[str, T]]:
    """Entries by keys that MLflow takes."""
    return ((NOT_IN_A_KEY.sub("_", key), value) for key, value in entries.items())


def _batches(entries: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(entries)
    while some := list(islice(rest, AT_ONCE)):
        yield some


def without_password(text: str) -> str:
    """A text whose addresses name nobody and no password, as it may be printed."""
    return SIGNED_IN.sub("://", text)


def _line(error: Exception) -> str:
    return without_password(" ".join(str(error).split()))[:200]
