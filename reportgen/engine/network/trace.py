"""One forward without data: layers, shapes, multiply-adds, receptive fields, rectifiers.

The network is copied onto the `meta` device, where tensors have shapes and no storage, so the trace
costs no arithmetic, no memory and none of the counted forwards. (A network whose control flow looks
at values cannot run there; then a real copy sees one image of zeros, on the CPU.) Every operation is
seen by the dispatcher, functional and in-place ones included, so branches, residuals and reused
modules need no rule of their own.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils.flop_counter import flop_registry

from reportgen.engine.network.facts import OWN, Graph, LayerFacts, ModelFacts
from reportgen.engine.network.following import IDLE, Follower
from reportgen.engine.network.graph import Recorder
from reportgen.engine.network.layout import NONE, Layout, layout_of
from reportgen.engine.network.operations import RECTIFIERS, SMOOTH
from reportgen.engine.network.output import first_tensor, logits_of
from reportgen.engine.network.receptive import Field, field_of
from reportgen.engine.network.track import Track, depended_on, joined, left_layer, lost, of_input, unseen
from reportgen.errors import InputError

# of networks that do not answer a single image: on `meta` a batch costs nothing
BATCHES = (*range(2, 33), 40, 48, 50, 64, 96, 100, 128, 200, 256)
REAL_BATCHES = (2, 4, 8, 16)


@dataclass
class _Call:
    """What one module's calls have shown so far."""

    leaf: bool = False  # counted as a layer
    inner: bool = False  # inside one
    calls: int = 0
    input_shape: tuple[int, ...] | None = None
    output_shape: tuple[int, ...] | None = None
    output_bytes: int = 0
    macs: int = 0  # with all that is inside
    own_macs: int = 0  # that no layer inside, and no layer around, is charged with
    receptive: Field | None = None
    layout: Layout = NONE
    works: int = 0  # operations in its calls that do more than rearrange
    fed_by: set[int] = field(default_factory=set)  # what its inputs came straight out of
    finished: int = 0  # rank of the last call's end among all calls


@dataclass
class _Seen:
    """What a whole forward has shown."""

    calls: dict[str, _Call] = field(default_factory=dict)
    inside: list[str] = field(default_factory=list)  # names of the modules being called, outermost first
    ended: int = 0
    rectifiers: int = 0
    max_pools: int = 0
    smooth: set[str] = field(default_factory=set)
    candidates: list[int] = field(default_factory=list)  # ends of layers whose places are followed on
    keys: set[int] = field(default_factory=set)  # ends of layers that give queries, keys and values
    auto: int = 0  # the end of the last layer whose places the logits depend on, 0 where none is

    def charge(self, macs: int, lent: Sequence[str] = ()) -> None:
        """Notes multiply-adds at every module that is being called, and at the one that they are counted
        in: the layer that lent its weights, else the outermost layer, or the innermost module where
        none of them is a layer."""
        for name in lent:
            self.calls[name].macs += macs
        for name in set(self.inside):  # a module that calls itself is there more than once
            self.calls[name].macs += macs
        layers = (name for name in self.inside if self.calls[name].leaf)
        self.calls[next(iter(lent), None) or next(layers, self.inside[-1])].own_macs += macs


class _Observer(TorchDispatchMode):
    """Follows each tensor's receptive field and charges each operation to the modules around it."""

    def __init__(self, seen: _Seen, recorder: Recorder, shape: tuple[int, int, int, int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen = seen
        self.recorder = recorder
        self.images, self.extent = shape[0], shape[2:]
        self.follower = Follower()
        self.tracks: dict[int, tuple[Tensor, Track]] = {}  # keeps the tensor, so its id stays its own
        self.owners: dict[int, tuple[Tensor, str]] = {}  # whose weight a tensor is

    def track_of(self, value: Any) -> Track | None:
        found = self.tracks.get(id(value))
        return found[1] if found else None

    def set_track(self, value: Tensor, track: Track) -> None:
        self.tracks[id(value)] = (value, track)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        inputs = [x for x in torch.utils._pytree.tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        known = any(self.track_of(x) is not None for x in inputs)
        result = func(*args, **kwargs)
        name = func.overloadpacket.__name__
        if name not in IDLE:
            for module in self.seen.inside:
                self.seen.calls[module].works += 1
        if func.overloadpacket in flop_registry:
            flops = flop_registry[func.overloadpacket](*args, **kwargs, out_val=result)
            self.seen.charge(flops // 2, self.lent_by(inputs))
        if name in RECTIFIERS and _rectifies(name, args):
            self.seen.rectifiers += 1
        self.seen.max_pools += "max_pool" in name
        if name.removesuffix("_") in SMOOTH:
            self.seen.smooth.add(name.removesuffix("_"))
        results = [x for x in torch.utils._pytree.tree_leaves(result) if isinstance(x, Tensor)]
        if name in IDLE and len(results) == 1 and inputs and id(inputs[0]) in self.owners:
            self.owners[id(results[0])] = (results[0], self.owners[id(inputs[0])][1])  # a weight, transposed
        self.recorder.operation(func, args, inputs, results)
        if known:
            tracks = self.follower.after(func, args, kwargs, result, self.track_of)
            for value, track in zip(results, tracks, strict=True):
                if track is not None:
                    self.set_track(value, track)
                if track is not None and func._schema.is_mutable and value._base is not None:
                    base = value._base  # written into by a view of it
                    before = self.track_of(base) or unseen(base.ndim)
                    self.set_track(base, joined([before, lost([track], base.ndim)], base.ndim))
        return result

    def lent_by(self, inputs: Sequence[Tensor]) -> list[str]:
        """The layers whose weights an operation reads that is not in their own calls: they ran too."""
        names = {self.owners[id(x)][1] for x in inputs if id(x) in self.owners and x.ndim > 1}
        lent = [n for n in names if self.seen.calls[n].leaf and n not in self.seen.inside]
        for name in lent:
            self.seen.ended += 1
            self.seen.calls[name].calls += 1
            self.seen.calls[name].finished = self.seen.ended
        return lent

    def origins(self, args: Any) -> set[int]:
        """The layers that these values came straight out of."""
        tracks = [self.track_of(x) for x in torch.utils._pytree.tree_leaves(args)]
        return {n for track in tracks if track for n in track.origin.unique().tolist()} - {0}

    def left(self, call: _Call, given: Tensor) -> None:
        """Notes what is known of a layer's output, and follows it on."""
        track, shape = self.track_of(given), tuple(given.shape)
        call.layout = layout_of(track, shape, self.images)
        call.receptive = field_of(track, call.layout, shape, self.extent)
        if track is None:
            return
        candidate = None
        if call.layout.kind != "none" and call.works:
            candidate = len(self.seen.candidates)
            self.seen.candidates.append(call.finished)
        self.set_track(given, left_layer(track, call.finished, call.macs > 0, candidate))


def _last_depended_on(seen: _Seen, logits: Track | None) -> int:
    """The end of the last layer whose places the logits depend on, of those that are more than a part
    of an attention."""
    if logits is None:
        return 0
    ends = {call.finished: name for name, call in seen.calls.items() if call.finished}
    keys = set(seen.keys)
    while True:  # a norm of keys gets them from the layer of keys
        before = {n for key in keys if key in ends for n in _given_to(seen.calls[ends[key]])} - keys
        inside = {
            end
            for end, name in ends.items()
            if any(name.startswith(f"{ends[key]}.") for key in keys if key in ends)
        } - keys
        if not before | inside:
            break
        keys |= before | inside
    found = [seen.candidates[n] for n in depended_on(logits)]
    return next((end for end in found if end in ends and end not in keys and ends[end]), 0)


def _given_to(call: _Call) -> set[int]:
    return set() if call.macs else call.fed_by


def _rectifies(name: str, args: tuple[Any, ...]) -> bool:
    """Whether a hardtanh is a clipped rectifier (ReLU6), which starts at zero."""
    return not name.startswith("hardtanh") or (len(args) > 1 and args[1] == 0)


def trace(
    network: nn.Module,
    input_shape: tuple[int, int, int],
    classes: Sequence[str] | None = None,
    output: str | int | None = None,
) -> ModelFacts:
    """The facts of `network` for one input of (channels, height, width).

    `output` names the logits where the network returns a tuple or a dict. Raises InputError where
    the network does not accept such an input or does not return (1, classes).
    """
    try:
        batch, seen, graph, logits = _observed(network, input_shape, output)
    except InputError:
        raise
    except Exception as error:  # any code of the user's may run here
        words = " ".join(str(error).split())[:200]
        raise InputError(
            f"the model does not accept an input of {'x'.join(map(str, input_shape))}: {words}",
            "set model.preprocessing (resize, crop, mean, std) to what the model was trained with",
        ) from error
    layers = _layers(network, seen)
    parameters = list(network.parameters())
    return ModelFacts(
        input_shape=input_shape,
        layers=layers,
        parameters=sum(p.numel() for p in parameters),
        trainable_parameters=sum(p.numel() for p in parameters if p.requires_grad),
        parameter_bytes=sum(p.numel() * p.element_size() for p in parameters),
        macs=seen.calls[""].macs,
        activation_bytes=sum(layer.output_bytes for layer in layers if layer.number),
        rectifiers=seen.rectifiers,
        max_pools=seen.max_pools,
        smooth_activations=tuple(sorted(seen.smooth)),
        classes=tuple(classes) if classes else (),
        class_count=logits.shape[1],
        graph=graph,
        auto=next((n for n, call in seen.calls.items() if seen.auto and call.finished == seen.auto), ""),
        batch=batch,
    )


def _observed(
    network: nn.Module, input_shape: tuple[int, int, int], output: str | int | None
) -> tuple[int, _Seen, Graph, Tensor]:
    """The observed forward on `meta`, or on a real copy where `meta` will not do; of one image, or of
    the smallest batch that the network answers. Raises what it raised for one image."""
    faults: dict[str, Exception] = {}
    for device in ("meta", "cpu"):
        try:
            return (1, *_forward(network, (1, *input_shape), output, device))
        except Exception as error:  # any code of the user's may run here
            faults[device] = error
            if isinstance(error, InputError):
                break
    sizes: dict[str, tuple[int, ...]] = {"meta": BATCHES}
    if "cpu" in faults and str(faults["cpu"]) != str(faults["meta"]):  # only a real copy can tell
        sizes["cpu"] = REAL_BATCHES
    for device, several in sizes.items():
        for batch in several:
            try:
                return (batch, *_forward(network, (batch, *input_shape), output, device))
            except Exception as error:
                if str(error) == str(faults[device]):
                    break  # the batch is not what it fails for
    raise faults.get("cpu", faults["meta"])


def _bare_copy(network: nn.Module, device: str) -> nn.Module:
    """The network in eval mode and without anybody's hooks; on `meta` no weight is copied."""
    memo: dict[int, Any] = {}
    for tensor in [*network.parameters(), *network.buffers()] if device == "meta" else []:
        empty = torch.empty_like(tensor, device="meta")
        memo[id(tensor)] = nn.Parameter(empty, False) if isinstance(tensor, nn.Parameter) else empty
    bare = copy.deepcopy(network, memo)
    for module in bare.modules():
        for hooks in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):
            getattr(module, hooks).clear()
    return bare.to(device).eval()


def _forward(
    network: nn.Module, shape: tuple[int, int, int, int], output: str | int | None, device: str
) -> tuple[_Seen, Graph, Tensor]:
    """Runs the observed forward of a copy that nothing else uses, on a batch of zeros; what it costs is
    that of one image. Raises InputError where the images have not one row of logits each."""
    network, seen = _bare_copy(network, device), _Seen()
    x = torch.zeros(shape, device=device)
    observer = _Observer(seen, Recorder(x), shape)
    observer.set_track(x, of_input(x.shape))
    for name, module in network.named_modules():
        for weight in module.parameters(recurse=False):
            observer.owners[id(weight)] = (weight, name)
    with _watched(network, seen, observer), torch.no_grad(), _unfused(), observer:
        logits = logits_of(network(x), output)
    if len(logits) != len(x):
        raise InputError(
            f"the model returns {len(logits)} rows of logits for {len(x)} image{'s' * (len(x) > 1)}",
            "set model.preprocessing (resize, crop) to what the model was trained with",
        )
    for call in seen.calls.values():
        call.macs //= len(x)
        call.own_macs //= len(x)
        call.output_bytes //= len(x)
    seen.keys = observer.follower.keys
    seen.auto = _last_depended_on(seen, observer.track_of(logits))
    return seen, observer.recorder.finish(logits), logits


@contextmanager
def _unfused() -> Iterator[None]:
    """Attention of torch.nn step by step: its fused form would hide what it does."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


@contextmanager
def _watched(network: nn.Module, seen: _Seen, observer: _Observer) -> Iterator[None]:
    """Hooks on every module that note its calls, shapes and receptive field."""
    handles = []
    inner: tuple[str, ...] = ("\0",)  # name prefixes of what lies inside a leaf
    for name, module in network.named_modules():
        inside = name.startswith(inner)
        leaf = not inside and is_leaf(module)
        inner += (f"{name}.",) if leaf else ()
        seen.calls[name] = _Call(leaf=leaf, inner=inside)

        def before(module: nn.Module, _args: Any, name: str = name) -> None:
            observer.recorder.enter(name, type(module).__name__, seen.calls[name].leaf)
            seen.inside.append(name)

        def after(
            _module: nn.Module, args: Any, result: Any, name: str = name
        ) -> None:
            seen.inside.remove(name)
            call = seen.calls[name]
            call.calls += 1
            seen.ended += 1
            call.finished = seen.ended
            given = first_tensor(result)
            with _disable_current_modes():  # what follows is not the network's own work
                call.fed_by = observer.origins(args)
                if given is not None:
                    observer.left(call, given)
            if args and isinstance(args[0], Tensor):
                call.input_shape = tuple(args[0].shape[1:])
            observer.recorder.leave(name, given)
            if given is not None:
                call.output_shape = tuple(given.shape[1:])
                call.output_bytes = given.numel() * given.element_size()

        handles += [module.register_forward_pre_hook(before), module.register_forward_hook(after)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def is_leaf(module: nn.Module) -> bool:
    """Whether a module counts as one layer: it has no children, or it is a layer of torch.nn that
    a subclass gave children (a convolution that holds its own padding)."""
    if not any(module.children()):
        return True
    bases = [b for b in type(module).__mro__ if b.__module__.startswith("torch.nn.modules.")]
    kinds = {b.__module__.rsplit(".", 1)[1] for b in bases if b is not nn.Module}
    return bool(kinds) and not kinds & {"container", "transformer"}


def _layers(network: nn.Module, seen: _Seen) -> tuple[LayerFacts, ...]:
    """Leaves in the order of their last calls, then containers, then what never ran."""
    modules = {name: module for name, module in network.named_modules() if name}
    leaves = sorted((n for n in modules if _ran(seen.calls[n])), key=lambda n: seen.calls[n].finished)
    others = [n for n in modules if not _ran(seen.calls[n])]
    found = [
        _layer(name, modules[name], seen.calls[name], number if number <= len(leaves) else 0)
        for number, name in enumerate(leaves + others, start=1)
    ]
    return _counted_once(network, seen, found)


def _counted_once(
    network: nn.Module, seen: _Seen, found: Sequence[LayerFacts]
) -> tuple[LayerFacts, ...]:
    """The layers with each parameter at the first that holds it, and what containers hold or compute
    themselves as layers of their own: then their numbers add up to the network's."""
    modules = dict(network.named_modules())
    counted: set[int] = set()

    def fresh(parameters: Iterable[nn.Parameter]) -> dict[str, Any]:
        new = [p for p in parameters if id(p) not in counted]
        counted.update(map(id, new))
        held = {"parameters": sum(p.numel() for p in new)}
        return held | {"trainable_parameters": sum(p.numel() for p in new if p.requires_grad)}

    once = [
        replace(x, **fresh(modules[x.name].parameters()), macs=seen.calls[x.name].own_macs)
        if x.kind == "layer"
        else x
        for x in found
    ]
    for name, module in modules.items():
        if seen.calls[name].leaf and name:
            continue  # a layer: it stands above
        held, macs = fresh(module.parameters(recurse=False)), seen.calls[name].own_macs
        if held["parameters"] or macs:
            bare = _layer(f"{name or 'network'}{OWN}", module, _Call(leaf=True), 0)
            weighted = held["parameters"] > 0
            once.append(replace(bare, **held, macs=macs, weighted=weighted, weight_shape=None))
    return tuple(once)


def _ran(call: _Call) -> bool:
    return call.leaf and call.calls > 0


def _layer(name: str, module: nn.Module, call: _Call, number: int) -> LayerFacts:
    parameters = list(module.parameters())
    weight = getattr(module, "weight", None)
    window = _window(module)
    return LayerFacts(
        name=name,
        type=type(module).__name__,
        number=number,
        calls=call.calls,
        finished=call.finished,
        input_shape=call.input_shape,
        output_shape=call.output_shape,
        parameters=sum(p.numel() for p in parameters),
        trainable_parameters=sum(p.numel() for p in parameters if p.requires_grad),
        weighted=bool(parameters),
        kind="layer" if call.leaf else "part" if call.inner else "container",
        macs=call.macs,
        output_bytes=call.output_bytes,
        receptive_field_px=max(call.receptive.size) if call.receptive else None,
        receptive_stride_px=max(call.receptive.stride) if call.receptive else None,
        receptive=call.receptive,
        layout=call.layout,
        weight_shape=tuple(weight.shape) if isinstance(weight, Tensor) else None,
        groups=int(getattr(module, "groups", 1)) if isinstance(module, nn.Conv2d) else 1,
        formula_holds=_formula_holds(call, window, getattr(module, "ceil_mode", False)),
        **window,
    )


def _pair(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _window(module: nn.Module) -> dict[str, tuple[int, int]]:
    """Kernel, stride, padding and dilation of a two-dimensional convolution or pool, else nothing."""
    if not isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        return {}
    kernel, dilation = _pair(module.kernel_size), _pair(getattr(module, "dilation", 1))
    padding = module.padding
    if isinstance(padding, str):  # "same" or "valid"
        spans = [d * (k - 1) * (padding == "same") for k, d in zip(kernel, dilation, strict=True)]
        if any(span % 2 for span in spans):  # an even kernel pads one side more than the other
            return {}
        padding = (spans[0] // 2, spans[1] // 2)
    return {
        "kernel": kernel,
        "stride": _pair(module.stride),
        "padding": _pair(padding),
        "dilation": dilation,
    }


def _formula_holds(call: _Call, window: dict[str, tuple[int, int]], ceil: bool) -> bool | None:
    """Whether floor((n + 2p - d(k-1) - 1)/s) + 1 is the output's side (ceil where a pool says so)."""
    if not window or not call.input_shape or not call.output_shape or len(call.input_shape) != 3:
        return None
    sides = zip(call.input_shape[1:], call.output_shape[1:], *window.values(), strict=True)
    return all(
        (n + 2 * p - d * (k - 1) - 1 + (s - 1 if ceil else 0)) // s + 1 == m
        for n, m, k, s, p, d in sides
    )
