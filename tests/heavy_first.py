"""Files that take long come first: one that came last would keep one worker busy while the others wait.

pytest-xdist by itself begins with the files of many tests; those of few and long ones would end the run.
It follows this order where it is told `--no-loadscope-reorder`, as `make test` does.
"""

from __future__ import annotations

import pytest

HEAVY = (
    "tests/cli/test_cli.py",
    "tests/cli/test_stdout.py",
    "tests/test_pipeline.py",
    "tests/measure/test_second_model.py",
    "tests/test_adding_a_visualization.py",
    "tests/test_adding_a_check.py",
    "tests/packaging/test_wheel.py",
    "tests/report/page/",
    "tests/report/render/test_pdf.py",
    "tests/report/render/",
    "tests/engine/network/test_trace.py",
    "tests/checks/",
    "tests/measure/",
    "tests/examples/",
)


def place(nodeid: str) -> int:
    """Where in HEAVY a test's file stands; after all of them where it does not."""
    return next((at for at, path in enumerate(HEAVY) if nodeid.startswith(path)), len(HEAVY))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: place(item.nodeid))  # stable: a file's tests keep their order
