"""What is told of a file whose reading ends the child process that tries it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from reportgen.errors import InputError
from reportgen.inputs.checkpoints import rehearsal

pytestmark = pytest.mark.skipif(not rehearsal.REHEARSES, reason="no fork here")


def ended_by(number: int) -> Callable[[], object]:
    return lambda: os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (signal.SIGKILL, "too little memory to read a.pt"),  # as the kernel does when memory is spent
        (signal.SIGXCPU, "a.pt takes more than 20 seconds"),
        (signal.SIGTERM, "a.pt ends the process that reads it"),
    ],
)
def test_what_ended_the_reading_is_told_apart(number: int, cause: str) -> None:
    with pytest.raises(InputError) as told:
        rehearsal.rehearsed(ended_by(number), 100, "a.pt")
    assert told.value.cause.startswith(cause) and told.value.exit_code == 3
    assert ("memory" in told.value.remedy) == (number == signal.SIGKILL)


def test_a_hard_limit_of_time_that_was_there_already_is_told_as_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The system ends a process at its hard limit by the signal that it has for want of memory too."""

    def works_on() -> None:
        while True:
            pass

    import resource  # not on every system

    inherited, hard = resource.getrlimit, 2  # a fork's time begins at 0

    def limited(kind: int) -> tuple[int, int]:
        return (hard, hard) if kind == resource.RLIMIT_CPU else inherited(kind)

    monkeypatch.setattr(resource, "getrlimit", limited)  # of the child, a fork, which then sets both
    with pytest.raises(InputError, match="takes more than"):
        rehearsal.rehearsed(works_on, 100, "a.pt")
