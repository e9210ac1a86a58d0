"""A preprocessing that keeps all of an image: resized by its longer side, with black around it."""

from __future__ import annotations

from dataclasses import dataclass, fields

from reportgen.inputs.images.preprocessing import Preprocessing


@dataclass(frozen=True)
class Padded(Preprocessing):
    """As `Preprocessing`, but for the resize: an image fits into the crop, and keeps its shape."""

    def resized_px(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) after the resize, within the crop; no side is lost."""
        _, inner_height, inner_width = self.input_shape
        scale = min(inner_width / width, inner_height / height)
        return max(1, round(width * scale)), max(1, round(height * scale))


def padded(own: Preprocessing, origin: str) -> Padded:
    """A preprocessing with padding in place of its resize and crop."""
    options = {field.name: getattr(own, field.name) for field in fields(own)}
    _, height, width = own.input_shape
    return Padded(**{**options, "resize": None, "crop": (height, width), "origin": origin})
