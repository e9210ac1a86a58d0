"""Whether the checkpoint's weights are sound: finite, trained, none of them zeroed, copied or forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import kstest

from reportgen.checks import check
from reportgen.checks.case import Case
from reportgen.checks.words import counted, listed
from reportgen.findings import Array, Exhibits, Status, Table, Verdict

SMALLEST = 200  # values of a tensor whose distribution is looked at
FEWEST_FILTERS = 4
ALIKE = 0.01  # the p-value above which weights are as their initialiser draws them
REMEDY = "Load the checkpoint that was meant, look at how it was saved, or train again."

FOLLOWS = (
    *("accuracy", "calibration", "input-statistics", "head", "training", "channels", "abstention"),
    *("properties", "slices", "groups", "preprocessing", "property-shortcut", "place-shortcut"),
    "map-clusters",
)


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with one tensor, in words, and how much of it."""

    layers: tuple[str, ...]
    words: str
    share: float
    grave: bool
    channels: tuple[int, ...] = ()
    not_finite: bool = False


@check("weights", group="the network", any_head=True)
class Weights:
    """Weights: are the checkpoint's weights sound and trained?

    Measurement. Every tensor of the network is read: values that are NaN or infinite; filters whose weights
    are all exactly zero; filters that repeat another one of their layer exactly; normalisations whose running
    mean is 0 and variance 1 throughout, as before the first batch; weights distributed as their
    initialiser draws them (uniform to one over the root of the inputs, by Kolmogorov's test); outputs of
    the last layer that are zero or equal to another one.

    Reading. A value that is not finite is a fault wherever it stands, even where no image of this set
    reaches it. Zeroed and repeated filters cost capacity, and come from pruning, from a loader that filled in
    what it did not find, or from a copy; up to a twentieth of a layer they are told and matter little, for
    training leaves some of its own. Untouched statistics or weights were never trained, or never loaded.

    Limits. A network pruned on purpose has zero filters. Weights that training has hardly moved look
    untouched though they were trained. Low-rank layers and filters that are nearly alike are not looked for.

    Remedy. Load the checkpoint that was meant, or train again.

    Source. He et al. 2015, Delving Deep into Rectifiers (arXiv:1502.01852), on the initialiser; Ioffe &
    Szegedy 2015, Batch Normalization (arXiv:1502.03167).
    """

    limit: float = 0.05

    def judge(self, case: Case) -> Verdict:
        faults: list[Fault] = []
        read = values = 0
        last = _last_layer(case)
        state: dict[str, Array] = {}
        for name, value in case.sources.tensors():
            read, values = read + 1, values + value.size
            faults += self._of_tensor(name, value, last)
            if name.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked"):
                state[name] = value
        faults += _of_norms(state)
        faults.sort(key=lambda fault: (not fault.grave, -fault.share))
        grave = any(fault.grave for fault in faults)
        much = grave or any(fault.share > self.limit for fault in faults)
        status: Status = "fault" if grave else "warning" if much else "clear"
        head = any(
            last and last in fault.layers for fault in faults
        )  # no answer is better than its last layer
        said = listed([fault.words for fault in faults], 4)
        if any(fault.not_finite for fault in faults) and case.answers.answered.all():
            said += "; every answer is finite all the same: no image of this set reaches it"
        sound = f"All {values:,} values of {read:,} tensors are finite; "
        sound += f"{said}: too few to matter." if faults else "no filter is zero or there twice."
        return Verdict(
            status=status,
            sentence=f"{said[:1].upper()}{said[1:]}." if much else sound,
            effect=max((fault.share for fault in faults), default=0.0),
            unit="share",
            limit=self.limit,
            limit_reason="a twentieth of a layer's filters; a value that is not finite is a fault alone",
            n=len(case.answers.numbers),
            remedy=REMEDY if much else "",
            exhibits=Exhibits(
                layers=tuple(dict.fromkeys(layer for fault in faults for layer in fault.layers)),
                channels=tuple((f.layers[0], k) for f in faults for k in f.channels),
            ),
            figures=(_table(faults),) if faults else (),
            explains=FOLLOWS if grave or head else (),
        )

    def _of_tensor(self, name: str, value: Array, last: str) -> list[Fault]:
        layer, _, kind = name.rpartition(".")
        if value.dtype.kind != "f" or not value.size:
            return []
        if bad := int((~np.isfinite(value)).sum()):
            words = f"{bad:,} of {counted(value.size, 'value')} of {name} "
            words += "is not finite" if bad == 1 else "are not finite"
            return [Fault((layer,), words, bad / value.size, True, not_finite=True)]
        if kind != "weight" or value.ndim < 2 or len(value) < 2:
            return []
        return [*self._filters(layer, value, layer == last), *_untouched(layer, value)]

    def _filters(self, layer: str, value: Array, is_last: bool) -> list[Fault]:
        """Filters, rows of a weight (F, …), that are zero, and that repeat an earlier one."""
        rows = value.reshape(len(value), -1)
        zero = ~rows.any(1)
        _, first, group = np.unique(rows, axis=0, return_index=True, return_inverse=True)
        copies = (first[group.ravel()] != np.arange(len(rows))) & ~zero
        faults = []
        noun, nouns = ("output", "outputs") if is_last else ("filter", "filters")
        for which, words in ((zero, "all zero"), (copies, "")):
            places = np.flatnonzero(which)
            share = len(places) / len(rows)
            if not len(places) or (len(rows) < FEWEST_FILTERS and not is_last):
                continue
            what = f"{len(places)} of {counted(len(rows), noun, nouns)} of {layer} "
            one = len(places) == 1
            words = words or ("a copy of another" if one else "copies of others")
            what += ("is " if one else "are ") + words
            grave = share > self.limit or is_last
            faults.append(Fault((layer,), what, share, grave, tuple(places.tolist())))
        return faults


def _last_layer(case: Case) -> str:
    """The name of the last layer with weights, "" where the network's facts are not known."""
    leaves = case.model.leaves() if case.model is not None else ()
    weighted = [leaf.name for leaf in leaves if len(leaf.weight_shape or ()) > 1]
    return weighted[-1] if weighted else ""


def _of_norms(state: Mapping[str, Array]) -> list[Fault]:
    """Normalisations whose statistics are as before the first batch."""
    means = [name for name in state if name.endswith("running_mean")]
    fresh = []
    for name in means:
        layer = name.rpartition(".")[0]
        variance = state.get(f"{layer}.running_var")
        if variance is not None and not state[name].any() and bool((variance == 1).all()):
            fresh.append(layer)
    if not fresh:
        return []
    counts = [int(state.get(f"{layer}.num_batches_tracked", np.array(-1))) for layer in fresh]
    seen = ", 0 batches seen" if all(count == 0 for count in counts) else ""
    words = f"the running statistics of {len(fresh)} of {counted(len(means), 'normalisation')}"
    return [Fault(tuple(fresh), f"{words} are still 0 and 1{seen}", len(fresh) / len(means), True)]


def _untouched(layer: str, value: Array) -> list[Fault]:
    """A weight (F, …) that is distributed as torch's own initialiser of linear layers and convolutions draws
    it: uniform to one over the root of a filter's inputs."""
    inputs = value[0].size
    bound = 1 / np.sqrt(inputs)
    flat = value.ravel().astype(np.float64)
    largest = np.abs(flat).max()
    if flat.size < SMALLEST or largest > bound * 1.0001 or largest < 0.98 * bound:
        return []
    if float(kstest(flat, "uniform", args=(-bound, 2 * bound)).pvalue) < ALIKE:
        return []
    return [Fault((layer,), f"the weights of {layer} are as they were initialised", 1.0, False)]


def _table(faults: Sequence[Fault]) -> Table:
    rows = tuple((", ".join(fault.layers), fault.words, 100 * fault.share) for fault in faults)
    return Table("weights", "Weights that are not sound", ("layer", "what", "share, %"), rows)
