"""What strangers' files are tried under: a canary that nothing may touch, an ear on what is done."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# what no file may bring about: another program, a connection, a library
DEEDS = (
    *("os.exec", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen", "pty.spawn"),
    *(
        "socket.connect",
        "socket.bind",
        "socket.getaddrinfo",
        "socket.sendto",
        "urllib.Request",
        "ftplib.connect",
    ),
    *("shutil.rmtree", "os.remove", "os.rename", "os.truncate", "code.__new__", "webbrowser.open"),
)
_ear: list[int] = []  # a pipe: children that a reading forks are heard as well


def _hear(event: str, _arguments: object) -> None:
    if _ear and event in DEEDS:
        os.write(_ear[0], f"{event}\n".encode())


sys.addaudithook(_hear)  # there is no way to take one off again


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A path that code in a file would make; afterwards it is not there, and no deed was heard."""
    listen, tell = os.pipe()
    os.set_blocking(listen, False)
    os.set_blocking(tell, False)
    made = tmp_path / "canary"
    _ear.append(tell)
    try:
        yield made
    finally:
        _ear.clear()
        os.close(tell)
        with os.fdopen(listen, "rb") as pipe:
            heard = pipe.read() or b""
    assert not made.exists()
    assert heard == b"", heard.decode()
