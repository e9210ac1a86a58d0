"""Writes a copy of a checkpoint in which one filter of a layer is all zero: what a bad save may leave behind.

python zero_filter.py CHECKPOINT LAYER NUMBER OUT
"""

from __future__ import annotations

import sys

from safetensors.numpy import load_file, save_file


def main(checkpoint: str, layer: str, number: str, out: str) -> None:
    """Zeroes the weights and the bias of a filter."""
    state = load_file(checkpoint)
    for name in ("weight", "bias"):
        state[f"{layer}.{name}"][int(number)] = 0
    save_file(state, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
