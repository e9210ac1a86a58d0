"""Weights as numpy.savez keeps them: arrays by name, read as data and never unpickled."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import torch

from reportgen.errors import InputError
from reportgen.inputs.checkpoints.archive import COPY_AGAIN, SAVE_AGAIN

MOST_TIMES = 100  # larger than the file: beyond it the archive is an attack, not weights


def read(data: bytes, name: str) -> dict[str, Any]:
    """The arrays of an .npz file as tensors by name. Raises InputError."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(member.file_size for member in archive.infolist()) > MOST_TIMES * len(data):
                raise InputError(f"{name} unpacks to more than {MOST_TIMES} times its size", SAVE_AGAIN)
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            found = {key: arrays[key] for key in arrays.files}
    except InputError:
        raise
    except Exception as error:  # numpy and zipfile raise whatever comes
        if "allow_pickle" in str(error):
            raise InputError(f"{name} holds objects of Python, not only numbers", SAVE_AGAIN) from error
        raise InputError(f"{name} is damaged or truncated", COPY_AGAIN) from error
    odd = next((key for key, value in found.items() if value.dtype.kind not in "biuf"), None)
    if odd is not None:
        raise InputError(f"{name} holds {odd}, an array of {found[odd].dtype}: no weights", SAVE_AGAIN)
    return {
        key: torch.from_numpy(np.array(value, value.dtype.newbyteorder("="))) for key, value in found.items()
    }
