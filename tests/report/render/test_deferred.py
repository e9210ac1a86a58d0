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
    let, marked = threading.Event(), threading.Semaphore(0)

    def work() -> int:
        let.wait(60)
        return 1

    def lay_out() -> None:
        for _ in range(AHEAD + 1):
            pieces.mark(work)
            marked.release()

    layout = threading.Thread(target=lay_out)
    layout.start()
    assert all(marked.acquire(timeout=60) for _ in range(AHEAD))
    assert not marked.acquire(timeout=0.2), "one more waits for the first to be made"
    let.set()
    layout.join(60)
    assert marked.acquire(timeout=60)


def test_what_fails_is_raised_where_it_is_asked_for():
    pieces: Deferred[str] = Deferred()

    def fails() -> str:
        raise ValueError("as planned")

    mark = pieces.mark(fails)
    with pytest.raises(ValueError, match="as planned"):
        list(pieces.parts(mark))
