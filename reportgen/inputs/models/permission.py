"""Whose code a recipe may call: a recipe is data of whoever wrote it, and `model.source` names a callable.

By default that is code beside the recipe, and the networks of torchvision, timm and transformers. Anything
else is asked for on the command line: `--allow-code MODULE|FILE`. What is installed below the recipe's folder
is not beside it.
"""

from __future__ import annotations

import functools
import importlib.machinery
import inspect
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MethodType, ModuleType
from typing import Any

from torch import nn

from reportgen import files
from reportgen.errors import RecipeError
from reportgen.inputs.models.installed import LIBRARIES, is_installed

FETCHES = ("weights", "weights_backbone", "pretrained", "pretrained_backbone", "checkpoint_path")


@dataclass(frozen=True)
class Permission:
    """What one source may call. `words` say it for the report; `places` are the folders and files beside the
    recipe, `named` those of the command line, and `modules` the dotted names whose code it is; `everything`
    where a program made the recipe itself."""

    source: str
    words: str
    places: tuple[Path, ...] = ()
    named: tuple[Path, ...] = ()
    modules: tuple[str, ...] = ()
    everything: bool = False

    def check_module(self, module: ModuleType) -> None:
        """Raises RecipeError where a name led to another module than the one that was permitted."""
        name = module.__name__
        if not (self.everything or self._is_ours(name) or _in_library(name)):
            raise refusal(self.source, f"'{name}' is another module than the one beside the recipe", name)

    def check(self, found: Any) -> None:
        """Raises RecipeError for what is to be called and was defined elsewhere, as `net.py:os.system`."""
        if self.everything or isinstance(found, nn.Module):
            return
        home = _home(found)
        if home is not None and (self._is_ours(home) or _makes_a_network(found, home)):
            return
        if home is None:
            raise RecipeError(
                f"model.source: '{self.source}' is not allowed: it is defined in no module",
                "name a class or function of a file beside the recipe (--allow-code allows modules, files)",
            )
        raise refusal(self.source, f"it is defined in {home}", home)

    def _is_ours(self, name: str) -> bool:
        if any(name == one or name.startswith(f"{one}.") for one in self.modules):
            return True
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is None:
            return False
        beside = any(_is_beside(Path(file), place) for place in self.places)
        return beside or any(_within(Path(file), place) for place in self.named)


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
    top, named = where.partition(".")[0], tuple(allowed)
    places = tuple(Path(one).resolve() for one in named if os.path.exists(one))
    modules = tuple(one for one in named if not one.endswith(".py"))
    if where.endswith(".py"):
        words, beside = _of_file(source, base / where, base, places)
        return Permission(source, words, beside, places, modules)
    if is_allowed(where, base, named):
        words = f"the module {where}, allowed on the command line"
        return Permission(source, words, named=places, modules=(top, *modules))
    if top in LIBRARIES:
        return Permission(source, f"networks of {top}, as installed")
    if _has_module(where, base):
        words = f"the module {where}, beside the recipe"
        return Permission(source, words, (base.absolute(),), places, modules)
    raise refusal(source, f"it is code of the module {where}, which is not beside the recipe", where)


def is_allowed(where: str, base: Path, named: Iterable[str]) -> bool:
    """Whether the command line itself names code: a file or its folder, a module or its package."""
    if where.endswith(".py"):
        return any(_within(base / where, Path(one)) for one in named if os.path.exists(one))
    return any(where == one or where.startswith(f"{one}.") for one in named if not one.endswith(".py"))


def _of_file(source: str, file: Path, base: Path, named: tuple[Path, ...]) -> tuple[str, tuple[Path, ...]]:
    """What a file is, in words, and the places whose code it may lend."""
    if any(_within(file, place) for place in named):
        return f"the file {file.name}, allowed on the command line", (file.resolve().parent,)
    if _is_written_below(file, base) and not is_installed(file, base):
        # a link there is as good as a file: both were put beside the recipe
        link = f", a link to {real}" if (real := files.leads_out(file, base)) else ""
        return f"the file {file.name}{link}, beside the recipe", (base.absolute(), file.resolve())
    lies = "is installed, and not" if _is_written_below(file, base) else "is not"
    raise refusal(source, f"{file} {lies} beside the recipe", str(file))


def refusal(source: str, why: str, name: str | None = None) -> RecipeError:
    """The refusal of code that nobody allowed."""
    where = name or source.rpartition(":")[0]
    return RecipeError(
        f"model.source: '{source}' is not allowed: {why}",
        f"where you trust that code, allow it with --allow-code {where}; else name a network of it, of a file"
        " beside the recipe, or of torchvision, timm or transformers",
    )


def refuse_fetching(arguments: Mapping[str, Any]) -> None:
    """Raises RecipeError for arguments that make a library fetch or read weights of its own."""
    if fetching := [key for key, value in arguments.items() if value and key in FETCHES]:
        raise RecipeError(
            f"model.arguments: '{fetching[0]}' would fetch other weights",
            "leave it out: the weights are the checkpoint's",
        )


def unfetched(found: Any) -> dict[str, Any]:
    """The arguments with which a library's callable fetches no weights: some do unless they are told."""
    if not is_of_library(found):
        return {}
    try:
        takes = inspect.signature(found).parameters
    except (TypeError, ValueError):
        return {}
    return {key: False if key.startswith("pretrained") else None for key in FETCHES if key in takes}


def is_of_library(found: Any) -> bool:
    """Whether what is to be called was defined in a library that can fetch weights."""
    return not isinstance(found, nn.Module) and _in_library(_home(found) or "")


def _within(path: Path, place: Path) -> bool:
    real, top = path.resolve(), place.resolve()
    return real == top or top in real.parents


def _is_written_below(file: Path, base: Path) -> bool:
    top = os.path.abspath(base)
    return files.is_below(os.path.abspath(file), top)


def _is_beside(file: Path, place: Path) -> bool:
    """Whether a module's file is, or lies below, a place, and was not installed there."""
    return _within(file, place) and not is_installed(file, place)


def _has_module(where: str, base: Path) -> bool:
    """Whether a module or package of that name lies in the folder itself. Nothing is imported."""
    if is_installed(base.joinpath(*where.split(".")), base):
        return False
    spec = importlib.machinery.PathFinder.find_spec(where.partition(".")[0], [str(base.resolve())])
    if spec is None:
        return False
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return bool(places) and all(_is_beside(Path(place), base) for place in places)


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
