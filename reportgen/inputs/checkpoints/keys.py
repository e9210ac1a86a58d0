"""Renames a checkpoint's keys to the network's own names, where a wrapper has left its mark in them.

Only what can be read in one way is renamed, and every renaming, and all that is left out, is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from reportgen.inputs.checkpoints.state_dicts import averaged

# DataParallel, torch.compile, activation checkpointing, FSDP
WRAPPED = ("module", "_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module", "_fpw_module")
COUNTER = ".num_batches_tracked"  # not in files of a torch before 0.4.1, and of no use in eval mode
# what trainers keep among a network's weights: losses, metrics, counters of profilers and of averages
BOOKKEEPING = re.compile(
    r"(^|[._])(criterion\w*|\w*loss\w*|\w*metric\w*|\w*acc|\w*accuracy|\w*auroc\w*|\w*auc|\w*f1\w*|"
    r"\w*precision|\w*recall|\w*confmat\w*|\w*confusion\w*|cm|total_ops|total_params|n_averaged|"
    r"class_weights?|pos_weight|example_input_array)([._]|$)"
)
MASK, ORIGINAL = "_mask", "_orig"  # what torch.nn.utils.prune puts behind a weight's name
STATISTIC = re.compile(r"\.(tp|fp|tn|fn|confmat|correct|total|sum_value|mean_value|preds|target)$")


class Ambiguous(Exception):
    """Several parts of a checkpoint fit the network equally: `prefixes` says which."""

    def __init__(self, prefixes: list[str]) -> None:
        super().__init__(", ".join(prefixes))
        self.prefixes = prefixes


def renamed(
    state: dict[str, Tensor], own: Mapping[str, Tensor], source: str
) -> tuple[dict[str, Tensor], list[str]]:
    """The state under the network's names, and notes; as it is where no one reading fits.

    Raises Ambiguous.
    """
    if _covers(state, own):
        return _without_bookkeeping(state, own, "")
    state, pruning = _pruned(state, own)
    if _covers(state, own):
        state, more = _without_bookkeeping(state, own, "")
        return state, pruning + more
    if source.lower().startswith("torchvision:densenet"):
        # torchvision's own files still write norm.1 for norm1
        new = {re.sub(r"\.(norm|conv)\.([12])\.", r".\1\2.", key): v for key, v in state.items()}
        if new.keys() != state.keys() and len(new) == len(state) and _covers(new, own):
            return new, ["Keys of an old DenseNet were renamed ('norm.1' is 'norm1')."]
    bare, notes = _unwrapped(state, own)
    if _covers(bare, own):
        bare, more = _without_bookkeeping(bare, own, "")
        return bare, notes + more
    if part := _below_prefix(bare, own):
        return part[0], notes + part[1]
    if added := _with_prefix(bare, own):
        return added[0], notes + added[1]
    if joined := _below_several(bare, own):
        return joined[0], notes + joined[1]
    return state, []


def covered(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> bool:
    """Whether a state holds all of the network, but for counters of batches, nothing else, and in its
    shapes."""
    if not _covers(state, own) or not all(key in own for key in state):
        return False
    return all(state[key].shape == own[key].shape for key in state if _known(own[key]))


def _covers(state: Iterable[str], own: Mapping[str, Tensor]) -> bool:
    """Whether every key of the network is there, but for counters of batches."""
    held = set(state)
    return all(key in held or key.endswith(COUNTER) for key in own)


def _unwrapped(state: dict[str, Tensor], own: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """The state with what wraps modules taken out of its keys, and put in where the network has it."""
    mine = {_bare(key): key for key in own}
    new = {mine.get(_bare(key), _bare(key)): value for key, value in state.items()}
    if len(mine) != len(own) or len(new) != len(state) or new.keys() == state.keys():
        return state, []
    marks = sorted({part for key in state.keys() ^ new.keys() for part in key.split(".") if part in WRAPPED})
    return new, [f"What wrapped modules in the checkpoint is left out of its keys: {', '.join(marks)}."]


def _bare(key: str) -> str:
    return ".".join(part for part in key.split(".") if part not in WRAPPED)


def _below_prefix(
    state: dict[str, Tensor], own: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]] | None:
    """The part of a trainer's state that is the network's, where one prefix leads to all of it."""
    first = next((key for key in own if not key.endswith(COUNTER)), None)
    if first is None:
        return None
    ends = [key.removesuffix(first) for key in state if key.endswith(f".{first}")]
    fitting = []
    for prefix in ends:
        part = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        part, notes = _without_bookkeeping(part, own, prefix)
        if _covers(part, own) and all(key in own for key in part) and _same_shapes(part, own):
            fitting.append((prefix, part, notes))
    plain = [one for one in fitting if not averaged(one[0])] or fitting
    if len(plain) > 1:
        raise Ambiguous([prefix for prefix, _, _ in plain])
    if not plain:
        return None
    prefix, part, notes = plain[0]
    rest = [key for key in state if not key.startswith(prefix)]
    other = [one[0] for one in fitting if one[0] != prefix]
    strange = [k for k in rest if not (_is_bookkeeping(k) or averaged(k.partition(".")[0]) or "." not in k)]
    if strange and not any(key.startswith(tuple(other)) for key in strange if other):
        return None
    said = [f"Every key of the checkpoint begins with '{prefix}': left out."]
    if rest:
        said = [f"The weights are those below '{prefix}'; left out: {few(rest)}."]
        said += _normalisation(state, rest)
    if other:
        said.append(f"Averaged weights below '{other[0]}' are not used; model.weights says which.")
    return part, said + notes


def _normalisation(state: Mapping[str, Tensor], rest: list[str]) -> list[str]:
    """The note on what is left out and may be how a trainer's model prepared its images."""
    found = {key.rpartition(".")[2]: state[key] for key in rest if state[key].numel() in (1, 3)}
    if not {"mean", "std"} <= found.keys():
        return []
    mean, std = ([round(float(one), 4) for one in found[key].flatten()] for key in ("mean", "std"))
    return [
        "They may be how the images were prepared:"
        f" model.preprocessing, with mean: {mean} and std: {std} of pixels from 0 to 1."
    ]


def _same_shapes(part: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> bool:
    """Whether most tensors could be the network's; where the head differs, the message is about that."""
    same = sum(tuple(part[key].shape) == tuple(own[key].shape) for key in part if _known(own[key]))
    return 2 * same >= len(part)


def _known(tensor: Tensor) -> bool:
    from torch.nn.parameter import is_lazy

    return not is_lazy(tensor)


def _with_prefix(
    state: dict[str, Tensor], own: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]] | None:
    """The state of the inner network, where the model holds it under one name."""
    roots = {key.partition(".")[0] for key in own}
    if len(roots) != 1:
        return None
    prefix = f"{roots.pop()}."
    new = {prefix + key: value for key, value in state.items()}
    if not _covers(new, own) or not all(key in own for key in new):
        return None
    return new, [f"The model keeps the network as '{prefix[:-1]}': put before every key of the checkpoint."]


def _below_several(
    state: dict[str, Tensor], own: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]] | None:
    """The state without the parts that its keys begin with, `backbone.` and `head.`, where they are those of
    a trainer's model and the rest is all of the network."""
    parts = sorted({key.partition(".")[0] for key in state})
    new = {key.partition(".")[2]: value for key, value in state.items()}
    if len(parts) < 2 or len(new) < len(state) or not covered(new, own):
        return None
    listed = ", ".join(f"'{part}.'" for part in parts)
    return new, [f"The parts that the checkpoint's keys begin with are left out: {listed}."]


def _pruned(state: dict[str, Tensor], own: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """The state with weights that torch.nn.utils.prune keeps in two, `weight_orig` and `weight_mask`, as the
    one that they stand for."""
    bases = [key.removesuffix(MASK) for key in state if key.endswith(MASK)]
    bases = [base for base in bases if base + ORIGINAL in state and base not in state]
    if not bases or any(base + ORIGINAL in own for base in bases):
        return state, []
    new = {key: value for key, value in state.items() if not key.endswith((MASK, ORIGINAL))}
    new |= {base: state[base + ORIGINAL] * state[base + MASK] for base in bases}
    return new, [f"Pruned weights are `weight_orig` times `weight_mask`: {few(bases)}."]


def _without_bookkeeping(
    state: dict[str, Tensor], own: Mapping[str, Tensor], prefix: str
) -> tuple[dict[str, Tensor], list[str]]:
    """The state without losses, metrics and counters that the network does not know, and what they were."""
    odd = [key for key in state if key not in own and _is_bookkeeping(key)]
    if not odd:
        return state, []
    kept = {key: value for key, value in state.items() if key not in odd}
    return kept, [f"No weights of the network, left out: {few([prefix + key for key in odd])}."]


def _is_bookkeeping(key: str) -> bool:
    return bool(BOOKKEEPING.search(key.lower()) or STATISTIC.search(key))


def few(keys: list[str]) -> str:
    """The first three, and how many more there are."""
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(keys[:3]) + more
