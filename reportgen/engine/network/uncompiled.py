"""Spares the import of torch's compiler, which costs two seconds and some 100 MB, where nothing is compiled.

torch keeps its compiler out of what runs on `meta` and out of dispatch modes: at the first such call it
imports the compiler, in order to tell it so. A compiler that nobody has imported compiles nothing:
here it is told as soon as it is there, and until then the functions are called as they are.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from functools import cache
from types import CodeType, FunctionType
from typing import Any

import torch

MARK = "__dynamo_disable"  # where torch's wrapper keeps the function that it calls in place of its own


@cache
def spare_compiler() -> None:
    """From now on, what torch has kept its compiler out of so far no longer imports it.

    Where torch's wrapper is another one than is known here, nothing changes.
    """
    wrapper = getattr(getattr(torch, "_compile", None), "_disable_dynamo", None)
    for code in wrapper.__code__.co_consts if isinstance(wrapper, FunctionType) else ():
        for function in gc.get_referrers(code) if isinstance(code, CodeType) else ():
            cells = zip(code.co_freevars, getattr(function, "__closure__", None) or (), strict=False)
            wrapped = dict(cells).get("fn")
            if wrapped and not hasattr(wrapped.cell_contents, MARK):
                setattr(wrapped.cell_contents, MARK, _told_late(wrapped.cell_contents))


def _told_late(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, kept from the compiler once there is one."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if "torch._dynamo" not in sys.modules:
            return function(*args, **kwargs)
        disabled = torch._dynamo.disable(function, recursive=True, wrapping=False)
        setattr(function, MARK, disabled)
        return disabled(*args, **kwargs)

    return call
