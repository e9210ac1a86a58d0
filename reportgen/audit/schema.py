"""The JSON Schema of results.json, derived from its types: what scripts may rely on."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from typing_extensions import NotRequired, is_typeddict

from reportgen.audit.compare.comparison import Comparison
from reportgen.audit.quantities import Others, Within, hints
from reportgen.audit.results import Results

Schema = dict[str, Any]
NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


def results_schema() -> Schema:
    """The schema of results.json, JSON Schema draft 2020-12."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "results.json"}
    return head | schema_of(Results)


def diff_schema() -> Schema:
    """The schema of diff.json, JSON Schema draft 2020-12."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "diff.json"}
    return head | schema_of(Comparison)


def schema_of(kind: Any) -> Schema:
    """What JSON must be to be of a type.

    Raises TypeError for a type that has no schema here.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _annotated(*arguments)
    if origin in (Union, UnionType):
        return {"anyOf": [schema_of(argument) for argument in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is dict:
        return _by_name(*arguments)
    if is_typeddict(kind):
        return _object(kind)
    if kind is Any:
        return {}
    if kind not in NAMES:
        raise TypeError(f"no JSON Schema is known of {kind}")
    return {"type": NAMES[kind]}


def _by_name(keys: Any, values: Any) -> Schema:
    """An object with values of one type: of any name, or of the names that a Literal lists."""
    if get_origin(keys) is Literal:
        names = get_args(keys)
        return _closed(dict.fromkeys(names, schema_of(values)), names)
    return {"type": "object", "additionalProperties": schema_of(values)}


def _object(typed: Any) -> Schema:
    """An object with all of a TypedDict's keys, but for those that are NotRequired, and no others."""
    kinds = hints(typed)
    optional = {key: get_args(kind)[0] for key, kind in kinds.items() if get_origin(kind) is NotRequired}
    properties = {key: schema_of(kind) for key, kind in (kinds | optional).items()}
    described = _closed(properties, [key for key in kinds if key not in optional])
    return described | {"description": " ".join(typed.__doc__.split())}


def _closed(properties: dict[str, Schema], required: Any) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _annotated(kind: Any, *marks: Any) -> Schema:
    """A type with what its marks say: keywords, a description, the keys of an object that may have others."""
    schema = schema_of(kind)
    for mark in marks:
        if isinstance(mark, Within):
            schema |= mark.keywords()
        elif isinstance(mark, str):
            schema |= {"description": mark}
        elif isinstance(mark, Others):
            schema |= {"additionalProperties": schema_of(mark.type)}
        elif is_typeddict(mark):
            schema = _object(mark) | {"additionalProperties": schema["additionalProperties"]}
    return schema
