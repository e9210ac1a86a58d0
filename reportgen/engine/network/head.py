"""What a network's outputs mean: classes, one class against another, labels, or values.

Decided once (see `engine.recognise`). Whoever wants scores or probabilities asks the head, so that a
softmax is taken in one place, and never of what is one already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from reportgen.engine.network.dense import Region

# one of several classes; one class against the other, from one number; labels that are there or not,
# each by itself; numbers that are no classes at all
Kind: TypeAlias = Literal["classes", "binary", "labels", "values"]
# what the network puts out already
Form: TypeAlias = Literal["logits", "probabilities", "log-probabilities"]
Wish: TypeAlias = Literal["auto", "softmax", "sigmoid", "probabilities", "scores"]

THRESHOLD = 0.5  # a label holds, and class 1 of two, from this probability on


@dataclass(frozen=True)
class Head:
    """How outputs (N, K) are read: as `scores` (N, C), which maps explain, and what these say.

    `output` is the one of several outputs that is read. `reading` says how they are read, "" where it is
    the usual way; `warning` what could not be decided, or what a reader has to know.
    """

    kind: Kind = "classes"
    form: Form = "logits"
    asked: Wish = "auto"
    output: str | int | None = None
    reading: str = ""
    warning: str = ""
    region: Region | None = None  # of a network that answers every pixel: where its answers are taken

    @property
    def exclusive(self) -> bool:
        """Whether an image is one class and no other."""
        return self.kind in ("classes", "binary")

    @property
    def probable(self) -> bool:
        """Whether the network says how probable anything is."""
        return self.kind != "values"

    def class_count(self, outputs: int) -> int:
        """How many classes, labels or values so many outputs are."""
        return 2 if self.kind == "binary" else outputs

    def scores(self, raw: Tensor) -> Tensor:
        """What maps explain, (N, C), given the outputs (N, K).

        Logits where the network gives them. Of probabilities, their logarithms, or, where each label
        stands by itself, log(p / (1 - p)). Of one logit z, those of both classes, (-z, z). Values as they
        are.
        """
        alone = self.kind in ("binary", "labels")
        if self.form == "probabilities" and self.probable:
            raw = _log_odds(raw) if alone else _log(raw)
        return torch.cat([-raw, raw], 1) if self.kind == "binary" else raw

    def log_probabilities(self, scores: Tensor) -> Tensor:
        """The logarithm of each probability, (…, C), given scores (…, C); of values there is none."""
        if self.kind == "values":
            return torch.full_like(scores, torch.nan)
        if not self.exclusive or self.kind == "binary":
            return torch.nn.functional.logsigmoid(scores)
        return scores.log_softmax(-1) if self.form == "logits" else scores.clamp(max=0)

    def readout(self, scores: Tensor) -> Tensor:
        """What is printed, (…, C), given scores (…, C): probabilities, or the values themselves."""
        if self.kind == "values":
            return scores
        if self.kind in ("binary", "labels"):
            return scores.sigmoid()
        # the network's own: they are not made to add up to one again
        return scores.softmax(-1) if self.form == "logits" else scores.clamp(max=0).exp()

    @property
    def score_words(self) -> str:
        """What a score is called, for a map's scale."""
        if self.region:
            return "score" if self.region.detects else "mean logit"
        if self.kind == "values":
            return "value"
        return "logit" if self.form == "logits" or self.kind != "classes" else "log-probability"

    @property
    def readout_words(self) -> str:
        """What a readout is called: what a class has, or a value."""
        return "probability" if self.probable else "value"

    @property
    def formula(self) -> str:
        """How probabilities come of what the network puts out."""
        if self.form != "logits":
            end = "; exp of its log-probabilities" if self.form == "log-probabilities" else ""
            return f"the network's own{end}"
        words = {"classes": "softmax of the logits", "binary": "sigmoid of the one logit"}
        return words.get(self.kind, "sigmoid of each logit" if self.probable else "the network's outputs")


SOFTMAX = Head()


def _log(p: Tensor) -> Tensor:
    """log p, with a smallest one for what has underflowed to 0: its gradient would be no number."""
    return p.clamp(min=torch.finfo(p.dtype).tiny).log()


def _log_odds(p: Tensor) -> Tensor:
    """log(p / (1 - p)), finite for p = 0 and p = 1."""
    finfo = torch.finfo(p.dtype)
    return p.clamp(min=finfo.tiny).log() - (1 - p).clamp(min=finfo.eps / 2).log()
