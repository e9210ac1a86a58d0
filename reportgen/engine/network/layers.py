"""The rows of the table of layers: each module of a traced network with its shapes and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from reportgen.engine.network.facts import OWN, LayerFacts
from reportgen.engine.network.observer import Call, Seen


def layers_of(network: nn.Module, seen: Seen) -> tuple[LayerFacts, ...]:
    """Leaves in the order of their last calls, then containers, then what never ran."""
    modules = {name: module for name, module in network.named_modules() if name}
    leaves = sorted((n for n in modules if _ran(seen.calls[n])), key=lambda n: seen.calls[n].finished)
    others = [n for n in modules if not _ran(seen.calls[n])]
    found = [
        _layer(name, modules[name], seen.calls[name], number if number <= len(leaves) else 0)
        for number, name in enumerate(leaves + others, start=1)
    ]
    return _counted_once(network, seen, found)


def _counted_once(network: nn.Module, seen: Seen, found: Sequence[LayerFacts]) -> tuple[LayerFacts, ...]:
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
            bare = _layer(f"{name or 'network'}{OWN}", module, Call(leaf=True), 0)
            weighted = held["parameters"] > 0
            once.append(replace(bare, **held, macs=macs, weighted=weighted, weight_shape=None))
    return tuple(once)


def _ran(call: Call) -> bool:
    return call.leaf and call.calls > 0


def _layer(name: str, module: nn.Module, call: Call, number: int) -> LayerFacts:
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


def _formula_holds(call: Call, window: dict[str, tuple[int, int]], ceil: bool) -> bool | None:
    """Whether floor((n + 2p - d(k-1) - 1)/s) + 1 is the output's side (ceil where a pool says so)."""
    if not window or not call.input_shape or not call.output_shape or len(call.input_shape) != 3:
        return None
    sides = zip(call.input_shape[1:], call.output_shape[1:], *window.values(), strict=True)
    return all(
        (n + 2 * p - d * (k - 1) - 1 + (s - 1 if ceil else 0)) // s + 1 == m for n, m, k, s, p, d in sides
    )
