"""The drawing of a graph: what is folded, where it is cut, that every edge is drawn and nothing overlaps."""

from __future__ import annotations

import re
from itertools import combinations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reportgen.findings import Graph
from reportgen.report.graph.draw import COLUMN_PX, drawing, residuals
from reportgen.report.graph.edges import place
from reportgen.report.graph.fold import LINES_AT_MOST, Net, net, segments
from reportgen.report.graph.shapes import bent

Box = tuple[str, str, str, str, tuple[int, ...] | None]


def box(kind: str, words: str = "", within: str = "", shape: tuple[int, ...] = (8, 4, 4)) -> Box:
    layer = f"{within}.{kind}".strip(".") if kind in ("conv", "norm", "activation") else ""
    return (kind, words or kind, layer, within, shape)


def graph(boxes: list[Box], edges: list[tuple[int, int]]) -> Graph:
    return Graph("graph", "Graph", tuple(boxes), tuple(edges))


def residual_net(blocks: int) -> Graph:
    """input, then blocks of conv, bn, relu, conv, bn, +, relu, then output."""
    boxes, edges, last = [box("input")], [], 0
    kinds = ("conv", "norm", "activation", "conv", "norm", "add", "activation")
    for n in range(blocks):
        first = len(boxes)
        boxes += [box(kind, within=f"layer{n}") for kind in kinds]
        edges += [(last, first), *((at, at + 1) for at in range(first, first + 6)), (last, first + 5)]
        last = first + 6
    return graph([*boxes, box("output")], [*edges, (last, last + 1)])


def dense_net(layers: int) -> Graph:
    """Each layer reads the concatenation of all before it; within one container, layer by layer."""
    boxes, edges = [box("input")], []
    made = [0]
    for n in range(layers):
        joined, conv = len(boxes), len(boxes) + 1
        boxes += [box("concatenate", within=f"block.l{n}"), box("conv", within=f"block.l{n}")]
        edges += [*((at, joined) for at in made), (joined, conv)]
        made.append(conv)
    end = len(boxes)
    return graph(
        [*boxes, box("concatenate", within="block"), box("output")],
        [*edges, *((m, end) for m in made), (end, end + 1)],
    )


def test_conv_bn_relu_is_one_box_and_so_is_an_addition_with_its_relu():
    held = net(residual_net(1))
    assert [found.words for found in held.boxes] == [
        ("input",),
        ("conv", "norm", "activation"),
        ("conv", "norm"),
        ("add", "activation"),
        ("output",),
    ]
    assert held.edges == ((0, 1), (0, 3), (1, 2), (2, 3), (3, 4))
    assert held.boxes[1].layers == ("layer0.conv", "layer0.norm", "layer0.activation")


def test_a_value_that_two_read_is_not_folded_away():
    boxes = [box("input"), box("conv"), box("activation"), box("add"), box("output")]
    held = net(graph(boxes, [(0, 1), (1, 2), (1, 3), (2, 3), (3, 4)]))
    assert [found.kind for found in held.boxes] == ["input", "conv", "activation", "add", "output"]


def test_it_is_cut_where_one_value_goes_on_and_nowhere_else():
    found = segments(net(residual_net(2)))
    assert [segment.boxes for segment in found] == [(0,), (1, 2, 3), (4, 5, 6), (7,)]
    assert [segment.entry for segment in found] == [None, 0, 3, 6]


def test_a_part_that_is_too_wide_is_folded_by_its_container_and_a_narrow_one_is_not():
    wide = net(dense_net(12))
    assert [found.kind for found in wide.boxes] == ["input", "folded", "output"]
    assert wide.boxes[1].words == ("block", "12 convs", "13 concats")
    narrow = net(dense_net(2))
    assert "folded" not in {found.kind for found in narrow.boxes}


def test_identity_residuals_and_additions_of_branches_are_told_apart():
    assert residuals(residual_net(3)) == (3, 0)
    branches = [box("input"), box("conv"), box("conv"), box("add"), box("output")]
    assert residuals(graph(branches, [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)])) == (0, 1)


def test_the_drawing_says_how_much_of_what_it_shows():
    drawn = drawing(residual_net(16), "model-architecture")
    assert "32 convolutions" in drawn.alt
    assert "16 additions of a value to what was made of it" in drawn.alt
    assert len(drawn.columns) > 1
    assert [f"Part {n} of {len(drawn.columns)}" in held.alt for n, held in enumerate(drawn.columns, 1)]
    assert max(held.height for held in drawn.columns) < COLUMN_PX + 80


def test_columns_go_on_where_the_one_before_ends():
    columns = drawing(residual_net(16), "m").columns
    numbers = [[held.words.text for held in column.connectors] for column in columns]
    assert numbers[0] == ["1"] and numbers[-1] == [str(len(columns) - 1)]
    assert all(held == [str(n), str(n + 1)] for n, held in enumerate(numbers) if 0 < n < len(columns) - 1)


def test_a_residual_is_a_rail_on_the_right_of_its_block():
    """The only kept line starts at the entry, runs right of every box and ends in the addition's side."""
    placed = place(
        (1, 2, 3), [(0, 1), (1, 2), (2, 3), (0, 3)], {1: (90, 30), 2: (90, 30), 3: (30, 20)}, 0, 3, 20.0
    )
    (rail,) = [way for way in placed.ways if way.kept]
    assert rail.points[0] == (0, 0)
    assert max(x for x, _ in rail.points) > 45
    x, y = rail.points[-1]
    left, top = placed.corners[3]
    assert x == left + 30 and top < y < top + 20
    others = [way for way in placed.ways if not way.kept]
    assert all(point[0] == 0 for way in others for point in way.points)  # the main line is straight


def test_corners_are_round_and_the_ends_are_kept():
    assert bent([(0, 0), (0, 20), (30, 20)]) == "M0,0L0,15Q0,20 5,20L30,20"


@st.composite
def nets(draw: st.DrawFn) -> Graph:
    """Random networks in which every box reads one to three earlier ones."""
    count = draw(st.integers(2, 14))
    boxes, edges = [box("input")], []
    for at in range(1, count):
        read = draw(st.sets(st.integers(max(0, at - 4), at - 1), min_size=1, max_size=3))
        edges += [(a, at) for a in sorted(read)]
        kinds = ("conv", "pool", "linear") if len(read) == 1 else ("add", "concatenate")
        kind = draw(st.sampled_from(kinds))
        boxes.append(box(kind, within=draw(st.sampled_from(["", "a", "a.b", "c"]))))
    return graph([*boxes, box("output")], [*edges, (count - 1, count)])


# two boxes that are nearly above one another: a line between them must not slant
NEARLY = graph(
    [*map(box, ("input", "conv", "conv", "conv", "add", "add", "conv", "output"))],
    [(0, 1), (0, 2), (1, 3), (0, 4), (1, 4), (3, 4), (1, 5), (4, 5), (2, 6), (6, 7)],
)


@settings(max_examples=60, deadline=None)
@given(nets())
@example(NEARLY)
def test_boxes_of_any_net_do_not_overlap_and_every_edge_leads_from_its_maker_down_to_its_reader(found: Graph):
    held = net(found)
    for segment, after in zip(parts := segments(held), [*parts[1:], None], strict=True):
        sizes = dict.fromkeys(range(len(held.boxes)), (80.0, 30.0))
        edges = [(a, b) for a, b in held.edges if b in segment.boxes]
        placed = place(segment.boxes, edges, sizes, segment.entry, after.entry if after else None, 20.0)
        assert set(placed.corners) == set(segment.boxes)
        for (x, y), (u, v) in combinations(placed.corners.values(), 2):
            assert abs(x - u) >= 80 or abs(y - v) >= 30
        for (a, b), way in zip(edges, placed.ways, strict=False):
            x, y = placed.corners.get(a, (-40.0, -30.0))
            assert way.points[0] == pytest.approx((x + 40, y + 30))
            x, y = placed.corners[b]
            end = way.points[-1]
            aside = end[0] == pytest.approx(x + 80) and y < end[1] < y + 30
            assert aside or end == pytest.approx((x + 40, y))
            levels = [point[1] for point in way.points]
            assert levels == sorted(levels)
            assert all(p[0] == q[0] or p[1] == q[1] for p, q in zip(way.points, way.points[1:], strict=False))


@settings(max_examples=60, deadline=None)
@given(nets())
def test_folding_keeps_every_operation_and_the_order(found: Graph):
    held = net(found)
    kinds = [kind for made in held.boxes for kind, _ in made.operations]
    assert sorted(kinds) == sorted(made[0] for made in found.boxes)
    assert all(a < b for a, b in held.edges)
    assert [at for segment in segments(held) for at in segment.boxes] == list(range(len(held.boxes)))


def test_merging_what_would_make_a_circle_is_refused():
    held = Net(tuple(net(residual_net(1)).boxes[:3]), ((0, 1), (1, 2)))
    assert held.merged([[0, 2], [1]], held.boxes[:2]) is None
    merged = held.merged([[0, 1], [2]], held.boxes[:2])
    assert merged is not None and merged.edges == ((0, 1),)


def test_lines_that_pass_one_place_are_few_enough_after_folding():
    held = net(dense_net(30))
    for at in range(len(held.boxes)):
        assert sum(a <= at < b for a, b in held.edges) <= LINES_AT_MOST


def test_words_in_the_graph_stay_text(tmp_path):
    """A module's name may be anything: the page escapes it."""
    from types import SimpleNamespace

    from reportgen.report.render import templates

    hostile = graph([box("input"), box("conv", "<script>", "a<b"), box("output")], [(0, 1), (1, 2)])
    template = '{% import "draw/screen.html.j2" as draw with context %}{{ draw.drawings(block) }}'
    drawn = SimpleNamespace(drawings=[drawing(hostile, "m")])
    page = templates.environment(lambda raster: "").from_string(template).render(block=drawn)
    assert "<script" not in page and "&lt;script&gt;" in page
    assert re.search(r'<svg class="graph" [^>]*role="img" aria-label="The graph: ', page)
    assert page.count("<title>") == 3
