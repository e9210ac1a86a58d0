"""The recipe as a whole: read from a file or made in Python, with the place of every value."""

from __future__ import annotations

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

from reportgen.errors import RecipeError, UnknownName
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
from reportgen.recipe.gates import Gate, TrustRecipe, tested_method
from reportgen.recipe.second_model import BesideRecipe, as_main, merged
from reportgen.recipe.source import KeyPath, Source, read

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

    title: StrictStr = Field(default="Model audit", min_length=1, description="text")
    model: ModelRecipe = Field(
        default=ModelRecipe(), description="a mapping with source, arguments, classes, preprocessing, output"
    )
    images: ImagesRecipe = Field(default=ImagesRecipe(), description="a mapping with labels, parts and show")
    targets: Annotated[
        tuple[StrictStr | StrictInt, ...],
        BeforeValidator(_as_targets),
        WithJsonSchema({"anyOf": [TARGET, {"type": "array", "items": TARGET, "minItems": 1}]}),
    ] = Field(
        default=("predicted",),
        min_length=1,
        description="predicted, label, top-K, a class's name or index, or a list of those",
    )
    run: Run = Field(default=Run(), description="a mapping with device, batch_size, precision, seed")
    visualizations: tuple[Visualization, ...] = Field(
        default_factory=default_visualizations,
        description="a list of visualizations: a name, or `name: {option: value}`",
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
    gates: tuple[Gate, ...] = Field(default=(), description="a list of {metric, min, max}")
    output: Output = Field(default=Output(), description="a mapping with theme, html, pdf")

    _source: Source | None = PrivateAttr(None)
    _folder: Path = PrivateAttr(Path())

    @field_validator("targets")
    @classmethod
    def _targets_are_possible(cls, targets: tuple[str | int, ...]) -> tuple[str | int, ...]:
        for number, target in enumerate(targets):
            if target in targets[:number]:
                raise at((number,), f"the target {target!r} is there twice")
            if (isinstance(target, int) and target < 0) or target in ("", "top-0"):
                raise at((number,), f"{target!r} is no target: classes and K count from 0 and 1")
        return targets

    @field_validator("visualizations")
    @classmethod
    def _names_are_unique(cls, found: tuple[Visualization, ...]) -> tuple[Visualization, ...]:
        names = [visualization.name for visualization in found]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise at((number,), f"the visualization '{name}' is there twice")
        return found

    @model_validator(mode="after")
    def _gates_can_be_judged(self) -> Recipe:
        """A gate on a map that is not made, or not put to the test, could never be passed."""
        shown = {visualization.name for visualization in self.visualizations}
        for number, gate in enumerate(self.gates):
            method, place = tested_method(gate.metric), ("gates", number, "metric")
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
    def file(self) -> Path | None:
        """The file it was read from, or None."""
        return Path(self._source.name) if self._source else None

    def place(self, *path: str | int) -> str:
        """`recipe.yaml:14:9: ` for the value at a key path, or "" where no file says it."""
        known = self._source is not None and path in self._source.values
        return self._source.place(path) if known and self._source else ""

    def resolved(self) -> dict[str, Any]:
        """The recipe as JSON values, every default and every option spelled out; itself a recipe."""
        plain = self.model_dump(mode="json")
        plain["visualizations"] = [shown.resolved() for shown in self.visualizations]
        if self.beside is not None:
            own = merged(self.model, self.beside.model)
            plain["beside"]["model"] = own.model_dump(mode="json")
        return plain

    def second(self) -> Recipe | None:
        """The recipe by which the model beside is measured, None where there is none.

        An error in it has the place under `beside.model` where the file says it there.
        """
        if self.beside is None:
            return None
        model = merged(self.model, self.beside.model)
        made = self.model_copy(update={"model": model, "beside": None})
        made._source = as_main(self._source) if self._source else None
        return made

    def with_overrides(
        self,
        *,
        device: str | None = None,
        source: str | None = None,
        labels: str | None = None,
        pdf: bool | None = None,
        beside: str | None = None,
        beside_source: str | None = None,
    ) -> Recipe:
        """The recipe with what the command line says instead. Raises RecipeError for a wrong value.

        `beside` is the second model's checkpoint, relative to the recipe's folder, and
        `beside_source` what it belongs to.
        """
        parts: dict[str, Part | None] = {
            "beside": self._beside(beside, beside_source),
            "run": _with(self.run, device=device),
            "model": _with(self.model, source=source),
            "images": _with(self.images, labels=labels),
            "output": _with(self.output, pdf=pdf),
        }
        return self.model_copy(update=parts)

    def _beside(self, checkpoint: str | None, source: str | None) -> BesideRecipe | None:
        """The second model with what the command line says of it."""
        given = self.beside.model_dump(exclude_unset=True) if self.beside else {}
        if checkpoint is not None:  # another file than the one that the recipe gave a name
            given = {**given, "checkpoint": checkpoint, "name": None}
        if source is not None:
            given["model"] = {**given.get("model", {}), "source": source}
        if given and "checkpoint" not in given:
            raise RecipeError("--beside-model is given, but no checkpoint for it", "add --beside CHECKPOINT")
        return BesideRecipe.model_validate(given) if given else None

    def located(self, error: UnknownName | RecipeError) -> RecipeError:
        """The error with the place in the recipe of what it is about, where the recipe says that.

        For a RecipeError this is the key that its cause begins with: `model.source: …`.
        """
        if isinstance(error, RecipeError):
            place = self.place(*error.cause.partition(":")[0].split("."))
            return RecipeError(place + error.cause, error.remedy)
        noun = error.kind.split()[0]  # "layer" of "layer with spatial maps"
        found = [path for path in self._names() if _is(self._value(path), error.value)]
        # `layers: [7]` before `maps: 7`
        found.sort(key=lambda path: not any(str(part).startswith(noun) for part in path))
        remedies = {
            "layer": "`reportgen inspect CHECKPOINT` lists the layers, by name and number",
            "class": "give a name of model.classes, or the class's number",
        }
        remedy = remedies.get(noun, f"give a {error.kind} that the model has")
        return RecipeError((self.place(*found[0]) if found else "") + str(error), remedy)

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


def _with(part: Part, **changes: object) -> Part:
    """A part with some values changed, checked as those of a file are."""
    given = {key: value for key, value in changes.items() if value is not None}
    if not given:
        return part
    try:
        return type(part).model_validate({**part.model_dump(exclude_unset=True), **given})
    except ValidationError as error:
        raise complaint(error, given, type(part)) from error


def load(file: Path | None) -> Recipe:
    """The recipe of a file, or the default one. Raises RecipeError with file:line:column."""
    if file is None:
        return Recipe()
    source = read(file)
    try:
        recipe = Recipe.model_validate(source.data)
    except ValidationError as error:
        raise complaint(error, source.data, Recipe, source) from error
    recipe._source = source
    recipe._folder = file.parent
    return recipe
