"""pydantic's findings -> one RecipeError in the user's words: where, what, and what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from reportgen.errors import RecipeError, did_you_mean, nearest
from reportgen.recipe.source import KeyPath, Source

UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")


@dataclass(frozen=True)
class _Fault:
    """One thing that is wrong: its key path, the words for it, and the remedy."""

    path: KeyPath
    message: str
    remedy: str
    at_key: bool = False
    own: bool = False  # a rule of the recipe's, not just a wrong type


def complaint(
    error: ValidationError,
    data: Mapping[str, Any],
    root: type[BaseModel],
    source: Source | None = None,
) -> RecipeError:
    """The RecipeError for what pydantic found in `data`: the most telling of its findings.

    That is an unknown key before anything else (the missing one is then often the misspelt one),
    and the deepest otherwise (of the branches of a union it is the one that was meant).
    """
    faults = [fault for item in error.errors() for fault in _faults(item, data, root)]
    worst = max(faults, key=lambda fault: (fault.at_key, len(fault.path), fault.own))
    place = source.place(worst.path, key=worst.at_key) if source else ""
    return RecipeError(place + worst.message, worst.remedy)


def _faults(item: Any, data: Mapping[str, Any], root: type[BaseModel]) -> list[_Fault]:
    """One of pydantic's findings in our words; an option's finding holds several."""
    context = item.get("ctx", {})
    path = _path(item["loc"], data) + tuple(context.get("path", ()))
    inner = context.get("error")
    if isinstance(inner, ValidationError):
        return _option_faults(path, inner, data)
    name = str(item["loc"][-1]) if item["loc"] else ""
    if item["type"] == "extra_forbidden":
        return [_unknown_key(path, list(_fields(_model_at(path[:-1], root))))]
    if item["type"] == "missing":
        return [_Fault(path, f"{_shown(path)} has no {name!r}", f"add {name}: …", own=True)]
    if item["type"] == "unknown_choice":
        name_path = (*path, *_own_key(_get(path, data)))
        return [_Fault(name_path, item["msg"], context["remedy"], at_key=True)]
    remedy = "`reportgen recipe new` writes a recipe with every key and its meaning"
    if item["type"] in ("at", "value_error"):
        message = str(context.get("error", item["msg"]))
        return [_Fault(path, f"{_shown(path)}: {message}" if path else message, remedy, own=True)]
    given = _brief(_get(path, data))
    must = f"must be {_words(path, root)}"
    if isinstance(path[-1], int):  # the words are about the list
        message = f"{_shown(path)} is {given}, but {_shown(path[:-1])} {must}"
    else:
        message = f"{_shown(path)} {must}, not {given}"
    guess = did_you_mean(_meant(item, _get(path, data)))
    return [_Fault(path, message + guess, remedy)]


def _unknown_key(path: KeyPath, known: Iterable[str]) -> _Fault:
    where = _shown(path[:-1]) if path[:-1] else "the recipe"
    tail = did_you_mean(nearest(str(path[-1]), known))
    message = f"unknown key {str(path[-1])!r} in {where}{tail}"
    return _Fault(path, message, f"the keys there are {', '.join(known)}", at_key=True)


def _option_faults(path: KeyPath, error: ValidationError, data: Mapping[str, Any]) -> list[_Fault]:
    """What is wrong with the options of the visualization or check at `path`, one fault an option."""
    given = _get(path, data)
    key = _own_key(given)
    name = str(key[0]) if key else str(given["name"])
    options = given[name] if key else given.get("options", {})
    command, known = _options_of(str(path[0]), name)
    remedy = f"`reportgen {command} {name}` lists its options"
    faults, wishes = [], dict[KeyPath, list[str]]()
    for option in error.errors():
        inside = _path(option["loc"], options)
        if option["type"] in UNKNOWN:
            tail = did_you_mean(nearest(str(inside[0]), known))
            message = f"unknown option {str(inside[0])!r} of {name}{tail}"
            faults.append(_Fault((*path, *key, *inside), message, remedy, at_key=True))
        else:
            words = option["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
            guess = did_you_mean(_meant(option, _get(inside, options)))
            wishes.setdefault(inside, []).append(words + guess)
    for inside, wanted in wishes.items():  # several where a union has no branch that fits
        shown = f"{_shown(inside) or 'options'} is {_brief(_get(inside, options))}"
        message = f"{name}: {shown}, not {' or '.join(wanted)}"
        faults.append(_Fault((*path, *key, *inside), message, remedy))
    return faults


def _options_of(key: str, name: str) -> tuple[str, Iterable[str]]:
    """The command that tells of what stands below a key of the recipe, and the options of one of it."""
    if key == "checks":
        from reportgen.checks import questions

        return "checks", questions()[name].options()
    from reportgen.probes import methods

    return "methods", methods()[name].options()


def _path(loc: Iterable[str | int], data: Any) -> KeyPath:
    """A location without pydantic's own words in it (the branches of a union)."""
    path: list[str | int] = []
    for part in loc:
        is_key = isinstance(data, Mapping) and part in data
        if is_key or (isinstance(data, list | tuple) and isinstance(part, int) and part < len(data)):
            path.append(part)
            data = data[part]
    return tuple(path)


def _get(path: KeyPath, data: Any) -> Any:
    for key in path:
        if not isinstance(data, Mapping | list | tuple):
            return data
        data = data[key]  # type: ignore[index]
    return data


def _own_key(visualization: Any) -> KeyPath:
    """The key under which a visualization's options stand: `grad-cam` of `grad-cam: {…}`."""
    named = isinstance(visualization, Mapping) and "name" not in visualization
    return tuple(visualization) if named else ()


def _shown(path: KeyPath) -> str:
    """`gates[1].metric`; items count from 1, as people count the lines of a list."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")


def _brief(value: Any) -> str:
    constants = {None: "nothing", True: "true", False: "false"}
    text = constants[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _meant(item: Any, value: Any) -> str | None:
    """The choice that a misspelt word comes nearest to."""
    if item["type"] != "literal_error" or not isinstance(value, str):
        return None
    return nearest(value, re.findall(r"'([^']+)'", item["ctx"]["expected"]))


def _model_at(path: KeyPath, root: type[BaseModel]) -> type[BaseModel]:
    """The class that describes the mapping at a key path."""
    model = root
    for key in path:
        if key in (fields := _fields(model)):
            model = _models(fields[str(key)].annotation)[0]
    return model


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a mapping by their keys in a recipe."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The mappings among a field's types."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _words(path: KeyPath, root: type[BaseModel]) -> str:
    """The description of the field at a key path, or of the nearest field around it."""
    words, model = "a mapping of keys", root
    for key in path:
        field = _fields(model).get(str(key))
        if field is not None:
            words = field.description or words
            model = next(iter(_models(field.annotation)), model)
    return words
