"""What is installed and not written beside a recipe, though it may lie below the recipe's folder: a virtual
environment in a project, Python's own modules, packages of a package manager.

Such code was put there to be called by programs that know it, and not by whoever wrote the recipe:
`torch.utils.collect_env` runs any command that it is given.
"""

from __future__ import annotations

import functools
import os
import re
import site
import sys
import sysconfig
from pathlib import Path

# folders that package managers fill, by name; those of others are known by what lies in them
PACKAGES = re.compile(
    r"(.*[\\/])?(site-packages|dist-packages|__pypackages__|node_modules|lib(64)?[\\/]python\d[\d.]*t?|[^\\/]*\.egg)",
    re.I | re.S,
)
LIBRARIES = ("torchvision", "timm", "transformers")  # whose networks any recipe may call
ENVIRONMENT = ("pyvenv.cfg", "conda-meta")


def is_installed(file: Path, place: Path) -> bool:
    """Whether a file below `place` is installed there: as it is written, or where its links lead. What lies
    in an installed package that holds `place` itself is beside it, and not installed."""
    tops = (os.path.abspath(place), os.path.realpath(place))
    around = {folder for top in tops for folder in Path(top).parents}
    for path in (os.path.abspath(file), os.path.realpath(file)):
        for folder in Path(path).parents:
            if folder not in around and _is_of(str(folder), str(folder) in tops):
                return True
    return False


def _is_of(folder: str, is_top: bool) -> bool:
    """Whether a folder is one of packages, or an environment; a recipe may lie right in the latter."""
    if PACKAGES.fullmatch(folder) or folder in _known():
        return True
    try:
        inside = os.listdir(folder)
    except OSError:
        return False
    if any(name.endswith(".dist-info") for name in inside):  # pip install --target
        return True
    return not is_top and (folder in _prefixes() or any(name in inside for name in ENVIRONMENT))


def _prefixes() -> set[str]:
    own = {sys.prefix, sys.base_prefix, sys.exec_prefix}
    return {*map(os.path.abspath, own), *map(os.path.realpath, own)}


@functools.cache
def _known() -> frozenset[str]:
    """The folders of this Python's modules, packages and scripts, as written and where links lead."""
    paths = sysconfig.get_paths()
    named = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")}
    named |= {*site.getsitepackages(), site.getusersitepackages()}
    return frozenset({*map(os.path.abspath, named), *map(os.path.realpath, named)})
