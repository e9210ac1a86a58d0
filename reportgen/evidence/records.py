"""What the JSON of evidence says, type by type: the records of images, of their maps' tests, the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from typing_extensions import NotRequired


class Prediction(TypedDict):
    """A class and what the model said of it."""

    class_index: int
    class_name: str
    logit: float | None  # None of a class that is masked out, at -inf; a value is here
    probability: float | None  # None of a value


class Target(Prediction):
    """A class that is explained in an image."""

    slot: int
    kind: str  # predicted, label, top-2, class
    note: str | None


class Record(TypedDict):
    """One image of the set: who it is and what the model answered. Every record has every field but
    `shard`."""

    number: int
    id: str
    path: str
    sha256: str | None
    label: str | None
    label_index: int | None
    status: str  # ok, rejected
    reason: str | None  # why it is rejected or has no answer
    row: int | None  # its place in the shard's arrays
    measured: bool  # whether it has figures
    geometry: Any  # a mapping, how it became the input; None where it is rejected
    notes: list[str]
    predictions: list[Prediction]  # the most probable first; none where there is no answer
    targets: list[Target]
    correct: bool | None
    loss: float | None
    label_probability: float | None
    original_bytes: Any  # first and last of the shard's originals; None where it has no figures
    label_indices: NotRequired[list[int] | None]  # of labels each by itself: those that hold
    answered_indices: NotRequired[list[int]]  # those of a probability of 1/2 and more
    truth: NotRequired[list[float] | None]  # of values: what they should be
    shard: NotRequired[str]  # where it was read from


class Seen(TypedDict):
    """An image of a shard that holds the sum over its images, or a row of each and nothing else."""

    number: int
    row: NotRequired[int | None]  # None where it could not be used


class Thumbnail(TypedDict):
    """An image of which the shard has a small picture."""

    id: str
    row: int


class Explained(TypedDict):
    """The class whose maps were put to the test."""

    class_index: int
    class_name: str


class MethodTrial(TypedDict):
    """How one method's map of an image did. Curves (where it is blurred) are empty, numbers None where they
    are not finite; a question that was not asked of this map is not there."""

    deletion: list[float]
    insertion: list[float]
    asked: dict[str, dict[str, float | None]]  # numbers by question
    flag: str | None  # what is wrong with the map


class RandomTrial(TypedDict):
    """How random orders did: where it is blurred the mean and sd of their curves, and by fill their gains."""

    deletion: dict[str, list[float]]
    insertion: dict[str, list[float]]
    gain: dict[str, list[float | None]]


class Agreement(TypedDict):
    """The rank correlation of every two methods' maps."""

    methods: list[str]
    rho: list[list[float | None]]


class Trial(TypedDict):
    """What the test of the maps of one image of a batch gave."""

    cells: int  # a side
    fractions: list[float]
    methods: dict[str, MethodTrial]
    random: RandomTrial
    greedy: dict[str, float | None]  # by fill the gain of the better of two orders by occlusion
    agreement: Agreement


class TrustRecord(Trial):
    """What putting one image's maps to the test gave, and whose they are."""

    number: int
    id: str
    target: Explained
    doubtful: bool  # whether its answer is wrong or among the least sure


class SignatureFacts(TypedDict):
    """A signature beside the checkpoint: its file, what was found, and the SHA-256 of the key file that it
    was verified with, where one was named."""

    name: str
    sha256: str
    words: str
    signer: str | None


class CheckpointFacts(TypedDict):
    name: str
    sha256: str
    size_bytes: int
    format: str
    signature: NotRequired[SignatureFacts | None]


class ImagesFacts(TypedDict):
    """The set, in numbers, and how the images with figures were chosen, in words."""

    source: str
    total: int
    ok: int
    rejected: int
    unanswered: int
    labelled: int
    shown: int
    chosen: str


class Words(TypedDict):
    """What a visualization is, in words."""

    name: str
    title: str
    summary: str
    definition: str
    reading: str
    limits: str
    source: str
    scope: str
    group: str
    explains: bool
    compare: str


class Chosen(Words):
    """A visualization of the recipe, and whether the network has what it shows."""

    per_target: bool
    applicable: bool
    reason: str | None
    options: Mapping[str, Any]


class CheckWords(TypedDict):
    """What a check asks, in words, and the options that it had."""

    name: str
    group: str
    title: str
    question: str
    measurement: str
    reading: str
    limits: str
    remedy: str
    source: str
    options: Mapping[str, Any]
    judges: NotRequired[list[str]]  # the visualizations whose numbers it decides upon


class BesideFacts(TypedDict):
    """What the sealed evidence of the model beside is known by."""

    name: str
    main: str
    manifest_sha256: str


class Shard(TypedDict):
    name: str
    sha256: str


class ReadFile(TypedDict):
    """A file that was read besides the images and the model's own."""

    what: str  # the recipe's key, or what it is
    name: str
    sha256: str


class ManifestBody(TypedDict):
    """What the manifest says of a measurement."""

    key: str
    created: str  # a date, ISO 8601
    reproducible: bool
    title: str
    checkpoint: CheckpointFacts
    model: Mapping[str, Any]  # source, arguments, preprocessing, notes, warnings, and the network's facts
    images: ImagesFacts
    recipe: Mapping[str, Any]
    files: NotRequired[Sequence[ReadFile]]  # not in older evidence
    save_maps: bool
    visualizations: Sequence[Chosen]
    checks: NotRequired[Sequence[CheckWords]]  # not in older evidence
    plan: Sequence[str]
    budget: NotRequired[Any]  # what was decided for it, a mapping; None where there is none
    cost: Mapping[str, Any]  # images by what they went through, and the device's name
    environment: Mapping[str, Any]
    beside: Any  # BesideFacts, or None


class Manifest(ManifestBody):
    """The manifest as it is written: last, with the hash of every shard."""

    schema: str
    shards: Sequence[Shard]


class Timing(TypedDict):
    """Durations by stage, and the most memory."""

    seconds: Mapping[str, float]
    peak_memory_bytes: int | None
