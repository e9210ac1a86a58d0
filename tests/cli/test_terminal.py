"""Progress where there is no terminal: few lines, the last one at the end."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen.cli import terminal
from reportgen.cli.terminal import LINES_A_STAGE, Lines


@given(st.integers(1, 5000), st.integers(1, 50))
def test_a_stage_has_few_lines_and_ends_with_the_whole(total: int, step: int) -> None:
    stream = io.StringIO()
    lines = Lines(stream, clock=lambda: 0.0)
    for done in [*range(0, total, step), total]:
        lines("measure", done, total)
    told = stream.getvalue().splitlines()
    assert len(told) <= LINES_A_STAGE
    assert told[-1] == f"measure: {total} of {total} images"


def test_the_time_left_counts_only_this_run() -> None:
    stream, now = io.StringIO(), [0.0]
    lines = Lines(stream, clock=lambda: now[0])
    lines("occlude", 500, 1000)  # a former run's work
    now[0] = 10.0
    lines("occlude", 600, 1000, "resumed")
    assert stream.getvalue().splitlines()[-1] == "occlude: 600 of 1000 windows, about 40 s left (resumed)"


def test_a_sentence_of_the_plan_is_a_line() -> None:
    stream = io.StringIO()
    Lines(stream)("plan", 0, 0, "9 forwards")
    assert stream.getvalue() == "plan: 9 forwards\n"


def test_bars_show_stage_numbers_and_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("sys.stderr", shown)
    with terminal.progress(quiet=False) as progress:
        progress("plan", 0, 0, "[9] forwards")
        progress("measure", 0, 9)
        progress("measure", 9, 9)
    assert "plan: [9] forwards" in shown.getvalue()
    assert "measure" in shown.getvalue()
    assert "9/9" in shown.getvalue()
    assert "\x1b[3" not in shown.getvalue()  # NO_COLOR: no colour is set


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.progress(quiet=True) as progress:
        progress("measure", 9, 9)
    assert capsys.readouterr() == ("", "")


def test_names_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.table("", ("name",), [("[bold]layer[0]",)], set())
    assert "[bold]layer[0]" in capsys.readouterr().out
