"""Whose code a recipe may call: a recipe is data of whoever wrote it, and `model.source` names a callable.

By default that is code beside the recipe, and the networks of torchvision, timm and transformers. Anything
else is asked for on the command line: `--allow-code MODULE|FILE`.
"""

from __future__ import annotations

import functools
import importlib.machinery
import inspect
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import MethodType, ModuleType
from typing import Any

from torch import nn

from reportgen import files
from reportgen.errors import RecipeError

LIBRARIES = ("torchvision", "timm", "transformers")
FETCHES = ("weights", "weights_backbone", "pretrained", "pretrained_backbone", "checkpoint_path")


@dataclass(frozen=True)
class Permission:
    """What one source may call. `words` say it for the report; `places` are the folders and files, `modules`
    the dotted names whose code it is; `everything` where a program made the recipe itself."""

    source: str
    words: str
    places: tuple[Path, ...] = ()
    modules: tuple[str, ...] = ()
    everything: bool = False

    def check_module(self, module: ModuleType) -> None:
        """Raises RecipeError where a name led to another module than the one that was permitted."""
        name = module.__name__
        if not (self.everything or self._is_ours(name) or _in_library(name)):
            raise refusal(self.source, f"'{name}' is another module than the one beside the recipe")

    def check(self, found: Any) -> None:
        """Raises RecipeError for what is to be called and was defined elsewhere, as `net.py:os.system`."""
        if self.everything or isinstance(found, nn.Module):
            return
        home = _home(found)
        if home is not None and (self._is_ours(home) or _makes_a_network(found, home)):
            return
        raise refusal(self.source, f"it is defined in {home or 'no module'}")

    def _is_ours(self, name: str) -> bool:
        if any(name == one or name.startswith(f"{one}.") for one in self.modules):
            return True
        file = getattr(sys.modules.get(name), "__file__", None)
        return file is not None and any(_within(Path(file), place) for place in self.places)


def permission(source: str, base: Path, allowed: Iterable[str] | None) -> Permission:
    """What a source may call, whose files are relative to `base`. `allowed` are the modules and files that
    the command line names; None where no file holds the recipe, but a program's own code.

    Raises RecipeError for code that nobody allowed.
    """
    where = source.rpartition(":")[0]
    if allowed is None:
        return Permission(source, "code of the program that made the recipe", everything=True)
    if where in LIBRARIES:
        return Permission(source, f"networks of {where}, as installed")
    named = tuple(allowed)
    if where.endswith(".py"):
        return _of_file(source, base / where, base, named)
    if any(where == one or where.startswith(f"{one}.") for one in named):
        top = where.partition(".")[0]
        return Permission(source, f"the module {where}, allowed on the command line", modules=(top,))
    top = where.partition(".")[0]
    if top in LIBRARIES:
        return Permission(source, f"networks of {top}, as installed")
    if _is_beside(top, base):
        return Permission(source, f"the module {where}, beside the recipe", places=(base.resolve(),))
    raise refusal(source, f"it is code of the module {where}, which is not beside the recipe", where)


def _of_file(source: str, file: Path, base: Path, named: tuple[str, ...]) -> Permission:
    places = tuple(Path(one).resolve() for one in named if os.path.exists(one))
    if any(_within(file, place) for place in places):
        return Permission(
            source, f"the file {file.name}, allowed on the command line", (*places, file.resolve().parent)
        )
    if _is_written_below(file, base):  # a link there is as good as a file: both were put beside the recipe
        link = f", a link to {real}" if (real := files.leads_out(file, base)) else ""
        places = (base.resolve(), file.resolve())
        return Permission(source, f"the file {file.name}{link}, beside the recipe", places)
    raise refusal(source, f"{file} is not beside the recipe", str(file))


def refusal(source: str, why: str, name: str | None = None) -> RecipeError:
    """The refusal of code that nobody allowed."""
    where = name or source.rpartition(":")[0]
    return RecipeError(
        f"model.source: '{source}' is not allowed: {why}",
        f"where you trust that code, allow it with --allow-code {where}; else name a network of it, of a file"
        " beside the recipe, or of torchvision, timm or transformers",
    )


def refuse_fetching(arguments: Iterable[str], source: str) -> None:
    """Raises RecipeError for arguments that make a library fetch or read weights of its own."""
    if fetching := [key for key in arguments if key in FETCHES]:
        raise RecipeError(
            f"model.arguments: '{fetching[0]}' would fetch other weights",
            "leave it out: the weights are the checkpoint's",
        )


def _within(path: Path, place: Path) -> bool:
    real, top = path.resolve(), place.resolve()
    return real == top or top in real.parents


def _is_written_below(file: Path, base: Path) -> bool:
    top = os.path.abspath(base)
    return files.is_below(os.path.abspath(file), top)


def _is_beside(top: str, base: Path) -> bool:
    """Whether a module or package of that name lies in the folder itself. Nothing is imported."""
    spec = importlib.machinery.PathFinder.find_spec(top, [str(base.resolve())])
    if spec is None:
        return False
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return bool(places) and all(_within(Path(place), base) for place in places)


def _home(found: Any) -> str | None:
    """The module that a class or function was defined in."""
    if isinstance(found, functools.partial):
        return _home(found.func)
    if isinstance(found, MethodType):
        return _home(found.__func__)
    home = getattr(found, "__module__", None) if inspect.isclass(found) or inspect.isroutine(found) else None
    if home is None and not inspect.isclass(found) and not inspect.isroutine(found):
        home = type(found).__module__  # an object that is called
    return home if isinstance(home, str) else None


def _in_library(name: str) -> bool:
    return name.partition(".")[0] in LIBRARIES


def _makes_a_network(found: Any, home: str) -> bool:
    """Whether it is a network's class of torch or a library, or a function that a library has registered as
    one that makes networks: theirs else fetch, write and load."""
    if isinstance(found, functools.partial):
        return _makes_a_network(found.func, home)
    if inspect.isclass(found):
        return issubclass(found, nn.Module) and (_in_library(home) or home.startswith("torch.nn."))
    name = getattr(found, "__name__", "")
    if home.startswith("torchvision.models."):
        from torchvision import models

        return name in models.list_models() and models.get_model_builder(name) is found
    if home.startswith("timm.models."):
        import timm

        return bool(timm.is_model(name)) and timm.model_entrypoint(name) is found
    return False
