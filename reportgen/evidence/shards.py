"""The kinds of shards that evidence is made of, and how findings are read back from one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from reportgen.evidence.arrays import Stored
from reportgen.evidence.records import Prediction
from reportgen.findings import KINDS, Finding, unpack

SCHEMA = "reportgen.evidence/3"
BESIDE = "beside"  # the folder of a second model's evidence
TALLIED = ("sums", "highs", "lows", "tops")
# the kinds of shards: `model`, `set` and `changed` are one shard each, the others one a batch of images
MODEL = "model"  # findings that need no image
SET = "set"  # findings that need them all
TENSORS = "tensors"  # of the network: norms, hashes and sketches, one shard
CHANGED = "changed"  # small pictures of images that a second model answers differently
SCORE = "score"  # a first round over a large set: records, logits and tallies
BATCH = "batch"  # images with figures: records, arrays, findings
SAMPLE = "sample"  # tallies of a sample of the set; `sample-000128` is the kind of one of 128 images
CHECKED = "checked"  # what checks keep of a sample of the set: rows, tallies
VIEWED = "viewed"  # the sample's answers, preprocessed in another way; `viewed-03`: of the fourth decoding
INTERVENED = "intervened"  # answers to experiments on pictures of the sample
SCREENED = "screened"  # the smallest patterns that turn pictures to classes, and what they turn
SWEPT = "swept"  # the sample's answers by views that are asked round after round (`swept-00-02-…`)
FOREIGN = "foreign"  # what checks keep of pictures that are not of the task, and their facts
TRAINING = "training"  # facts of the training's pictures
VERDICTS = "verdicts"  # what the checks say, one shard
TRUST = "trust"  # what putting the maps to the test gave
SNAPSHOT = "snapshot"  # tallies of another checkpoint of the run; `snapshot-03` is the kind of the fourth
# how much of a network is shuffled to see whether a map depends on what was learned: the share of its
# layers with weights, from the input up (`head` is of older evidence, where it was from the output down)
Stage: TypeAlias = Literal["head", "half", "all"]
STAGES: dict[Stage, float] = {"half": 0.5, "all": 1.0}
JUDGED: Stage = "all"  # the stage of the verdict
# what is asked of every kind of map
Question: TypeAlias = Literal["weights", "counts", "class", "picture", "amount", "steady", "object"]
QUESTIONS: tuple[Question, ...] = get_args(Question)
# visualization name -> one tuple of findings a target slot (a single slot where it has no target)
Findings: TypeAlias = dict[str, list[tuple[Finding, ...]]]


def is_of(shard: str, *kinds: str) -> bool:
    """Whether a shard, by its name, is of one of the kinds."""
    return any(shard == kind or shard.startswith(f"{kind}-") for kind in kinds)


def best(record: Mapping[str, Any]) -> Prediction | None:
    """The answer to an image, its most probable class; None where there is none: the image could not
    be used, or the model's output for it is not finite."""
    return record["predictions"][0] if record["predictions"] else None


def is_unanswered(record: Mapping[str, Any]) -> bool:
    """Whether the model saw the image and gave no answer, its output not being finite."""
    return record["status"] == "ok" and best(record) is None


def read_findings(
    arrays: Path,
    packed: dict[str, Any],
    row: int | None,
    without: Collection[type[Finding]] = (),
    ends: bool = False,
) -> Findings:
    """A shard's findings: whole, or their row for one image. Of some kinds none is read; with `ends` maps of
    one image are read as Evidence.findings has it."""
    with Stored(arrays) as tensors:
        names = frozenset(tensors.names())
        return {
            method: [
                tuple(
                    _load(tensors, names, f"{method}/{slot}", rest, row, ends)
                    for rest in several
                    if KINDS[rest["kind"]] not in without
                )
                for slot, several in enumerate(slots)
            ]
            for method, slots in packed.items()
        }


def _load(
    tensors: Stored, names: Collection[str], prefix: str, rest: dict[str, Any], row: int | None, ends: bool
) -> Finding:
    """One finding from a shard: whole, or its row for one image."""
    kind = KINDS[rest["kind"]]
    arrays = {}
    if row is not None:  # words of which every image has its own
        rest = rest | {name: rest[name][row] for name in kind.per_image if isinstance(rest.get(name), list)}
    for field in (name for name in kind.arrays if name not in rest):
        key = f"{prefix}/{rest['name']}/{field}"
        if field == "explains" and key not in names:
            continue  # it names no class of its own
        if row is not None and field in kind.per_image:
            arrays[field] = tensors.ends_of_image(key, row) if ends else tensors.of_image(key, row)
        else:
            arrays[field] = tensors.whole(key)
    return unpack(arrays, rest)
