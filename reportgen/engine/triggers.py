"""Which mask and pattern turn pictures to a class, the smallest that gradient descent finds.

Wang et al. 2019, Neural Cleanse: Identifying and Mitigating Backdoor Attacks in Neural Networks (IEEE S&P),
eq. 2 and 3: the loss of the class on (1 - m)·x + m·p, and the sum of the mask m, weighed so that most
pictures follow. All classes are sought in one batch; no class sees another one's mask.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from reportgen.engine.needs import Normalisation
from reportgen.engine.needs.triggers import Triggers
from reportgen.engine.perturb.asking import Asker

LEARNING_RATE = 0.2
BETAS = (0.5, 0.9)  # of Adam, as the paper's code has them
FIRST = -2.0  # the logit that every place of the mask begins with: an eighth of it
FIRST_WEIGHT = 0.01  # of the mask's sum, as a share of the area's
HEAVIER, LIGHTER = 1.15, 0.8  # what it is multiplied by after a step that most follow, or not
MEMORY = 0.8  # of the share that follows, from step to step
AT_ONCE = 16  # pictures whose activations are kept for a gradient


@dataclass(frozen=True)
class Found:
    """For each class of the need: masks (K, H, W) and patterns (K, C, H, W), both in [0, 1], the patterns in
    the pixels' own range, and the share of pictures that followed in the last steps, (K,). On the CPU."""

    masks: Tensor
    patterns: Tensor
    followed: Tensor


def pasted(x: Tensor, mask: Tensor, pattern: Tensor, normalisation: Normalisation) -> Tensor:
    """Normalised pictures (N, C, H, W) under a mask (H, W) with a pattern (C, H, W), or with one of each a
    picture, (N, H, W) and (N, C, H, W)."""
    mean = pattern.new_tensor(normalisation.mean)[:, None, None]
    std = pattern.new_tensor(normalisation.std)[:, None, None]
    shown = (pattern - mean) / std
    m = mask.unsqueeze(-3)
    return (1 - m) * x + m * shown


@dataclass
class Sought:
    """What is varied, a row a class, in logits; and the best of it so far."""

    masks: Tensor  # (K, H, W)
    patterns: Tensor  # (K, C, H, W)
    found: Found
    smallest: Tensor  # (K,), share of the area; infinite where nothing was found yet

    @classmethod
    def of(cls, count: int, shape: tuple[int, int, int], generator: torch.Generator) -> Sought:
        """Faint masks with random patterns of `shape` (C, H, W)."""
        masks = FIRST + 0.1 * torch.randn((count, *shape[1:]), generator=generator)
        patterns = torch.randn((count, *shape), generator=generator)
        nothing = Found(masks.sigmoid(), patterns.sigmoid(), torch.zeros(count))
        return cls(masks, patterns, nothing, torch.full((count,), torch.inf))

    def kept(self, followed: Tensor, wanted: float) -> None:
        """Keeps what is smaller than before and followed by enough; of nothing yet the last one."""
        masks, patterns = self.masks.sigmoid(), self.patterns.sigmoid()
        sizes = masks.flatten(1).mean(1)
        better = (followed >= wanted) & (sizes < self.smallest)
        self.smallest = torch.where(better, sizes, self.smallest)
        taken = better | self.smallest.isinf()
        self.found = Found(
            torch.where(taken[:, None, None], masks, self.found.masks),
            torch.where(taken[:, None, None, None], patterns, self.found.patterns),
            torch.where(taken, followed, self.found.followed),
        )


def smallest_triggers(
    asker: Asker, x: Tensor, answers: Tensor, need: Triggers, normalisation: Normalisation
) -> Found:
    """The masks and patterns that are found on pictures x (N, C, H, W), answered with `answers` (N,).

    A class is sought on the pictures that are answered otherwise, of which there are some for each. The
    smallest mask counts that most of these follow; where none was found, the last one. Everything that is
    drawn is drawn on the CPU, the same for every device.
    """
    count = len(need.classes)
    generator = torch.Generator().manual_seed(need.seed)
    sought = Sought.of(count, (x.shape[1], x.shape[2], x.shape[3]), generator)
    optimiser = torch.optim.Adam([sought.masks, sought.patterns], lr=LEARNING_RATE, betas=BETAS)
    others = [torch.nonzero(answers.cpu() != k)[:, 0] for k in need.classes]
    weight, followed = torch.full((count,), FIRST_WEIGHT), torch.zeros(count)
    for _ in range(need.steps):
        drawn = [of[torch.randint(len(of), (need.at_once,), generator=generator)] for of in others]
        gradients, turned = _step(asker, x[torch.cat(drawn)], sought, weight, need, normalisation)
        followed = MEMORY * followed + (1 - MEMORY) * turned
        sought.kept(followed, need.wanted)
        weight = weight * torch.where(followed >= need.wanted, HEAVIER, LIGHTER)
        sought.masks.grad, sought.patterns.grad = gradients
        optimiser.step()
    return sought.found


def _step(
    asker: Asker, x: Tensor, sought: Sought, weight: Tensor, need: Triggers, normalisation: Normalisation
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """The gradients of the loss by the logits of masks and patterns, and the share of each class's pictures
    that followed, (K,). x (K·n, C, H, W) are n pictures a class."""
    count, labels = len(need.classes), torch.tensor(need.classes).repeat_interleave(need.at_once)
    masks = sought.masks.detach().requires_grad_()
    patterns = sought.patterns.detach().requires_grad_()
    with torch.enable_grad():  # the sum of the mask: the pictures' share of the loss comes part by part
        size = (100 * weight * masks.sigmoid().flatten(1).mean(1)).sum()
    (by_mask,) = torch.autograd.grad(size, [masks])
    by_pattern, turned = torch.zeros_like(patterns), torch.zeros(len(x))
    own = torch.arange(count).repeat_interleave(need.at_once)
    for rows in torch.arange(len(x)).split(min(asker.batch_size, AT_ONCE)):
        with torch.enable_grad():
            k = own[rows]
            shown = pasted(x[rows], masks.sigmoid()[k], patterns.sigmoid()[k], normalisation)
            logits, _ = asker.forward(asker.feed.laid(shown.to(asker.device)))
            loss = cross_entropy(logits, labels[rows].to(asker.device), reduction="sum") / need.at_once
        asker.counted.backwards += len(rows)
        for total, part in zip(
            (by_mask, by_pattern), torch.autograd.grad(loss, [masks, patterns]), strict=True
        ):
            total += part
        turned[rows] = (logits.detach().argmax(1).cpu() == labels[rows]).float()
    return (by_mask, by_pattern), turned.view(count, -1).mean(1)
