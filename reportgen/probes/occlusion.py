from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor
from typing_extensions import assert_never

from reportgen.engine.needs import Baseline, Logits, ModelFacts, Need, Occluded, Scores, Tape, Target
from reportgen.findings import Finding, Flag, Heatmap, Mask, Remark, Scalar
from reportgen.probes import probe

ROUNDING = 1e-5  # of the largest logit: float32 forwards of one image in different batches agree so far
SMALL = 0.05  # of the standard deviation of an image's scores
SMALL_WORDS = (
    "No place matters by itself: wherever the window lies, the score falls by less than 5 % of the spread of"
    " all scores, so no mask is drawn."
)
NEARLY_ALL = 0.9  # a mask that keeps more of the image than this points at nothing


@probe("occlusion", scope="image", group="perturbations", explains=True)
class Occlusion:
    """Occlusion: how far the score falls when a part of the image is covered.

    Definition. A square window is moved over the image. The map is, for each pixel, the mean fall
    of the class's logit over the windows that cover it; a table of the class's probability by
    window position goes with it. The mask `share` is the fewest pixels that carry half of the total
    fall; `probability` keeps the pixels whose mean probability is below `mask_threshold` times the
    largest. By default the window is two sevenths of the shorter side and moves by a fourteenth.

    Reading. Positive areas are needed: covering them lowers the score. Negative areas distract:
    covering them raises it. The mask shows what the answer rests on.

    Limits. The window's size sets what can be found, a grey square is itself unusual to the network,
    and where the same evidence stands twice, covering one of them changes little.

    Needs. Nothing but answers; any architecture.

    Source. Zeiler & Fergus 2013, Visualizing and Understanding Convolutional Networks, sec. 4.2 and
    fig. 7 (arXiv:1311.2901).
    """

    window_px: PositiveInt | Literal["auto"] = "auto"
    stride_px: PositiveInt | Literal["auto"] = "auto"
    baseline: Baseline = "grey"
    mask: Literal["share", "probability"] = "share"
    mask_threshold: float = Field(default=0.85, gt=0, le=1)

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return Logits(), Target(), Scores(self._windows(model))

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        logits, targets, scores = (tape[need] for need in self.needs(tape.model))
        windows = self._windows(tape.model)
        height, width = tape.pixels.shape[-2:]
        chosen = targets[:, None, None].expand(-1, scores.shape[1], 1)  # (N, V, 1)
        falls = logits.gather(1, targets[:, None]) - scores.gather(2, chosen)[..., 0]  # (N, V)
        probabilities = tape.model.head.readout(scores).gather(2, chosen)[..., 0]  # (N, V)
        values = mean_over_windows(falls, windows, height, width)  # (N, H, W)
        small = too_small(values, logits)
        if tape.model.head.kind == "values":  # each has a unit of its own, and no spread of all
            small = torch.zeros_like(small)
        if self.mask == "share":
            # what rounding alone could make is no fall
            floor = ROUNDING * logits.abs().amax(1)[:, None, None]
            kept = (values > floor) & ~small[:, None, None]
            mask = share_mask(torch.where(kept, values, 0))
        elif self.mask == "probability":
            spread = mean_over_windows(probabilities, windows, height, width)
            mask = spread < self.mask_threshold * spread.amax((1, 2), keepdim=True)
            small = torch.zeros_like(small)  # of the probability the threshold says what is small
        else:
            assert_never(self.mask)
        probable, score = tape.model.head.probable, tape.model.head.score_words
        grid = (len(windows.starts(height)), len(windows.starts(width)))
        return (
            Heatmap("map", "Occlusion", values, f"mean fall of the {score}", signed=True),
            Heatmap(
                "probability",
                f"{tape.model.head.readout_words.capitalize()} by window",
                probabilities.unflatten(1, grid),
                "probability of the class, by window position" if probable else "value, by window position",
                overlay=False,
            ),
            Mask("mask", "Occlusion mask", mask, self._rule()),
            *described(mask, probabilities, windows.boxes(height, width), small),
            Flag("mask-small", SMALL_WORDS, small, level="note"),
            Remark("windows", f"{windows.window_px} px {self.baseline} window every {windows.stride_px} px"),
        )

    def _windows(self, model: ModelFacts) -> Occluded:
        return Occluded.of(model, self.window_px, self.stride_px, self.baseline)

    def _rule(self) -> str:
        if self.mask == "share":
            return "fewest pixels that carry half of the fall"
        if self.mask == "probability":
            return f"mean probability below {self.mask_threshold:g} of the largest"
        assert_never(self.mask)


def mean_over_windows(values: Tensor, windows: Occluded, height: int, width: int) -> Tensor:
    """For each pixel the mean of the windows' values (N, V) over the windows that cover it, (N, H, W)."""
    total = values.new_zeros(len(values), height, width, dtype=torch.float64)
    count = values.new_zeros(height, width, dtype=torch.float64)
    for number, (top, left, bottom, right) in enumerate(windows.boxes(height, width)):
        total[:, top:bottom, left:right] += values[:, number, None, None]
        count[top:bottom, left:right] += 1
    return (total / count.clamp(min=1)).to(values.dtype)


def too_small(falls: Tensor, logits: Tensor) -> Tensor:
    """Whether the largest fall of each map (N, H, W) is too small for its half to mean a place, bool (N,): it
    moves the score by next to nothing of how far the image's scores (N, C) lie apart. One score alone has no
    others to tell what is much."""
    if logits.shape[1] < 2:
        return torch.zeros(len(falls), dtype=torch.bool, device=falls.device)
    return falls.amax((1, 2)) < SMALL * logits.std(1)


def share_mask(values: Tensor, share: float = 0.5) -> Tensor:
    """The fewest pixels of each map (N, H, W) that carry `share` of its total fall, bool (N, H, W).

    Only falls count: where nothing falls, the mask is empty.
    """
    falls = values.flatten(1).double().clamp(min=0)  # (N, H·W)
    ranked, order = falls.sort(dim=1, descending=True, stable=True)
    before = ranked.cumsum(1) - ranked  # what the pixels ahead of this one carry
    kept = (before < share * falls.sum(1, keepdim=True)) & (ranked > 0)
    return torch.zeros_like(kept).scatter(1, order, kept).view_as(values)


def described(
    mask: Tensor, probabilities: Tensor, boxes: list[tuple[int, int, int, int]], small: Tensor
) -> tuple[Finding, ...]:
    """Numbers and warnings: the mask's share of the image, and the window that hurts most."""
    share = mask.flatten(1).double().mean(1)  # (N,)
    lowest, window = probabilities.min(1)  # (N,)
    box = torch.tensor(boxes)[window.cpu()]  # (N, 4)
    return (
        Scalar("mask-share", "Share of the image in the mask", 100 * share, "%"),
        Scalar("lowest-probability", "Lowest probability under a window", lowest),
        Scalar("lowest-x", "Its centre from the left", (box[:, 1] + box[:, 3]) // 2, "px", printed=False),
        Scalar("lowest-y", "Its centre from the top", (box[:, 0] + box[:, 2]) // 2, "px", printed=False),
        Flag("mask-empty", "The occlusion mask is empty: no pixel meets its rule.", (share == 0) & ~small),
        Flag(
            "mask-full",
            "The occlusion mask keeps more than nine tenths of the image: it points at nothing.",
            share > NEARLY_ALL,
        ),
    )
