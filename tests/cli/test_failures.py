"""SIGTERM: while images are measured a shard is finished first, else the run ends at once."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from reportgen.cli.failures import Watch, _Terminated


def term(watch: Watch) -> None:
    watch.heard(signal.SIGTERM, None)


def heard() -> tuple[Watch, list[Any], Any]:
    watch, told = Watch(), list[Any]()

    def progress(stage: str, done: int, total: int, note: str = "") -> None:
        told.append((stage, done))

    return watch, told, watch.over(progress)


def test_between_shards_the_run_goes_on_until_the_next_is_whole() -> None:
    watch, told, progress = heard()
    progress("measure", 0, 10)
    term(watch)
    progress("occlude", 3, 90)  # within the shard
    with pytest.raises(_Terminated):
        progress("measure", 5, 10)
    assert told == [("measure", 0), ("occlude", 3), ("measure", 5)]


@pytest.mark.parametrize("stage", ["plan", "render", "check"])
def test_elsewhere_it_ends_at_once(stage: str) -> None:
    watch, _, progress = heard()
    progress(stage, 0, 1)
    with pytest.raises(_Terminated):
        term(watch)


def test_after_the_last_shard_it_ends_at_once() -> None:
    watch, _, progress = heard()
    progress("measure beside", 0, 10)
    progress("measure beside", 10, 10)
    with pytest.raises(_Terminated):
        term(watch)


def test_a_second_signal_does_not_wait() -> None:
    watch, _, progress = heard()
    progress("score", 0, 10)
    term(watch)
    with pytest.raises(_Terminated):
        term(watch)
