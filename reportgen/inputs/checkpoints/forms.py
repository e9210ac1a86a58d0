"""What a checkpoint holds, as tables by name: modules as their state dicts, lists and tuples by index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from reportgen.inputs.checkpoints.pickled import PickledModule

DEEPEST = 2  # wrappings
MOST_LEVELS = 100  # of modules in modules


class Tables(NamedTuple):
    """The content as tables, the keys to those that were whole modules, and notes on what was no table."""

    content: Any
    modules: list[str]
    notes: list[str]

    def taken(self, path: str) -> list[str]:
        """The note on weights that were a whole module's, where those that `path` leads to were."""
        if path not in self.modules:
            return []
        where = f" under '{path}'" if path else ""
        return [f"The weights{where} are those of a whole module that was pickled; none of its code was run."]


def tables(content: Any) -> Tables:
    """The content with whole modules, lists, and tables by number made tables by name, as they were found two
    wrappings deep. What is no table of that kind stays as it is."""
    modules: list[str] = []
    made = _table(content, (), modules)
    notes = []
    if isinstance(content, list | tuple) and made is not content:
        kind = type(content).__name__
        notes.append(f"The checkpoint is a {kind} of {len(content)}; its items are called by their index.")
    return Tables(made, modules, notes)


def _table(content: Any, keys: tuple[str, ...], modules: list[str]) -> Any:
    if isinstance(content, PickledModule):
        if state := state_of(content):
            modules.append(".".join(keys))
            return state
        return content
    if len(keys) > DEEPEST:
        return content
    if isinstance(content, list | tuple):
        if not any(isinstance(one, Mapping | PickledModule | list | tuple) for one in content):
            return content
        content = {str(index): one for index, one in enumerate(content)}
    elif _by_number(content):
        content = {str(index): one for index, one in content.items()}
    elif not isinstance(content, Mapping) or not any(map(_holds, content.values())):
        return content
    return {key: _table(one, (*keys, str(key)), modules) for key, one in content.items()}


def _holds(value: Any) -> bool:
    """Whether a value may be, or have in it, what is made a table."""
    return isinstance(value, PickledModule | list | tuple | Mapping) and not isinstance(value, Tensor)


def _by_number(content: Any) -> bool:
    """Whether a table is one of tables by number, such as the weights of each fold."""
    if not isinstance(content, Mapping) or not content:
        return False
    return all(type(key) is int and isinstance(value, Mapping) for key, value in content.items())


def state_of(module: PickledModule) -> dict[str, Tensor]:
    """The state dict of a module that was pickled: its parameters and persistent buffers by dotted name."""
    found: dict[str, Tensor] = {}
    _gather(module, "", (), found)
    return found


def _gather(module: PickledModule, prefix: str, above: tuple[int, ...], found: dict[str, Tensor]) -> None:
    if id(module) in above or len(above) > MOST_LEVELS:  # damaged: a module within itself
        return
    passing = module.part("_non_persistent_buffers_set") or ()
    for kind in ("_parameters", "_buffers"):
        for name, value in _items(module.part(kind)):
            if isinstance(value, Tensor) and name not in passing:
                found[f"{prefix}{name}"] = value
    for name, inner in _items(module.part("_modules")):
        if isinstance(inner, PickledModule):
            _gather(inner, f"{prefix}{name}.", (*above, id(module)), found)


def _items(table: Any) -> list[tuple[str, Any]]:
    return list(table.items()) if isinstance(table, Mapping) else []
