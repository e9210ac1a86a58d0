"""One run with everything that results.json can have of two models and of tested maps."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reportgen.checks import questions
from reportgen.probes import methods
from reportgen.recipe.gates import metric_names

QUICK = {
    "occlusion": "{window_px: 12, stride_px: 8}",
    "rise": "{masks: 40, cells: 4}",
    "score-cam": "{channels: 4}",
    "smoothgrad": "{samples: 3}",
    "integrated-gradients": "{steps: 4}",
}


@pytest.fixture(scope="session")
def explaining() -> list[str]:
    """The methods whose maps explain an answer."""
    return [name for name, method in methods().items() if method.explains]


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory, two_at: Any, explaining: list[str]) -> dict[str, Any]:
    """One run with every method that explains, and a gate on every metric that a gate may name."""
    two = two_at(tmp_path_factory.mktemp("gates"))
    gates = "".join(f"  - {{metric: {name}, min: -1000000}}\n" for name in metric_names())

    def edit(text: str) -> str:
        head, _, rest = text.partition("visualizations:\n")
        shown = "".join(f"  - {name}: {QUICK.get(name, '{}')}\n" for name in ("predictions", *explaining))
        head = head.replace("trust: {images: 1", "trust: {images: 3")
        checks = [name for name, asked in questions().items() if asked.numbers]
        head = head.replace("checks: false", f"checks: {{only: [{', '.join(checks)}]}}")
        return f"{head}visualizations:\n{shown}gates:\n{gates}{rest[rest.index('output:'):]}"

    folder = two.run(two.recipe(edit=edit), "report")
    found: dict[str, Any] = json.loads((folder / "results.json").read_bytes())
    return found
