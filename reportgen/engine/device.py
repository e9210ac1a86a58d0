"""Where the pass runs, and how many images it takes at once."""

from __future__ import annotations

import gc
import math
import os
import platform
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import torch

from reportgen.engine.needs import ModelFacts
from reportgen.errors import InputError, RecipeError, asked_for

T = TypeVar("T")

NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")  # where Linux says which
CPU_BATCH_BYTES = 1 << 30  # more does not make a CPU faster, and reports run beside other work
CPU_BATCH = 16
CUDA_BATCH = 128
CPU_PACKED = 16  # perturbations of a batch: 32 of EfficientNet-Lite0 are no faster, and take twice the memory
CPU_PACKED_BYTES = 1 << 29


def choose(wish: str) -> torch.device:
    """The device for `auto`, `cpu`, `cuda` or `cuda:N`. Raises RecipeError where it is not there."""
    if wish == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    kind, _, number = wish.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
        raise RecipeError(f"unknown device {wish!r}", "use auto, cpu, cuda or cuda:N")
    if kind == "cuda" and int(number or 0) >= count:
        raise RecipeError(
            f"device {wish}: this machine shows {count} CUDA devices to PyTorch",
            "use --device auto or cpu, or run `reportgen doctor` to see what PyTorch finds",
        )
    return torch.device("cpu") if kind == "cpu" else torch.device("cuda", int(number or 0))


def name_of(device: torch.device) -> str:
    """The device in words: a CUDA device's own name, or the processor and its threads."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"CPU ({platform.machine()}, {torch.get_num_threads()} threads)"


def kind_of(device: torch.device) -> str:
    """What of a device a measurement depends on: its name, and of a processor not how many of its threads
    work, as sums differ by rounding alone then."""
    return name_of(device) if device.type == "cuda" else f"CPU ({platform.machine()})"


def bytes_per_image(facts: ModelFacts, tapped: int, backward: bool) -> int:
    """What one image of a batch needs: activations (kept for a backward), and `tapped` bytes of outputs."""
    channels, height, width = facts.input_shape
    kept = facts.activation_bytes * (2 if backward else 1)
    return kept + 2 * tapped + 16 * channels * height * width


def batch_size(wish: int | str, device: torch.device, per_image: int) -> int:
    """The recipe's batch size; for `auto` what fits half of the memory, within bounds.

    Of a CUDA device that is all that it has, and not what is free at the moment: evidence of an audit that
    was interrupted fits one that is resumed, whatever else the device holds by then. Where that leaves
    too little, batches are halved (`fitting`).
    """
    if wish != "auto":
        return int(wish)
    if device.type == "cuda":
        _, total = torch.cuda.mem_get_info(device)
        return max(1, min(CUDA_BATCH, total // 2 // per_image))
    return max(1, min(CPU_BATCH, CPU_BATCH_BYTES // per_image))


@dataclass(frozen=True)
class Packed:
    """How many perturbations a batch holds: of `forwards` without a gradient, whose layers' outputs are freed
    as they come, and of those that are differentiated, which keep them."""

    forwards: int
    gradients: int


def packed_size(wish: int | str, device: torch.device, facts: ModelFacts, size: int) -> Packed:
    """How many perturbations a batch holds where one of images holds `size`: as many where the recipe says
    so, on a CUDA device, and where images are given one at a time.

    Images of a set bring what is tapped of them along, and their perturbations do not: on a CPU more of these
    are asked at once. It depends on the network alone, so that a resumed audit has the same batches.
    """
    if wish != "auto" or device.type != "cpu" or size == 1:
        return Packed(size, size)
    largest = max((layer.output_bytes for layer in facts.layers), default=0)
    image = 16 * math.prod(facts.input_shape)
    forwards = CPU_PACKED_BYTES // (2 * largest + image)  # what a layer reads, and what it gives
    gradients = CPU_BATCH_BYTES // (facts.activation_bytes * 2 + image)
    return Packed(*(max(size, min(CPU_PACKED, fitting)) for fitting in (forwards, gradients)))


def placed(x: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor on the device. To a CUDA device it goes from pinned memory: the copy then runs beside what the
    processor does next, and the allocator keeps the pinned block until it is done."""
    if device.type == "cuda" and x.device.type == "cpu":
        return x.pin_memory().to(device, non_blocking=True)
    return x.to(device)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was asked for that the device or the host does not have: torch has a class of its own
    for the one and a message for the other, numpy and Python a third."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)


def fitting(work: Callable[[int], T], size: int, smaller: Callable[[int], None]) -> T:
    """What `work` gives for a batch size: for `size`, or where the device has too little memory for that, for
    the first half, quarter, … that it has enough for.

    `smaller` hears every size before it is tried. Raises what `is_out_of_memory` knows where not even 1 fits.
    """
    while True:
        try:
            return work(size)
        except (RuntimeError, MemoryError) as error:
            if size == 1 or not is_out_of_memory(error):
                raise
        # past the handler: the error's frames hold the tensors of what failed
        gc.collect()
        torch.cuda.empty_cache()
        size //= 2
        smaller(size)


def in_smaller_batches(device: torch.device, size: int, wish: int) -> str:
    """That batches hold `size` images and not as many as wished, in words."""
    return f"Batches hold {size}, not {wish}: {name_of(device)} has too little memory for more."


@contextmanager
def enough_memory(device: torch.device) -> Iterator[None]:
    """Says what to do when the device has too little memory for any batch: raises InputError."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(
            f"{name_of(device)} has too little memory, whatever the size of the batches{asked_for(error)}",
            "free the device's memory, choose another (run.device: cpu), or leave out the visualizations that"
            " keep the most; the batches that are done are kept",
        ) from error


@contextmanager
def repeatable(seed: int) -> Iterator[None]:
    """Seeds torch and forbids algorithms whose results differ from run to run; restores all after."""
    before = (
        torch.get_deterministic_debug_mode(),
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.allow_tf32,
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cuda.mem_efficient_sdp_enabled(),
    )
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only so
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    torch.set_deterministic_debug_mode("warn")  # the other way to say it imports torch's compiler
    torch.backends.cudnn.benchmark = False
    # float32 means float32: TF32 keeps ten bits of the mantissa
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    if torch.cuda.is_available():  # its backward adds up in any order; the attention by matrices does not
        torch.backends.cuda.enable_mem_efficient_sdp(False)
    try:
        yield
    finally:
        torch.random.set_rng_state(state)
        torch.set_deterministic_debug_mode(before[0])
        torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = before[1:3]
        torch.backends.cuda.matmul.allow_tf32 = before[3]
        torch.backends.cuda.enable_mem_efficient_sdp(before[4])


def peak_memory_bytes(device: torch.device) -> int:
    """The most memory held so far: on the CUDA device, or by this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:  # Windows
        return 0
    scale = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def _version_of_torchvision() -> str:
    """As its `__version__` has it, the build included; its import takes seconds, and few networks need it."""
    spec = find_spec("torchvision")
    assert spec is not None and spec.origin is not None
    text = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    found = re.search(r"""^__version__ = ["'](.+)["']""", text, re.MULTILINE)
    return found[1] if found else version("torchvision")


def _below_torch(device: torch.device, driver: Path) -> dict[str, str]:
    """CUDA, cuDNN and the driver below a GPU's numbers; none on the CPU. `driver` is where Linux says it."""
    if device.type != "cuda":
        return {}
    try:
        text = driver.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    named = re.search(r"Kernel Module.*?(\d+(?:\.\d+)+)", text)
    told = {
        "cuda": torch.version.cuda,
        "cudnn": str(torch.backends.cudnn.version()),
        "driver": named[1] if named else None,
    }
    return {name: said for name, said in told.items() if said is not None}


def environment(device: torch.device, seed: int, precision: str, random: bool = False) -> dict[str, Any]:
    """What the numbers depend on, as JSON values. A `random` network does not repeat itself."""
    import numpy

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": _version_of_torchvision(),
        "numpy": numpy.__version__,
        "platform": platform.platform(),
        "device": name_of(device),
        "devices": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        **_below_torch(device, NVIDIA_DRIVER),
        "threads": torch.get_num_threads(),
        "precision": precision,
        "seed": seed,
        "deterministic": not random,
    }
