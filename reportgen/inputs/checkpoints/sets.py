"""Several sets of weights in one checkpoint of which nothing says which is meant: the network decides where
one alone fits it, or all are its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from reportgen.errors import InputError
from reportgen.inputs.checkpoints.keys import Ambiguous, covered, renamed
from reportgen.inputs.checkpoints.reading import Checkpoint
from reportgen.inputs.classes.known import quoted

MOST_NAMED = 8


def of_several(
    loaded: Checkpoint, own: Mapping[str, Tensor], source: str
) -> tuple[dict[str, Tensor], list[str]]:
    """The state that fits the network, under its names, and notes: all sets where they are parts of one
    network, else the only one that fits. Raises InputError where none does, or several do."""
    if parts := _parts(loaded, own, source):
        return parts
    fitting = []
    for path in loaded.sets:
        try:
            state, notes = renamed(_set(loaded, path), own, source)
        except Ambiguous:  # two networks in one of the sets
            continue
        if covered(state, own):
            fitting.append((path, state, notes))
    if len(fitting) != 1:
        raise several(loaded, [one[0] for one in fitting] or loaded.sets, ": ")
    path, state, notes = fitting[0]
    said = (
        f"Of {len(loaded.sets)} sets of weights in the checkpoint only that under '{path}' fits: it is used."
    )
    return state, [said, *notes]


def _parts(
    loaded: Checkpoint, own: Mapping[str, Tensor], source: str
) -> tuple[dict[str, Tensor], list[str]] | None:
    """All sets as parts of one network, each below its name where the network has such a part; None where
    they are none."""
    joined: dict[str, Tensor] = {}
    count = 0
    for path in loaded.sets:
        part = _set(loaded, path)
        count += len(part)
        below = {f"{path}.{key}": value for key, value in part.items()}
        part = below if below.keys() & own.keys() else part
        joined |= part
    if len(joined) < count:  # two sets with keys in common: no parts of one
        return None
    try:
        state, notes = renamed(joined, own, source)
    except Ambiguous:
        return None
    listed = " and ".join(f"'{path}'" for path in loaded.sets)
    return (
        (state, [f"The weights under {listed} are parts of one network.", *notes])
        if covered(state, own)
        else None
    )


def _set(loaded: Checkpoint, path: str) -> dict[str, Tensor]:
    """The weights of one of the sets."""
    prefix = f"{path}."
    return {key.removeprefix(prefix): v for key, v in loaded.state.items() if key.startswith(prefix)}


def several(loaded: Checkpoint, paths: Sequence[str], of: str) -> InputError:
    """The refusal to choose, with all that may be meant."""
    listed = ", ".join(f"'{path}'" for path in paths[:MOST_NAMED])
    more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
    return InputError(
        f"{loaded.name} holds {len(paths)} sets of weights{of}{listed}{more}",
        f"say in the recipe which is meant, such as model: {{weights: {_yaml(paths[0])}}}",
    )


def _yaml(path: str) -> str:
    """A path as a recipe may write it; numbers are in quotes, a dot at its end stays."""
    return path if quoted(path) == path else f"'{path}'"
