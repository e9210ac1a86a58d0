"""One forward without data: layers, shapes, multiply-adds, receptive fields, rectifiers.

The network is copied onto the `meta` device, where tensors have shapes and no storage, so the trace
costs no arithmetic, no memory and none of the counted forwards. (A network whose control flow looks
at values cannot run there; then a real copy sees one image of zeros, on the CPU.) Every operation is
seen by the dispatcher, functional and in-place ones included, so branches, residuals and reused
modules need no rule of their own.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes

from reportgen.engine.network.attending import Meeting, found, read_by
from reportgen.engine.network.attention import AttentionFacts
from reportgen.engine.network.catching import Catcher
from reportgen.engine.network.dense import Region
from reportgen.engine.network.facts import Graph, ModelFacts
from reportgen.engine.network.graph import Recorder
from reportgen.engine.network.head import Head
from reportgen.engine.network.layers import layers_of
from reportgen.engine.network.observer import Call, Observer, Seen, last_depended_on
from reportgen.engine.network.output import Output, Raw, alike, first_tensor, logits_of, raw_of
from reportgen.engine.network.refusals import refusal
from reportgen.engine.network.track import of_input
from reportgen.engine.network.uncompiled import spare_compiler
from reportgen.errors import InputError

# of networks that do not answer a single image: on `meta` a batch costs nothing
BATCHES = (*range(2, 33), 40, 48, 50, 64, 96, 100, 128, 200, 256)
REAL_BATCHES = (2, 4, 8, 16)


def trace(
    network: nn.Module,
    input_shape: tuple[int, int, int],
    classes: Sequence[str] | None = None,
    output: Output = None,
) -> ModelFacts:
    """The facts of `network` for one input of (channels, height, width).

    `output` names the logits where the network returns a tuple or a dict. What they mean is not known
    yet: the head is one of classes, with as many of them as there are outputs (see `engine.recognise`).
    Raises InputError where the network does not accept such an input or does not return (1, classes).
    """
    try:
        batch, seen, graph, raw, attentions = _observed(network, input_shape, output)
    except InputError:
        raise
    except Exception as error:  # any code of the user's may run here
        raise refusal(error, input_shape, network) from error
    layers = layers_of(network, seen)
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
        class_count=raw.values.shape[1],
        graph=graph,
        auto=next((n for n, call in seen.calls.items() if seen.auto and call.finished == seen.auto), ""),
        batch=batch,
        attentions=attentions,
        head=Head(output=raw.output, reading=raw.words, region=_region(output, raw.detected)),
        squeezed=raw.squeezed,
    )


def has_gradient(network: nn.Module, input_shape: tuple[int, int, int], output: Output = None) -> bool:
    """Whether the logits depend on the input in a way that can be differentiated.

    A forward may switch gradients off inside (torch.no_grad, detach, numpy), and then no map can be made
    of them. True where this cannot be found out.
    """
    for device in ("meta", "cpu"):
        try:
            x = torch.zeros(1, *input_shape, device=device, requires_grad=True)
            with torch.enable_grad():
                return logits_of(_bare_copy(network, device)(x), output, 1).requires_grad
        except Exception:  # values are looked at, which meta has none of
            continue
    return True


def _observed(
    network: nn.Module, input_shape: tuple[int, int, int], output: Output
) -> tuple[int, Seen, Graph, Raw, tuple[AttentionFacts, ...]]:
    """The observed forward on `meta`, or on a real copy where `meta` will not do; of one image, or of
    the smallest batch that the network answers, and answers with an axis of the images. Raises what it
    raised for one image."""
    faults: dict[str, Exception] = {}
    alone: tuple[Seen, Graph, Raw, tuple[AttentionFacts, ...]] | None = None
    for device in ("meta", "cpu"):
        try:
            alone = _forward(network, (1, *input_shape), output, device)
            if not alone[2].squeezed:
                return (1, *alone)
            faults[device] = InputError("the axis of a single image is lacking", "take a batch")
            break
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
                seen, graph, raw, attentions = _forward(network, (batch, *input_shape), output, device)
                if alone and raw.values.shape[1] != alone[2].values.shape[1]:
                    break  # what is as long as the batch by chance is the first image's row
                return batch, seen, graph, replace(raw, squeezed=alone is not None), attentions
            except Exception as error:
                if str(error) == str(faults[device]):
                    break  # the batch is not what it fails for
    if alone:
        return (1, *alone)
    raise faults.get("cpu", faults["meta"])


def _bare_copy(network: nn.Module, device: str) -> nn.Module:
    """The network in eval mode and without anybody's hooks; on `meta` no weight is copied."""
    spare_compiler()
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
    network: nn.Module, shape: tuple[int, int, int, int], output: Output, device: str
) -> tuple[Seen, Graph, Raw, tuple[AttentionFacts, ...]]:
    """Runs the observed forward of a copy that nothing else uses, on a batch of zeros; what it costs is
    that of one image. Raises InputError where the images have not one row of logits each."""
    network, seen = _bare_copy(network, device), Seen()
    x = torch.zeros(shape, device=device)
    observer = Observer(seen, Recorder(x), shape)
    observer.set_track(x, of_input(x.shape))
    for name, module in network.named_modules():
        for weight in module.parameters(recurse=False):
            observer.owners[id(weight)] = (weight, name)
    meeting = Meeting(observer.track_of, seen.inside, shape[2:])
    with _watched(network, seen, observer), torch.no_grad(), _unfused(), observer, Catcher(meeting):
        raw = _raw(network, x, output)
    logits = raw.values
    if len(logits) != len(x):
        raise InputError(
            f"the model returns {len(logits)} rows of logits for {len(x)} image{'s' * (len(x) > 1)}",
            "set model.preprocessing (resize, crop) to what the model was trained with",
        )
    for call in seen.calls.values():
        call.macs //= len(x)
        call.own_macs //= len(x)
        call.output_bytes //= len(x)
    seen.roles = observer.follower.roles
    graph = observer.recorder.finish(logits)
    maps = _region(output) is not None and not raw.detected
    seen.auto = last_depended_on(seen, observer.track_of(logits), graph, maps, raw.detected)
    met = found(meeting.met, len(x), seen.calls)
    with _unfused():
        attentions = read_by(met, lambda: _raw(network, torch.zeros_like(x), output).values)
    return seen, graph, raw, attentions


def _raw(network: nn.Module, x: Tensor, output: Output) -> Raw:
    return raw_of(network(x), output.output if isinstance(output, Head) else output, len(x), _region(output))


def _region(output: Output, detects: bool = False) -> Region | None:
    """Where the answers of a network that segments or detects are taken."""
    region = output.region if isinstance(output, Head) else None
    return replace(region, detects=detects) if region else None


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
def _watched(network: nn.Module, seen: Seen, observer: Observer) -> Iterator[None]:
    """Hooks on every module that note its calls, shapes and receptive field."""
    handles = []
    inner: tuple[str, ...] = ("\0",)  # name prefixes of what lies inside a leaf
    for name, module in network.named_modules():
        inside = name.startswith(inner)
        leaf = not inside and is_leaf(module)
        inner += (f"{name}.",) if leaf else ()
        seen.calls[name] = Call(leaf=leaf, inner=inside)

        def before(module: nn.Module, _args: Any, name: str = name) -> None:
            observer.recorder.enter(name, type(module).__name__, seen.calls[name].leaf)
            seen.inside.append(name)

        def after(_module: nn.Module, args: Any, result: Any, name: str = name) -> None:
            seen.inside.remove(name)
            call = seen.calls[name]
            call.calls += 1
            seen.ended += 1
            call.finished = seen.ended
            given = first_tensor(result)
            with _disable_current_modes():  # what follows is not the network's own work
                call.fed_by = observer.origins(args)
                if given is not None:
                    observer.left(call, given, alike(result))
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
