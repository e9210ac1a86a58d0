"""Which of the tables of tensors in a checkpoint are the weights, and which class names lie beside them."""

from __future__ import annotations

import argparse
import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from torch import Tensor

from reportgen.errors import InputError, did_you_mean, nearest
from reportgen.inputs.checkpoints.archive import SAVE_AGAIN
from reportgen.inputs.checkpoints.forms import DEEPEST
from reportgen.inputs.checkpoints.pickled import Inert, as_plain
from reportgen.inputs.classes.table import in_order

# the keys that training scripts save the weights under, first choice first
WRAPPERS = (
    *("state_dict", "model", "model_state_dict", "net", "network", "weights", "params", "module"),
    *("model_state", "net_state_dict", "model_weights", "student"),
)
AVERAGED = (
    "ema",
    "averaged",
    "average",
    "avg",
    "swa",
    "polyak",
    "shadow",
)  # words in a key that holds averaged weights
# beside the weights: the state of what trained them
TRAINING = (
    *("optim", "sched", "scaler", "callback", "loop", "rng", "criterion", "loss", "metric"),
    *("hyper_param", "hparam"),
)
# the keys of class names, letters and digits alone: `idx_to_class` and `idxToClass` are one
NAMES = (
    *("classtoidx", "idxtoclass", "classnames", "classes", "categories", "id2label", "label2id"),
    *("labelnames", "labels", "names", "class2idx", "idx2class", "label2idx", "idx2label", "labeltoidx"),
    *("idxtolabel", "classtoindex", "indextoclass", "labeltoindex", "indextolabel", "idxtoname", "nametoidx"),
    *("classmap", "labelmap", "classmapping", "labelmapping", "classlabels", "targetnames", "classtoname"),
    *("classlist", "labellist", "classtoid", "idtoclass", "labeltoid", "idtolabel", "vocab"),
)
PLAIN = (int, float, complex, str, bytes, type(None), Inert, argparse.Namespace)


class Found(NamedTuple):
    """A state dict in a checkpoint, and the keys that lead to it; or several `sets` of weights of which none
    is chosen yet, each below its name and a dot."""

    keys: tuple[str, ...]
    state: Mapping[str, Tensor]
    sets: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The keys, joined by dots."""
        return ".".join(self.keys)


def unwrapped(content: Any, name: str, asked: str | None) -> tuple[Found, list[str]]:
    """The state dict that is meant, and notes. Raises InputError where that is not clear.

    `asked` is the recipe's `model.weights`, the keys that lead to it.
    """
    if asked is not None:
        return _asked(content, name, asked)
    if _is_state(content):
        return Found((), _tensors(content)), _left_out(content)
    found = list(_candidates(content))
    if not found:
        keys = _descended(content)
        inner = content
        for key in keys:
            inner = inner[key]
        raise InputError(f"{name} holds no state dict{_under(keys)}: {_contents(inner)}", SAVE_AGAIN)
    chosen, notes = _chosen(found)
    notes += _other_averages(content, [one.path for one in found])
    if chosen.sets:
        return chosen, notes
    at = content
    for key in chosen.keys:
        at = at[key]
    return chosen, notes + _left_out(at)


def _asked(content: Any, name: str, asked: str) -> tuple[Found, list[str]]:
    """The weights under the keys that the recipe names, or those whose own keys begin with them."""
    found = [Found((), _tensors(content))] if _is_state(content) else list(_candidates(content, every=True))
    for one in found:
        if one.keys and one.path == asked.rstrip("."):
            return one, [f"The weights under '{one.path}' are used, as the recipe says."]
    prefix = f"{asked.rstrip('.')}."
    below = [one for one in found if any(key.startswith(prefix) for key in one.state)]
    if len(below) == 1:
        whole = below[0].state
        state = {k.removeprefix(prefix): v for k, v in whole.items() if k.startswith(prefix)}
        rest = len(whole) - len(state)
        more = f"; {rest} others are left out" if rest else ""
        return Found(below[0].keys, state), [
            f"The weights whose keys begin with '{prefix}' are used, as the recipe says{more}."
        ]
    known = [one.path for one in found if one.keys]
    known += [f"{first}." for one in found for first in {key.partition(".")[0] for key in one.state}]
    raise InputError(
        f"model.weights is '{asked}', which {name} does not hold{did_you_mean(nearest(asked, known))}",
        f"name one of {', '.join(dict.fromkeys(known[:8])) or 'none'}, or leave model.weights out",
    )


def _candidates(content: Any, keys: tuple[str, ...] = (), every: bool = False) -> Iterator[Found]:
    """Every table of tensors at most two wrappings deep, but for the state of optimizers and the like; with
    `every`, of those too and three deep, as callbacks have it."""
    if not isinstance(content, Mapping) or len(keys) >= DEEPEST + every:
        return
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Mapping) or not value:
            continue
        if key not in WRAPPERS and not every and any(word in key.lower() for word in TRAINING):
            continue
        if _is_state(value) and (every or key in WRAPPERS or _like_weights(value)):
            yield Found((*keys, key), _tensors(value))
        elif not _is_state(value):
            yield from _candidates(value, (*keys, key), every)


def _other_averages(content: Any, found: list[str]) -> list[str]:
    """Notes on averaged weights that are no candidates: those of callbacks, and lists without names."""
    kept = [one.path for one in _candidates(content, every=True) if averaged(one.path)]
    notes = [
        f"Averaged weights under '{path}' are not used; model.weights says which."
        for path in kept
        if path not in found
    ]
    if isinstance(content, Mapping) and {"averaging_state", "current_model_state"} <= content.keys():
        notes.append(
            "Those under 'state_dict' are averaged over the training (Lightning's WeightAveraging); those of"
            " its last step are under 'current_model_state'."
        )
    return [
        *notes,
        *(
            f"Averaged weights under '{path}' are a list without names: they are not used."
            for path in _averaged_lists(content)
        ),
    ]


def _averaged_lists(content: Any, keys: tuple[str, ...] = ()) -> Iterator[str]:
    """Where averaged weights are a list in the order of the parameters, as torch_ema's shadow_params."""
    for key, value in content.items() if isinstance(content, Mapping) and len(keys) < DEEPEST else ():
        path = ".".join((*keys, str(key)))
        if isinstance(value, list) and value and all(isinstance(one, Tensor) for one in value):
            if averaged(path) or "shadow" in path.lower():
                yield path
        else:
            yield from _averaged_lists(value, (*keys, str(key)))


def _like_weights(state: Mapping[str, Any]) -> bool:
    """Whether a table under an unknown key can be a network's: a matrix or a kernel is in it."""
    return any(isinstance(value, Tensor) and value.ndim > 1 for value in state.values())


def averaged(key: str) -> bool:
    """Whether a key's words say that what it holds was averaged over the training."""
    words = key.lower().replace("-", "_").replace(".", "_").split("_")
    return any(word in AVERAGED for word in words)


def _chosen(found: list[Found]) -> tuple[Found, list[str]]:
    """The weights to use: those under a known key before others, the last step's before averaged ones. Of
    several under unknown keys none is chosen."""
    plain = [one for one in found if not averaged(one.path)] or found
    known = [
        one for wrapper in WRAPPERS for one in plain if one.keys[-1] == wrapper or one.keys[0] == wrapper
    ]
    if not known and len(plain) > 1:
        joined = {f"{one.path}.{key}": value for one in plain for key, value in one.state.items()}
        return Found((), joined, tuple(one.path for one in plain)), []
    chosen = (known or plain)[0]
    others = [one for one in found if one is not chosen]
    if not others:
        note = f"The weights under '{chosen.path}' are averaged ones; there are no others."
        return chosen, [note] if averaged(chosen.path) else []
    some = " (averaged over the training)" if any(averaged(one.path) for one in others) else ""
    listed = ", ".join(f"'{one.path}'" for one in others)
    return chosen, [
        f"The weights under '{chosen.path}' are used; those under {listed} are not{some}. "
        "model.weights says which."
    ]


def _is_state(content: Any) -> bool:
    """Whether a table is tensors by name, but for a few plain values such as an epoch."""
    if not isinstance(content, Mapping) or not content:
        return False
    if not all(isinstance(key, str) for key in content):
        return False
    tensors = sum(isinstance(value, Tensor) for value in content.values())
    plain = sum(isinstance(value, PLAIN) for value in content.values())
    return tensors > plain and tensors + plain == len(content)


def _tensors(content: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """The table itself (with what torch notes beside it) where all are tensors, else only those."""
    if all(isinstance(value, Tensor) for value in content.values()):
        return content
    return {key: value for key, value in content.items() if isinstance(value, Tensor)}


def _left_out(content: Mapping[str, Any]) -> list[str]:
    odd = [key for key, value in content.items() if not isinstance(value, Tensor)]
    return [f"Beside the weights and no tensors, left out: {', '.join(odd[:5])}."] if odd else []


def _descended(content: Any) -> list[str]:
    """The known keys that lead to where the weights should have been."""
    keys: list[str] = []
    while isinstance(content, Mapping) and len(keys) < DEEPEST:
        key = next((k for k in WRAPPERS if isinstance(content.get(k), Mapping) and content[k]), None)
        if key is None:
            break
        keys.append(key)
        content = content[key]
    return keys


def _under(keys: list[str]) -> str:
    return f" under '{'.'.join(keys)}'" if keys else ""


def _contents(content: Any) -> str:
    """What is there instead, in a few words."""
    if not isinstance(content, Mapping):
        return f"it is a {type(content).__name__}"
    if not content:
        return "it is empty"
    odd = [k for k, v in content.items() if not (isinstance(k, str) and isinstance(v, Tensor))]
    shown = ", ".join(f"{str(k)[:40]!r} ({type(content[k]).__name__})" for k in odd[:3])
    return f"{len(odd)} of its {len(content)} entries are no tensors by name: {shown}"


def class_names(content: Any) -> tuple[tuple[str, ...] | None, list[str]]:
    """The class names that a checkpoint holds beside its weights, and notes.

    None, with a note, where it holds two lists that differ.
    """
    found = dict(_named(content))
    if len(set(found.values())) > 1:
        where = " and ".join(f"'{key}'" for key in found)
        return None, [f"The checkpoint's class names under {where} differ: they are not used."]
    for key, names in found.items():
        return names, [f"Class names are those that the checkpoint holds under '{key}'."]
    return None, []


def _named(content: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    if isinstance(content, argparse.Namespace):
        content = vars(content)
    if not isinstance(content, Mapping) or (_is_state(content) and keys) or len(keys) > DEEPEST:
        return
    for key, value in content.items():
        if not isinstance(key, str):
            continue
        if re.sub(r"[\W_]+", "", key.lower()) in NAMES:
            with contextlib.suppress(ValueError):  # indices and names that cannot be told apart
                if names := in_order(as_plain(value)):
                    yield ".".join((*keys, key)), names
        elif isinstance(value, Mapping | argparse.Namespace):
            yield from _named(value, (*keys, key))
