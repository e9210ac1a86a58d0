"""Why a network cannot be traced, in words: what its code does, where, and what to do about it."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

from torch import nn

from reportgen.errors import InputError

CUDA = re.compile(r"cuda|nvidia|hip\b", re.IGNORECASE)
ARGUMENTS = re.compile(r"missing \d+ required|unexpected keyword|positional arguments? but")
SIZES = re.compile(
    r"shape|size|mat1|mat2|channel|dimension|must match|expected .*\d|input height|input width|too small|"
    r"kernel|stride|groups|index \d+ is out of bounds|number of elements",
    re.IGNORECASE,
)


def refusal(error: BaseException, input_shape: tuple[int, int, int], network: nn.Module) -> InputError:
    """The error of a forward on one image (channels, height, width), by what caused it."""
    words = " ".join(str(error).split())[:200]
    place = _place(error)
    at = f" ({place})" if place else ""
    kind = type(network).__name__
    size = "x".join(map(str, input_shape))
    if CUDA.search(words):
        return InputError(
            f"the forward of {kind}{at} moves tensors to CUDA by itself: {words}",
            f"in {place or 'its code'} write `.to(x.device)`, x being forward's input, in place of `.cuda()` "
            "or `.to('cuda')`",
        )
    if isinstance(error, TypeError) and ARGUMENTS.search(words):
        return InputError(
            f"the forward of {kind} does not take one batch of images alone: {words}",
            "name a callable in model.source whose module takes (images, channels, height, width) alone: "
            "wrap the model in a file.py that fills in the rest",
        )
    if isinstance(error, TypeError | KeyError | AttributeError | NameError | ImportError):
        return InputError(
            f"the forward of {kind} fails{at}: {type(error).__name__}: {words}",
            f"mend the code in {place or 'the model'}, or what model.arguments hand to it",
        )
    if SIZES.search(words) or not place:
        return InputError(
            f"the model does not accept an input of {size}: {words}{at}",
            "set model.preprocessing (resize, crop, mean, std) to what the model was trained with",
        )
    return InputError(
        f"the forward of {kind} fails on an input of {size}{at}: {type(error).__name__}: {words}",
        f"mend the code in {place}, or set model.preprocessing to what the model was trained with",
    )


def _place(error: BaseException) -> str:
    """The last line of the user's own code that the error passed, as file:line, or nothing."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        parts = Path(frame.filename).parts
        library = "site-packages" in parts or frame.filename.startswith("<")
        own = Path(frame.filename).is_relative_to(Path(__file__).parents[2])
        if not library and not own and "lib" not in parts[-4:-1]:
            return f"{Path(frame.filename).name}:{frame.lineno}"
    return ""
