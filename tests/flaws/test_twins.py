"""A network trained with changed pictures is told apart from its twin without, and two without are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from flaws.twins import compared, told


@pytest.mark.matrix
@pytest.mark.parametrize("world", ["digits", "shapes"])
def test_robust_and_fragile_twins_are_told_apart(world: str, tmp_path: Path) -> None:
    found = dict(compared(world, 0, tmp_path))
    further = told(found["with changed pictures"], "new")
    assert any(title.startswith(("noise", "blur", "darker")) for title in further), further
    assert told(found["with changed pictures"], "old") == []
    same = found["without, another seed"]
    assert told(same, "new") + told(same, "old") == []
