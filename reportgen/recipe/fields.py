"""The keys of a recipe below `model`, `images`, `run`, `visualizations` and `output`, one class a mapping.

Those of `trust` and `gates` are in `gates`, of `beside` in `second_model`, of the top in `recipe`. All are
frozen values, and every key is optional.

The words of each field's description complete "<key> must be …": they serve the error messages,
the JSON Schema and whoever reads this file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    Strict,
    StrictBool,
    StrictInt,
    StrictStr,
    TypeAdapter,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError
from typing_extensions import Self

from reportgen.errors import did_you_mean, nearest
from reportgen.recipe.usual_order import usual_order

Number: TypeAlias = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Pixels: TypeAlias = Annotated[int, Strict(), Field(ge=1, le=16384)]
Place: TypeAlias = Annotated[int, Strict(), Field(ge=0)]
MOST_PIXELS = 1 << 24  # of the model's input: 4096 × 4096
MOST = 1_000_000  # of anything that is counted
MOST_LISTED = 1000  # in a list of options
FREE = ("seed",)  # numbers that say nothing about how much there is
Size: TypeAlias = Pixels | tuple[Pixels, Pixels]


# what no name and no path has: of "C:\\new\\table.txt" in double quotes YAML makes a line break and a tab
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
AS_ESCAPED = "in double quotes a backslash begins an escape; write the value in single quotes, or with /"
DURATIONS = {"s": 1.0, "min": 60.0, "h": 3600.0}
DURATION = r"^([1-9][0-9]{0,5}(\.[0-9]{1,3})?|0\.[0-9]{0,2}[1-9]) ?(s|min|h)$"  # above 0, with its unit


def at(path: tuple[str | int, ...], message: str) -> PydanticCustomError:
    """An error at a place below what is being checked."""
    return PydanticCustomError("at", "{message}", {"message": message, "path": path})


class Part(BaseModel):
    """A mapping of the recipe: frozen, and a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    prose: ClassVar[frozenset[str]] = frozenset()  # keys whose text may have several lines

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, data: Any) -> Any:
        """`gates:` with nothing after it means the default, as if the line were not there."""
        if isinstance(data, dict):
            for key, value in data.items():
                if isinstance(value, str) and key not in cls.prose and (found := CONTROL.search(value)):
                    raise at((key,), f"{value!r} holds {found[0]!r}: {AS_ESCAPED}")
            return {key: value for key, value in data.items() if value is not None}
        return data


class PreprocessingRecipe(Part):
    """How an image becomes the model's input: resize, centre crop, then (pixel - mean) / std."""

    resize: Size | None = Field(default=None, description="the shorter side in px, or [height, width]")
    crop: Size | None = Field(
        default=None, description="the side of the centre crop in px, or [height, width]"
    )
    mean: tuple[Number, ...] = Field(
        min_length=1, max_length=64, description="a list, one number a channel or one for all"
    )
    std: tuple[Annotated[Number, Field(gt=0)], ...] = Field(
        min_length=1, max_length=64, description="a list, one number above 0 a channel or one for all"
    )
    interpolation: Literal["bilinear", "bicubic", "nearest", "lanczos"] = Field(
        default="bilinear", description="bilinear, bicubic, nearest or lanczos"
    )
    range: tuple[Number, Number] | None = Field(
        default=None, description="what is black and what is white in the file's numbers, such as [0, 4095]"
    )
    bands: list[StrictStr] | None = Field(default=None, description="a list of names, one a channel")
    show: tuple[StrictInt | StrictStr, ...] | None = Field(
        default=None, description="the one or three bands that are shown, by name or number from 0"
    )

    @model_validator(mode="after")
    def _is_whole(self) -> PreprocessingRecipe:
        # one number is meant for every channel
        if len({len(self.mean), len(self.std)} - {1}) > 1:
            raise ValueError(f"mean has {len(self.mean)} channels, std has {len(self.std)}")
        if self.crop is None and not isinstance(self.resize, tuple):
            raise ValueError("the size of the model's input is not known: give crop")
        for key in ("resize", "crop"):
            sides = getattr(self, key)
            height, width = sides if isinstance(sides, tuple) else (sides or 0, sides or 0)
            if height * width > MOST_PIXELS:
                raise at((key,), f"{key} is {height:,} × {width:,} px: at most {MOST_PIXELS:,} are read")
        if self.range is not None and not self.range[0] < self.range[1]:
            raise ValueError("range is not from black to a larger number for white")
        return self


class RegionRecipe(Part):
    """Where the answers of a network that segments or detects are taken: which class, `targets` says."""

    box: tuple[Place, Place, Place, Place] | None = Field(
        default=None, description="[left, top, right, bottom] in pixels of the model's input"
    )
    mask: StrictStr | None = Field(
        default=None,
        min_length=1,
        description="a folder with a mask an image, PNG or NPY, called like the image",
    )
    value: Place | None = Field(
        default=None, description="the value inside the masks, a whole number of at least 0; else any but 0"
    )
    named: StrictStr | Place | None = Field(
        default=None, alias="class", description="the class that is explained, by name or index"
    )

    @model_serializer(mode="wrap")
    def _as_written(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """By the recipe's keys: `class` is no name for a field in Python."""
        return {"class" if key == "named" else key: value for key, value in dump(self).items()}

    @model_validator(mode="after")
    def _is_one_place(self) -> Self:
        if self.box is not None and self.mask is not None:
            raise at(("mask",), "model.target has a box and a mask: leave one of them out")
        if self.value is not None and self.mask is None:
            raise at(("value",), "model.target.value is about masks, and model.target.mask names none")
        return self


class ModelRecipe(Part):
    """The network that the checkpoint's weights belong to."""

    source: StrictStr | None = Field(
        default=None, description="torchvision:NAME, timm:NAME, package.module:callable or file.py:callable"
    )
    arguments: dict[str, Any] = Field(default={}, description="a mapping of the callable's arguments")
    weights: StrictStr | None = Field(
        default=None,
        min_length=1,
        description="the key in the checkpoint, or the beginning of all keys, of the weights to use",
    )
    signed_by: StrictStr | None = Field(
        default=None,
        min_length=1,
        description="a public key or certificate (PEM) that model.sig beside the checkpoint is verified with",
    )
    classes: StrictStr | list[StrictStr] | None = Field(
        default=None, description="imagenet, a file with one name a line, or a list of names in quotes"
    )
    preprocessing: Literal["auto"] | PreprocessingRecipe = Field(
        default="auto", description="auto, or a mapping with resize, crop, mean and std"
    )
    target: RegionRecipe | None = Field(
        default=None, description="a mapping with box or mask, and class, where a network segments or detects"
    )
    head: Literal["auto", "softmax", "sigmoid", "probabilities", "scores"] = Field(
        default="auto",
        description="auto, softmax, sigmoid, probabilities or scores",
    )
    output: StrictStr | StrictInt | None = Field(
        default=None, description="the key or number of the logits where the network returns several outputs"
    )


class Show(Part):
    """Which images get figures; every image is scored."""

    at_most: Annotated[int, Strict(), Field(ge=1, le=MOST)] = Field(
        default=200, description="a whole number from 1 to 1,000,000"
    )
    choose: tuple[Literal["wrong", "unsure", "random"], ...] = Field(
        default=("wrong", "unsure", "random"),
        min_length=1,
        description="a list of wrong, unsure and random, first choice first",
    )


class ImagesRecipe(Part):
    """The image set's labels and parts, and which images are shown."""

    labels: StrictStr = Field(
        default="auto",
        min_length=1,
        description="auto, none, folder, imagefolder, or a CSV file with path,label",
    )
    first_index: Literal[0, 1] | None = Field(
        default=None, description="0 or 1: the number of the first class, where labels are numbers"
    )
    parts: StrictStr | None = Field(
        default=None, min_length=1, description="a CSV file with path,part,left,top,right,bottom"
    )
    masks: StrictStr | None = Field(
        default=None,
        min_length=1,
        description="a folder with a mask an image, PNG or NPY, called like the image: where the thing is",
    )
    training: StrictStr | None = Field(
        default=None, min_length=1, description="a folder, a file list or a CSV of the training's images"
    )
    foreign: StrictStr | None = Field(
        default=None,
        min_length=1,
        description="a folder, a file list or a CSV of pictures that are not of the model's task",
    )
    groups: tuple[StrictStr, ...] = Field(
        default=(), max_length=100, description="a list of columns of the labels' CSV, or of the images' own"
    )
    show: Show = Field(default=Show(), description="a mapping with at_most and choose")
    at_most_megapixels: Annotated[Number, Field(gt=0, le=4000)] | None = Field(
        default=None, description="a number of megapixels above 0, at most 4000"
    )


class Run(Part):
    """Where and how the pass runs."""

    device: StrictStr = Field(
        default="auto", pattern=r"^(auto|cpu|cuda(:\d{1,3})?)$", description="auto, cpu, cuda or cuda:N"
    )
    batch_size: Literal["auto"] | Annotated[int, Strict(), Field(ge=1, le=4096)] = Field(
        default="auto", description="auto, or a whole number of at most 4096 and at least 1"
    )
    precision: Literal["float32"] = Field(default="float32", description="float32")
    seed: Annotated[int, Strict(), Field(ge=0, lt=2**63)] = Field(
        default=0, description="a whole number of at least 0"
    )
    preset: Literal["quick", "standard", "full"] | None = Field(
        default=None, description="quick, standard or full: how much there is of what has no key here"
    )
    budget: Annotated[StrictStr, Field(pattern=DURATION)] | None = Field(
        default=None, description="a duration above 0 such as 90 s, 10 min or 2 h"
    )

    @property
    def budget_seconds(self) -> float | None:
        """The budget in seconds, where there is one."""
        if self.budget is None:
            return None
        number = self.budget.rstrip("smin h")
        return float(number) * DURATIONS[self.budget[len(number) :].strip()]


class Chosen(Part):
    """The name of something that there are many of, and the options that were given for it; `made` has the
    rest of them."""

    noun: ClassVar[str] = "choice"
    lists: ClassVar[str] = ""  # the command that lists them

    name: StrictStr
    options: dict[str, Any] = {}

    @classmethod
    def registry(cls) -> Mapping[str, type]:
        """What there is, by name: a dataclass each, whose fields are the options."""
        raise NotImplementedError

    @model_validator(mode="before")
    @classmethod
    def _from_recipe(cls, data: Any) -> Any:
        """Takes `grad-cam` and `grad-cam: {layer: auto}` as they stand in a recipe."""
        if isinstance(data, str):
            return {"name": data}
        if not isinstance(data, dict) or "name" in data:
            return data
        if len(data) != 1:
            raise at((), f"one {cls.noun} an item: a name, or `name: {{option: value}}`")
        ((name, options),) = data.items()
        if not isinstance(options, dict | type(None)):
            raise at((name,), f"the options of {name} are a mapping, such as {{option: value}}")
        return {"name": name, "options": options or {}}

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.name not in (known := self.registry()):
            raise PydanticCustomError(
                "unknown_choice",
                "unknown {noun} '{name}'{tail}",
                {
                    "noun": self.noun,
                    "name": self.name,
                    "tail": did_you_mean(nearest(self.name, known)),
                    "remedy": f"`reportgen {self.lists}` lists the {self.noun}s",
                },
            )
        try:
            _ = self.made
            self._refuse_endless()
        except ValidationError as error:
            raise PydanticCustomError("options", "{error}", {"error": error}) from error
        return self

    def _refuse_endless(self) -> None:
        """Raises an error for a number that no report needs: what it would cost is priced with the model."""
        for key, value in self.options.items():
            each = value if isinstance(value, list | tuple) else [value]
            if len(each) > MOST_LISTED:
                told = f"{self.name}: {key} has {len(each):,} items: at most {MOST_LISTED:,}"
                raise at((self.name, key), told)
            for one in each if key not in FREE else ():
                if isinstance(one, int | float) and abs(one) > MOST:
                    raise at((self.name, key), f"{self.name}: {key} is {one:,}"[:90] + f": at most {MOST:,}")

    @property
    def made(self) -> Any:
        """The dataclass with these options."""
        return self.registry()[self.name](**self.options)

    def resolved(self) -> dict[str, Any]:
        """`{name: every option}`, as a recipe would spell it out."""
        return {self.name: TypeAdapter(type(self.made)).dump_python(self.made, mode="json")}


class Visualization(Chosen):
    """A visualization's name and the options that were given for it; `probe` has the rest."""

    noun: ClassVar[str] = "visualization"
    lists: ClassVar[str] = "methods"

    @classmethod
    def registry(cls) -> Mapping[str, type]:
        """Every visualization by name."""
        from reportgen.probes import methods  # the probes import torch

        return {name: method.probe for name, method in methods().items()}

    @property
    def probe(self) -> Any:
        """The probe with these options: a frozen dataclass of reportgen/probes."""
        return self.made


def default_visualizations() -> tuple[Visualization, ...]:
    """Every visualization there is, in the report's usual order."""
    from reportgen.probes import methods

    return tuple(Visualization(name=name) for name in usual_order(methods()))


class Html(Part):
    """Limits of report.html."""

    at_most_mb: Annotated[Number, Field(gt=0, le=2000)] = Field(
        default=15, description="a number of MB above 0, at most 2000"
    )


class Pdf(Part):
    """Limits of report.pdf."""

    cards: Annotated[int, Strict(), Field(ge=0, le=MOST)] | Literal["sheet", "full", "none"] = Field(
        default="sheet",
        description="sheet (a page an image that needs a look), full (whole cards), none,"
        " or a whole number of at least 0: so many sheets at most",
    )


class Output(Part):
    """How the report looks and what is written."""

    theme: StrictStr = Field(
        default="default", min_length=1, description="a theme's name or the path of its folder"
    )
    layout: Literal["file", "folder"] = Field(default="file", description="file or folder")
    html: Html = Field(default=Html(), description="a mapping with at_most_mb")
    pdf: StrictBool | Pdf = Field(default=True, description="true, false, or a mapping with cards")
    crosswalk: Literal["eu-ai-act", "mission-ki", "iso-4213"] | None = Field(
        default=None, description="eu-ai-act, mission-ki or iso-4213, or null for no table of clauses"
    )
