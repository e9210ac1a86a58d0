"""What threads make stands where its mark was, whatever the text around it, and what they raise is raised."""

from __future__ import annotations

import re
import threading

import pytest

from reportgen.report.render.deferred import AHEAD, Deferred


def test_pieces_stand_in_the_order_of_their_marks_and_as_often():
    pieces: Deferred[bytes] = Deferred()
    first, second = pieces.mark(lambda: b"one"), pieces.mark(lambda: b"two")
    assert list(pieces.parts(f"{second} a {first}{first}")) == ["", b"two", " a ", b"one", "", b"one", ""]
    assert list(pieces.parts("no mark")) == ["no mark"]


def test_nobody_else_s_mark_is_taken_for_one():
    pieces, other = Deferred[str](), Deferred[str]()
    mark, foreign = pieces.mark(lambda: "mine"), other.mark(lambda: "theirs")
    assert list(pieces.parts(foreign)) == [foreign]
    assert mark != foreign and re.fullmatch(r"[~\w-]+", mark)  # no markup escapes or breaks it


def test_only_so_many_wait_at_a_time():
    pieces: Deferred[int] = Deferred()
    waiting, most, lock = 0, 0, threading.Lock()

    def work() -> int:
        nonlocal waiting
        with lock:
            waiting -= 1
        return 1

    for _ in range(5 * AHEAD):
        with lock:
            waiting += 1
            most = max(most, waiting)
        pieces.mark(work)
    assert most <= 2 * AHEAD


def test_what_fails_is_raised_where_it_is_asked_for():
    pieces: Deferred[str] = Deferred()

    def fails() -> str:
        raise ValueError("as planned")

    mark = pieces.mark(fails)
    with pytest.raises(ValueError, match="as planned"):
        list(pieces.parts(mark))
