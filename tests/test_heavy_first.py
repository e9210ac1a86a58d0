"""The order in which files are handed to the workers."""

from __future__ import annotations

from pathlib import Path

import heavy_first

ROOT = Path(__file__).resolve().parents[1]


class Item:
    def __init__(self, nodeid: str) -> None:
        self.nodeid = nodeid


def test_heavy_files_come_first_and_each_file_s_tests_keep_their_order() -> None:
    given = ["tests/a.py::b", "tests/a.py::a", "tests/test_pipeline.py::z", "tests/cli/test_cli.py::y"]
    items = [Item(nodeid) for nodeid in given]
    heavy_first.pytest_collection_modifyitems(items)
    assert [item.nodeid for item in items] == [given[3], given[2], given[0], given[1]]


def test_every_heavy_file_is_there_and_make_test_keeps_the_order() -> None:
    assert all((ROOT / path).exists() for path in heavy_first.HEAVY)
    assert "--no-loadscope-reorder" in (ROOT / "Makefile").read_text(encoding="utf-8")
