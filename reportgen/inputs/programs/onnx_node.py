"""A node of an ONNX graph, as the rules for its operators see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import Tensor

from reportgen.errors import InputError
from reportgen.inputs.programs.operators import REMEDY, refused
from reportgen.inputs.programs.parts import Operation, Weight

Rule: TypeAlias = Callable[["Node"], list[Operation]]


@dataclass
class Node:
    """A node of the graph: its operands (values, weights, constants as tensors, None), and its attributes."""

    kind: str
    inputs: list[Any]
    attributes: dict[str, Any]
    outputs: tuple[str, ...]
    opset: int
    file: str

    def input(self, number: int) -> Any:
        return self.inputs[number] if number < len(self.inputs) else None

    def get(self, name: str, default: Any = None) -> Any:
        value = self.attributes.get(name, default)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    def fixed(self, number: int) -> Any:
        """An input that has to be a constant, as a number or a list; None where there is none. Raises
        InputError."""
        value = self.input(number)
        if value is None:
            return None
        if isinstance(value, Weight):
            value = value.tensor
        if not isinstance(value, Tensor):
            raise refused(f"the ONNX operator {self.kind} with settings that it computes", self.file)
        return value.tolist()

    def calls(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> list[Operation]:
        """One operation, whose result is the node's first output."""
        return [Operation(function, list(arguments), named, self.outputs[:1])]

    def refuse(self, what: str) -> InputError:
        return InputError(
            f"{self.file}: the ONNX operator {self.kind} {what}, which reportgen does not run", REMEDY
        )
