"""Says at the end of a run which tests it left out, so that nobody wonders why a network is not there."""

from __future__ import annotations

from typing import Any

LEFT_OUT = "not matrix and not faults"  # as pyproject.toml has it in addopts


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line, where tests were left out. Workers do not tell which: a run of several always says it."""
    config = terminalreporter.config
    left_out = [
        item for item in terminalreporter.stats.get("deselected", ()) if item.get_closest_marker("matrix")
    ]
    workers = bool(getattr(config.option, "numprocesses", None))
    if config.option.markexpr == LEFT_OUT and (left_out or workers):
        count = f"{len(left_out)} tests" if left_out else "The tests"
        terminalreporter.write_line(
            f"{count} of many or large networks (mark `matrix`) were left out: `make matrix` runs them all, "
            '`-m ""` after a path runs everything there.'
        )
