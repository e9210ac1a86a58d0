"""Whether the normalisations go by the statistics of what these images give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reportgen.checks import check
from reportgen.checks.answering import answered_instead
from reportgen.checks.batches import few_batches
from reportgen.checks.case import OF_ANSWERS, Case, View, untested
from reportgen.checks.words import counted, interval, percent
from reportgen.engine.needs import GivenMoments, LayerFacts, ModelFacts, Tape
from reportgen.findings import Array, Exhibits, NotApplicable, Status, Table, Tally, Verdict
from reportgen.stats import paired_difference, wilson

ADAPTED = View("statistics of these images", adapted=True)
LISTED = 8  # rows of the table
SPREAD = 4.0  # times that a deviation may be off: of images like those of the training it is near 1
MENDS = 0.02  # of the accuracy: what adapted statistics have to win, surely, before stale ones are a fault
SCALE = "Look at model.preprocessing.mean and std: the network was trained on other numbers."
RENEW = (
    "Let the network see some training images in training mode before it is saved, so that the running "
    "statistics are renewed; or load the checkpoint that has them."
)


@dataclass(frozen=True)
class Norm:
    """One normalisation: how many of its own deviations the mean of what it is given is off (the mean over
    its channels), the factor by which the deviation is off, and whether its statistics are the first ones."""

    layer: str
    shift: float
    factor: float
    fresh: bool


@check("input-statistics", group="the preprocessing")
class InputStatistics:
    """Input statistics: do these images give the network the numbers that it was trained to see?

    Measurement. Every batch normalisation holds the mean and the variance, channel by channel, of what it was
    given in training. Those of the sample are measured at the same place: the shift of the mean in units of
    the deviation that is held, the mean over the channels, and the factor between the deviations, layer by
    layer from the first. Statistics that are 0 and 1 throughout were never updated. Beside it the sample
    is answered with the statistics of 64 of its images in place of those held, which shows what stale
    ones cost: a gain in accuracy with its 95 % interval for the same images.

    Reading. A large shift at the first normalisation says that the pixels are scaled in another way than in
    training, or are of another kind. Where the first agrees and a later one does not, its statistics are
    stale. Other statistics that answer much better prove it.

    Limits. Networks without batch normalisation hold no statistics, and are not tested. A shift alone is no
    harm: without better answers by other statistics it is a warning, and below the limit nothing. A mean over
    channels hides a single one. A sample of few classes has statistics of its own. Found in tests: a
    mean that is 2.2 deviations of the pixels off, and statistics that were never updated.

    Remedy. Mend the preprocessing, or renew the statistics.

    Source. Ioffe & Szegedy 2015 (arXiv:1502.03167); Nado et al. 2020, Evaluating Prediction-Time Batch
    Normalization (arXiv:2006.10963).
    """

    limit: float = 1.0

    def needs(self, model: ModelFacts) -> Sequence[GivenMoments]:
        return (GivenMoments(tuple(norm.name for norm in _norms(model))),)

    def views(self, model: ModelFacts) -> Sequence[View]:
        return (ADAPTED,) if _norms(model) else ()

    def tally(self, tape: Tape) -> Tally:
        both = tape[self.needs(tape.model)[0]]  # (N, 2, channels)
        finite = both.flatten(1).isfinite().all(1)
        return Tally(sums={"moments": both[finite].double().sum(0), "images": finite.sum()})

    def judge(self, case: Case) -> Verdict:
        if case.preprocessing.get("mended"):
            return untested("what the network would be given by that other preprocessing was not measured")
        norms, images = _measured(case)
        if not norms:
            return untested("no image gave the normalisations finite numbers")
        fresh = [norm for norm in norms if norm.fresh]
        gain = _gain(case)
        first = norms[0]
        off = first.shift > self.limit or max(first.factor, 1 / max(first.factor, 1e-9)) > SPREAD
        renewed = gain is not None and gain.low > MENDS
        status: Status = "fault" if renewed else "warning" if fresh or off else "clear"
        if status == "clear" and images < 2:
            status = "undecided"
        return Verdict(
            status=status,
            sentence=_sentence(norms, fresh, off, renewed, gain, images, few_batches(case)),
            effect=gain.share if renewed and gain is not None else first.shift,
            low=gain.low if renewed and gain is not None else None,
            high=gain.high if renewed and gain is not None else None,
            unit="points" if renewed else "deviations",
            limit=MENDS if renewed else self.limit,
            limit_reason="images like those of the training shift a mean by a fraction of a deviation",
            n=images,
            sample=images,
            remedy=(RENEW if fresh or not off else SCALE) if status in ("fault", "warning") else "",
            exhibits=Exhibits(
                layers=tuple(norm.layer for norm in fresh or norms[:1]) if status != "clear" else (),
                settings=("model.preprocessing",) if off and not fresh else (),
            ),
            figures=(_table(norms),),
            explains=_follows(case, fresh=bool(fresh), off=off) if renewed else (),
        )

    def without(self, case: Case, verdict: Verdict) -> Case:
        """The sample as it is answered with the statistics of these images."""
        return answered_instead(case, case.sample.views[ADAPTED.name])


@dataclass(frozen=True)
class Gain:
    """What the statistics of these images win: shares right as held and by them, and the difference with its
    95 % interval."""

    running: float
    adapted: float
    share: float
    low: float
    high: float
    n: int


def _follows(case: Case, fresh: bool, off: bool) -> tuple[str, ...]:
    """What follows from other statistics than these images': those of these images make good for a wrong
    preprocessing, too, which is then the cause; but statistics that saw no batch are one by themselves.
    Where few batches were counted at all, statistics and weights are both of a short training."""
    if fresh:
        return (*OF_ANSWERS, "preprocessing")
    if off:
        return ()
    return tuple(name for name in OF_ANSWERS if name != "training" or few_batches(case) is None)


def _norms(model: ModelFacts) -> list[LayerFacts]:
    """The batch normalisations in call order. Raises NotApplicable where there are none."""
    found = [x for x in model.leaves() if "BatchNorm" in x.type and x.input_shape and x.output_shape]
    if not found:
        raise NotApplicable("the network has no batch normalisation, which would hold what training gave it")
    return found


def _measured(case: Case) -> tuple[list[Norm], int]:
    """Every normalisation as held and as measured, and on how many images."""
    tally = case.sample.tally
    images = int(tally.sums["images"]) if tally is not None else 0
    if tally is None or not images:
        return [], 0
    mean, square = tally.sums["moments"] / images
    running = _running(case)
    norms, start = [], 0
    for layer in _norms(case.model):
        channels = (layer.output_shape or (0,))[0]
        own, start = slice(start, start + channels), start + channels
        if layer.name in running:
            norms.append(_norm(layer.name, running[layer.name], mean[own], square[own]))
    return norms, images


def _running(case: Case) -> dict[str, dict[str, Array]]:
    """The statistics of every normalisation that holds any, by layer."""
    found: dict[str, dict[str, Array]] = {}
    for name, value in case.sources.tensors():
        layer, _, kind = name.rpartition(".")
        if kind in ("running_mean", "running_var"):
            found.setdefault(layer, {})[kind] = value.astype(np.float64)
    return {layer: both for layer, both in found.items() if len(both) == 2}


def _norm(layer: str, running: Mapping[str, Array], mean: Array, square: Array) -> Norm:
    deviation = np.sqrt(np.maximum(running["running_var"], 1e-12))
    own = np.sqrt(np.maximum(square - mean**2, 0))
    used = deviation > 1e-3 * max(float(np.median(deviation)), 1e-12)  # a dead channel has no unit
    shift = np.abs(mean - running["running_mean"]) / deviation
    factor = np.exp(np.mean(np.log(np.maximum(own[used], 1e-9) / deviation[used]))) if used.any() else 1.0
    fresh = not running["running_mean"].any() and bool((running["running_var"] == 1).all())
    return Norm(layer, float(shift[used].mean()) if used.any() else 0.0, float(factor), fresh)


def _gain(case: Case) -> Gain | None:
    """What other statistics win on the labelled images of the sample; None without labels or such answers."""
    logits, answers = case.sample.views.get(ADAPTED.name), case.sampled
    if logits is None or not np.isfinite(logits).any() or not answers.judged.any():
        return None
    where = answers.judged
    right = (logits.argmax(1) == answers.labels) & np.isfinite(logits).all(1)
    gained, lost = int((right & ~answers.right)[where].sum()), int((answers.right & ~right)[where].sum())
    n = int(where.sum())
    low, high = paired_difference(gained, lost, n)
    running, adapted = float(answers.right[where].mean()), float(right[where].mean())
    return Gain(running, adapted, adapted - running, low, high, n)


def _sentence(
    norms: Sequence[Norm],
    fresh: Sequence[Norm],
    off: bool,
    renewed: bool,
    gain: Gain | None,
    images: int,
    batches: int | None,
) -> str:
    first = norms[0]
    if fresh:
        text = f"The running statistics of {len(fresh)} of {counted(len(norms), 'batch normalisation')} are"
        text += " still 0 and 1"
    elif off:
        text = f"{first.layer}, the first batch normalisation, was trained to see other numbers: the mean of"
        text += f" {counted(images, 'image')} is {first.shift:.1f} of its deviations off, their deviation"
        text += f" {first.factor:.2g} times its own"
    elif renewed:
        worst = max(norms, key=lambda norm: norm.shift)
        text = f"The statistics of the batch normalisations are stale (most at {worst.layer}, where the mean"
        text += f" is {worst.shift:.1f} deviations off"
        text += f", after {counted(batches, 'batch', 'batches')} of training)" if batches else ")"
    else:
        text = f"{counted(images, 'image')} give {counted(len(norms), 'batch normalisation')} what they were"
        text += f" trained to see: the mean is {first.shift:.2f} deviations off at the first"
    if gain is not None and (renewed or fresh):
        right = round(gain.adapted * gain.n)
        text += f"; with those of these images {percent(gain.adapted)} {interval(*wilson(right, gain.n))} of"
        text += f" {gain.n} answers are right, instead of {percent(gain.running)}"
    return f"{text}."


def _table(norms: Sequence[Norm]) -> Table:
    """The first normalisation, and those that are furthest off, in call order."""
    furthest = sorted(range(1, len(norms)), key=lambda n: -norms[n].shift)[: LISTED - 1]
    shown = [norms[n] for n in sorted({0, *furthest})]
    rows: tuple[tuple[Any, ...], ...] = tuple(
        (norm.layer, norm.shift, norm.factor, "0 and 1" if norm.fresh else "") for norm in shown
    )
    columns = ("batch normalisation", "shift of the mean, deviations", "factor of the deviation", "held")
    title = "What batch normalisations are given"
    more = f": the first and the furthest off of {len(norms)}" if len(shown) < len(norms) else ""
    return Table("norms", title + more, columns, rows)
