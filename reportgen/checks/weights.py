"""Whether the checkpoint's weights are sound: finite, trained, none of them zeroed, copied or forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.checks import check
from reportgen.checks.case import Case
from reportgen.checks.initialised import drawn_by
from reportgen.checks.words import counted, listed
from reportgen.findings import Array, Exhibits, Status, Table, Verdict

FEWEST_FILTERS = 4
UNTRAINED = 0.5  # of the layers: so many as they were initialised are no trained network
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
    mean is 0 and variance 1 throughout, as before the first batch; weights distributed as an initialiser
    draws them (by Kolmogorov's test: uniform with He's, Glorot's or torch's ends; normal with the deviation
    of He, LeCun or Glorot or a usual fixed one, and no singular value beyond those of a random matrix);
    outputs of the last layer that are zero or equal to another one.

    Reading. A value that is not finite is a fault wherever it stands, even where no image of this set
    reaches it. Zeroed and repeated filters cost capacity, and come from pruning, from a loader that filled in
    what it did not find, or from a copy; up to a twentieth of a layer they are told and matter little, for
    training leaves some of its own. Untouched statistics or weights were never trained, or never loaded.

    Limits. A network pruned on purpose has zero filters. Weights that training has hardly moved look
    untouched though they were trained. A normal layer is told alone only where it is the last one, others
    where half of the layers agree: of 31 architectures of torchvision and timm with random weights 30 were
    known by most of their layers, BEiT, which scales each block by its depth, by its first one. Orthogonal
    initialisers and tensors of few values are not known. Low-rank layers and filters that are nearly alike
    are not looked for.

    Remedy. Load the checkpoint that was meant, or train again.

    Source. He et al. 2015, Delving Deep into Rectifiers (arXiv:1502.01852) and Glorot & Bengio 2010
    (AISTATS) on initialisers; Martin & Mahoney 2021, Implicit Self-Regularization (arXiv:1810.01075) on
    singular values; Ioffe & Szegedy 2015, Batch Normalization (arXiv:1502.03167).
    """

    limit: float = 0.05

    def judge(self, case: Case) -> Verdict:
        faults: list[Fault] = []
        read = values = 0
        last = _last_layer(case)
        state: dict[str, Array] = {}
        weights: dict[str, Array] = {}
        for name, value in case.sources.tensors():
            read, values = read + 1, values + value.size
            of_tensor = self._of_tensor(name, value, last)
            faults += of_tensor
            if not any(fault.not_finite for fault in of_tensor) and _is_weight(name, value):
                weights[name.rpartition(".")[0]] = value
            if name.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked"):
                state[name] = value
        faults += [*_of_norms(state), *_untouched(weights, last)]
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
        layer = name.rpartition(".")[0]
        if value.dtype.kind != "f" or not value.size:
            return []
        if bad := int((~np.isfinite(value)).sum()):
            words = f"{bad:,} of {counted(value.size, 'value')} of {name} "
            words += "is not finite" if bad == 1 else "are not finite"
            return [Fault((layer,), words, bad / value.size, True, not_finite=True)]
        return self._filters(layer, value, layer == last) if _is_weight(name, value) else []

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


def _is_weight(name: str, value: Array) -> bool:
    """Whether it is the weight of a linear layer or a convolution, (F, …)."""
    whole = value.dtype.kind == "f" and value.ndim > 1 and len(value) > 1 and value.size > 0
    return whole and name.rpartition(".")[2] == "weight"


def _untouched(weights: Mapping[str, Array], last: str) -> list[Fault]:
    """The layers that are as they were initialised: one fault for all, for it has one cause."""
    found = drawn_by(weights, last)
    if not found:
        return []
    layers, share = tuple(found), len(found) / len(weights)
    which = layers[0] if len(found) == 1 else f"{len(found)} of {counted(len(weights), 'layer')}"
    rule = max(set(found.values()), key=list(found.values()).count)
    words = f"the weights of {which} are as they were initialised ({rule})"
    return [Fault(layers, words, 1.0, share >= UNTRAINED)]


def _table(faults: Sequence[Fault]) -> Table:
    rows = tuple((", ".join(fault.layers), fault.words, 100 * fault.share) for fault in faults)
    return Table("weights", "Weights that are not sound", ("layer", "what", "share, %"), rows)
