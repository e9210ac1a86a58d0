"""A set shared out among processes of one machine."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any

from reportgen.errors import Fault, InputError, ReportgenError
from reportgen.measure.spans import Part
from reportgen.pipeline.sharing import Request, shard
from reportgen.progress import Progress

TRIES = 3  # how often a part is begun; a process that was killed has lost the span it was at, no more
STAGES = ("score", "measure")  # what a part goes through, told in images
WAIT = 0.5  # seconds between two looks at the processes
AT_ONCE = 100  # messages of one process that are taken before the next is heard


@dataclass
class _Worker:
    """The process that measures a part, and how far it has come. Each has a pipe of its own: one that is
    killed in the middle of a message silences nobody else."""

    part: Part
    out: Path
    process: SpawnProcess | None = None
    said: Connection | None = None
    begun: int = 0
    progress: tuple[str, int, int] | None = None
    error: ReportgenError | None = None

    def hear(self) -> None:
        """Takes what it said since."""
        try:
            for _ in range(AT_ONCE):
                if self.said is None or not self.said.poll():
                    return
                kind, what = self.said.recv()
                if kind == "error":
                    self.error = what
                else:
                    self.progress = what
        except (EOFError, OSError, pickle.UnpicklingError):  # it has ended
            self.said = None


@dataclass
class _Crew:
    """All workers."""

    request: Mapping[str, Any]
    allowed: tuple[str, ...] | None  # what the recipe's source may call
    workers: Sequence[_Worker]
    context: SpawnContext = field(default_factory=lambda: multiprocessing.get_context("spawn"))

    def begin(self, worker: _Worker) -> None:
        """Starts, or starts again, the process of a part."""
        worker.begun += 1
        worker.said, tell = self.context.Pipe(duplex=False)
        told = (self.request, self.allowed, worker.part, str(worker.out), len(self.workers), tell)
        worker.process = self.context.Process(target=_measure, args=told, daemon=True)
        worker.process.start()
        tell.close()  # the process has its own end

    def hear(self) -> None:
        """Takes what the workers said since, waiting a little where they said nothing."""
        speaking = [worker.said for worker in self.workers if worker.said is not None]
        if speaking:
            wait(speaking, WAIT)
        else:
            time.sleep(WAIT)
        for worker in self.workers:
            worker.hear()

    def tell(self, progress: Progress) -> None:
        """How far all of them are together."""
        known = [worker.progress for worker in self.workers if worker.progress]
        if known:
            stage = known[0][0]
            progress(stage, sum(done for _, done, _ in known), sum(total for _, _, total in known))

    def is_done(self, worker: _Worker) -> bool:
        """Whether a part is measured; begins it again where its process was ended. Raises what the part
        raised, and InputError where its process was ended again and again."""
        process = worker.process
        if process is None or process.is_alive():
            return False
        process.join()
        worker.hear()
        if worker.error is not None:
            raise worker.error
        if process.exitcode == 0:
            return True
        if worker.begun >= TRIES:
            raise InputError(
                f"the process of part {worker.part} was ended {TRIES} times ({_ending(process.exitcode)})",
                "give fewer --workers: each of them needs memory for the network; what is measured is kept",
            )
        self.begin(worker)
        return False

    def end(self) -> None:
        """Ends every process that is left. What they wrote is whole."""
        for worker in self.workers:
            if worker.process is not None and worker.process.is_alive():
                worker.process.terminate()
                worker.process.join()


def on_workers(request: Request, wished: int | None, folder: Path, progress: Progress) -> list[Path]:
    """Measures the parts of a set in `wished` processes of this machine; their folders, in `folder`.

    Each has its share of the cores, and one of the CUDA devices where there are several. Raises what a part
    raises, and InputError where a process is ended from outside again and again.
    """
    count = wished or 1
    parts = [Part(number, count) for number in range(1, count + 1)]
    workers = [_Worker(part, folder / str(part.number)) for part in parts]
    with _crew(request, workers) as crew:
        for worker in workers:
            crew.begin(worker)
        left = list(workers)
        while left := [worker for worker in left if not crew.is_done(worker)]:
            crew.hear()
            crew.tell(progress)
    return [worker.out for worker in workers]


@contextmanager
def _crew(request: Request, workers: Sequence[_Worker]) -> Iterator[_Crew]:
    crew = _Crew(request.as_json(), request.recipe.allowed_code, workers)
    try:
        yield crew
    finally:
        crew.end()


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"by {signal.Signals(-code).name}"
    return f"exit code {code}"


def _measure(
    request: Mapping[str, Any],
    allowed: tuple[str, ...] | None,
    part: Part,
    out: str,
    count: int,
    said: Connection,
) -> None:
    """What a process does: its share of the machine, then its part. Whatever fails is told by its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and ends this process
    warnings.simplefilter("ignore")

    def progress(stage: str, done: int, total: int, note: str = "") -> None:
        if stage in STAGES and total:
            said.send(("progress", (stage, done, total)))

    try:
        asked = Request.of(request, allowed)
        _share(asked.recipe.run.device, part, count)
        shard(asked, part, Path(out), progress=progress)
    except ReportgenError as error:
        said.send(("error", error))
    except MemoryError:
        os._exit(1)  # begun again, it may find more
    except Exception as error:
        words = f"part {part}: {type(error).__name__}: {error}"
        said.send(("error", Fault(words, "this is a fault of reportgen's, not of your files; report it")))


def _share(device: str, part: Part, count: int) -> None:
    """Takes this process's share of the cores, and its device where there are several to choose among."""
    import torch

    torch.set_num_threads(max(1, torch.get_num_threads() // count))
    devices = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = devices.split(",") if devices else [str(n) for n in range(torch.cuda.device_count())]
    if len(names) > 1 and device in ("auto", "cuda"):
        os.environ["CUDA_VISIBLE_DEVICES"] = names[(part.number - 1) % len(names)]
