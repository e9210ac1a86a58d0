"""The arithmetic of corners against masks: what a change of one place can reach, found by trying."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from reportgen.engine.incremental import pieces
from reportgen.engine.incremental.boxes import Boxes, Span, Window


@st.composite
def layers(draw):
    """A layer of windows along one side, and K patches on a side that is as long as it needs."""
    kernel, dilation = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    stride = draw(st.integers(1, 5))
    reach = (kernel - 1) * dilation + 1
    padding = draw(st.integers(0, reach - 1))
    side = draw(st.integers(max(1, reach - 2 * padding), 40))
    out = (side + 2 * padding - reach) // stride + 1
    count = draw(st.integers(1, 5))
    start = np.array([draw(st.integers(0, side - 1)) for _ in range(count)])
    end = np.array([draw(st.integers(int(s) + 1, side)) for s in start])
    return kernel, dilation, Window(reach, stride, padding, out), Span.covering(start, end, side)


@given(layers())
def test_outputs_that_see_a_patch_are_found_and_their_context_holds_the_patch(layer):
    kernel, dilation, window, span = layer
    seen, context = window.seen_from(span), None
    context = window.context(seen)
    for k, start in enumerate(span.start):
        changed = torch.zeros(1, 1, span.side)
        changed[..., start : start + span.length] = 1
        weight = torch.ones(1, 1, kernel)
        out = F.conv1d(changed, weight, None, window.stride, window.padding, dilation)[0, 0]
        reached = out.nonzero()[:, 0].tolist()
        held = range(seen.start[k], seen.start[k] + seen.length)
        assert set(reached) <= set(held) <= set(range(window.out))
        begin = context.start[k]
        assert begin <= start + window.padding
        assert begin + context.length >= start + window.padding + span.length
        assert begin >= 0 and begin + context.length <= window.padded_side
        assert window.padded_side >= span.side + 2 * window.padding


@given(st.lists(st.tuples(*[st.integers(0, 11)] * 4), min_size=1, max_size=6), st.integers(0, 2**16))
def test_what_is_cut_out_and_set_in_again_changes_nothing_else(corners, seed):
    def boxes(top, left, height, width):
        return [top, left, min(top + height + 1, 12), min(left + width + 1, 12)]

    at = Boxes.of(np.array([boxes(*corner) for corner in corners]), (12, 12))
    other = Boxes.of(np.array([boxes(11 - t, w, h, x) for t, x, h, w in corners]), (12, 12))
    image = torch.randn(1, 3, 12, 12, generator=torch.Generator().manual_seed(seed))
    patches = pieces.cut(image, at)
    assert patches.shape == (len(corners), 3, at.rows.length, at.columns.length)
    assert torch.equal(pieces.pasted(image, patches, at), image.expand(len(corners), -1, -1, -1))
    marked = torch.full_like(patches, 9.0)
    whole = pieces.pasted(image, marked, at)
    for k, (row, column) in enumerate(zip(at.rows.start, at.columns.start, strict=True)):
        expected = image[0].clone()
        expected[:, row : row + at.rows.length, column : column + at.columns.length] = 9
        assert torch.equal(whole[k], expected)
    union = at.union(other)
    larger = pieces.widened(image, marked, at, union)
    assert torch.equal(pieces.pasted(image, larger, union), whole)


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 6)), min_size=1, max_size=6), st.booleans())
def test_place_by_place_is_set_in_what_is_set_in_through_views(corners, last):
    """The first is for devices that cannot write through views that overlap."""
    rows, columns = (np.array(side) for side in zip(*corners, strict=True))
    whole = torch.randn(len(corners), 3, 12, 11, generator=torch.Generator().manual_seed(0))
    if last:
        whole = whole.contiguous(memory_format=torch.channels_last)
    patches = torch.arange(len(corners) * 3 * 5 * 5.0).reshape(len(corners), 3, 5, 5)
    by_views, by_places = whole.clone(), whole.clone()
    pieces._into_views(by_views, patches, rows, columns)
    pieces._into_places(by_places, patches, rows, columns)
    assert torch.equal(by_views, by_places)
    for k, (row, column) in enumerate(corners):
        whole[k, :, row : row + 5, column : column + 5] = patches[k]
    assert torch.equal(by_places, whole)


def test_on_another_device_nothing_is_written_through_overlapping_memory():
    """A tensor on `meta` has no memory, and stands for one on a GPU here: which operation writes is seen."""

    class Written(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func.overloadpacket in (torch.ops.aten.index_put_, torch.ops.aten._index_put_impl_):
                written.append(torch._debug_has_internal_overlap(args[0]))
            return func(*args, **(kwargs or {}))

    written: list[int] = []
    whole, patches = torch.empty(2, 3, 12, 12, device="meta"), torch.empty(2, 3, 5, 5, device="meta")
    with Written():
        pieces.set_in(whole, patches, np.array([0, 7]), np.array([3, 2]))
    assert written == [0]  # no overlap: 2 is "too hard to say", as of windows
