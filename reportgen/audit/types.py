"""The types of what results.json takes over from the evidence: model, images, cost, environment."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from typing_extensions import NotRequired, TypedDict

from reportgen.audit.findings import Numbers
from reportgen.audit.quantities import Count, ImageId, Others, Sha256, Share


class Layer(TypedDict):
    """One module of the network."""

    name: str
    kind: Annotated[
        Literal["layer", "container", "part"] | None,
        'the parameters and MACs of those of kind "layer" add up to the model\'s; null in older evidence',
    ]
    type: str
    number: Count
    output_shape: list[Count] | None
    parameters: Count
    trainable_parameters: Count
    macs: Count
    receptive_field_px: Count | None
    receptive_stride_px: Count | None
    layout: Annotated[str | None, "where height, width and channels are; null in older evidence"]


class RegionFacts(TypedDict):
    """A box of the model's input, in pixels: left, top, right, bottom; null is the whole of it. Where it is
    `masked`, each image has a mask of its own instead."""

    box: list[Count] | None
    side_px: list[Count]
    classes: Count
    detects: bool
    masked: bool


class HeadFacts(TypedDict):
    """What the network's outputs mean, and how that was found."""

    kind: Annotated[
        Literal["classes", "binary", "labels", "values"],
        "one class an image; one logit, two classes; labels, each by itself; values and no classes",
    ]
    form: Annotated[
        Literal["logits", "probabilities", "log-probabilities"], "what the network puts out already"
    ]
    asked: Annotated[str, "model.head of the recipe"]
    output: Annotated[str | int | None, "which of several outputs is read"]
    reading: Annotated[str, "how the outputs are read, where it is not the usual way"]
    warning: Annotated[str, "what could not be decided"]
    region: Annotated[
        RegionFacts | None, "of a network that answers every pixel: where its answers are taken"
    ]


class SignatureFound(TypedDict):
    """A signature (OpenSSF model signing) beside the checkpoint, which it fits or which was not checked."""

    name: str
    sha256: Sha256
    words: str
    signer: Annotated[
        Sha256 | None, "of the key or certificate that it was verified with; null where none was named"
    ]


class Model(TypedDict):
    """The network and the file that its weights are from."""

    source: str
    checkpoint: str
    checkpoint_sha256: Sha256
    signature: NotRequired[SignatureFound | None]
    parameters: Count
    trainable_parameters: Count
    macs: Count
    class_count: Count
    head: HeadFacts
    layers: list[Layer]


class Prediction(TypedDict):
    """One class of an answer."""

    class_index: Count
    class_name: str
    logit: float | None
    probability: Share | None


class Answered(TypedDict):
    """What a model said to one image."""

    id: ImageId
    status: Literal["ok", "rejected"]
    reason: str | None
    correct: bool | None
    loss: float | None
    answered: Annotated[bool | None, "false: the output is not finite; `reason` says how"]
    predictions: list[Prediction]
    findings: dict[str, Numbers]


class Image(Answered):
    """One image of the set."""

    path: str
    sha256: Sha256 | None
    label: str | None
    label_index: Annotated[Count | None, "of several labels the first"]
    label_indices: NotRequired[Annotated[list[Count] | None, "of labels each by itself: those that hold"]]
    answered_indices: NotRequired[Annotated[list[Count], "those of a probability of 1/2 and more"]]
    truth: NotRequired[Annotated[list[float] | None, "of values: what they should be"]]
    probabilities: NotRequired[
        Annotated[
            list[Share | None],
            "of every class, in the model's order: of shown images, for few classes or where asked for",
        ]
    ]


class Seconds(TypedDict):
    """Where the time went; `render` is null until the report is written."""

    render: float | None
    decode: float
    compute: float
    encode: float
    trust: NotRequired[float]
    checks: NotRequired[float]
    total: float


class Cost(TypedDict):
    """What the run cost: passes in images, seconds and memory."""

    forwards: Count
    backwards: Count
    occlusion_forwards: Annotated[Count, "forwards of perturbed images"]
    trust_forwards: NotRequired[Count]
    trust_backwards: NotRequired[Count]
    ascent_forwards: NotRequired[Count]
    ascent_backwards: NotRequired[Count]
    projection_forwards: NotRequired[Count]
    projection_backwards: NotRequired[Count]
    snapshot_forwards: NotRequired[Count]
    check_forwards: NotRequired[Count]
    check_backwards: NotRequired[Count]
    device: str
    seconds: Seconds
    peak_memory_bytes: Count | None


class NamedEnvironment(TypedDict):
    """What a run depends on beside its inputs."""

    reportgen: str
    python: str
    torch: str
    torchvision: str
    precision: str
    seed: Count
    deterministic: bool


Environment: TypeAlias = Annotated[dict[str, Any], Others(Any), NamedEnvironment]
