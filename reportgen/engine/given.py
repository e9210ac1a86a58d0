"""What layers are given in a forward: features and moments, reduced where they pass: no map is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from reportgen.engine.needs import LayerFacts
from reportgen.engine.network.output import first_tensor, widened
from reportgen.engine.perturb.asking import Asker


@torch.no_grad()
def features(asker: Asker, x: Tensor, layer: LayerFacts) -> Tensor:
    """The penultimate features (N, F) of a batch x (N, C, H, W), which `layer` makes the answer of."""
    kept: list[Tensor] = []

    def keep(_number: int, given: Tensor) -> None:
        kept[:] = [flattened(given, layer)]

    with listening(asker.network, [layer.name], keep):
        asker.forward(x)
    return by_image(kept[0], len(x), asker.feed.images)


@torch.no_grad()
def moments(asker: Asker, x: Tensor, layers: Sequence[str]) -> Tensor:
    """The mean and the mean square over places of what each layer is given: (N, 2, channels of all)."""
    sums: list[Tensor | None] = [None] * len(layers)
    calls = [0] * len(layers)

    def keep(number: int, given: Tensor) -> None:
        places = widened(given).flatten(2) if given.ndim > 2 else widened(given)[..., None]  # (R, C, places)
        both = torch.stack([places.mean(2), places.square().mean(2)], 1)  # (R, 2, C)
        before = sums[number]
        sums[number] = both if before is None else before + both
        calls[number] += 1

    with listening(asker.network, layers, keep):
        asker.forward(x)
    found = [s / n for s, n in zip(sums, calls, strict=True) if s is not None]
    return torch.cat([by_image(each, len(x), asker.feed.images) for each in found], 2)


@contextmanager
def listening(
    network: nn.Module, names: Sequence[str], keep: Callable[[int, Tensor], None]
) -> Iterator[None]:
    """While it is entered, `keep` gets the number of a named layer and what it is given, at every call."""

    def hook_of(number: int) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, args: Any, kwargs: Any) -> None:
            given = first_tensor(args) if args else first_tensor(tuple(kwargs.values()))
            if given is not None:
                keep(number, given.detach())

        return hook

    modules = dict(network.named_modules())
    handles = [
        modules[name].register_forward_pre_hook(hook_of(number), with_kwargs=True)
        for number, name in enumerate(names)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def flattened(given: Tensor, layer: LayerFacts) -> Tensor:
    """What the last layer is given as features (R, F), a copy: the layer may work in place."""
    if layer.kernel is not None:  # a convolution: maps (R, C, h, w)
        whole = tuple(given.shape[2:]) == layer.kernel
        return widened(given.flatten(1) if whole else given.flatten(2).mean(2)).clone()
    return widened(given.flatten(1, -2).mean(1) if given.ndim > 2 else given).clone()


def by_image(rows: Tensor, images: int, filled: int | None) -> Tensor:
    """Rows (R, …) as one an image (N, …): the mean of an image's rows where a layer sees several, without
    those of the images that only filled up the batch."""
    of = images if filled is None else filled
    if len(rows) % of:
        raise ValueError(f"a layer saw {len(rows)} rows for {of} images")
    return rows.reshape(of, len(rows) // of, *rows.shape[1:]).mean(1)[:images]
