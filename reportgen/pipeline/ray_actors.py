"""A set shared out among the actors of a Ray cluster, which all see the same folders."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from reportgen.errors import InputError, RecipeError
from reportgen.measure.spans import Part
from reportgen.pipeline.sharing import Request, measure, surveyed
from reportgen.progress import Progress

EACH = 4  # parts an actor, so that a slow or a lost one leaves little to wait for
RETRIES = 3  # how often an actor that died is made again, and its part measured again
CORES = 2  # of a machine without a GPU, for each actor


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

    `wished` actors, or one a GPU, or one for every two cores. An actor that dies is made again and goes on
    with its part. Raises RecipeError where Ray is not installed, what a part raises, and InputError where an
    actor dies again and again.
    """
    ray = installed()
    with _cluster(ray, wished):
        gpus, cores = _shares(ray.cluster_resources(), wished)
        count = wished or int(ray.cluster_resources().get("GPU", 0)) or max(1, _cores(ray) // CORES)
        remote = ray.remote(num_cpus=cores, num_gpus=gpus, max_restarts=RETRIES, max_task_retries=RETRIES)
        actor = remote(Measurer)
        told = (request.as_json(), request.recipe.allowed_code, max(1, int(cores)))
        actors = [actor.remote(*told) for _ in range(count)]
        parts = [Part(number, count * EACH) for number in range(1, count * EACH + 1)]
        outs = {part: (folder / str(part.number)).resolve() for part in parts}
        try:
            _shared_out(ray, actors, outs, progress)
        finally:
            for each in actors:
                ray.kill(each)
    return list(outs.values())


def _shared_out(ray: Any, actors: list[Any], outs: Mapping[Part, Path], progress: Progress) -> None:
    """Gives every actor a part, and the next one when that is measured."""
    total = _got(ray, actors[0].images.remote())
    waiting = deque(outs)
    under_way: dict[Any, Any] = {}
    done = 0

    def give(actor: Any) -> None:
        if waiting:
            part = waiting.popleft()
            task = actor.measure.remote(part.number, part.of, str(outs[part]))
            under_way[task] = actor

    for actor in actors:
        give(actor)
    while under_way:
        (task, *_), _ = ray.wait(list(under_way), num_returns=1)
        actor = under_way.pop(task)
        _got(ray, task)
        done += 1
        progress("score", total * done // len(outs), total)
        give(actor)


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
            'pip install "reportgen-audit[ray]", or leave --engine out',
        ) from error
    return ray


@contextmanager
def _cluster(ray: Any, wished: int | None) -> Iterator[None]:
    """A cluster: that which is connected already, or one that is left at the end."""
    if ray.is_initialized():
        yield
        return
    ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        yield
    finally:
        ray.shutdown()


def _cores(ray: Any) -> int:
    return int(ray.cluster_resources().get("CPU", 1))


def _shares(resources: Mapping[str, float], wished: int | None) -> tuple[float, float]:
    """The GPUs and the cores of one actor."""
    cores = resources.get("CPU", 1.0)
    if gpus := resources.get("GPU", 0.0):
        count = wished or int(gpus)
        return min(1.0, gpus / count), max(1.0, cores // (2 * count))
    return 0.0, max(1.0, cores // wished) if wished else min(float(CORES), cores)
