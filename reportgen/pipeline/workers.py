"""A set shared out among processes of one machine."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any

from reportgen.errors import InputError, ReportgenError
from reportgen.measure.spans import Part
from reportgen.pipeline.sharing import Request, shard
from reportgen.progress import Progress

TRIES = 3  # how often a part is begun; a process that was killed has lost the span it was at, no more
STAGES = ("score", "measure")  # what a part goes through, told in images
WAIT = 0.5  # seconds between two looks at the processes


@dataclass
class _Worker:
    """The process that measures a part, and how far it has come."""

    part: Part
    out: Path
    process: SpawnProcess | None = None
    begun: int = 0
    progress: tuple[str, int, int] | None = None
    error: Exception | None = None


@dataclass
class _Crew:
    """All workers, and what they say."""

    request: Mapping[str, Any]
    allowed: tuple[str, ...] | None  # what the recipe's source may call
    workers: Sequence[_Worker]
    context: SpawnContext = field(default_factory=lambda: multiprocessing.get_context("spawn"))

    def __post_init__(self) -> None:
        self.said: Any = self.context.Queue()

    def begin(self, worker: _Worker) -> None:
        """Starts, or starts again, the process of a part."""
        worker.begun += 1
        told = (self.request, self.allowed, worker.part, str(worker.out), len(self.workers), self.said)
        worker.process = self.context.Process(target=_measure, args=told, daemon=True)
        worker.process.start()

    def hear(self) -> None:
        """Takes what the workers said since, waiting a little where they said nothing."""
        try:
            while True:
                number, kind, what = self.said.get(timeout=WAIT)
                worker = self.workers[number - 1]
                if kind == "error":
                    worker.error = what
                else:
                    worker.progress = what
        except queue.Empty:
            return

    def tell(self, progress: Progress) -> None:
        """How far all of them are together."""
        known = [worker.progress for worker in self.workers if worker.progress]
        if known:
            stage = known[0][0]
            progress(stage, sum(done for _, done, _ in known), sum(total for _, _, total in known))

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
        while any(not _is_done(worker, crew) for worker in workers):
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


def _is_done(worker: _Worker, crew: _Crew) -> bool:
    """Whether a part is measured; begins it again where its process was ended."""
    process = worker.process
    assert process is not None
    if process.is_alive():
        return False
    process.join()
    if process.exitcode == 0:
        return True
    crew.hear()
    if worker.error is not None:
        raise worker.error
    if worker.begun >= TRIES:
        raise InputError(
            f"the process of part {worker.part} was ended {TRIES} times ({_ending(process.exitcode)})",
            "give fewer --workers, for each of them needs memory for the network; what is measured is kept",
        )
    crew.begin(worker)
    return False


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
    said: Any,
) -> None:
    """What a process does: its share of the machine, then its part."""
    _share(part, count)

    def progress(stage: str, done: int, total: int, note: str = "") -> None:
        if stage in STAGES and total:
            said.put((part.number, "progress", (stage, done, total)))

    try:
        shard(Request.of(request, allowed), part, Path(out), progress=progress)
    except ReportgenError as error:
        said.put((part.number, "error", error))
        said.close()
        said.join_thread()
        os._exit(1)  # the parent tells it, and no traceback is wanted beside


def _share(part: Part, count: int) -> None:
    """Takes this process's share of the cores, and its device where there are several."""
    import torch

    torch.set_num_threads(max(1, torch.get_num_threads() // count))
    devices = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = devices.split(",") if devices else [str(n) for n in range(torch.cuda.device_count())]
    if len(names) > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = names[(part.number - 1) % len(names)]
