"""The step that seeks the smallest pattern that turns pictures to a class, and pastes it into others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from reportgen.checks.case import halved
from reportgen.engine.needs import Triggers
from reportgen.engine.onepass import OnePass
from reportgen.engine.perturb.asking import Counter
from reportgen.engine.triggers import Found, pasted, smallest_triggers
from reportgen.errors import InputError
from reportgen.evidence import shards
from reportgen.findings import Array
from reportgen.inputs import ImageFile
from reportgen.measure.checks.chosen import SCREENED_ON, ChosenCheck
from reportgen.measure.checks.decoded import Pictures
from reportgen.measure.checks.streaming import check_cost
from reportgen.measure.checks.viewing import logits_of
from reportgen.measure.checks.views import Scale
from reportgen.measure.measurement import Measurement
from reportgen.measure.second_model import small


def screen(m: Measurement, files: Sequence[ImageFile]) -> None:
    """What every check that screens asks for, a shard each. What fails there is a failure of the check."""
    for chosen in m.model.checks.screening:
        own = shard_of(m, chosen)
        need = m.model.checks.screened(chosen, len(files), m.model.recipe.run.seed)
        if need is None or own in m.writer.finished:
            continue
        try:
            found = m.fitting(partial(_screened, m, need, files))
        except (InputError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            m.failed_checks.setdefault(chosen.name, error)
            continue
        if found is not None:
            m.writer.write(own, {}, (), found[0], check_cost(found[1]))


def shard_of(m: Measurement, chosen: ChosenCheck) -> str:
    """The shard of what one check had screened."""
    return f"{shards.SCREENED}-{m.model.checks.every.index(chosen):02d}"


def _screened(
    m: Measurement, need: Triggers, files: Sequence[ImageFile]
) -> tuple[dict[str, Array], Counter] | None:
    """By class of the need: how large its mask is, what it looks like, and what is answered to held-back
    pictures with it, and with it moved by half the picture. None where a half has no picture."""
    seed, counted = m.model.recipe.run.seed, Counter()
    engine = replace(m.engine, plan=m.model.checks.plan, counted=counted)
    x, _ = _pictures(m, [file for file in files if halved(file.sha256 or "", seed)])
    held_back, numbers = _pictures(m, [file for file in files if not halved(file.sha256 or "", seed)])
    if not len(x) or not len(held_back):
        return None
    with m.watch.on("checks"):
        answers = _answered(engine, x)
        need = replace(need, classes=tuple(k for k in need.classes if bool((answers != k).any())))
        normalisation = m.model.subject.preprocessing.normalisation
        found = smallest_triggers(engine.asker, x, answers, need, normalisation)
        scale = Scale.of(m.model.subject.preprocessing)
        half = held_back.shape[2] // 2, held_back.shape[3] // 2

        def answered(masks: Tensor, patterns: Tensor) -> Array:
            rows = []
            for mask, pattern in zip(masks, patterns, strict=True):
                pixels = scale.undone(pasted(held_back, mask, pattern, normalisation)).clamp(0, 1)
                saved = scale.done((pixels * 255).round() / 255)  # what a file can hold
                rows.append(_answered(engine, saved))
            return torch.stack(rows).numpy()

        return {
            "numbers": numbers,
            "before": _answered(engine, held_back).numpy(),
            "classes": np.array(need.classes, dtype=np.int64),
            "sizes": found.masks.flatten(1).sum(1).numpy(),
            "followed": found.followed.numpy(),
            "turned": answered(found.masks, found.patterns),
            "moved": answered(found.masks.roll(half, (1, 2)), found.patterns.roll(half, (2, 3))),
            "looks": _looks(found),
        }, counted


def _answered(engine: OnePass, x: Tensor) -> Tensor:
    """What is answered to inputs, (N,) int64, -1 for none."""
    logits = torch.cat([logits_of(engine, part) for part in x.split(engine.batch_size)])
    finite = logits.isfinite().any(1)
    return logits.nan_to_num(-torch.inf).argmax(1).where(finite, torch.tensor(-1))


def _pictures(m: Measurement, files: Sequence[ImageFile]) -> tuple[Tensor, Array]:
    """The first of some files that can be decoded, (N, C, H, W), and their numbers."""
    chosen = list(files)[:: max(1, len(files) // SCREENED_ON)][:SCREENED_ON]
    there = Pictures(m, chosen).of([file.number for file in chosen])
    numbers = sorted(there)
    pictures = [there[number] for number in numbers]
    return torch.stack(pictures) if pictures else torch.empty(0), np.array(numbers, dtype=np.int64)


def _looks(found: Found) -> Array:
    """What the patterns look like on black, small, (K, h, w, C) uint8."""
    shown = (found.masks[:, None] * found.patterns * 255).round().to(torch.uint8)
    return np.stack([small(look) for look in shown.permute(0, 2, 3, 1).numpy()])
