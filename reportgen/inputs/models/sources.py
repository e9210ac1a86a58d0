"""A network from a source's words: torchvision:…, timm:…, package:callable or file.py:callable."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.machinery
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from reportgen.errors import InputError, RecipeError, did_you_mean, nearest
from reportgen.inputs.models.optional import offline
from reportgen.inputs.models.permission import (
    Permission,
    is_of_library,
    permission,
    refuse_fetching,
    unfetched,
)

FORMS = "torchvision:resnet50, timm:NAME, package.module:callable or file.py:callable"
TO_RUN = "reportgen run FOLDER IMAGES --out REPORT"


def build(
    source: str, arguments: Mapping[str, Any], base: Path, allowed: Permission | None = None
) -> nn.Module:
    """Calls what `source` names with `arguments`; files are relative to `base`. `allowed` says whose code may
    be called; without it any may.

    Raises RecipeError for a name that is not there, code that is not allowed or arguments that do not fit,
    InputError where the code that builds the network fails.
    """
    where, colon, name = source.rpartition(":")
    if not colon or not where.strip() or not name.strip():
        raise RecipeError(f"model.source: {source!r} does not name a model", f"write {FORMS}")
    _refuse_places(source)
    if where in ("torchvision", "timm"):
        refuse_fetching(arguments)
        return _torchvision(name, arguments) if where == "torchvision" else _timm(name, arguments)
    may = allowed or permission(source, base, None)
    with _user_code(source, base):
        module = _file(base / where) if where.endswith(".py") else _package(where)
        may.check_module(module)
        found = _attribute(module, name, source)
        may.check(found)
        if is_of_library(found):
            refuse_fetching(arguments)
        return _call(found, {**arguments, **unfetched(found)}, source)


def _refuse_places(source: str) -> None:
    """Raises RecipeError for a source that names a place, on a hub or a disk: timm:hf-hub:…"""
    library, _, name = source.partition(":")
    kind = name.partition(":")[0].lower().replace("_", "-")
    if library == "timm" and kind == "local-dir":
        raise RecipeError(
            f"model.source: '{source}' names a folder", f"name it as the checkpoint, with no model: {TO_RUN}"
        )
    if (library == "timm" and (":" in name or "/" in name)) or library in ("hf", "hf-hub", "hf_hub"):
        raise RecipeError(
            f"model.source: '{source}' is a name on a hub, and nothing is ever fetched",
            f"download it once, then name the folder as the checkpoint, with no model: {TO_RUN}",
        )
    if library in ("transformers", "huggingface"):
        raise RecipeError(
            f"model.source: '{source}': a network of transformers is named by its folder",
            f"name the folder that save_pretrained wrote as the checkpoint, with no model: {TO_RUN}",
        )


def _torchvision(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    from torchvision import models

    dense = [n for m in (models.segmentation, models.detection) for n in models.list_models(module=m)]
    known = [*models.list_models(module=models), *dense]
    if name.lower() not in known:
        other = name.lower() in models.list_models()
        guess = did_you_mean(nearest(name, known))
        cause = "is not a classifier" if other else f"is unknown{guess}"
        raise RecipeError(
            f"model.source: torchvision model '{name}' {cause}",
            "give a classifier of torchvision.models by name, or with model.target a network of its"
            " segmentation or detection",
        )
    builder = models.get_model_builder(name.lower())
    fixed = unfetched(builder)
    if name.lower() in ("googlenet", "inception_v3"):
        fixed["init_weights"] = False  # slow, and the checkpoint overwrites it
    return _call(builder, {**arguments, **fixed}, f"torchvision:{name}")


def _timm(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    try:
        timm = importlib.import_module("timm")
    except ImportError as error:
        raise RecipeError(
            "model.source: timm is not installed", "install it with `pip install 'reportgen-audit[models]'`"
        ) from error
    if not timm.is_model(name):
        raise RecipeError(
            f"model.source: timm model '{name}' is unknown{did_you_mean(nearest(name, timm.list_models()))}",
            "give one of timm.list_models()",
        )
    fixed = {"model_name": name, "pretrained": False}
    with offline():
        return _call(timm.create_model, {**arguments, **fixed}, f"timm:{name}")


@contextlib.contextmanager
def _user_code(source: str, base: Path) -> Iterator[None]:
    """Lets the code beside a file, or in the working folder, import its neighbours, and keeps its prints
    off stdout and our own command's options from it."""
    where = source.rpartition(":")[0]
    kept, argv = list(sys.path), sys.argv
    sys.argv = [where]  # code that reads arguments when it is imported would take ours for its own
    if where.endswith(".py"):
        sys.path.insert(0, str(_top((base / where).resolve())))
        sys.path.insert(0, str((base / where).resolve().parent))
    else:  # as `python -m` does
        sys.path[:0] = dict.fromkeys([str(base.resolve()), os.getcwd()])
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.path[:], sys.argv = kept, argv


def _top(path: Path) -> Path:
    """The folder that holds the outermost package that a file is in."""
    folder = path.parent
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        folder = folder.parent
    return folder


def _dotted(path: Path) -> str:
    """The name of a file in its package; of a file outside of one that imports its neighbours by dots,
    as if its folder were one; else a name of ours."""
    parts = path.resolve().relative_to(_top(path.resolve())).with_suffix("").parts
    if len(parts) == 1 and _imports_by_dots(path):
        parts = (path.resolve().parent.name, *parts)
    known = all(part.isidentifier() for part in parts)
    return ".".join(parts) if len(parts) > 1 and known else f"reportgen_model_{path.stem}"


def _imports_by_dots(path: Path) -> bool:
    """Whether a file says `from .neighbour import …`."""
    with contextlib.suppress(OSError, SyntaxError, ValueError, RecursionError):
        nodes = ast.walk(ast.parse(path.read_bytes()))
        return any(isinstance(node, ast.ImportFrom) and node.level > 0 for node in nodes)
    return False


def _file(path: Path) -> ModuleType:
    if not os.path.isfile(path):
        beside = [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise RecipeError(
            f"model.source: there is no file {path}{did_you_mean(nearest(path.name, beside))}",
            "file.py:callable is relative to the recipe, or to the working folder without one",
        )
    name = _dotted(path)
    try:
        _parents(name, path)
    except RecipeError:
        raise
    except (Exception, SystemExit) as error:
        raise _failed(f"{path} cannot be imported", error, path) from error
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # a .py file always has a loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up by name
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        sys.modules.pop(name, None)
        raise _failed(f"{path} cannot be imported", error, path) from error
    return module


def _parents(name: str, path: Path) -> None:
    """Imports the packages that a file is in, from where it is, so that its dots lead to its neighbours."""
    parts = name.split(".")
    folder = path.resolve().parent
    folders = [folder, *folder.parents][len(parts) - 2 :: -1] if len(parts) > 1 else []
    for depth, here in enumerate(folders, 1):
        package = ".".join(parts[:depth])
        known = sys.modules.get(package)
        if known is not None and str(here) in [str(p) for p in getattr(known, "__path__", ())]:
            continue
        if known is not None and getattr(known, "__file__", None):
            raise RecipeError(
                f"model.source: {path} is in a package named '{package}', and so is {known.__file__}",
                f"rename the folder {here.name} beside your model",
            )
        start = here / "__init__.py"
        if start.is_file():
            spec = importlib.util.spec_from_file_location(
                package, start, submodule_search_locations=[str(here)]
            )
        else:
            spec = importlib.machinery.ModuleSpec(package, None, is_package=True)
            spec.submodule_search_locations = [str(here)]
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[package] = module
        if spec.loader is not None:
            spec.loader.exec_module(module)


def _package(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _failed(f"{name} cannot be imported", error, None) from error
        top = name.split(".")[0]
        guess = nearest(top, packages_distributions()) if error.name == top else None
        raise RecipeError(
            f"model.source: no module is named '{error.name}'{did_you_mean(guess)}",
            f"install its package into this environment, or write {FORMS}",
        ) from error
    except (Exception, SystemExit) as error:
        raise _failed(f"{name} cannot be imported", error, None) from error


def _attribute(module: ModuleType, name: str, source: str) -> Any:
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            public = [key for key in dir(found) if not key.startswith("_")]
            raise RecipeError(
                f"model.source: {source} has no '{part}'{did_you_mean(nearest(part, public))}",
                "name the class or function that makes the network",
            )
        found = getattr(found, part)
    return found


def _call(make: Any, arguments: Mapping[str, Any], source: str) -> nn.Module:
    if isinstance(make, nn.Module):  # made already
        return make
    if not callable(make):
        raise RecipeError(f"model.source: {source} is not callable", "name a class or function")
    _check_arguments(make, arguments, source)
    try:
        network = make(**arguments)
    except (Exception, SystemExit) as error:
        raise _failed(f"{source} cannot be built", error, None) from error
    if not isinstance(network, nn.Module):
        raise RecipeError(
            f"model.source: {source} returned a {type(network).__name__}, not a torch.nn.Module",
            "name the class or function that makes the network",
        )
    return network


def _check_arguments(make: Callable[..., Any], arguments: Mapping[str, Any], source: str) -> None:
    """Raises RecipeError where the signature, if there is one to read, refuses the arguments."""
    try:
        signature = inspect.signature(make)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        takes = [p.name for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        strange = [name for name in arguments if name not in takes]
        guess = did_you_mean(nearest(strange[0], takes)) if strange else ""
        raise RecipeError(
            f"model.arguments do not fit {source}: {error}{guess}",
            f"it takes {', '.join(takes) or 'none'}",
        ) from error


def _failed(cause: str, error: BaseException, path: Path | None) -> InputError:
    """The error with the line of the user's code that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError) and error.lineno:
        place = f"{Path(error.filename or '').name}:{error.lineno}"
    else:
        own = [f for f in frames if path is not None and Path(f.filename) == path] or frames[-1:]
        place = f"{Path(own[-1].filename).name}:{own[-1].lineno}"
    words = " ".join(str(error).split())[:200]
    remedy = "mend the code, or its arguments in model.arguments"
    if isinstance(error, SystemExit):
        remedy = "put what runs as a script, reading its arguments too, below `if __name__ == '__main__':`"
    return InputError(f"{cause}: {place}: {type(error).__name__}{': ' if words else ''}{words}", remedy)
