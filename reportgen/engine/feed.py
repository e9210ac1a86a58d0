"""How batches are handed to a network: in which memory layout, and how many images at once.

Decided once, before anything is measured (see `trial`); whoever asks the network asks it through here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from reportgen.engine.network.output import Output, first_tensor, logits_of, with_first
from reportgen.errors import InputError


@contextmanager
def tapped(
    network: nn.Module, names: Sequence[str], images: int = 1, of: int = 1
) -> Iterator[dict[str, Tensor]]:
    """Keeps the outputs of the named modules' last calls, by name, while it is entered.

    Of a batch of `of` images only the first `images` are kept, by however many rows a layer sees each.
    """
    kept: dict[str, Tensor] = {}
    modules = dict(network.named_modules())

    def keep(name: str) -> Callable[[nn.Module, Any, Tensor], Tensor]:
        def hook(_module: nn.Module, _args: Any, result: Any) -> Any:
            given = first_tensor(result)
            assert given is not None, f"{name} gives no tensor: the facts say which layers do"
            if images == of:
                kept[name] = given
                # an in-place operation after the layer rewrites this copy, not what was kept
                return with_first(result, given.clone())
            rows = len(given) * images // of
            kept[name] = given[:rows]
            # what comes after has to be made of what was kept, which is differentiated by
            return with_first(result, torch.cat([kept[name], given[rows:]]))

        return hook

    handles = [modules[name].register_forward_hook(keep(name)) for name in names]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


@dataclass(frozen=True)
class Edit:
    """A change inside the network: of what a layer gives at one of its calls, before anything sees it.

    `change` gets the layer's output (R, C, …) and for each row the image of the batch it belongs to,
    (R,), and returns another tensor of this shape.
    """

    layer: str
    call: int  # counted from 1
    change: Callable[[Tensor, Tensor], Tensor]


@contextmanager
def edited(network: nn.Module, edit: Edit | None, images: int = 1, of: int = 1) -> Iterator[None]:
    """Makes an edit while it is entered: one forward of a batch of `of` images, of which all past the
    first `images` repeat the last of these. Raises InputError where the call does not come."""
    if edit is None:
        yield
        return
    calls = 0

    def hook(_module: nn.Module, _args: Any, result: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls != edit.call:
            return None
        given = first_tensor(result)
        assert given is not None, f"{edit.layer} gives no tensor: the facts say which layers do"
        row = torch.arange(len(given), device=given.device) * of // len(given)
        return with_first(result, edit.change(given, row.clamp(max=images - 1)))

    handle = network.get_submodule(edit.layer).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
    if calls != edit.call:
        raise InputError(
            f"the network ran {edit.layer} {calls} times for this batch, and {edit.call} times when it was"
            " looked at",
            "leave out what changes this layer: which of its calls is the last depends on the image",
        )


def last_is_faster(device: torch.device) -> bool:
    """Whether convolutions of float32 are faster with channels last: on a CPU they are. On CUDA, whose tensor
    cores are for narrower numbers, they take 1.05 to 1.12 times as long (VGG-16, ResNet-50 on an H200), and
    cuDNN needs seconds more before the first answer."""
    return device.type == "cpu"


@dataclass(frozen=True)
class Feed:
    """What a network takes. `images` is the number that every batch must hold, None for any number.

    `notes` say where this is not what was wished for, `warnings` what a reader must know of the answers;
    a `random` network answers the same batch differently each time.
    """

    channels_last: bool = True  # see `last_is_faster`
    images: int | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    random: bool = False

    @property
    def layout(self) -> torch.memory_format:
        """The memory layout of batches and of weights: of either, a convolution hands it on."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def __str__(self) -> str:
        exactly = "" if self.images is None else f", each filled up to {self.images}"
        return f"{'channels last' if self.channels_last else 'channels first'}{exactly}"

    def placed(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network itself, on the device and in the layout."""
        return network.to(device).to(memory_format=self.layout)

    def laid(self, x: Tensor) -> Tensor:
        """A batch (N, C, H, W) in the layout."""
        return x.contiguous(memory_format=self.layout)

    def ask(
        self,
        network: nn.Module,
        x: Tensor,
        output: Output = None,
        taps: Sequence[str] = (),
        edit: Edit | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The logits (N, classes) of a batch x (N, C, H, W), and the outputs of the tapped layers; where
        one is edited, what comes of that.

        The network gets a copy, since it may work in place. What fills the batch up is cut off again.
        Raises InputError where there are no such logits, and ValueError for more images than it takes.
        """
        whole = self._filled(x).clone(memory_format=self.layout)
        rows = (len(x), len(whole))
        # the edit's hook comes first: a tap of the same layer sees what became of it
        with edited(network, edit, *rows), tapped(network, taps, *rows) as kept:
            logits = logits_of(network(whole), output, len(whole))
        if len(logits) != len(whole):
            raise InputError(
                f"the model returns {len(logits)} rows of logits for {len(whole)} images",
                "audit a classifier that answers every image of a batch; the preprocessing may not fit it",
            )
        return logits[: len(x)], kept

    def _filled(self, x: Tensor) -> Tensor:
        """The batch with its last image as often as is lacking."""
        lacking = 0 if self.images is None else self.images - len(x)
        if lacking < 0:
            raise ValueError(f"the network takes {self.images} images at once, and was given {len(x)}")
        return torch.cat([x, x[-1:].expand(lacking, *x.shape[1:])]) if lacking else x


ANY = Feed()  # of a network that takes batches of any size in any layout
