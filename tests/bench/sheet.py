"""Tables that are printed row by row, and written whole: Markdown, and JSON with the same cells."""

from __future__ import annotations

import json
import os
import platform
import sys
import traceback
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from bench.timing import OutOfTime, within
from bench.wanted import HEADS

PACKAGES = ("torch", "torchvision", "numpy", "timm", "captum", "grad-cam")


def machine(device: torch.device) -> dict[str, str]:
    """What the numbers depend on, in words."""
    said = {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_processor()}, {_cores()} cores, torch uses {torch.get_num_threads()} threads",
        "python": platform.python_version(),
    }
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory / 2**30
        said["card"] = f"{torch.cuda.get_device_name(device)}, {memory:.0f} GiB, CUDA {torch.version.cuda}"
        said["cuDNN"] = str(torch.backends.cudnn.version())
    return said | {name: _version(name) for name in PACKAGES}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "a processor")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _version(package: str) -> str:
    if package == "torch":
        return str(torch.__version__)
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


@dataclass
class Table:
    """Rows of cells under heads."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def lines(self) -> list[str]:
        head = [f"\n**{self.title}**\n", _line(self.columns), _line(["---"] * len(self.columns))]
        return head + [_line(row) for row in self.rows]


@dataclass
class Sheet:
    """Tables under way. `faults` are sentences on what failed, or lies past its limit; `aims` what was wanted
    of the speed beside what was measured, which is written last and is no fault where it is missed."""

    machine: dict[str, str]
    out: Path | None = None
    tables: list[Table] = field(default_factory=list)
    aims: Table = field(default_factory=lambda: Table("What was wanted", HEADS))
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        print("\n".join(f"{name}: {said}" for name, said in self.machine.items()), flush=True)

    def table(self, title: str, *columns: str) -> None:
        """Begins a table; its rows follow."""
        self.tables.append(Table(title, columns))
        print("\n".join(self.tables[-1].lines()), flush=True)

    def row(self, *cells: Any) -> None:
        """Adds a row to the last table, and prints it."""
        self.tables[-1].rows.append(tuple(str(cell) for cell in cells))
        print(_line(self.tables[-1].rows[-1]), flush=True)
        self.save()

    def aim(self, row: tuple[str, ...]) -> None:
        """Notes what was wanted, and what was measured."""
        self.aims.rows.append(row)
        self.save()

    def fault(self, said: str) -> None:
        """Notes what failed or lies past its limit."""
        self.faults.append(said)
        print(f"FAULT {said}", flush=True)
        self.save()

    def part(self, name: str, seconds: float, work: Any, *given: Any) -> None:
        """Does a part within its seconds; what it raises is noted, and the others go on."""
        try:
            with within(seconds):
                work(self, *given)
        except (Exception, OutOfTime) as error:
            self.failed(name, error)

    def failed(self, name: str, error: BaseException) -> None:
        """Notes what something raised."""
        traceback.print_exception(error, limit=-6, file=sys.stdout)
        self.fault(f"{name}: {type(error).__name__}: {' '.join(str(error).split())[:300]}")

    def markdown(self) -> str:
        """Everything, as a page."""
        head = ["| | |", "|---|---|", *(f"| {name} | {said} |" for name, said in self.machine.items())]
        tables = [line for table in self.written() for line in table.lines()]
        return "\n".join([*head, *tables, *(f"\nFAULT {said}" for said in self.faults)]) + "\n"

    def written(self) -> list[Table]:
        """The tables, and last what was wanted, where a part says so."""
        return [*self.tables, *([self.aims] if self.aims.rows else [])]

    def save(self) -> None:
        """Writes what there is so far, so that nothing is lost where the process is ended."""
        if self.out is None:
            return
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / "bench.md").write_text(self.markdown(), encoding="utf-8")
        tables = [vars(table) for table in self.written()]
        body = {"machine": self.machine, "tables": tables, "faults": self.faults}
        (self.out / "bench.json").write_text(json.dumps(body, ensure_ascii=False, indent=1), encoding="utf-8")


def _line(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"
