from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reportgen.engine.needs import Bench, LayerFacts, ModelFacts, Need
from reportgen.findings import Finding, Remark, Scalar, Table
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
    "MACs",
    "field, px",
    "step, px",
    "output, KiB",
    "formula",
)


@probe("architecture", scope="model", group="inside the network")
class Architecture:
    """Architecture: every layer of the network, in the order in which it runs.

    Definition. For each layer its output shape (channels × height × width), window, parameters,
    multiply-adds (MACs) of one image, the receptive field and its step in input pixels, and the
    memory of its output in float32. The last column checks each window against
    floor((n - k + 2p)/s) + 1.

    Reading. The receptive field tells how much of the image one value can depend on; parameters
    and MACs tell where the size and the time go.

    Limits. The receptive field is the theoretical one: what a layer really uses is smaller. Only
    layers that ran for this input are listed; operations that are no layer are counted in the
    totals alone.

    Source. Araujo, Norris & Sim 2019, Computing Receptive Fields of Convolutional Neural Networks,
    eq. 2 (doi:10.23915/distill.00021).
    """

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return ()

    def measure(self, tape: Bench) -> tuple[Finding, ...]:
        model = tape.model
        rows = tuple(_row(layer) for layer in model.leaves())
        listed = len(rows)
        total = ("", f"{listed} layers", "", "", "", "", "", "", model.parameters, model.macs)
        memory = (None, None, round(model.activation_bytes / 1024, 1), "")
        unused = sum(1 for x in model.layers if not x.calls and x.parameters)
        remarks = (
            (Remark("unused", f"Modules with parameters that do not run for this input: {unused}."),)
            if unused
            else ()
        )
        return (
            Table("layers", "Layers in call order", COLUMNS, rows, (*total, *memory)),
            Scalar("parameters", "Parameters", model.parameters),
            Scalar("trainable", "Trainable parameters", model.trainable_parameters),
            Scalar("macs", "Multiply-adds of one image", model.macs),
            Scalar("parameter-memory", "Memory of the parameters", model.parameter_bytes / MIB, "MiB"),
            Scalar("output-memory", "Memory of all outputs", model.activation_bytes / MIB, "MiB"),
            *remarks,
        )


def _row(layer: LayerFacts) -> tuple[Any, ...]:
    return (
        layer.number,
        layer.name if layer.calls == 1 else f"{layer.name} (called {layer.calls} times)",
        layer.type,
        _times(layer.output_shape),
        _times(layer.kernel),
        _times(layer.stride),
        _times(layer.padding),
        _times(layer.dilation),
        layer.parameters or None,
        layer.macs or None,
        layer.receptive_field_px,
        layer.receptive_stride_px,
        round(layer.output_bytes / 1024, 1),
        {True: "holds", False: "pads itself", None: ""}[layer.formula_holds],
    )


def _times(sides: Sequence[int] | None) -> str:
    """A shape as text, 96×55×55; one number for a square window."""
    if not sides:
        return ""
    if len(sides) == 2 and sides[0] == sides[1]:
        return str(sides[0])
    return "×".join(map(str, sides))
