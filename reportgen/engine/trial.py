"""Trying a network on a batch before anything is measured: what runs in plain torch runs here.

Pictures of noise, normalised as the images will be, are answered in one layout and the other, once
more, alone and in a whole batch. Where answers that should be equal are not, or a forward or a backward
fails, the plain way is taken, and said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from reportgen.engine.feed import Feed, last_is_faster
from reportgen.engine.needs import Rule
from reportgen.engine.network.facts import ModelFacts, Normalisation
from reportgen.engine.network.output import Output
from reportgen.engine.pictures import noise
from reportgen.engine.relu_rules import RectifierRule
from reportgen.errors import InputError

TOLERANCE = 1e-3  # of a row's length: another order of summation changes far less
OF_GRADIENTS = 2e-2  # a rectifier that is all but at zero may let a gradient pass in one layout alone
ROUNDINGS = 16  # steps of the numbers' own precision, where that is coarse
FEW = 2  # images that are differentiated: the fewest that make a batch
REPEATS = 3  # answers to the same batch: what is drawn at random may be the same once

RANDOM = (
    "The network answers the same image differently each time: it draws at random when it answers, as"
    " dropout does that is left on outside training. Every number and figure here is that of one draw."
)
MIXED = "The network mixes the images of a batch, as batch statistics do that are left on outside training"
LOOPED = "The network calls its layers image by image: images are given to it one at a time."
ALONE = f"{MIXED}: images were given to it one at a time."
TOGETHER = f"{MIXED}, and takes no single image: every answer depends on the images beside it."


@dataclass(frozen=True)
class Answer:
    """What a network gave for a batch: logits (N, classes), and by rule the gradient of the sum of their
    highest ones, (N, C, H, W)."""

    logits: Tensor
    gradients: dict[Rule, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """Tries a frozen network on its device. `rules` are those of the plan's backwards."""

    network: nn.Module
    facts: ModelFacts
    normalisation: Normalisation
    device: torch.device
    rules: Sequence[Rule] = ()
    output: Output = None

    def run(self, wish: int) -> tuple[Feed, int]:
        """How batches are fed, and how many images they hold: `wish`, or what the network takes.

        The network is left in the layout that was found. Raises InputError where the network answers no
        batch at all, and torch.OutOfMemoryError.
        """
        plain, size = self._size(wish)
        images = self._images(size)
        if self._random(plain, images[:FEW]):
            # answers that change by themselves say nothing of the layout or of the other images
            return replace(plain, random=True, warnings=(RANDOM,)), size
        if plain.images is None and size > 1 and self._looped(plain, images):
            size, plain = 1, replace(plain, notes=(*plain.notes, LOOPED))
        if self._mixed(plain, images):
            size = 1 if plain.images is None else size
            plain = replace(plain, warnings=(ALONE if plain.images is None else TOGETHER,))
        return self._layout(plain, images[: min(FEW, size)]), size

    def _size(self, wish: int) -> tuple[Feed, int]:
        """Batches of the wished size where the network takes them, in the plain layout; else of what the
        trace was answered for."""
        least = self.facts.batch
        plain = Feed(channels_last=False)
        plain.placed(self.network, self.device)
        fault = self._fault(plain, wish)
        size = least if fault else wish
        if fault and (worse := self._fault(plain, size) if size != wish else fault):
            raise InputError(
                f"the model fails on {size} pictures of noise on {self.device}: {worse}",
                "run it in plain torch on such a batch; the trace of its layers went well",
            )
        notes: tuple[str, ...] = ()
        if fault:
            notes = (f"Batches hold {size}, not {wish}: the network fails on {wish} ({fault}).",)
        if least > 1:
            squeezes = "squeezes away the axis of a single image"
            odd = squeezes if self.facts.squeezed else "takes no single image"
            notes += (f"The network {odd}: batches are filled up to {size}.",)
        return replace(plain, images=size if least > 1 else None, notes=notes), size

    def _fault(self, feed: Feed, size: int) -> str | None:
        """Why the network does not answer so many images, in words, or None where it does."""
        try:
            with torch.no_grad():
                feed.ask(self.network, self._images(size), self.output)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # any code of the user's may run here
            return _words(error)
        return None

    def _random(self, feed: Feed, images: Tensor) -> bool:
        answers = [self._answer(feed, images).logits for _ in range(1 + REPEATS)]
        return not all(same(answers[0], other) for other in answers[1:])

    def _looped(self, feed: Feed, images: Tensor) -> bool:
        """Whether a layer is called more often for two images than for one: its last call is then that of the
        last image, and not of the batch."""
        return self._calls(feed, images[:2]) != self._calls(feed, images[:1])

    def _calls(self, feed: Feed, images: Tensor) -> dict[str, int]:
        calls: dict[str, int] = {}

        def count(name: str) -> Callable[..., None]:
            def hook(*_: Any) -> None:
                calls[name] = calls.get(name, 0) + 1

            return hook

        leaves = [(name, m) for name, m in self.network.named_modules() if not any(m.children())]
        handles = [module.register_forward_hook(count(name)) for name, module in leaves]
        try:
            self._answer(feed, images)
        finally:
            for handle in handles:
                handle.remove()
        return calls

    def _mixed(self, feed: Feed, images: Tensor) -> bool:
        """Whether an image is answered otherwise alone, beside another one, or in a whole batch."""
        few = self._answer(feed, images[:FEW]).logits
        alone = self._answer(feed, images[:1]).logits
        whole = self._answer(feed, images).logits
        return not (same(alone, few[:1]) and same(few, whole[:FEW]))

    def _layout(self, plain: Feed, images: Tensor) -> Feed:
        """Channels last, where that is faster, and the answers and their gradients are those of the plain
        layout."""
        if not last_is_faster(self.device):
            return plain
        faster = replace(plain, channels_last=True)
        try:
            expected = self._answer(plain, images, self.rules)
        except torch.OutOfMemoryError:
            raise
        except Exception:  # what cannot be differentiated is compared by its answers
            expected = self._answer(plain, images)
        faster.placed(self.network, self.device)
        try:
            answered = self._answer(faster, images, tuple(expected.gradients))
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            why = f"fails in the layout that is fastest, channels last ({_words(error)})"
        else:
            if _agree(expected, answered):
                return faster
            why = "gives other answers or gradients in the layout that is fastest, channels last"
        plain.placed(self.network, self.device)
        return replace(plain, notes=(*plain.notes, f"Batches keep torch's own layout: the network {why}."))

    def _answer(self, feed: Feed, images: Tensor, rules: Sequence[Rule] = ()) -> Answer:
        x = images.clone().requires_grad_(bool(rules))
        with torch.set_grad_enabled(bool(rules)):
            logits, _ = feed.ask(self.network, x, self.output)
        gradients: dict[Rule, Tensor] = {}
        for rule in rules:
            with RectifierRule(rule):
                (gradients[rule],) = torch.autograd.grad(logits.amax(1).sum(), x, retain_graph=True)
        return Answer(logits.detach(), gradients)

    def _images(self, count: int) -> Tensor:
        return noise(self.facts.input_shape, self.normalisation, count).to(self.device)


def _agree(plain: Answer, other: Answer) -> bool:
    pairs = [(gradient, other.gradients[rule]) for rule, gradient in plain.gradients.items()]
    return same(plain.logits, other.logits) and all(same(a, b, OF_GRADIENTS) for a, b in pairs)


def same(rows: Tensor, other: Tensor, tolerance: float = TOLERANCE) -> bool:
    """Whether each row of two batches (N, …) differs by less than a share of its length, and is not
    finite at the same places."""
    precision = ROUNDINGS * torch.finfo(rows.dtype).eps
    a, b = rows.flatten(1).double(), other.flatten(1).double()
    if not torch.equal(a.isfinite(), b.isfinite()):
        return False
    a, b = (torch.nan_to_num(part, 0, 0, 0) for part in (a, b))
    return bool(((a - b).norm(dim=1) <= max(tolerance, precision) * a.norm(dim=1)).all())


def _words(error: Exception) -> str:
    cause = error.cause if isinstance(error, InputError) else str(error)
    return f"{type(error).__name__}: {' '.join(cause.split())[:160]}".removesuffix(".")
