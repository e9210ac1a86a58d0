"""A stranger's file is read first by a child process, of limited memory and time, which keeps nothing.

Reading runs no code of the file, but a few hundred bytes can ask for gigabytes, for work without an end, or
for what ends the process. The child is a fork, so that torch is loaded already: it costs a few hundredths of
a second and a second reading of the weights, where a process of its own would double the start of a run.
What the child could read within its limits the parent then reads by the same steps, so nothing has to be
handed over.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from reportgen.errors import InputError
from reportgen.inputs.checkpoints.archive import SAVE_AGAIN

SPARE_BYTES, TIMES = 1 << 28, 6  # what reading may take: 256 MiB, and so many times the file's size
SPARE_SECONDS, BYTES_A_SECOND = 20, 20_000_000  # of the processor's time
WAITED = 10  # times as long by the clock, for a machine that has more to do
# elsewhere a fork beside the system's own threads may hang, or there is none
REHEARSES = hasattr(os, "fork") and sys.platform != "darwin"
FREE = "free memory, or give the process more of it, and give the same command again"
WORDS = 2000  # of a cause or remedy that the child hands over


def rehearsed(work: Callable[[], object], size: int, name: str, spare: int = SPARE_BYTES) -> None:
    """Does the work in a child process of limited memory and time, for a file of `size` bytes; its outcome
    is dropped. Where the system cannot fork safely, nothing is done.

    Raises InputError: the one that the work raised, or what the limits or the child's end say.
    """
    if not REHEARSES:
        return
    seconds = SPARE_SECONDS + size // BYTES_A_SECOND
    listen, tell = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on a fork beside threads: the child starts none and prints nothing
        child = os.fork()
    if child == 0:
        _be_the_child(work, tell, seconds, TIMES * size + spare)
    os.close(tell)
    with _ended(child) as end:
        told = _heard(listen, time.monotonic() + WAITED * seconds)
        _judge(told, end() if told is not None else 0, name, seconds, TIMES * size + spare)


@contextlib.contextmanager
def _ended(child: int) -> Iterator[Callable[[], int]]:
    """What waits for the child and gives its status; it is ended in any case."""
    waited: list[int] = []

    def end() -> int:
        waited.append(os.waitpid(child, 0)[1])
        return waited[0]

    try:
        yield end
    finally:
        if not waited:
            os.kill(child, signal.SIGKILL)
            end()


def _heard(listen: int, until: float) -> bytes | None:
    """All that the child tells before it ends; None where it has not ended in time."""
    told = b""
    with os.fdopen(listen, "rb", buffering=0) as pipe:
        while (left := until - time.monotonic()) > 0:
            if select.select([pipe], [], [], left)[0]:
                block = pipe.read(1 << 16)
                if not block:
                    return told
                told += block
    return None


def _judge(told: bytes | None, status: int, name: str, seconds: int, memory: int) -> None:
    """Raises InputError unless the child read the file."""
    ended = os.waitstatus_to_exitcode(status)
    if told is None or ended == -signal.SIGXCPU:
        raise InputError(f"{name} takes more than {seconds} seconds to read: no weights do", SAVE_AGAIN)
    if ended == -signal.SIGKILL:  # by the system, whose memory is spent: no limit of ours sends that
        raise InputError(f"too little memory to read {name}: the system ended the process that does", FREE)
    if ended != 0 or not told:
        raise InputError(f"{name} ends the process that reads it: it is damaged or an attack", SAVE_AGAIN)
    said = json.loads(told)
    if said == "memory":
        raise InputError(f"{name} asks for more than {memory / 1e6:,.0f} MB to be read", SAVE_AGAIN)
    if said is not None:
        raise InputError(said[0], said[1])


def _be_the_child(work: Callable[[], object], tell: int, seconds: int, memory: int) -> None:
    """Limits itself, does the work, tells how it went, and ends without a word to anyone else."""
    try:
        gc.disable()  # a collection would copy the parent's pages
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
        torch.set_num_threads(1)  # those of the parent are not here
        _limit(seconds, memory)
        os.write(tell, json.dumps(_outcome(work)).encode())
    except BaseException:
        os._exit(1)
    os._exit(0)


def _outcome(work: Callable[[], object]) -> Any:
    """None where the work is done, "memory", or the cause and remedy of what it raised."""
    try:
        work()
    except InputError as error:
        return [error.cause[:WORDS], error.remedy[:WORDS]]
    except MemoryError:
        return "memory"
    except RecursionError:
        return ["it holds values in values without an end: no weights do", SAVE_AGAIN]
    return None


def _limit(seconds: int, memory: int) -> None:
    """Limits of the system, beyond what the process has already: memory, time, and no file written."""
    import resource  # not on every system

    begun = resource.getrusage(resource.RUSAGE_SELF)
    used = int(begun.ru_utime + begun.ru_stime) + 1
    kept = Path("/proc/self/statm")  # in pages, the address space first
    limits = {resource.RLIMIT_CPU: used + seconds, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0}
    if kept.exists():
        pages = int(kept.read_text(encoding="ascii").split()[0])
        limits[resource.RLIMIT_AS] = pages * resource.getpagesize() + memory
    for kind, wanted in limits.items():
        hard = resource.getrlimit(kind)[1]
        if kind == resource.RLIMIT_CPU and hard != resource.RLIM_INFINITY:
            wanted = min(wanted, max(0, hard - 1))  # SIGXCPU, before the SIGKILL of an inherited hard limit
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (most, hard))
