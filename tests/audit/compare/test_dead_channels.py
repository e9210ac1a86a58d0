"""Channels that died, of audits that list the first dead channels of a layer only: nothing is named that may
have been dead before."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reportgen.audit.compare.network import network_change
from reportgen.audit.compare.sides import Side

LISTED = 3
DEAD = st.dictionaries(st.sampled_from(["a", "b"]), st.frozensets(st.integers(0, 7)), min_size=1)


def side(dead: dict[str, frozenset[int]]) -> Side:
    """An audit whose channel health lists up to LISTED dead channels of a layer."""
    listed = [
        [layer, channel, "dead", 0.0, ""] for layer in dead for channel in sorted(dead[layer])[:LISTED]
    ]
    tables = {
        "layers": {
            "columns": ["layer", "channels", "dead", "sparsity, %"],
            "rows": [[layer, 8, len(channels), None] for layer, channels in dead.items()],
        },
        "channels": {"columns": ["layer", "channel", "fault", "value", "what it is"], "rows": listed},
    }
    health: dict[str, Any] = {"dead": sum(map(len, dead.values())), "tables": tables}
    return Side("one", {"findings": {"channel-health": health}}, None)


def test_a_channel_that_only_the_cut_list_lacks_has_not_died() -> None:
    old, new = side({"a": frozenset({1, 2, 3, 4})}), side({"a": frozenset({2, 3, 4})})
    found = network_change(new, old)
    assert (found["died"], found["died_count"], found["dead"]) == ([], 0, [4, 3])


@given(DEAD, DEAD)
def test_what_is_named_did_die_and_no_more_are_counted_than_did(
    before: dict[str, frozenset[int]], now: dict[str, frozenset[int]]
) -> None:
    found = network_change(side(now), side(before))
    true = {(layer, n) for layer in before.keys() & now.keys() for n in now[layer] - before[layer]}
    named = {(one["layer"], one["channel"]) for one in found["died"]}
    assert named <= true
    assert len(named) <= (found["died_count"] or 0) <= len(true)
    if all(len(channels) <= LISTED for channels in (*before.values(), *now.values())):
        assert named == true
