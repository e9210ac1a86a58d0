"""`explain`: what a report says of one image, as text or as JSON, without the model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from reportgen.cli.options import Folder, Json, Verbose
from reportgen.cli.terminal import table, tell

RELIED_ON = {True: "its maps passed their test", False: "do not rely on its maps", None: ""}


def explain(
    folder: Folder,
    image: Annotated[str, typer.Argument(help="Its id or its path, or the end of that.")],
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """One image: its answers, the checks that show it, what was found in it."""
    from reportgen.audit.one_image import explained, find, read

    results = read(folder)
    said = explained(results, find(results, image))
    if as_json:
        tell(json.dumps(said, indent=1, ensure_ascii=False))
        return
    for line in _lines(said, folder):
        tell(line)
    if said["predictions"]:
        tell("")
        table("", ("class", "probability", "logit"), _answers(said["predictions"]), {1, 2})


def _lines(said: Mapping[str, Any], folder: Path) -> Iterator[str]:
    from reportgen.report.wording import probability

    yield f"{said['id']} {said['path']}  SHA-256 {said['sha256'] or 'unknown'}"
    yield _verdict(said)
    if said["refer"]:
        yield "Refer it to a person: its probability is below the threshold that these images show."
    if second := said.get("beside"):
        best = second["predictions"][0] if second["predictions"] else None
        told = f"{best['class_name']} at {probability(best['probability'])}" if best else "nothing"
        yield f"The second model answered {told}: {_judged(second['correct'])}"
    for check in said["checks"]:
        yield f"{check['title']} ({check['status']}): {check['sentence']}"
    for name, numbers in said["findings"].items():
        parts = [RELIED_ON[numbers["relied_on"]], *numbers["flags"], *_scalars(numbers)]
        if told := "; ".join(filter(None, parts)):
            yield f"{name}: {told}"
    if said["card"]:
        yield f"Its figures: {folder / said['card']}"


def _verdict(said: Mapping[str, Any]) -> str:
    from reportgen.report.wording import probability

    if not said["predictions"]:
        return f"No answer: {said['reason']}"
    best = said["predictions"][0]
    if best["probability"] is None:
        values = ", ".join(f"{one['class_name']} {one['logit']:g}" for one in said["predictions"])
        return f"Answered {values}; label {said['label'] or 'unknown'}"
    margin = "" if said["margin"] is None else f", {probability(said['margin'])} above the next"
    label = f"label {said['label']}: " if said["label"] is not None else ""
    answer = f"Answered {best['class_name']} at {probability(best['probability'])}{margin}"
    return f"{answer}; {label}{_judged(said['correct'])}"


def _judged(correct: bool | None) -> str:
    return {True: "right", False: "wrong", None: "no label, so nobody knows whether it is right"}[correct]


def _scalars(numbers: Mapping[str, Any]) -> Iterator[str]:
    from reportgen.report.wording import number

    for key, value in numbers.items():
        if isinstance(value, float):
            yield f"{key} {number(value)}"


def _answers(predictions: list[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    from reportgen.report.wording import number, probability

    return [(one["class_name"], probability(one["probability"]), number(one["logit"])) for one in predictions]
