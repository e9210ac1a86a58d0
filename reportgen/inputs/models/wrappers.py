"""The network inside of what people wrap networks in to train them, and what an import left behind."""

from __future__ import annotations

import contextlib
import inspect
import sys
import types
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from reportgen.errors import InputError

# what holds the wrapped module in each kind of wrapper, by the wrapper's class name
INNER = {
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "AveragedModel": "module",
    "OptimizedModule": "_orig_mod",
    "CheckpointWrapper": "_checkpoint_wrapped_module",
    "FullyShardedDataParallel": "_fsdp_wrapped_module",
}


def bare(network: nn.Module) -> tuple[nn.Module, list[str]]:
    """The network without wrappers, outside and inside of it, and notes on what was taken off."""
    kinds: list[str] = []
    network = _inner(network, kinds)
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if (found := _inner(child, kinds)) is not child:
                setattr(module, name, found)
    notes = []
    if kinds:
        notes.append(f"Taken off, for the network inside of it: {', '.join(sorted(set(kinds)))}.")
    # compiled code shows no operations, and hooks in it are not called
    if "torch._dynamo" in sys.modules:
        torch.compiler.set_stance("force_eager")
    for module in network.modules():
        if getattr(module, "_compiled_call_impl", None) is not None:
            module._compiled_call_impl = None
    if without := _with_gradients(network):
        notes.append(
            f"forward of {', '.join(sorted(without))} is decorated with torch.no_grad() or "
            "torch.inference_mode(): the decorator was taken off, so that maps have gradients."
        )
    return network, notes


def settle(network: nn.Module) -> None:
    """Makes tensors that modules compute from their parameters plain values of the weights as they are
    now, so that the network can be copied: weight_norm's weight, and what a constructor derived."""
    for module in network.modules():
        for hook in module._forward_pre_hooks.values():
            if type(hook).__module__ in ("torch.nn.utils.weight_norm", "torch.nn.utils.spectral_norm"):
                with torch.no_grad():
                    hook(module, ())
        for name, value in vars(module).items():
            if isinstance(value, torch.Tensor) and not value.is_leaf:
                vars(module)[name] = value.detach()


@contextlib.contextmanager
def unscripted(parts: list[str]) -> Iterator[None]:
    """Lets code that scripts parts of its network with torch.jit.script keep them as they were written:
    a scripted part shows nothing of its layers. The names of what was to be scripted go to `parts`."""
    script = torch.jit.script

    def plain(part: Any = None, *arguments: Any, **named: Any) -> Any:
        if part is None:
            return plain
        if not isinstance(part, nn.Module) and not inspect.isfunction(part):
            return script(part, *arguments, **named)
        parts.append(getattr(part, "__name__", type(part).__name__))
        return part

    torch.jit.script = plain  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.jit.script = script


def refuse_scripted(network: nn.Module, source: str) -> None:
    """Raises InputError where the network, or a part of it, is a program of TorchScript."""
    for name, module in network.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            part = f"the part '{name}'" if name else "the network"
            raise InputError(
                f"{part} of {source} is TorchScript, whose layers cannot be observed",
                "build it from the module's own code, without torch.jit.trace or torch.jit.load; the keys of "
                "its weights are the same",
            )


def _inner(module: nn.Module, kinds: list[str]) -> nn.Module:
    """What is inside of one or several wrappers; their names go to `kinds`."""
    while (held := INNER.get(type(module).__name__)) and type(module).__module__.startswith("torch."):
        inner = getattr(module, held, None)
        if not isinstance(inner, nn.Module):
            break
        kinds.append(type(module).__name__)
        module = inner
    return module


def _with_gradients(network: nn.Module) -> set[str]:
    """Takes decorators that switch gradients off from the modules' forward; the classes that had one."""
    found = set()
    for module in network.modules():
        plain = _undecorated(type(module).forward) if "forward" not in vars(module) else None
        if plain is not None:
            module.forward = types.MethodType(plain, module)
            found.add(type(module).__name__)
    return found


def _undecorated(function: Any) -> Any:
    """What is below decorators of torch.no_grad and torch.inference_mode, or None where there are none."""
    plain = function
    while hasattr(plain, "__wrapped__") and _switches_off(plain):
        plain = plain.__wrapped__
    return None if plain is function else plain


def _switches_off(function: Any) -> bool:
    """Whether a function is one that torch.no_grad or torch.inference_mode made of another."""
    if getattr(function, "__module__", None) is None or not inspect.isfunction(function):
        return False
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # an empty cell
            owner = getattr(cell.cell_contents, "__self__", cell.cell_contents)
            if isinstance(owner, torch.no_grad | torch.inference_mode | torch.set_grad_enabled):
                return True
    return False


@contextlib.contextmanager
def settings_kept(changed: list[str]) -> Iterator[None]:
    """Gives torch's settings of the whole process back that imported code changed; `changed` names them."""
    gradients, kind = torch.is_grad_enabled(), torch.get_default_dtype()
    device = torch.get_default_device()
    try:
        yield
    finally:
        if torch.is_grad_enabled() != gradients:
            changed.append("gradients")
            torch.set_grad_enabled(gradients)
        if torch.get_default_dtype() != kind:
            changed.append("the default dtype")
            torch.set_default_dtype(kind)
        if torch.get_default_device() != device:
            changed.append("the default device")
            # torch's own default is no device: set to one, every later call would pass through a mode
            torch.set_default_device(None if device.type == "cpu" else device)
