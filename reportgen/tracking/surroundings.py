"""Variables of the environment that a tracker's package reads, set while it is used and no longer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def environment(values: Mapping[str, str], unless_said: Mapping[str, str] | None = None) -> Iterator[None]:
    """Sets variables for a while, those `unless_said` where they have no value: a program that calls this may
    go on to send runs of its own."""
    free = {name: value for name, value in (unless_said or {}).items() if name not in os.environ}
    wanted = {**free, **values}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
