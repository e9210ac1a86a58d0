"""A set shared out among the actors of a Ray cluster, which all see the same folders."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from reportgen.errors import InputError, RecipeError
from reportgen.measure.spans import Part
from reportgen.pipeline.sharing import Request, measure, surveyed
from reportgen.progress import Progress
from reportgen.version import with_extra

EACH = 4  # parts an actor, so that a slow or a lost one leaves little to wait for
RETRIES = 3  # how often an actor that died is made again, and its part measured again
CORES = 2  # of a machine without a GPU, for each actor
PATIENCE = 600  # seconds that an actor may look for its place


class Measurer:
    """An actor: it reads the model and the list of images once, and measures the parts that it is given."""

    def __init__(self, request: Mapping[str, Any], allowed: tuple[str, ...] | None, cores: int) -> None:
        self._told, self._allowed = request, allowed
        self._cores = cores

    @cached_property
    def _asked(self) -> tuple[Request, Any]:
        import torch

        torch.set_num_threads(self._cores)
        request = Request.of(self._told, self._allowed)
        return request, surveyed(request)

    def images(self) -> int:
        """How many images the set has."""
        return len(self._asked[1].files)

    def measure(self, number: int, of: int, out: str) -> str:
        """Measures a part into the folder `out`, and says which it was."""
        request, audit = self._asked
        return str(measure(audit, request, Part(number, of), Path(out)))


def on_ray(request: Request, wished: int | None, folder: Path, progress: Progress) -> list[Path]:
    """Measures the parts of a set by actors of a Ray cluster: the one that is connected, that RAY_ADDRESS
    names, or one of this machine. Returns the folders of the parts, in `folder`, which every node must see.

    `wished` actors at most, or one a GPU, or one for every two cores. An actor that dies is made again and
    goes on with its part. Raises RecipeError where Ray is not installed, what a part raises, and InputError
    where an actor dies again and again or the cluster has no room for one.
    """
    ray = installed()
    with _cluster(ray):
        share = shares([node["Resources"] for node in ray.nodes() if node["Alive"]], wished)
        options = {"num_cpus": share.cores, "num_gpus": share.gpus}
        remote = ray.remote(**options, max_restarts=RETRIES, max_task_retries=RETRIES)
        actor = remote(Measurer)
        told = (request.as_json(), request.recipe.allowed_code, max(1, int(share.cores)))
        actors = [actor.remote(*told) for _ in range(share.count)]
        parts = [Part(number, share.count * EACH) for number in range(1, share.count * EACH + 1)]
        outs = {part: (folder / str(part.number)).resolve() for part in parts}
        try:
            _shared_out(ray, actors, outs, progress)
        finally:
            for each in actors:
                ray.kill(each)
    return list(outs.values())


def _shared_out(ray: Any, actors: list[Any], outs: Mapping[Part, Path], progress: Progress) -> None:
    """Gives every actor that has found its place a part, and the next one when that is measured."""
    waiting = deque(outs)
    total = 0
    asked: dict[Any, tuple[Any, Part | None]] = {each.images.remote(): (each, None) for each in actors}
    left = set(outs)
    while left:
        ready, _ = ray.wait(list(asked), num_returns=1, timeout=PATIENCE)
        if not ready and all(part is None for _, part in asked.values()):
            raise InputError(
                f"no actor of Ray has found its place within {PATIENCE} seconds",
                "wait for the cluster's other jobs, or give fewer --workers",
            )
        for task in ready:
            actor, part = asked.pop(task)
            found = _got(ray, task)
            if part is None:
                total = int(found)
            else:
                left.discard(part)
                progress("score", total * (len(outs) - len(left)) // len(outs), total)
            if waiting:
                part = waiting.popleft()
                asked[actor.measure.remote(part.number, part.of, str(outs[part]))] = actor, part


def _got(ray: Any, task: Any) -> Any:
    """What a task gave. Raises what it raised, and InputError where its actor is lost for good."""
    try:
        return ray.get(task)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayActorError as error:
        raise InputError(
            f"an actor of Ray died {RETRIES + 1} times",
            "give fewer --workers, for each of them needs memory for the network; "
            "the same command goes on with what is measured",
        ) from error


def installed() -> ModuleType:
    try:
        import ray
    except ImportError as error:
        raise RecipeError(
            f"--engine ray needs the package ray ({error})",
            f"{with_extra('ray')}; or leave --engine out",
        ) from error
    return ray


@contextmanager
def _cluster(ray: Any) -> Iterator[None]:
    """A cluster: that which is connected already, or one that is left at the end."""
    if ray.is_initialized():
        yield
        return
    ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        yield
    finally:
        ray.shutdown()


@dataclass(frozen=True)
class Share:
    """How many actors there are, and what each has of a node."""

    count: int
    cores: float
    gpus: float


def shares(nodes: Sequence[Mapping[str, float]], wished: int | None) -> Share:
    """What actors have where nodes have these resources, so that all of them find a place at once.

    Where there are GPUs each actor has one, or an equal part of one where more actors are wished; else two
    cores, or more where fewer are wished, and never more than one node has. Raises InputError where no node
    has a core.
    """
    cores = [node.get("CPU", 0.0) for node in nodes]
    gpus = [node.get("GPU", 0.0) for node in nodes]
    if max(cores, default=0.0) < 1:
        raise InputError("no node of the cluster has a core for an actor", "add one, or leave --engine out")
    if sum(gpus) >= 1:
        on_one = -(-wished // int(sum(gpus))) if wished else 1
        fit = sum(int(min(gpu * on_one, core)) for gpu, core in zip(gpus, cores, strict=True))
        return Share(max(1, min(wished or fit, fit)), 1.0, 1 / on_one)
    each = max(1, int(sum(cores)) // wished) if wished else CORES
    each = min(each, int(max(cores)))
    while each > 1 and wished and sum(int(core // each) for core in cores) < wished:
        each -= 1
    fit = sum(int(core // each) for core in cores)
    return Share(min(wished or fit, fit), float(each), 0.0)
