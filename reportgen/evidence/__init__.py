"""Evidence: the immutable, hashed folder of what was measured. numpy, JSON and text only.

    manifest.json                 written last: its presence means that the evidence is complete
    timing.json                   durations and peak memory, kept apart so that the rest repeats
    model.json, .safetensors      findings that need no image
    set.json, .safetensors        findings that need them all
    score-000000.json, …          shards of a first round: records and logits of every image
    batch-000000.json, …          shards: records of images, their arrays and findings
    checked-000000.json, …        shards of a sample: what the checks keep of it
    viewed-00-000000.json, …      shards of the sample's answers, preprocessed in other ways
    swept-00-00-….json, …         shards of the sample's answers by views asked round after round
    foreign-000000.json, …        shards of pictures that are not of the task
    training-000000.json, …       shards of facts of the training's pictures
    verdicts.json, .safetensors   what the checks say, with their figures
    trust-000000.json, …          shards: what putting the maps to the test gave
    tensors.json, .safetensors    norms, hashes and sketches of the network's tensors
    changed.json, .safetensors    small pictures of images that a second model answers differently
    beside/                       evidence of its own: a second model on the same images

Larger arrays are deflated. A map of many places is kept in levels between numbers that stay exact (its ends,
its zero, its percentile), so that what is printed of it is that of what was measured; with `--save-maps`
all of it is exact. Everything else is read back bit by bit.

Every file is written under a temporary name, flushed and renamed. A shard's .json is written
after its .safetensors and carries its hash, so a shard is whole or absent, and a run resumes.
"""

from reportgen.evidence.files import (
    canonical_json,
    sha256_of,
    write_together,
    write_whole,
)
from reportgen.evidence.reader import (
    Evidence,
)
from reportgen.evidence.records import Manifest, Prediction, Record, Timing, TrustRecord
from reportgen.evidence.shards import (
    BESIDE,
    JUDGED,
    QUESTIONS,
    STAGES,
    Findings,
    Question,
    Stage,
    best,
    is_unanswered,
)
from reportgen.evidence.writer import (
    Writer,
)

__all__ = [
    "BESIDE",
    "JUDGED",
    "QUESTIONS",
    "STAGES",
    "Evidence",
    "Findings",
    "Manifest",
    "Prediction",
    "Question",
    "Record",
    "Stage",
    "Timing",
    "TrustRecord",
    "Writer",
    "best",
    "canonical_json",
    "is_unanswered",
    "sha256_of",
    "write_together",
    "write_whole",
]
