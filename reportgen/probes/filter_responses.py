from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import PositiveInt
from torch import Tensor
from torch.nn.functional import conv2d, pad

from reportgen.engine.needs import LayerFacts, LayerName, ModelFacts, Need, Tape, Weights
from reportgen.findings import Finding, Gallery, NotApplicable
from reportgen.probes import probe


@probe("filter-responses", scope="image", group="inside the network")
class FilterResponses:
    """Filter responses: the image as single kernels see it.

    Definition. The first slice of each filter, correlated with the grey image, the mean of its
    colours (not flipped, stride 1, the border mirrored without repeating its pixels). `auto` is the
    first two convolutions with windows larger than one pixel.

    Reading. The kernel stands above its response: an edge kernel outlines the edges of its
    direction, a blob kernel smooths. Mid-grey is zero, white a positive, black a negative value.

    Limits. Past the first layer a kernel never sees the image itself but other maps, of which this
    is one slice of many: the pictures show what kind of kernel it is, not what the network computes.

    Needs. A two-dimensional convolution with a window larger than one pixel.

    Source. Zeiler & Fergus 2013, Visualizing and Understanding Convolutional Networks, sec. 4
    (arXiv:1311.2901); Gonzalez & Woods 2018, Digital Image Processing, sec. 3.4, for correlation.
    """

    layers: Literal["auto"] | tuple[LayerName, ...] = "auto"
    filters: PositiveInt = 4

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return tuple(Weights(layer.name) for layer in self._layers(model))

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        mean = tape.pixels.new_tensor(tape.normalisation.mean)[:, None, None]
        std = tape.pixels.new_tensor(tape.normalisation.std)[:, None, None]
        grey = (tape.pixels * std + mean).mean(1, keepdim=True)  # (N, 1, H, W), pixels in [0, 1]
        findings: list[Finding] = []
        for layer in self._layers(tape.model):
            kernels = tape[Weights(layer.name)][: self.filters, :1].detach()  # (k, 1, h, w)
            values = correlated(grey, kernels)  # (N, k, H, W)
            numbers = [list(range(len(kernels)))] * len(grey)
            shown = kernels[None, :, 0].expand(len(grey), -1, -1, -1)  # (N, k, h, w)
            words = f"first slices of {layer.name}"
            name = layer.name
            findings += [
                Gallery(f"{name}-kernels", words, shown, numbers, "first slices", name, signed=True),
                Gallery(
                    f"{name}-responses",
                    "their responses",
                    values,
                    numbers,
                    "responses",
                    name,
                    signed=True,
                ),
            ]
        return tuple(findings)

    def _layers(self, model: ModelFacts) -> list[LayerFacts]:
        convolutions = [x for x in model.leaves() if x.weight_shape and len(x.weight_shape) == 4]
        wide = [x for x in convolutions if max((x.weight_shape or ())[2:]) > 1]
        if not wide:
            raise NotApplicable("the model has no two-dimensional convolution with a window")
        if self.layers == "auto":
            return wide[:2]
        layers = [model.layer(name) for name in self.layers]
        if bad := [x.name for x in layers if x not in convolutions]:
            raise NotApplicable(f"not a two-dimensional convolution: {', '.join(bad)}")
        return layers


def correlated(images: Tensor, kernels: Tensor) -> Tensor:
    """Images (N, 1, H, W) correlated with kernels (k, 1, h, w), the border mirrored: (N, k, H, W)."""
    h, w = kernels.shape[2:]
    border = (w // 2, w - 1 - w // 2, h // 2, h - 1 - h // 2)  # left, right, top, bottom
    return conv2d(pad(images, border, mode="reflect"), kernels)
