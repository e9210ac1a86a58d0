"""All questions put to the maps of one batch of sampled images, and their records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from reportgen.engine.perturb.deletion import Curves
from reportgen.evidence import Question
from reportgen.evidence.records import Agreement, MethodTrial, RandomTrial, Trial
from reportgen.findings import Array, faults
from reportgen.measure.maps.amounts import says_how_much
from reportgen.measure.maps.asking import Asking, ByMethod
from reportgen.measure.maps.deletions import FILLS, GREEDY, Taken, taken_apart
from reportgen.measure.maps.mosaics import Mosaic, finds_the_picture
from reportgen.measure.maps.noise import steady_and_of_the_class
from reportgen.measure.maps.objects import is_on_the_object
from reportgen.measure.maps.weights import depends_on_weights
from reportgen.stats import finite, unit_ranks


@dataclass(frozen=True)
class Mosaics:
    """The mosaics of the sample by place, and the pixels (C, H, W) of the images that they are made of."""

    by_place: Mapping[int, Mosaic]
    pixels: Mapping[int, Tensor]


def tried(asking: Asking, mosaics: Mosaics) -> list[Trial]:
    """One record an image: the answers to every question, curves, agreement."""
    taken = taken_apart(asking)
    noisy = steady_and_of_the_class(asking)
    answers: dict[Question, ByMethod] = {
        "weights": depends_on_weights(asking),
        "class": _part(noisy, ("rival", "itself")) if asking.batch.rivals is not None else {},
        "picture": finds_the_picture(asking, mosaics.by_place, mosaics.pixels),
        "amount": says_how_much(asking, taken),
        "steady": _part(noisy, ("itself", "noise")),
        "object": is_on_the_object(asking),
    }
    return [_record(asking, taken, answers, row) for row in range(len(asking.batch.places))]


def _part(found: ByMethod, keys: tuple[str, ...]) -> ByMethod:
    return {
        name: {row: {key: numbers[key] for key in keys} for row, numbers in rows.items()}
        for name, rows in found.items()
    }


def _record(asking: Asking, taken: Taken, answers: Mapping[Question, ByMethod], row: int) -> Trial:
    names = list(taken.cells)
    last = len(names)
    gains = {fill: found.gain[row] for fill, found in taken.curves.items()}
    asked: dict[str, dict[str, dict[str, float | None]]] = {
        name: {"counts": {fill: finite(float(gains[fill][order])) for fill in FILLS}}
        for order, name in enumerate(names)
    }
    for question, by_method in answers.items():
        for name, rows in by_method.items():
            if row in rows:
                asked[name][question] = {key: finite(value) for key, value in rows[row].items()}
    blurred = taken.curves["blur"]
    fault = next((why for found in taken.curves.values() if (why := found.fault(row))), None)
    methods: dict[str, MethodTrial] = {
        name: {
            "deletion": _list(blurred.deletion[row, order].numpy()),
            "insertion": _list(blurred.insertion[row, order].numpy()),
            "asked": asked[name],
            "flag": faults(asking.batch.maps[name][row].numpy()) or fault,
        }
        for order, name in enumerate(names)
    }
    return {
        "cells": round(taken.falls.shape[1] ** 0.5),
        "fractions": blurred.fractions.tolist(),
        "methods": methods,
        "random": _random(taken, row, last + GREEDY),
        "greedy": {fill: finite(float(gains[fill][last : last + GREEDY].max())) for fill in FILLS},
        "agreement": _agreement({name: cells[row].numpy() for name, cells in taken.cells.items()}),
    }


def _random(taken: Taken, row: int, first: int) -> RandomTrial:
    blurred = taken.curves["blur"]

    def spread(values: Tensor) -> dict[str, list[float]]:
        several = values[row, first:].numpy()
        return {"mean": _list(several.mean(0)), "sd": _list(several.std(0, ddof=1))}

    def gains(found: Curves) -> list[float | None]:
        return [finite(value) for value in found.gain[row, first:].tolist()]

    return {
        "deletion": spread(blurred.deletion),
        "insertion": spread(blurred.insertion),
        "gain": {fill: gains(found) for fill, found in taken.curves.items()},
    }


def _list(values: Array) -> list[float]:
    """The values, or none at all where one is not finite: such a curve has no shape."""
    return [float(v) for v in values] if np.isfinite(values).all() else []


def _agreement(cells: Mapping[str, Array]) -> Agreement:
    """The rank correlation of every two methods' maps on the cells, signed."""
    ranks = [unit_ranks(values.astype(np.float64)) for values in cells.values()]
    rho = [[None if a is None or b is None else float(a @ b) for b in ranks] for a in ranks]
    return {"methods": list(cells), "rho": rho}
