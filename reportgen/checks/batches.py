"""How many batches of training a network says that it has seen."""

from __future__ import annotations

from reportgen.checks.case import Case

FEW = 200  # batches: running statistics still carry what they began with, and no training is finished
COUNTER = "num_batches_tracked"


def batches_counted(case: Case) -> int | None:
    """The most that a batch normalisation of the checkpoint has counted; None where none counts, or all
    stand at 0, as where a file without counters was read."""
    counts = [int(value) for name, value in case.sources.tensors() if name.rpartition(".")[2] == COUNTER]
    return max(counts, default=0) or None


def few_batches(case: Case) -> int | None:
    """How many batches were counted, where they are fewer than a training takes; else None.

    A pass that renews the statistics counts anew, so a small number alone is no proof of a short training.
    """
    counted = batches_counted(case)
    return counted if counted is not None and counted < FEW else None
