"""The recipe as a whole: its top keys, and where in the file each value stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    StrictInt,
    StrictStr,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from reportgen import files
from reportgen.errors import RecipeError, UnknownName
from reportgen.recipe.checks import Check, ChecksRecipe, StatementRecipe, as_checks
from reportgen.recipe.complaints import complaint
from reportgen.recipe.fields import (
    ImagesRecipe,
    ModelRecipe,
    Output,
    Part,
    Run,
    Visualization,
    at,
    default_visualizations,
)
from reportgen.recipe.gates import Gate, TrustRecipe, tested_check, tested_method
from reportgen.recipe.places import named_files
from reportgen.recipe.second_model import BesideRecipe, as_main, merged
from reportgen.recipe.source import KeyPath, Source, read

MOST_TARGETS = 100  # of an image: each has maps of its own
TOP = re.compile(r"top-([0-9]+)")
TARGET = {"type": ["string", "integer"], "minimum": 0, "minLength": 1}


def _as_targets(value: Any) -> Any:
    """A single target is a list of one."""
    return (value,) if isinstance(value, str | int) else value


def _as_trust(value: Any) -> Any:
    """`trust: false` tests no map."""
    return {"images": 0} if value is False else value


class Recipe(Part):
    """What to measure and how to show it. `Recipe()` is the default report.

    Made in Python, relative paths in it start from the working folder; `load` reads it from a
    file, and they start from that file's folder. Wrong values raise pydantic's ValidationError
    here and RecipeError, with file:line:column, from `load`.
    """

    prose = frozenset({"title"})
    title: StrictStr = Field(default="Model audit", min_length=1, description="text")
    model: ModelRecipe = Field(
        default=ModelRecipe(), description="a mapping with source, arguments, classes, preprocessing, head"
    )
    images: ImagesRecipe = Field(
        default=ImagesRecipe(), description="a mapping with labels, parts, training, foreign, groups and show"
    )
    targets: Annotated[
        tuple[StrictStr | StrictInt, ...],
        BeforeValidator(_as_targets),
        WithJsonSchema({"anyOf": [TARGET, {"type": "array", "items": TARGET, "minItems": 1}]}),
    ] = Field(
        default=("predicted",),
        min_length=1,
        description="predicted, label, top-K, a class's name or index, or a list of those",
    )
    score: Literal["logit", "contrast"] = Field(default="logit", description="logit or contrast")
    run: Run = Field(
        default=Run(), description="a mapping with device, batch_size, precision, seed, preset, budget"
    )
    visualizations: tuple[Visualization, ...] = Field(
        default_factory=default_visualizations,
        description="a list of visualizations: a name, or `name: {option: value}`",
    )
    checks: Annotated[
        ChecksRecipe,
        BeforeValidator(
            as_checks, json_schema_input_type=Literal[False, "all"] | tuple[Check, ...] | ChecksRecipe
        ),
    ] = Field(
        default_factory=ChecksRecipe,
        description="all, false, a list of checks, or a mapping with sample and only",
    )
    statement: StatementRecipe = Field(
        default=StatementRecipe(),
        description="a mapping with intended_use, images, limits, owner, reasons",
    )
    trust: Annotated[
        TrustRecipe, BeforeValidator(_as_trust, json_schema_input_type=Literal[False] | TrustRecipe)
    ] = Field(
        default=TrustRecipe(),
        description="false, or a mapping with images, steps, random_orders, noise_std, limits",
    )
    beside: BesideRecipe | None = Field(
        default=None, description="a mapping with checkpoint, name, main, model"
    )
    gates: tuple[Gate, ...] = Field(
        default=(), description="a list of {metric, min, max}, {check, at_worst} and {diff, max}"
    )
    history: StrictStr | None = Field(
        default=None,
        min_length=1,
        description="a folder of earlier reports, or of their results.json, relative to the recipe",
    )
    output: Output = Field(default=Output(), description="a mapping with theme, html, pdf")

    _source: Source | None = PrivateAttr(None)
    _folder: Path = PrivateAttr(Path())
    _allowed: tuple[str, ...] | None = PrivateAttr(None)

    @field_validator("targets")
    @classmethod
    def _targets_are_possible(cls, targets: tuple[str | int, ...]) -> tuple[str | int, ...]:
        if len(targets) > MOST_TARGETS:
            raise at((), f"{len(targets):,} targets, each with maps of every image: at most {MOST_TARGETS}")
        for number, target in enumerate(targets):
            if target in targets[:number]:
                raise at((number,), f"the target {target!r} is there twice")
            top = TOP.fullmatch(target) if isinstance(target, str) else None
            rank = int(top[1].lstrip("0")[:9] or 0) if top else None
            if rank is not None and rank > MOST_TARGETS:
                raise at((number,), f"{target!r:.24} is as many targets an image: at most {MOST_TARGETS}")
            if (isinstance(target, int) and target < 0) or target == "" or rank == 0:
                raise at((number,), f"{target!r} is no target: classes and K count from 0 and 1")
        return targets

    @field_validator("visualizations")
    @classmethod
    def _names_are_unique(cls, shown: tuple[Visualization, ...]) -> tuple[Visualization, ...]:
        names = [visualization.name for visualization in shown]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise at((number,), f"the visualization '{name}' is there twice")
        return shown

    @model_validator(mode="after")
    def _one_names_the_class(self) -> Recipe:
        target = self.model.target
        if target is not None and target.named is not None and "targets" in self.model_fields_set:
            raise at(("targets",), "model.target.class names the class already: leave one of them out")
        return self

    @model_validator(mode="after")
    def _gates_can_be_judged(self) -> Recipe:
        """A gate on a map that is not made, or not put to the test, could never be passed."""
        shown = {visualization.name for visualization in self.visualizations}
        asked = {check.name for check in self.checks.only}
        for number, gate in enumerate(self.gates):
            if gate.check and gate.check not in asked:
                where = ("gates", number, "check")
                raise at(where, f"{gate.check!r} is not known: it is not among the checks")
            method, place = tested_method(gate.metric or ""), ("gates", number, "metric")
            check = tested_check(gate.metric or "")
            if check and check not in asked:
                raise at(place, f"{gate.metric} is not known: {check!r} is not among the checks")
            if method and not self.trust.images:
                raise at(place, f"{gate.metric} is not known where trust is off")
            if method and method not in shown:
                raise at(place, f"{gate.metric} is not known: {method!r} is not among the visualizations")
        return self

    @property
    def folder(self) -> Path:
        """The folder that relative paths in the recipe start from."""
        return self._folder

    @property
    def allowed_code(self) -> tuple[str, ...] | None:
        """The modules and files that may be called besides those that always may; None where no file holds
        the recipe but a program's own code, which may call anything."""
        return self._allowed

    @property
    def file(self) -> Path | None:
        """The file it was read from, or None."""
        return Path(self._source.name) if self._source else None

    @property
    def explained(self) -> tuple[str | int, ...]:
        """What each image is explained for: the class that model.target names, or else `targets`."""
        target = self.model.target
        return self.targets if target is None or target.named is None else (target.named,)

    def place(self, *path: str | int) -> str:
        """`recipe.yaml:14:9: ` for the value at a key path, or "" where no file says it."""
        known = self._source is not None and path in self._source.values
        return self._source.place(path) if known and self._source else ""

    def resolved(self) -> dict[str, Any]:
        """The recipe as JSON values, every default and every option spelled out; itself a recipe."""
        plain = self.model_dump(mode="json")
        plain["visualizations"] = [shown.resolved() for shown in self.visualizations]
        plain["checks"] = self.checks.resolved()
        if self.beside is not None:
            own = merged(self.model, self.beside.model)
            plain["beside"]["model"] = own.model_dump(mode="json")
        return plain

    @classmethod
    def again(
        cls, resolved: Mapping[str, Any], folder: Path, allow_code: Iterable[str] | None = ()
    ) -> Recipe:
        """The recipe that `resolved` gave, in the folder that its relative paths start from. What its source
        may call is as `load` has it, or anything where `allow_code` is None.

        Raises pydantic's ValidationError where it did not.
        """
        plain = dict(resolved)
        if (plain["model"].get("target") or {}).get("class") is not None:
            del plain["targets"]  # the class is named there: nobody chose these
        recipe = cls.model_validate(plain)
        recipe._folder = folder
        recipe._allowed = None if allow_code is None else tuple(allow_code)
        return recipe

    def links(self) -> list[str]:
        """Notes on files that the recipe names by links which lead out of its folder."""
        texts = named_files(self._source.data) if self._source else []
        leading = [(text, files.leads_out(self.folder / text, self.folder)) for text in texts]
        return [f"'{text}', which the recipe names, is a link to {real}." for text, real in leading if real]

    def second(self) -> Recipe | None:
        """The recipe by which the model beside is measured, None where there is none.

        An error in it has the place under `beside.model` where the file says it there.
        """
        if self.beside is None:
            return None
        model = merged(self.model, self.beside.model)
        second = self.model_copy(update={"model": model, "beside": None})
        second._source = as_main(self._source) if self._source else None
        return second

    def with_values(self, values: Mapping[str, object]) -> Recipe:
        """The recipe with other values at key paths such as `run.device`, as the command line names them.

        Raises RecipeError for a wrong value.
        """
        changes: dict[str, Any] = {}
        for path, value in values.items():
            *above, key = path.split(".")
            inner = changes
            for part in above:
                inner = inner.setdefault(part, {})
            inner[key] = value
        if "beside" in changes:
            changes["beside"] = _beside(self.beside, changes["beside"])
        plain = {name: changes.pop(name) for name in list(changes) if not isinstance(changes[name], Mapping)}
        kinds = {name: BesideRecipe if name == "beside" else type(getattr(self, name)) for name in changes}
        return self.model_copy(
            update=plain
            | {name: _with(getattr(self, name), kinds[name], changes[name]) for name in changes}
        )

    def located(self, error: UnknownName | RecipeError) -> RecipeError:
        """The error with the place in the recipe of what it is about, where the recipe says that.

        For a RecipeError this is the key that its cause begins with: `model.source: …`.
        """
        if isinstance(error, RecipeError):
            place = self.place(*error.cause.partition(":")[0].split("."))
            return RecipeError(place + error.cause, error.remedy)
        noun = error.kind.split()[0]  # "layer" of "layer with spatial maps"
        paths = [path for path in self._names() if _is(self._value(path), error.value)]
        # `layers: [7]` before `maps: 7`
        paths.sort(key=lambda path: not any(str(part).startswith(noun) for part in path))
        remedies = {
            "layer": "`reportgen inspect CHECKPOINT` lists the layers, by name and number",
            "class": "give a name of model.classes, or the class's number",
        }
        remedy = remedies.get(noun, f"give a {error.kind} that the model has")
        return RecipeError((self.place(*paths[0]) if paths else "") + str(error), remedy)

    def _names(self) -> list[KeyPath]:
        """The key paths, in the file's order, at which a layer, a class or an output can be named."""
        paths = self._source.values if self._source else {}
        return [
            path
            for path in paths
            if path[:1] in (("visualizations",), ("targets",)) or path == ("model", "output")
        ]

    def _value(self, path: KeyPath) -> Any:
        value: Any = self._source.data if self._source else None
        for key in path:
            value = value[key]
        return value


def _is(value: Any, name: object) -> bool:
    return type(value) is type(name) and value == name


def _beside(own: BesideRecipe | None, changes: dict[str, Any]) -> dict[str, Any]:
    """What is to change of the second model; another file than the recipe's loses the name it had there."""
    if own is None and "checkpoint" not in changes:
        raise RecipeError("--beside-model is given, but no checkpoint for it", "add --beside CHECKPOINT")
    return {"name": None, **changes} if "checkpoint" in changes else changes


def _with(part: Part | None, kind: type[Part], changes: Mapping[str, Any]) -> Part:
    """A part with some values changed, checked as those of a file are."""
    own = part.model_dump(exclude_unset=True) if part else {}
    try:
        return kind.model_validate(_merged(own, changes))
    except ValidationError as error:
        raise complaint(error, changes, kind) from error


def _merged(own: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values with others in their place; what is not named stays."""
    inner = {key: value for key, value in changes.items() if isinstance(value, Mapping)}
    return {**own, **changes, **{key: _merged(own.get(key) or {}, inner[key]) for key in inner}}


def load(file: Path | None, allow_code: Iterable[str] = ()) -> Recipe:
    """The recipe of a file, or the default one. Raises RecipeError with file:line:column.

    A file is data of whoever wrote it: what its `model.source` may call besides code beside it, and besides
    torchvision, timm and transformers, are the modules and files (from the working folder) in `allow_code`.
    """
    if file is None:
        recipe = Recipe()
        recipe._allowed = tuple(allow_code)
        return recipe
    source = read(file)
    try:
        recipe = Recipe.model_validate(source.data)
    except ValidationError as error:
        raise complaint(error, source.data, Recipe, source) from error
    recipe._source = source
    recipe._folder = file.parent
    recipe._allowed = tuple(allow_code)
    return recipe
