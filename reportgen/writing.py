"""What the system refuses to write, told in the user's words: what, why, and what to do about it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reportgen.errors import ReportgenError, Unwritable
from reportgen.evidence.files import NotWritten

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# what a system says of writing alone: whoever says it, a file of ours could not be written
OF_WRITING = FULL | {errno.EROFS}
ANOTHER = "name another --out"
ROOM = "make room, or raise the limit, and give the same command again: it goes on where this one stopped"
GONE = "the folder is gone, or was moved, while it was written"
AGAIN = "give the same command again, and leave the folder where it is"


def refused(place: Path, error: OSError) -> Unwritable:
    """The complaint that nothing can be written to `place`, as the user named it."""
    remedy = ROOM if error.errno in FULL else ANOTHER
    return Unwritable(f"cannot write to {place}: {error.strerror or error}", remedy)


@contextmanager
def writable(place: Path) -> Iterator[None]:
    """Tells what the system says while nothing but `place` is written and looked at. Raises Unwritable."""
    try:
        yield
    except OSError as error:
        raise refused(place, error) from error


@contextmanager
def kept_whole(place: Path, work: Path) -> Iterator[None]:
    """For the time of a run that builds in the folder `work`: a write that is refused is told of `place`, as
    the user named it, and so is all that goes wrong once the folder is gone. Raises Unwritable."""
    try:
        yield
    except ReportgenError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and (isinstance(error, NotWritten) or error.errno in OF_WRITING):
            if os.path.isdir(work):
                raise refused(place, error) from error
            raise Unwritable(f"cannot write to {place}: {GONE}", AGAIN) from error
        if not os.path.isdir(work):
            raise Unwritable(f"cannot write to {place}: {GONE}", AGAIN) from error
        raise
