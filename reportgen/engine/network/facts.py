"""What is known of a network before an image is seen. The probes read it through `engine.needs`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import Tensor

from reportgen.engine.network.attention import AttentionFacts
from reportgen.engine.network.head import SOFTMAX, Head
from reportgen.engine.network.layout import NONE, TOKENS, Layout
from reportgen.engine.network.output import widened
from reportgen.engine.network.receptive import Field
from reportgen.errors import UnknownName
from reportgen.findings import NotApplicable
from reportgen.shown import named

AUTO = "auto"
RECTIFIERS = ("ReLU", "ReLU6")
OWN = ":own"  # ends the name of the layer that stands for what a container does itself
# a module's name, its number in call order (1 is the first), or "auto"
LayerName: TypeAlias = str | int
LayerNames: TypeAlias = LayerName | tuple[LayerName, ...]
Kind: TypeAlias = Literal[
    "input",
    "conv",
    "linear",
    "norm",
    "activation",
    "pool",
    "add",
    "multiply",
    "concatenate",
    "join",  # of two values or more, in another way
    "other",
    "output",
]


LayerKind: TypeAlias = Literal["layer", "container", "part"]


@dataclass(frozen=True)
class LayerFacts:
    """One module of the network, as one forward of the input met it.

    `kind` is `layer` for what is counted as one; `container` for a module around layers, whose
    parameters and MACs are those of all in it; `part` for a module inside a layer, which is counted
    there. The layers' parameters and MACs add up to the network's: a parameter that several share is
    counted in the first of them, and what a container holds or computes itself is a layer named after
    it with `OWN` at the end, which never runs by itself.

    `number` is the place among leaf modules in the order of their last calls (1 is the first; 0 for
    containers and for modules that are never called). Shapes are those of the last call, without
    the batch axis: it is the last call's output that a tap keeps. `macs`
    are multiply-adds of one image. The receptive field and its stride are in input pixels.
    """

    name: str
    type: str
    number: int
    calls: int
    finished: int  # rank of the last call's end among all modules' calls, 0 if never called
    input_shape: tuple[int, ...] | None
    output_shape: tuple[int, ...] | None
    parameters: int  # of a layer those that none before it holds, else of all below
    trainable_parameters: int
    macs: int
    output_bytes: int
    receptive_field_px: int | None
    receptive_stride_px: int | None
    receptive: Field | None = None  # the same by side, and where it begins
    layout: Layout = NONE  # where height, width and channels are in the output
    kernel: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    padding: tuple[int, int] | None = None
    dilation: tuple[int, int] | None = None
    groups: int = 1
    weight_shape: tuple[int, ...] | None = None
    weighted: bool = False  # whether it holds parameters, be they counted here or in an earlier layer
    kind: LayerKind = "layer"
    formula_holds: bool | None = None  # floor((n + 2p - d(k-1) - 1)/s) + 1 against the shape seen

    @property
    def map_shape(self) -> tuple[int, ...] | None:
        """(C, h, w) of the output's maps whatever its layout, (C,) of a vector; None where what it
        gives is neither. So are the shapes of activations and gradients that probes see."""
        return self.layout.shape(self.output_shape)

    @property
    def maps(self) -> int:
        """How many maps the output holds, or values of a vector: its channels. 0 where it is neither."""
        return self.map_shape[0] if self.map_shape else 0

    @property
    def described(self) -> str:
        """What it gives, in words, where that is not maps (C, h, w)."""
        prefix = self.layout.prefix
        if self.layout.kind in TOKENS:
            others = f" after {prefix} other{'s' * (prefix > 1)}" if prefix else ""
            first = " with channels first" if self.layout.kind == "tokens first" else ""
            return f"patch tokens{first}{others}"
        return "maps with channels last" if self.layout.kind == "maps last" else ""

    def auto_words(self, wished: LayerNames) -> str:
        """Why `auto` took this layer, where it is not the last stack of maps, which needs no words. The
        figure names the layer and its grid."""
        if wished != AUTO or not self.described:
            return ""
        return f"{self.described}, of the last layer whose places the logits depend on"

    @property
    def spatial(self) -> bool:
        """Whether the output is a stack of maps with more than one place."""
        return self.layout.kind != "none"


@dataclass(frozen=True)
class Operation:
    """A box of the network's graph: a leaf module's call, or an operation that is in no layer."""

    kind: Kind
    words: str  # with its window: "conv 3×3/2, 64"
    layer: str  # the leaf module's name, or ""
    within: str  # the module around it that holds others, "" for the network itself
    shape: tuple[int, ...] | None  # of what it gives, without the batch axis


@dataclass(frozen=True)
class Graph:
    """What each operation reads, in call order: the first is the input, the last the output.

    `edges` lead from the maker of a value to its reader, an edge a value that is read.
    """

    operations: tuple[Operation, ...]
    edges: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ModelFacts:
    """What is known of the network before an image is seen: it resolves names for the probes."""

    input_shape: tuple[int, int, int]  # (channels, height, width)
    layers: tuple[LayerFacts, ...]  # leaves in call order, then containers, then never called
    parameters: int
    trainable_parameters: int
    parameter_bytes: int
    macs: int
    activation_bytes: int  # every leaf's output of one image
    rectifiers: int  # ReLU and ReLU6 calls of one forward, functional and in-place ones included
    smooth_activations: tuple[str, ...]  # names of SiLU, GELU, … operations met in the forward
    classes: tuple[str, ...]
    class_count: int
    graph: Graph
    auto: str = ""  # the last layer whose places the logits depend on, "" where none has places
    max_pools: int = 0  # max-pooling calls of one forward: their switches are what a deconvnet goes by
    parts: tuple[str, ...] = ()  # names of the parts that the recipe gives boxes of
    attentions: tuple[AttentionFacts, ...] = ()  # between places of the image, in call order
    batch: int = 1  # images of the smallest batch that the network answers; all else is of one image
    head: Head = SOFTMAX  # what its outputs mean
    score: Literal["logit", "contrast"] = "logit"  # what gradients are of (see `needs.score`)
    squeezed: bool = False  # whether a squeeze takes off the axis of a single image

    @property
    def score_words(self) -> str:
        """What gradients are of, in words that a map's caption has: "logit"."""
        return "class contrast" if self.score == "contrast" else self.head.score_words

    def leaves(self) -> tuple[LayerFacts, ...]:
        """The leaf modules that ran, in call order: number k is at k - 1."""
        return tuple(layer for layer in self.layers if layer.number)

    def layer(self, name: LayerName) -> LayerFacts:
        """A layer by module name, or else by number. Raises UnknownName with the nearest right one."""
        ran = [x for x in self.layers if x.calls]
        found = [x for x in ran if x.name == name]  # before numbers: a Sequential's names are digits
        found += [x for x in ran if x.number and str(x.number) == str(name)]
        if not found:
            raise UnknownName("layer", name, [x.name for x in ran])
        return found[0]

    def as_maps(self, name: str, value: Tensor) -> Tensor:
        """A layer's output, or a gradient by it, as probes see it: maps (N, C, h, w) where it has places,
        else as it is; halves and bfloat16 as float32."""
        return widened(next(x for x in self.layers if x.name == name).layout.maps(value))

    @property
    def ruled(self) -> bool:
        """Whether every rectifier has a guided and a deconvnet rule, and there is any."""
        return self.rectifiers > 0 and not self.smooth_activations

    def landmarks(self, at_most: int) -> tuple[LayerFacts, ...]:
        """The last layer with rectified maps of each resolution (of any maps where no rectifier is a
        layer), of which at most so many: the first, the last, and evenly between. Raises NotApplicable
        where no layer has maps.

        Of a rectifier that is clipped (ReLU6) what it is given: at the ceiling all values are alike, and
        none of them sends a gradient back.
        """
        spatial = [layer for layer in self.leaves() if layer.spatial]
        if self.auto:  # patches behind the last attention may be nobody's
            end = self.layer(self.auto).finished
            spatial = [layer for layer in spatial if layer.finished <= end]
        if not spatial:
            raise NotApplicable("the model has no layer whose output is a stack of maps")
        rectified = [layer for layer in spatial if layer.type in RECTIFIERS] or spatial
        last = {layer.layout.grid: layer for layer in rectified}
        found = [self._unclipped(layer) for layer in last.values()]
        count = min(at_most, len(found))
        return tuple(found[round(n * (len(found) - 1) / max(1, count - 1))] for n in range(count))

    def first_features(self) -> LayerFacts:
        """The first layer with weights. Raises NotApplicable where it is the last one as well."""
        first, last = self._weighted()[0], self._weighted()[-1]
        if first is last:
            raise NotApplicable("the model has no layer before the one that answers")
        return first

    def last_features(self) -> LayerFacts:
        """What the last layer with weights is given: the vector, or the maps, that the answer is made
        of. Where no module puts that out, the module that ended last before it. Raises NotApplicable."""
        last = self._weighted()[-1]
        before = [x for x in self.layers if x.output_shape and 0 < x.finished < last.finished]
        if not before:
            raise NotApplicable("the model has no layer before the one that answers")

        def long_sides(shape: tuple[int, ...] | None) -> list[int]:
            return [side for side in shape or () if side > 1]  # (C, 1, 1) is the vector (C,)

        def likely(x: LayerFacts) -> tuple[bool, bool, int]:
            fits = long_sides(x.output_shape) == long_sides(last.input_shape)
            # in eval mode a dropout puts out what it is given
            return fits, "Dropout" not in x.type, x.finished

        return max(before, key=likely)

    def _weighted(self) -> list[LayerFacts]:
        found = [x for x in self.leaves() if len(x.weight_shape or ()) > 1]  # not a normalisation's
        if not found:
            raise NotApplicable("the model has no layer with weights")
        return found

    def _unclipped(self, layer: LayerFacts) -> LayerFacts:
        """The layer, or the one before it in call order where it only clips that one's maps."""
        before = self.leaves()[layer.number - 2] if layer.number > 1 else layer
        clips = layer.type == "ReLU6" and before.output_shape == layer.output_shape
        return before if clips else layer

    def spatial_layers(self, names: LayerNames) -> tuple[LayerFacts, ...]:
        """One layer or several, each with maps. Raises as `spatial_layer` does."""
        several = names if isinstance(names, tuple) else (names,)
        return tuple(dict.fromkeys(self.spatial_layer(name) for name in several))

    def spatial_layer(self, name: LayerName) -> LayerFacts:
        """A layer whose output is maps in any layout; `auto` is the last one that the logits depend on
        through its places, so that all branches and residuals have joined. Raises UnknownName, and
        NotApplicable where no layer has any."""
        spatial = [x for x in self.layers if x.spatial]
        if not spatial:
            raise NotApplicable("the model has no layer whose output is a stack of maps")
        if name == AUTO and not self.auto:
            raise NotApplicable("the logits depend on the places of no layer, as far as they can be followed")
        if name == AUTO:
            return self.layer(self.auto)
        if self.layer(name) in spatial:
            return self.layer(name)
        raise UnknownName("layer with spatial maps", name, [x.name for x in spatial])


@dataclass(frozen=True)
class Normalisation:
    """x = (pixel - mean) / std per channel, pixels in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


class AmbiguousName(UnknownName):
    """A name that several classes have: only an index can say which is meant."""

    def __init__(self, name: str, indices: Sequence[int]) -> None:
        super().__init__("class", name, ())
        listed = ", ".join(str(index) for index in indices)
        self.args = (f"{name!r} names several classes ({listed}): give the index instead",)


def index_of(name: str | int, classes: Sequence[str]) -> int:
    """The index of a class given by name, or by index where no class has that name.

    Raises UnknownName with the nearest right name, AmbiguousName where several classes share it.
    """
    called = (str(name), named(str(name)))  # classes are named as they are shown
    indices = [index for index, known in enumerate(classes) if known in called]
    if isinstance(name, str) and len(indices) > 1:
        raise AmbiguousName(name, indices)
    if isinstance(name, str) and indices:
        return indices[0]
    if not isinstance(name, bool) and str(name).isdecimal() and str(name).isascii():
        if len(str(name)) < 10 and int(name) < len(classes):
            return int(name)
        raise UnknownName("class", name, ())
    raise UnknownName("class", name, classes)
