"""Which weights are distributed as an initialiser draws them, so that training cannot have touched them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import numpy as np
from scipy.sparse.linalg import svds
from scipy.stats import kstest, norm, truncnorm, uniform

from reportgen.findings import Array

SMALLEST = 200  # values of a tensor whose distribution is looked at
SMALLEST_OF_NORMAL = 2000  # of one without ends: fewer values look normal though they were trained
OF_ONE = 4096  # the same, where no other tensor agrees
ALIKE = 0.01  # the p-value above which weights are as an initialiser draws them
AT_MOST = 100_000  # values that are held against a distribution
OF_MATRIX = 2_000_000  # values of a matrix whose largest singular value is looked at: its first rows
ERRORS = 4.0  # standard errors that a deviation may be off
EDGE = 1.05  # times the largest singular value of a random matrix that one of such weights may have
FEWEST = 3  # tensors by one rule, where these rules are many and trained weights may look normal
CUT = 2.0  # deviations at which truncated normals end
OF_CUT = 0.87962566  # the deviation of a standard normal that is cut there
Distribution: TypeAlias = Callable[[Array], Array]  # values -> the probability of less


def drawn_by(weights: Mapping[str, Array], last: str) -> dict[str, str]:
    """The layers whose weights (F, …) are as an initialiser draws them, and by which.

    Uniform weights have sharp ends, by which one layer alone is known. Trained weights may look normal, and
    of many deviations that initialisers have one may be theirs by chance; so a normal one counts where half
    of the layers that are large enough, and three at least, are drawn by one rule, and for the last layer.
    """
    found = {layer: rule for layer, value in weights.items() if (rule := uniformly_drawn(value))}
    large = {layer: value for layer, value in weights.items() if value.size >= SMALLEST_OF_NORMAL}
    rules = {layer: tuple(normally_drawn(value)) for layer, value in large.items()}
    fits = Counter(rule for each in rules.values() for rule in each)
    shared = {rule for rule, count in fits.items() if count >= max(FEWEST, len(large) / 2)}
    for layer, each in rules.items():
        alone = layer == last and large[layer].size >= OF_ONE
        for rule in each if alone else [rule for rule in each if rule in shared]:
            found.setdefault(layer, rule)
    return found


def uniformly_drawn(value: Array) -> str:
    """The rule by which a weight (F, …) is uniform, with ends where such a rule has them; "" of none."""
    flat = _flat(value)
    largest = float(np.abs(flat).max(initial=0))
    if flat.size < SMALLEST or not largest:
        return ""
    inputs, outputs = _fans(value)
    bounds = {
        "uniform to 1 over the root of the inputs": 1 / np.sqrt(inputs),
        "uniform to 1 over the root of the outputs": 1 / np.sqrt(len(value)),
        "He's uniform": np.sqrt(6 / inputs),
        "Glorot's uniform": np.sqrt(6 / (inputs + outputs)),
    }
    slack = 1 - 8 / flat.size  # the largest of n uniform values falls short of the end by 1 / n
    for rule, bound in bounds.items():
        if slack * bound <= largest <= 1.0001 * bound and _alike(flat, uniform(-bound, 2 * bound).cdf):
            return rule
    return ""


def normally_drawn(value: Array) -> Iterator[str]:
    """The rules by which a weight (F, …) is normal with the deviation that such a rule has, and its largest
    singular value no larger than that of a random matrix (Marchenko & Pastur 1967): training adds others."""
    flat = _flat(value)
    deviation = float(flat.std())
    if flat.size < SMALLEST_OF_NORMAL or not deviation:
        return
    near = ERRORS / np.sqrt(2 * flat.size)
    fitting = [
        (rule, wanted) for rule, wanted in _deviations(value).items() if abs(deviation / wanted - 1) < near
    ]
    if not fitting or not _is_random(value, deviation):
        return
    for rule, wanted in fitting:
        whole, cut = norm(0, wanted), truncnorm(-CUT, CUT, scale=wanted / OF_CUT)
        if _alike(flat, whole.cdf) or _alike(flat, cut.cdf):
            yield rule


def _deviations(value: Array) -> dict[str, float]:
    inputs, outputs = _fans(value)
    found = {
        "He's normal, by inputs": np.sqrt(2 / inputs),
        "He's normal, by outputs": np.sqrt(2 / outputs),
        "LeCun's normal": np.sqrt(1 / inputs),
        "Glorot's normal": np.sqrt(2 / (inputs + outputs)),
        **{f"normal with deviation {s:g}": s for s in (0.01, 0.02, 0.02 * OF_CUT, 0.1, 0.1 * OF_CUT)},
    }
    if value.ndim > 2 and value.shape[1] == 1:  # one input a group: the outputs of a group are one
        found["He's normal, by outputs of a group"] = np.sqrt(2 / value[0].size)
    return {rule: float(deviation) for rule, deviation in found.items()}


def _fans(value: Array) -> tuple[int, int]:
    """The inputs and outputs of a weight (F, …) as initialisers count them: places of the kernel times
    channels."""
    places = int(np.prod(value.shape[2:]))
    return value[0].size, len(value) * places


def _flat(value: Array) -> Array:
    return value.ravel().astype(np.float64)


def _alike(flat: Array, distribution: Distribution) -> bool:
    """By Kolmogorov's test, of every k-th value where there are many."""
    return float(kstest(flat[:: 1 + flat.size // AT_MOST], distribution).pvalue) >= ALIKE


def _is_random(value: Array, deviation: float) -> bool:
    matrix = value.reshape(len(value), -1)
    matrix = matrix[: max(3, OF_MATRIX // matrix.shape[1])].astype(np.float64)
    edge = deviation * (np.sqrt(matrix.shape[0]) + np.sqrt(matrix.shape[1]))
    if min(matrix.shape) < 3:
        return bool(np.linalg.norm(matrix, 2) <= EDGE * edge)
    largest = svds(matrix, k=1, return_singular_vectors=False, random_state=0, tol=1e-3)
    return bool(largest[0] <= EDGE * edge)
