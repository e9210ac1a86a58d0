from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reportgen.engine.needs import OWN, Bench, LayerFacts, ModelFacts, Need
from reportgen.findings import Finding, Graph, Remark, Scalar, Table
from reportgen.probes import probe

MIB = 2**20
COLUMNS = (
    "no.",
    "layer",
    "type",
    "output",
    "kernel",
    "stride",
    "padding",
    "dilation",
    "parameters",
    "trainable",
    "MACs",
    "field, px",
    "step, px",
    "output, KiB",
    "formula",
)


# the network's numbers stand in every comparison of two models
@probe("architecture", scope="model", group="inside the network", compare="nothing")
class Architecture:
    """Architecture: the network's graph, and every layer in the order in which it runs.

    Definition. The graph shows which operation reads what another one made, as one forward met them.
    For each layer the table has its output shape (channels × height × width, unless it says that the
    channels are last, or that it is a grid of tokens, with others before), window, parameters and
    whether training may change them, multiply-adds (MACs) of one image, the receptive field and its
    step in input pixels, and the memory of its output in float32. The last column checks each
    window against floor((n - k + 2p - (d - 1)(k - 1))/s) + 1. Activations, forward and backward, are
    the outputs of the layers with parameters, and as much again for their gradients.

    Reading. Follow the lines from top to bottom: where they part, the network has branches; a line
    beside the boxes that ends in a "+" is a residual. The receptive field tells how much of the image
    one value can depend on; parameters and MACs tell where the size and the time go.

    Limits. The receptive field is the theoretical one: what a layer really uses is smaller. Modules
    that hold layers are not listed; what such a module holds or computes itself is a row below the
    layers, as is a layer with parameters that does not run for this input. A parameter that several
    layers share is counted in the first. What only rearranges, repeats or scales one value has no box,
    nor has dropout, which does nothing here; a part that is too wide to draw is one box for the module
    that holds it.

    Needs. Nothing; any architecture.

    Source. Araujo, Norris & Sim 2019, Computing Receptive Fields of Convolutional Neural Networks,
    eq. 2 (doi:10.23915/distill.00021).
    """

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return ()

    def measure(self, tape: Bench) -> tuple[Finding, ...]:
        model = tape.model
        listed = len(model.leaves())
        # what did not run or is no layer of itself is listed where the sums need it
        others = [x for x in model.layers if x.kind == "layer" and not x.number and (x.parameters or x.macs)]
        rows = tuple(_row(layer) for layer in (*model.leaves(), *others))
        total = ("", f"{listed} layers", "", "", "", "", "", "", model.parameters)
        sums = (f"{model.trainable_parameters:,}", model.macs)
        memory = (None, None, round(model.activation_bytes / 1024, 3), "")
        kept = 2 * sum(layer.output_bytes for layer in model.leaves() if layer.weighted) / MIB
        unused = sum(1 for x in others if not x.name.endswith(OWN))
        remarks = (
            (Remark("unused", f"Layers with parameters that do not run for this input: {unused}."),)
            if unused
            else ()
        )
        return (
            Graph("graph", "The network's graph", _boxes(model), model.graph.edges),
            Table("layers", "Layers in call order", COLUMNS, rows, (*total, *sums, *memory)),
            Scalar("parameters", "Parameters", model.parameters),
            Scalar("trainable", "Trainable parameters", model.trainable_parameters),
            Scalar("macs", "Multiply-adds of one image", model.macs),
            Scalar("parameter-memory", "Memory of the parameters", model.parameter_bytes / MIB, "MiB"),
            Scalar("output-memory", "Memory of all outputs", model.activation_bytes / MIB, "MiB"),
            Scalar("activation-memory", "Activations, forward and backward", kept, "MiB"),
            Scalar("joins", "Points where branches meet", _joins(model)),
            *remarks,
        )


def _boxes(model: ModelFacts) -> tuple[tuple[str, str, str, str, tuple[int, ...] | None], ...]:
    return tuple((o.kind, o.words, o.layer, o.within, o.shape) for o in model.graph.operations)


def _joins(model: ModelFacts) -> int:
    """How many operations read two values or more."""
    readers = [reader for _, reader in model.graph.edges]
    return sum(readers.count(at) > 1 for at in range(len(model.graph.operations)))


def _row(layer: LayerFacts) -> tuple[Any, ...]:
    return (
        layer.number or None,
        _named(layer),
        layer.type if layer.groups == 1 else f"{layer.type} in {layer.groups} groups",
        _output(layer),
        _times(layer.kernel),
        _times(layer.stride),
        _times(layer.padding),
        _times(layer.dilation),
        layer.parameters or None,
        _trainable(layer),
        layer.macs or None,
        layer.receptive_field_px,
        layer.receptive_stride_px,
        round(layer.output_bytes / 1024, 3) if layer.calls else None,
        {True: "holds", False: "pads itself", None: ""}[layer.formula_holds],
    )


def _output(layer: LayerFacts) -> str:
    """The output's shape; where its layout is not channels × height × width, which it is."""
    shape = _times(layer.output_shape)
    return f"{shape} ({layer.layout})" if layer.layout.kind not in ("maps", "none") else shape


def _named(layer: LayerFacts) -> str:
    """A layer's name, and how it is special."""
    if layer.name.endswith(OWN):
        return f"{layer.name.removesuffix(OWN)} (itself, outside its layers)"
    words = {0: " (does not run)", 1: ""}
    return layer.name + words.get(layer.calls, f" (called {layer.calls} times)")


def _trainable(layer: LayerFacts) -> str:
    """How many of a layer's parameters training may change: all, none, or so many."""
    if not layer.parameters:
        return ""
    words = {layer.parameters: "all", 0: "none"}
    return words.get(layer.trainable_parameters, f"{layer.trainable_parameters:,}")


def _times(sides: Sequence[int] | None) -> str:
    """A shape as text, 96×55×55; one number for a square window."""
    if not sides:
        return ""
    if len(sides) == 2 and sides[0] == sides[1]:
        return str(sides[0])
    return "×".join(map(str, sides))
