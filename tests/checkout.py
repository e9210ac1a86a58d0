"""What CONTRIBUTING has one add, in a copy of the package that has nothing else besides."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
# the plugins and settings that any test of the copy starts with
TESTED_WITH = (
    "pyproject.toml",
    "tests/conftest.py",
    "tests/heavy_first.py",
    "tests/attending.py",
    "tests/left_out.py",
    "tests/matrix/networks.py",
    "tests/matrix_table.py",
    "tests/oracles.py",
)


def page(number: int) -> str:
    """A part of CONTRIBUTING under a second heading, counted from 1."""
    return (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8").split("\n## ")[number]


def in_words(number: int) -> dict[str, str]:
    """The files that it has one add: each path in bold, and the block of code after it."""
    return dict(re.findall(r"\*\*`(\S+)`\*\*.+?^```python\n(.*?)^```", page(number), re.M | re.S))


def copied(root: Path, folders: Iterable[str], files: Iterable[str], added: Mapping[str, str]) -> Path:
    """`root`, with a copy of folders and files of the repository and the added files beside them."""
    for folder in ("reportgen", "templates", "themes", *folders):
        shutil.copytree(REPOSITORY / folder, root / folder)
    for name in (*TESTED_WITH, *files):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, root / name)
    for name, text in added.items():
        assert not (root / name).exists(), "the example is there already"
        (root / name).write_text(text, encoding="utf-8")
    return root


def python(root: Path, *words: str) -> str:
    """The standard output of Python in a folder, with that folder's package."""
    done = _process(root, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# what a program writes goes to a file of its own
ONE_BY_ONE = """
import contextlib, json, runpy, sys, traceback

def ended(module, words, file):
    sys.argv = [module, *words]
    with open(file, "w") as told, contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        try:
            if module == "reportgen":
                from reportgen.cli import main
                main()
            else:
                runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as done:
            return int(done.code or 0)
        except BaseException:
            traceback.print_exc()
            return 1
    return 0

commands, codes = json.loads(sys.argv[1]), sys.argv[2]
ended_with = [ended(*each) for each in commands]
with open(codes, "w") as file:
    json.dump(ended_with, file)
"""


def modules(root: Path, *commands: Sequence[str]) -> list[tuple[int, str]]:
    """Exit codes and outputs of `python -m MODULE WORD …`, of several one after another in one process: each
    of its own would load every package again."""
    files = [root / f"said-{number}.txt" for number in range(len(commands))]
    told = [[module, words, str(file)] for (module, *words), file in zip(commands, files, strict=True)]
    kept = root / "codes.json"
    done = _process(root, "-c", ONE_BY_ONE, json.dumps(told), str(kept))
    assert done.returncode == 0, done.stdout + done.stderr
    codes = json.loads(kept.read_bytes())
    return [(code, file.read_text(encoding="utf-8")) for code, file in zip(codes, files, strict=True)]


def _process(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
