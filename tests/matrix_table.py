"""Prints at the end of a run what tests/matrix found, as the Markdown table that README has."""

from __future__ import annotations

from typing import Any

CHECKS = ("grad-cam", "macs", "saliency", "occlusion", "fields")
MAPS = ("grad-cam", "saliency", "occlusion")
HEAD = (
    *("library", "networks", "maps", "maps last", "tokens"),
    *("Grad-CAM", "saliency", "occlusion", "parameters, MACs", "receptive fields"),
)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table, where networks of the matrix were tried, and the names of those that failed."""
    stats = terminalreporter.stats
    passed, failed = (
        [item for report in stats.get(kind, []) for item in report.user_properties if item[0] == "matrix"]
        for kind in ("passed", "failed")
    )
    if passed:
        terminalreporter.write_line("\n" + "\n".join(matrix_table([value for _, value in passed])))
    for _, (_, name, _, check, value) in failed:
        terminalreporter.write_line(f"not right: {name}: {check} {value:.2g}")


def matrix_table(rows: list[list[Any]]) -> list[str]:
    """A row a library: how many networks, how their last layers lie, and of each check how many passed it
    and the largest difference."""
    lines = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    for library in (*dict.fromkeys(row[0] for row in rows), "all"):
        own = [row for row in rows if library in (row[0], "all")]
        kinds = {name: kind for _, name, kind, _, _ in own}
        ends = [str(list(kinds.values()).count(kind)) for kind in ("maps", "maps last", "tokens")]
        found = {check: [value for *_, known, value in own if known == check] for check in CHECKS}
        worst = [f"{len(found[check])}, {max(found[check], default=0):.0e}" for check in MAPS]
        fields = f"{len(found['fields'])}, {sum(found['fields']):.0f} layers"
        cells = [library, str(len(kinds)), *ends, *worst, f"{len(found['macs'])} equal", fields]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
