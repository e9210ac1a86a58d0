"""What `python -m bench` and `python -m bench.gpu` share: options, and parts one after another."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch

from bench.networks import KNOWN, Known
from bench.sheet import Sheet, machine
from reportgen.engine.device import choose

# prints its rows: the sheet, the device, the sizes, a folder of its own
Work: TypeAlias = Callable[[Sheet, torch.device, Any, Path], None]


@dataclass(frozen=True)
class Part:
    """A table, or a few. It is ended after `seconds`. One that is `named` takes long, and is measured only
    where the options name it."""

    work: Work
    seconds: float = 7200
    named: bool = False


@dataclass(frozen=True)
class Command:
    """A command of its own: its parts by name, the sizes that it measures, and `quick` ones, which try every
    line on a small machine and say nothing."""

    name: str
    words: str
    parts: Mapping[str, Part]
    sizes: Any
    quick: Any
    device: str = "cpu"

    def run(self, given: Sequence[str] | None = None) -> int:
        """Measures the parts that the options name; 1 where one fails or a number lies past its limit."""
        chosen = self._options().parse_args(given)
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS is first used
        device = choose(chosen.device)
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        sheet = Sheet(machine(device), chosen.out)
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            for name in chosen.only:
                part, sizes = self.parts[name], self.quick if chosen.quick else self.sizes
                # of tiny sizes none is cut short: a small machine may be a slow one
                sheet.part(
                    name,
                    3600 if chosen.quick else part.seconds,
                    part.work,
                    device,
                    sizes,
                    Path(folder) / name,
                )
                print(f"({name}: done {time.perf_counter() - begun:.0f} s after the start)", flush=True)
        print(f"\n{sheet.markdown()}\n{len(sheet.faults)} faults")
        return 1 if sheet.faults else 0

    def _options(self) -> argparse.ArgumentParser:
        formatter = argparse.RawDescriptionHelpFormatter
        options = argparse.ArgumentParser(prog=self.name, description=self.words, formatter_class=formatter)
        options.add_argument("--device", default=self.device, help="cpu, cuda or cuda:N")
        options.add_argument("--out", type=Path, help="a folder for bench.md and bench.json")
        usual = [name for name, part in self.parts.items() if not part.named]
        options.add_argument("--only", nargs="+", choices=self.parts, default=usual, metavar="PART")
        options.add_argument("--quick", action="store_true", help="tiny networks and sizes")
        return options


def each(sheet: Sheet, part: str, names: Iterable[str], work: Callable[[Known], None]) -> None:
    """Does it for every network; one that fails leaves the others theirs."""
    for name in names:
        try:
            work(KNOWN[name])
        except Exception as error:
            sheet.failed(f"{part}, {name}", error)
