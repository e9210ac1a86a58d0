"""Whether a step of training would still make the network much better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reportgen.checks import check
from reportgen.checks.batches import few_batches
from reportgen.checks.case import Case, View, unjudged, untested
from reportgen.checks.temperature import cautiously_fitted, log_losses
from reportgen.checks.words import counted, interval, percent
from reportgen.engine.needs import Logits, ModelFacts, Tape
from reportgen.findings import Array, NotApplicable, Status, Table, Verdict
from reportgen.stats import Z_95

STEPS = tuple(
    View(f"a step of {100 * length:g} % of the weights", stepped=length) for length in (1e-3, 3e-3, 1e-2)
)
FEWEST = 40  # labelled images of the half that tells
LEAST_NATS = 0.02  # of the loss: a large share of next to nothing is nothing
LEARNED = 0.9  # of the loss of always giving the classes' shares: above it, little was learned
REMEDY = (
    "Train longer, with a larger learning rate or with more pictures, and look whether the loss on images "
    "held out still falls."
)
FOLLOWS = ("accuracy", "calibration", "head", "abstention", "properties", "slices", "groups", "channels")


@check("training", group="the network")
class Training:
    """Training: would one more step still make the answers better than a finished training allows?

    Measurement. On half of the labelled images of the sample the gradient of the mean loss by all weights is
    taken, with batch normalisations as they are, and the network moved down it: each tensor by 0.1, 0.3 and
    1 % of its own length. The other half is answered by each, and is halved once more: on one part
    the best length, or no step, is chosen and a temperature fitted, as if one image more had been seen with
    every class for its label alike; on the other the loss is told, and the other way round. What a
    temperature alone wins is taken off both sides, so that answers that are too sure, or not sure enough, are
    no finding. The effect is the share of the loss that the step takes away, with a 95 % interval over the
    same images. The weights come back to the bit as they were.

    Reading. At the end of a training a step on a few more images wins next to nothing. Where it wins much,
    the training was stopped early, had too few pictures, or met other pictures than these. How many batches
    the normalisations have counted is said where it is fewer than 200; a pass that renews their statistics
    counts anew, so that a small number alone is no finding.

    Limits. A warning at most, for pictures of another kind than those of the training do the same. It sees
    what a single step wins: a network without normalisation layers late in its training, or one that
    stands on a plateau, has long to go and no step shows it. Where the loss is hardly below that of
    giving the shares of the classes it decides nothing, nor does it of less than 0.02 nats. Found in trials
    with 400 drawn digits and twelve seeds that no limit was chosen by, of small networks: of 48 at the end of
    12 epochs of 16 steps (batch normalisation, none, one group normalised, and SGD at a constant rate) none;
    of 36 after the first of these epochs 29, the others undecided; of twelve with 15 pictures a class, right
    for half, three. The caution of the temperature was added when these had been seen: without it one of the
    48 was a warning. A network that was stopped after one epoch of 40 steps and is right for 94 % is not
    found, nor were two linear layers after one epoch of one seed.

    Remedy. Train longer or with more pictures, and look at the loss on images held out.

    Source. Own design. You, Gitman & Ginsburg 2017 (arXiv:1708.03888) for the length of a step; Guo et al.
    2017, On Calibration of Modern Neural Networks (arXiv:1706.04599) for the temperature.
    """

    limit: float = 0.02

    def views(self, model: ModelFacts) -> Sequence[View]:
        if not any(leaf.weight_shape for leaf in model.leaves()):
            raise NotApplicable("the network has no weights that a step could change")
        return STEPS

    def needs(self, model: ModelFacts) -> Sequence[Logits]:
        return (Logits(),)

    def observe(self, tape: Tape) -> Mapping[str, Any]:
        return {"logits": tape[Logits()], "label": tape.labels}  # (n, C), (n,)

    def judge(self, case: Case) -> Verdict:
        if not case.answers.judged.any():
            return unjudged(case.answers)
        if _otherwise(case):
            return untested("the step was taken with other answers or labels than these")
        told = _told(case)
        if told is None:
            return untested("no step could be taken: no gradient, or no other half that is labelled")
        labels, own, stepped = told
        if len(labels) < FEWEST:
            few = counted(len(labels), "labelled image")
            text = f"{few} held back for this test are too few to tell what a step wins."
            more = f"Label more images: about {4 * FEWEST} in all may decide it."
            return Verdict("undecided", text, n=len(labels), remedy=more)
        return self._verdict(case, labels, own, stepped)

    def _verdict(self, case: Case, labels: Array, own: Array, stepped: Sequence[Array]) -> Verdict:
        won = won_by(labels, own, stepped, case.seed)
        status = self._status(won, labels)
        return Verdict(
            status=status,
            sentence=_sentence(won, status, few_batches(case)),
            effect=won.share,
            low=won.low,
            high=won.high,
            unit="share",
            limit=self.limit,
            limit_reason="networks at the end of their training win less by a step, as far as was tried",
            n=len(labels),
            sample=len(case.sample.numbers),
            remedy=REMEDY if status == "warning" else _more(len(labels), status),
            figures=(_table(labels, own, stepped),),
            explains=FOLLOWS if status == "warning" else (),
        )

    def _status(self, won: Won, labels: Array) -> Status:
        if won.low > self.limit and won.nats > LEAST_NATS:
            return "warning"
        shares = np.bincount(labels) / len(labels)
        guessing = -float((shares[shares > 0] * np.log(shares[shares > 0])).sum())
        if won.loss > LEARNED * guessing:
            return "undecided"
        excluded = won.high <= self.limit or won.high * max(won.loss, LEAST_NATS) <= LEAST_NATS
        excluded |= won.loss <= LEAST_NATS  # a step takes away no more than all of it
        return "clear" if excluded else "undecided"


@dataclass(frozen=True)
class Won:
    """What a step takes away of the `loss` (nats an image, at the best temperature): as a share of it with
    its 95 % interval, and in nats. Of a loss below LEAST_NATS it is the share of LEAST_NATS, as a ratio to
    next to nothing is no size; 0 where no step lowered the loss on the images that chose it."""

    loss: float
    share: float
    low: float
    high: float
    nats: float


def won_by(labels: Array, own: Array, stepped: Sequence[Array], seed: int) -> Won:
    """What the best of several steps, or none, wins on images that it was not chosen on: labels (n,), logits
    (n, C) of the network and of each step. The interval is that of a ratio of means over the images."""
    part = np.random.default_rng(seed).permutation(len(labels)) % 2 == 0
    before, after = np.zeros(len(labels)), np.zeros(len(labels))
    ways = (own, *stepped)
    for fit in (part, ~part):
        at = [cautiously_fitted(z[fit], labels[fit]) for z in ways]
        means = [log_losses(z[fit], labels[fit], t).mean() for z, t in zip(ways, at, strict=True)]
        best, tell = int(np.argmin(means)), ~fit
        before[tell] = log_losses(own[tell], labels[tell], at[0])
        after[tell] = log_losses(ways[best][tell], labels[tell], at[best])
    loss = float(before.mean())
    of = max(loss, LEAST_NATS)
    share = float((before - after).mean()) / of
    varying = before - after - (share * before if loss > LEAST_NATS else 0)
    spread = Z_95 * float(varying.std(ddof=1)) / (of * np.sqrt(len(labels)))
    return Won(loss, share, share - spread, share + spread, share * of)


def _otherwise(case: Case) -> bool:
    """Whether a cause was taken away that changed answers or labels after the step was taken."""
    answers, rows = case.sampled, case.sample.rows
    if case.preprocessing.get("mended") or "logits" not in rows or len(rows["label"]) != len(answers.labels):
        return True
    judged = answers.judged
    same = rows["label"] == answers.labels
    return not bool((same & (rows["logits"].argmax(1) == answers.answers))[judged].all())


def _told(case: Case) -> tuple[Array, Array, list[Array]] | None:
    """Labels (n,), logits (n, C) and those of every step, of the images that a step was told on."""
    answers, own = case.sampled, case.sample.rows["logits"].astype(np.float64)
    steps = [
        case.sample.views[each.name].astype(np.float64) for each in STEPS if each.name in case.sample.views
    ]
    if len(steps) < len(STEPS):
        return None
    where = answers.judged & np.isfinite(own).all(1)
    for step in steps:
        where &= np.isfinite(step).all(1)
    return (answers.labels[where], own[where], [step[where] for step in steps]) if where.any() else None


def _sentence(won: Won, status: Status, batches: int | None) -> str:
    ends = interval(won.low, won.high)
    at = f"of the loss ({won.loss:.3g} nats an image at its best temperature)"
    if status == "warning":
        takes = f"One step of training takes away {percent(won.share)} {ends} {at}."
        if batches:
            seen = counted(batches, "batch", "batches")
            takes = f"{takes[:-1]}, and the batch normalisations counted {seen}."
        return f"Trained too briefly, or with too few pictures? {takes}"
    if won.loss <= LEAST_NATS:
        return f"A step of training has next to nothing to win: the loss is {won.loss:.2g} nats an image."
    if status == "clear" and won.low == won.high == 0:
        return f"No step of training of those tried takes anything away {at}."
    if status == "clear":
        return f"One step of training wins next to nothing: {percent(won.share)} {ends} {at}."
    return f"Whether a step of training still wins much is open: {percent(won.share)} {ends} {at}."


def _more(n: int, status: Status) -> str:
    return (
        f"Label more images, or raise checks.sample: {8 * n:,} may decide it."
        if status == "undecided"
        else ""
    )


def _table(labels: Array, own: Array, stepped: Sequence[Array]) -> Table:
    rows = [("as it is", own), *((each.name, z) for each, z in zip(STEPS, stepped, strict=True))]
    return Table(
        "steps",
        "The loss after a step, at the best temperature",
        ("weights", "loss, nats"),
        tuple((name, float(log_losses(z, labels, cautiously_fitted(z, labels)).mean())) for name, z in rows),
    )
