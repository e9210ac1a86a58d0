"""Shards by kind: their names, and which records speak for the whole set."""

from __future__ import annotations

from pathlib import Path

import pytest

from reportgen.evidence import Writer, shards


@pytest.mark.parametrize(
    ("shard", "kind", "is_it"),
    [
        ("model", shards.MODEL, True),
        ("batch-000012", shards.BATCH, True),
        ("sample-000005-000000", "sample-000005", True),
        ("sample-000050-000000", "sample-00005", False),  # another kind whose name begins alike
        ("snapshot-01-000000", "snapshot-0", False),
        ("set", shards.SCORE, False),
    ],
)
def test_a_shard_is_of_a_kind_by_whole_parts_of_its_name(shard: str, kind: str, is_it: bool) -> None:
    assert shards.is_of(shard, kind) is is_it


def test_shards_of_a_kind_are_numbered_also_when_a_run_goes_on(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "evidence", "key")
    for _ in range(2):
        writer.write(writer.next(shards.TRUST), {}, [{"number": len(writer.finished)}])
    again = Writer(tmp_path / "evidence", "key")
    again.write(again.next(shards.TRUST), {}, [{"number": 7}])
    assert again.shards(shards.TRUST) == ["trust-000000", "trust-000001", "trust-000002"]
    assert [record["number"] for record in again.records(shards.TRUST)] == [0, 1, 7]
    assert again.next(shards.BATCH) == "batch-000000"


def test_the_first_round_speaks_for_the_set_where_there_is_one(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "evidence", "key")
    writer.write("batch-000000", {}, [{"number": 3}])
    assert writer.of_set() == [{"number": 3}]
    writer.write("score-000000", {}, [{"number": n} for n in range(4)])
    assert [record["number"] for record in writer.of_set()] == [0, 1, 2, 3]
