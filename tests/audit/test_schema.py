"""The schema that is derived from the types: what it lets through, and that it is as strict as the first one.

`results_schema.json` is the schema of reportgen.results/1 as it was written by hand. What came later may add
keys to it; what it refuses is refused for ever.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from typing_extensions import NotRequired, TypedDict

from reportgen.audit.quantities import Others, Within
from reportgen.audit.schema import results_schema, schema_of

FIRST = json.loads(Path(__file__).with_name("results_schema.json").read_bytes())
NEW = results_schema()
WRONG = (None, "x", "", -1, -0.5, 1.5, 1e9, True, [], {}, [None], {"x": "y"})
FREE = {"results.recipe"}  # whatever the recipe's own schema says
OPEN = FREE | {"results.environment", "results.beside.left_out"}  # may have keys of any name, with words


def valid(schema: dict[str, Any], value: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(schema).is_valid(value))


def trimmed(value: Any) -> Any:
    """The same with at most two of each list, and of each mapping of images or methods."""
    if isinstance(value, list):
        return [trimmed(inner) for inner in value[:2]]
    return {key: trimmed(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def without(value: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: inner for name, inner in value.items() if name != key}


def of_value(schema: dict[str, Any], value: Any) -> dict[str, Any]:
    """The alternative of a schema that a value is of."""
    return next((branch for branch in schema.get("anyOf", ()) if valid(branch, value)), schema)


def below(schema: dict[str, Any], value: Any, key: Any) -> dict[str, Any]:
    """The schema of what stands in a value under a key."""
    schema = of_value(schema, value)
    if isinstance(value, list):
        return dict(schema.get("items", {}))
    others = schema.get("additionalProperties", {})
    return dict(schema.get("properties", {}).get(key, others if isinstance(others, dict) else {}))


Place = tuple[str, Any, dict[str, Any], dict[str, Any]]  # its name, what stands there, and both schemas


def places(value: Any, first: dict[str, Any], new: dict[str, Any], name: str = "results") -> Iterator[Place]:
    """Every place of a value; of a list the first element stands for all."""
    yield name, value, first, new
    keys = list(value) if isinstance(value, dict) else [0] if isinstance(value, list) and value else []
    for key in keys:
        if f"{name}.{key}" not in FREE:
            yield from places(value[key], below(first, value, key), below(new, value, key), f"{name}.{key}")


def known(value: Any, schema: dict[str, Any]) -> Any:
    """A value without the keys of objects that the schema does not know: those are additions."""
    for branch in schema.get("anyOf", ()):
        if isinstance(value, dict) and set(branch.get("required", "?")) <= value.keys():
            return known(value, branch)
        if isinstance(value, list) and branch.get("type") == "array":
            return known(value, branch)
    if isinstance(value, list) and "items" in schema:
        return [known(inner, schema["items"]) for inner in value]
    if isinstance(value, dict) and "properties" in schema:
        inner = {key: known(v, schema["properties"].get(key, {})) for key, v in value.items()}
        closed = schema["additionalProperties"] is False
        return {key: v for key, v in inner.items() if key in schema["properties"] or not closed}
    others = schema.get("additionalProperties")
    if isinstance(value, dict) and isinstance(others, dict):
        return {key: known(inner, others) for key, inner in value.items()}
    return value


@pytest.fixture(scope="module")
def small(results: dict[str, Any]) -> dict[str, Any]:
    """Results of a run, as valid as before but short."""
    short: dict[str, Any] = trimmed(results)
    for trust in (short["trust"], short["beside"]["trust"]):
        trust["methods"] = dict(list(trust["methods"].items())[:1])
    for images in (short["images"], short["beside"]["images"]):
        images[:] = [image | {"findings": dict(list(image["findings"].items())[:2])} for image in images[:1]]
    return short


def test_the_schema_is_one_and_real_results_are_of_it(results: dict[str, Any], small: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(NEW)
    jsonschema.Draft202012Validator(NEW).validate(results)
    jsonschema.Draft202012Validator(FIRST).validate(known(results, FIRST))
    assert valid(NEW, small)


def test_what_the_first_schema_refuses_is_refused(small: dict[str, Any]) -> None:
    refused = 0
    for name, value, first, new in places(small, FIRST, NEW):
        lacking = [without(value, key) for key in value] if isinstance(value, dict) else []
        for broken in (*WRONG, *lacking):
            if not valid(first, known(broken, first)):
                refused += 1
                assert not valid(new, broken), (name, broken)
    assert refused > 1000


def test_no_object_may_have_a_key_that_it_does_not_name(small: dict[str, Any]) -> None:
    for name, value, _, new in places(small, FIRST, NEW):
        if isinstance(value, dict) and name not in OPEN:
            assert not valid(new, value | {"surprise": "of no use"}), name


class Bounded(TypedDict):
    """Of every kind of type."""

    share: Annotated[float, Within(0, 1), "a share"]
    pair: Annotated[list[int], Within(length=2)]
    word: Literal["a", "b"] | None
    by_stage: dict[Literal["x", "y"], bool]
    more: NotRequired[dict[str, Any]]


def test_every_kind_of_type_has_the_schema_that_its_values_fit() -> None:
    schema = schema_of(Bounded)
    assert schema["description"] == "Of every kind of type."
    assert schema["properties"]["share"]["description"] == "a share"
    good = {"share": 0.5, "pair": [1, 2], "word": None, "by_stage": {"x": True, "y": False}}
    assert valid(schema, good) and valid(schema, good | {"more": {"any": [1]}})
    wrong = (("share", 1.1), ("pair", [1]), ("pair", [1, 0.5]), ("word", "c"), ("by_stage", {"x": True}))
    for key, bad in wrong:
        assert not valid(schema, good | {key: bad}), key
    assert not valid(schema, without(good, "word"))


def test_an_object_with_others_has_the_named_keys_and_others_of_one_type() -> None:
    schema = schema_of(Annotated[dict[str, Any], Others(float | None), Bounded])
    good = {"share": 0.5, "pair": [1, 2], "word": "a", "by_stage": {"x": True, "y": False}}
    assert valid(schema, good | {"margin": 0.25, "entropy": None})
    assert not valid(schema, good | {"margin": "much"})
    assert not valid(schema, {"margin": 0.25})


def test_a_type_that_has_no_schema_is_an_error() -> None:
    with pytest.raises(TypeError, match="no JSON Schema is known of"):
        schema_of(tuple[int, ...])
