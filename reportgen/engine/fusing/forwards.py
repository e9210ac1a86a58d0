"""Full forwards without a gradient, on the CPU: a batch normalisation is folded into the convolution before
it, a rectifier and the zeros about a map are worked out with it (see `fusing.layers`).

Nothing of the network is changed or copied: its operations are followed as they come, whatever its code
calls. Answers are the same up to rounding, which is tried on two pictures of noise first. Whether it is done
depends on the network and the size of the batch alone, and reads no clock.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from reportgen.engine.feed import Edit
from reportgen.engine.fusing.layers import Folds, Whole, fused_convolution, worked_out
from reportgen.engine.incremental.answering import Asks
from reportgen.engine.network.uncompiled import spare_compiler

log = logging.getLogger("reportgen")
FEWEST = 8  # images of a batch: of fewer, a layer's output is still in the processor's cache
A_CALL = 100_000  # numbers that are written and read in the time that following one operation takes
TRIED = 2  # pictures of noise
OF_LOGITS = 1e-5  # of the largest one: what another order of summation makes of a float32

Answers = tuple[Tensor, dict[str, Tensor]]  # the logits (N, classes), and what is tapped


@dataclass
class Fused:
    """What is known of networks that were tried: how many numbers each spares an image, and in how many
    operations; None where it answers otherwise than the plain way, or not at all."""

    tried: WeakKeyDictionary[nn.Module, dict[Any, tuple[int, int] | None]] = field(
        default_factory=WeakKeyDictionary
    )
    forwards: int = 0  # images that were answered so

    def ask(
        self, asker: Asks, x: Tensor, folds: Folds, taps: Sequence[str] = (), edit: Edit | None = None
    ) -> Answers:
        """What `Feed.ask` gives. `folds` keeps folded weights, for forwards between which none changes."""
        if not self._serves(asker, x):
            return asker.feed.ask(asker.network, x, asker.output, taps, edit)
        try:
            logits, kept = asker.feed.ask(asker.network, Whole(x, x, folds), asker.output, taps, edit)
            answers = worked_out(logits), {name: worked_out(value) for name, value in kept.items()}
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # code of the user's may go another way than with noise
            log.info("layers are not fused any more: %s: %s", type(error).__name__, error)
            self.tried[asker.network] = dict.fromkeys(self.tried[asker.network])
            return asker.feed.ask(asker.network, x, asker.output, taps, edit)
        self.forwards += len(x)
        return answers

    def _serves(self, asker: Asks, x: Tensor) -> bool:
        feed, size = asker.feed, asker.feed.images or len(x)
        plain = torch.is_grad_enabled() or feed.random or x.device.type != "cpu" or x.dtype != torch.float32
        if plain or size < FEWEST or fused_convolution() is None:
            return False
        if any(module.training for module in asker.network.modules()):
            return False  # noise would go into the statistics that such a network renews
        known = self.tried.setdefault(asker.network, {})
        key = (tuple(x.shape[1:]), feed.layout)
        if key not in known:
            known[key] = self._try(asker, x)
        found = known[key]
        return found is not None and found[0] * size >= found[1] * A_CALL

    def _try(self, asker: Asks, x: Tensor) -> tuple[int, int] | None:
        """Numbers spared an image, and operations; None where noise is answered otherwise than plainly."""
        spare_compiler()  # to follow operations would import it
        few = min(TRIED, len(x))  # as many masks as images, where the answers are those under masks
        noise = torch.randn(few, *x.shape[1:], generator=torch.Generator().manual_seed(0))
        first = asker.of(torch.arange(few, device=x.device))

        def answer(batch: Tensor) -> Tensor:
            return first.feed.ask(first.network, batch, first.output)[0]

        folds = Folds()
        try:
            expected = answer(noise.clone()).double()
            found = worked_out(answer(Whole(noise, noise, folds))).double()
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # any code of the user's may run here
            log.info("layers are not fused: %s: %s", type(error).__name__, error)
            return None
        off, size = (found - expected).abs().max(), expected.abs().max()
        if not bool(off <= OF_LOGITS * size):  # nor where one is not finite
            log.info("layers are not fused: the network then answers otherwise, by %.1e of %.1e", off, size)
            return None
        return folds.saved // (asker.feed.images or few), folds.called
