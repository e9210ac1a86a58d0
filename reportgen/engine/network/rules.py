"""The rules by which torch's operations move, join and mix tracks (`track`), by the operation's name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from reportgen.engine.network.padding import behind, padded
from reportgen.engine.network.patches import columns_of, maps_of
from reportgen.engine.network.track import (
    Track,
    joined,
    mixed,
    moved,
    spread,
    unseen,
    viewed,
    with_axes,
)
from reportgen.engine.network.windows import Taps, windowed

Find: TypeAlias = Callable[[Any], Track | None]
Args: TypeAlias = tuple[Any, ...]

VIEWS = {"view", "_unsafe_view", "reshape", "_reshape_alias", "squeeze", "unsqueeze", "flatten"}
MOVES = {
    *("permute", "transpose", "t", "expand", "slice", "select", "split", "split_with_sizes", "unsafe_split"),
    *("chunk", "unbind", "roll", "flip", "repeat", "unfold", "diagonal", "narrow", "index_select", "index"),
    *("as_strided", "movedim", "rot90", "channel_shuffle", "native_channel_shuffle", "pixel_unshuffle"),
    *("tile", "gather", "unsafe_split_with_sizes", "unsafe_chunk"),
}
COPIES = {"clone", "contiguous", "_to_copy", "alias", "detach", "lift_fresh", "to", "positive"}
REDUCTIONS = {
    *("mean", "sum", "amax", "amin", "var", "std", "linalg_vector_norm", "norm", "logsumexp", "prod"),
    *("max", "min", "argmax", "any", "all", "median", "nansum"),
}
# element by element, though torch does not tag them so
POINTWISE = {
    *("hardswish", "rsub", "masked_fill", "native_dropout", "_prelu_kernel", "prelu", "where", "mish"),
    *("log_sigmoid_forward", "threshold", "rrelu_with_noise", "leaky_relu"),
}


def out_of_place(func: Any) -> Any:
    """The operation that does not write into its input, for one that does; itself for any other. None where
    there is no such operation."""
    if not func._schema.is_mutable:
        return func
    packet = getattr(torch.ops.aten, func.overloadpacket.__name__.rstrip("_"), None)
    return getattr(packet, func._overloadname, None)


def is_pointwise(func: Any) -> bool:
    """Whether an operation treats every number alike. PyTorch marks not all of those that write in place, and
    fewer in older releases: the mark of the operation that does not is looked at as well."""
    marked = any(torch.Tag.pointwise in each.tags for each in (func, out_of_place(func)) if each is not None)
    return marked or func.overloadpacket.__name__.removesuffix("_") in POINTWISE


BATCH_NORMS = {
    *("native_batch_norm", "cudnn_batch_norm", "_native_batch_norm_legit"),
    "_native_batch_norm_legit_no_training",
}
# operations that rearrange, and work nothing out
JOINED = {"cat", "stack", "constant_pad_nd", "pixel_shuffle"}
IDLE = VIEWS | MOVES | COPIES | JOINED | {"zeros", "empty", "arange"}


def tensors(values: Any) -> list[Tensor]:
    return [x for x in tree_leaves(values) if isinstance(x, Tensor)]


def elementwise(result: Tensor, args: Args, kwargs: Any, find: Find) -> Track | None:
    """The join, where the result is as large as its inputs broadcast; None where it is not."""
    given = tensors((args, kwargs))
    try:
        shape = torch.broadcast_shapes(*(x.shape for x in given))
    except RuntimeError:
        return None
    if shape != result.shape:
        return None
    tracks = [track for x in given if (track := find(x)) is not None]
    if len(tracks) == 1 and tracks[0].y.ndim == result.ndim:
        return tracks[0]
    return joined(tracks, result.ndim)


def _view(_f: Any, args: Args, _kw: Any, result: Tensor, find: Find) -> Track:
    return viewed(_track(args[0], find), args[0].shape, result.shape)


def _track(x: Tensor, find: Find) -> Track:
    return find(x) or unseen(x.ndim)


def _move(func: Any, args: Args, kwargs: Any, result: Any, find: Find) -> Any:
    """What moves elements moves their tracks."""
    track, x = _track(args[0], find), args[0]
    if func.overloadpacket.__name__ == "index" and _within_a_place(track, args[1]):
        return track
    if any(find(y) is not None or y.is_meta for y in tensors((args[1:], kwargs))):
        raise ValueError("moved by values that are not known")
    if isinstance(result, Tensor):
        return moved(track, x.shape, lambda p: func(p, *args[1:], **kwargs))

    def nth(number: int) -> Track:
        return moved(track, x.shape, lambda p: func(p, *args[1:], **kwargs)[number])

    return [nth(number) for number in range(len(result))]


def _within_a_place(track: Track, indices: Sequence[Tensor | None]) -> bool:
    """Whether a list of indices picks along one axis that changes no plane: values of the same place."""
    picked = [(axis, index.ndim) for axis, index in enumerate(indices) if index is not None]
    if len(picked) != 1:
        return False
    ((axis, axes),) = picked
    return axes == 1 and all(plane.shape[axis] == 1 for plane in track.planes().values())


def _copy(_f: Any, args: Args, _kw: Any, _result: Any, find: Find) -> Track:
    return _track(args[0], find)


def _copied(_f: Any, args: Args, _kw: Any, result: Tensor, find: Find) -> Track:
    return with_axes(_track(args[1], find), result.ndim)


def _cat(_f: Any, args: Args, kwargs: Any, result: Tensor, find: Find) -> Track:
    axis = (args[1] if len(args) > 1 else kwargs.get("dim", 0)) % result.ndim
    given = [x for x in args[0] if x.ndim == result.ndim]
    return behind([_track(x, find) for x in given], [x.shape[axis] for x in given], axis)


def _stack(_f: Any, args: Args, kwargs: Any, result: Tensor, find: Find) -> Track:
    axis = (args[1] if len(args) > 1 else kwargs.get("dim", 0)) % result.ndim
    tracks = [_track(x, find).each(lambda _n, p: p.unsqueeze(axis)) for x in args[0]]
    return behind(tracks, [1] * len(tracks), axis)


def _reduction(func: Any, args: Args, kwargs: Any, result: Any, find: Find) -> Any:
    x, track = args[0], _track(args[0], find)
    named = {a.name: v for a, v in zip(func._schema.arguments, args, strict=False)} | kwargs
    axes = named.get("dim")
    axes = list(range(x.ndim)) if axes in (None, [], ()) else [axes] if isinstance(axes, int) else axes
    axes = [axis % x.ndim for axis in axes]
    results = [result] if isinstance(result, Tensor) else list(result)
    seen = mixed(track, axes)
    if results[0].ndim < x.ndim:
        kept = [a for a in range(x.ndim) if a not in axes]
        seen = seen.each(lambda _n, p: p.permute(*kept, *axes).flatten(len(kept)).squeeze(-1))
    return [seen] * len(results)


def _softmax(_f: Any, args: Args, _kw: Any, _result: Any, find: Find) -> Track:
    return spread(_track(args[0], find), [args[1] % args[0].ndim])


def _layer_norm(_f: Any, args: Args, _kw: Any, _result: Any, find: Find) -> Track:
    axes = args[0].ndim
    return spread(_track(args[0], find), range(axes - len(args[1]), axes))


def _group_norm(_f: Any, args: Args, _kw: Any, _result: Any, find: Find) -> Track:
    return spread(_track(args[0], find), range(1, args[0].ndim))


def _batch_norm(func: Any, args: Args, kwargs: Any, _result: Any, find: Find) -> Track:
    named = {a.name: v for a, v in zip(func._schema.arguments, args, strict=False)} | kwargs
    own = named.get("training", False) or named.get("running_mean") is None
    track = _track(args[0], find)
    return spread(track, [a for a in range(args[0].ndim) if a != 1]) if own else track


def _convolution(_f: Any, args: Args, _kw: Any, result: Tensor, find: Find) -> Track:
    x, weight, _bias, stride, padding, dilation, transposed = args[:7]
    seen = mixed(_track(x, find), [1])
    taps, centres = {}, {}
    for n, axis in enumerate(range(2, x.ndim)):
        k, s, p, d = weight.shape[axis], _nth(stride, n), _nth(padding, n), _nth(dilation, n)
        if transposed:
            out = range(result.shape[axis])
            # output i is made of inputs j with i = j·s − p + d·t for a tap t
            reach = [[i + p - d * t for t in range(k)] for i in out]
            rows = [[at // s for at in several if at % s == 0] for several in reach]
            whole = [row or [(i + p) // s] for i, row in zip(out, rows, strict=True)]
            taps[axis] = Taps.ranges([min(r) for r in whole], [max(r) for r in whole])
            centres[axis] = (torch.arange(len(out), device="cpu") + p - d * (k - 1) / 2) / s
        else:
            taps[axis] = Taps.window(result.shape[axis], k, s, p, d)
    found = windowed(seen, x.shape, taps, centres)
    return replace(found, origin=found.origin.clamp(max=0))


def _nth(values: Any, n: int) -> int:
    values = [values] if isinstance(values, int) else list(values)
    return int(values[n] if len(values) > n else values[-1])


def _pool(func: Any, args: Args, kwargs: Any, result: Any, find: Find) -> list[Track]:
    named = {a.name: v for a, v in zip(func._schema.arguments, args, strict=False)} | kwargs
    x, out = args[0], result if isinstance(result, Tensor) else result[0]
    kernel, dilation = named["kernel_size"], named.get("dilation", 1)
    stride, padding = named.get("stride") or kernel, named.get("padding", 0)
    axes = range(x.ndim - 2, x.ndim)
    taps = {
        axis: Taps.window(out.shape[axis], *(_nth(v, n) for v in (kernel, stride, padding, dilation)))
        for n, axis in enumerate(axes)
    }
    return [windowed(_track(x, find), x.shape, taps)] * (1 if isinstance(result, Tensor) else len(result))


def _adaptive_pool(_f: Any, args: Args, _kw: Any, result: Any, find: Find) -> list[Track]:
    x, out = args[0], result if isinstance(result, Tensor) else result[0]
    taps, centres = {}, {}
    for axis in range(x.ndim - 2, x.ndim):
        n, m = x.shape[axis], out.shape[axis]
        first, last = [i * n // m for i in range(m)], [-(-(i + 1) * n // m) - 1 for i in range(m)]
        taps[axis] = Taps.ranges(first, last)
        # there may be more places than there were
        centres[axis] = (torch.arange(m, device="cpu") + 0.5) * n / m - 0.5
    return [windowed(_track(x, find), x.shape, taps, centres)] * len(tensors(result))


def upsample(func: Any, args: Args, _kw: Any, result: Tensor, find: Find) -> Track:
    x, name = args[0], func.overloadpacket.__name__
    reach = 2 if "bicubic" in name else 0 if "nearest" in name else 1
    aligned_corners = bool(args[2]) if len(args) > 2 and isinstance(args[2], bool) else False
    taps, centres = {}, {}
    for axis in range(2, x.ndim):
        n, m = x.shape[axis], result.shape[axis]
        at = (torch.arange(m, device="cpu") + 0.5) * n / m - 0.5
        if aligned_corners and m > 1:
            at = torch.arange(m, device="cpu") * (n - 1) / (m - 1)
        nearest = (torch.arange(m, device="cpu") * n).div(m, rounding_mode="floor")
        low = at.floor().long() if reach else nearest
        first = low - max(0, reach - 1)
        last = torch.where(at == at.floor(), low, low + reach) if reach == 1 else low + reach
        widest = max(0, round(n / m - 1)) if "_aa" in name else 0
        taps[axis] = Taps.ranges(
            (first - widest).clamp(0, n - 1).tolist(), (last + widest).clamp(0, n - 1).tolist()
        )
        centres[axis] = at
    track = _track(x, find)
    enlarged = windowed(track, x.shape, taps, centres)
    return replace(enlarged, blur=max(track.blur, *track.step))


def _pixel_shuffle(_f: Any, args: Args, _kw: Any, result: Tensor, find: Find) -> Track:
    """Sub-pixels lie side by side within the place that they came of."""
    x, factor = args[0], args[1]
    taps, centres = {}, {}
    for axis in (x.ndim - 2, x.ndim - 1):
        index = torch.arange(result.shape[axis], device="cpu")
        own = (index // factor).tolist()
        taps[axis], centres[axis] = Taps.ranges(own, own), (index + 0.5) / factor - 0.5
    return windowed(mixed(_track(x, find), [x.ndim - 3]), x.shape, taps, centres)


def _pad(func: Any, args: Args, _kw: Any, result: Tensor, find: Find) -> Track:
    constant = func.overloadpacket.__name__ == "constant_pad_nd"
    return padded(_track(args[0], find), args[0].shape, args[1], result.shape, constant)


def _im2col(_f: Any, args: Args, _kw: Any, result: Tensor, find: Find) -> Track:
    return columns_of(_track(args[0], find), args[0], result, args[1:5])


def _col2im(_f: Any, args: Args, _kw: Any, result: Tensor, find: Find) -> Track | None:
    return maps_of(_track(args[0], find), args[0], result, args[2:6])


RULES: dict[str, Any] = {
    **dict.fromkeys(VIEWS, _view),
    **dict.fromkeys(MOVES, _move),
    **dict.fromkeys(REDUCTIONS, _reduction),
    **dict.fromkeys(COPIES, _copy),
    "copy": _copied,
    "copy_": _copied,
    "cat": _cat,
    "stack": _stack,
    **dict.fromkeys(("_softmax", "_safe_softmax", "_log_softmax"), _softmax),
    "native_layer_norm": _layer_norm,
    "native_group_norm": _group_norm,
    **dict.fromkeys(BATCH_NORMS, _batch_norm),
    **dict.fromkeys(("convolution", "_convolution"), _convolution),
    **dict.fromkeys(("max_pool2d_with_indices", "max_pool2d", "avg_pool2d"), _pool),
    **dict.fromkeys(("_adaptive_avg_pool2d", "adaptive_max_pool2d", "adaptive_avg_pool2d"), _adaptive_pool),
    "pixel_shuffle": _pixel_shuffle,
    **dict.fromkeys(("constant_pad_nd", "reflection_pad2d", "replication_pad2d", "pad"), _pad),
    "im2col": _im2col,
    "col2im": _col2im,
}
