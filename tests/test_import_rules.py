"""Who may import whom: the imports are read from the source, lazy ones included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

# the line: what comes after the measuring, and what turns it; nothing before may know it
ENDS = {"reportgen.audit", "reportgen.report", "reportgen.pipeline", "reportgen.cli"}
ASKS = {"reportgen.probes", "reportgen.checks", "reportgen.measure"}
TENSORS = {"torch", "torchvision", "reportgen.engine", "reportgen.inputs"}
# what a room (by its dotted name) must not import, at the top of a file or inside a function
FORBIDDEN = {
    "reportgen.engine": {*ENDS, *ASKS, "reportgen.inputs", "reportgen.recipe", "reportgen.evidence"},
    "reportgen.inputs": {*ENDS, *ASKS, "reportgen.evidence"},
    "reportgen.recipe": {*ENDS, "reportgen.measure", "reportgen.engine", "reportgen.evidence"},
    "reportgen.findings": {*ENDS, *ASKS, *TENSORS, "reportgen.recipe", "reportgen.evidence"},
    "reportgen.evidence": {*ENDS, *ASKS, *TENSORS, "reportgen.recipe"},
    "reportgen.measure": ENDS,
    "reportgen.audit": {*ENDS, *ASKS, *TENSORS, "reportgen.recipe"} - {"reportgen.audit"},
    "reportgen.tracking": {*ENDS, *ASKS, *TENSORS, "reportgen.recipe"} - {"reportgen.audit"},
    "reportgen.report": {*ENDS, *ASKS, *TENSORS, "reportgen.recipe"}
    - {"reportgen.audit", "reportgen.report"},
    "reportgen.cli": {"reportgen.engine", "reportgen.inputs", "reportgen.measure"},
    "reportgen.stats": {"reportgen"},
}
# the one door of a room that is closed otherwise: a recipe's gates name the numbers that the audit judges
OPEN = {
    "reportgen.recipe.gates": {
        "reportgen.audit.gates",
        "reportgen.audit.gate_numbers",
        "reportgen.audit.compare.limits",
    }
}
# a package, and the only files or rooms that may import it
ONLY_IN = {
    "typer": {"reportgen.cli"},
    "rich": {"reportgen.cli.terminal"},
    "weasyprint": {"reportgen.report.render.pdf"},
    "matplotlib": {"reportgen.report.pictures.figures"},
    "mlflow": {"reportgen.tracking.to_mlflow"},
    "wandb": {"reportgen.tracking.to_wandb"},
}
# all that a probe may import of ours, besides the files of a folder of its own; the registry stands for
# probes/__init__.py, not its probes
PROBES_MAY = {"reportgen.findings", "reportgen.probes", "reportgen.stats"}
# all that a check may import of ours, besides: what is the same for several checks, and no other check
CHECKS_MAY = {
    "reportgen.findings",
    "reportgen.checks",
    "reportgen.checks.answering",
    "reportgen.checks.batches",
    "reportgen.checks.calibration_error",
    "reportgen.checks.case",
    "reportgen.checks.changes",
    "reportgen.checks.copies",
    "reportgen.checks.following",
    "reportgen.checks.initialised",
    "reportgen.checks.intervention",
    "reportgen.checks.nearby",
    "reportgen.checks.parts",
    "reportgen.checks.showing",
    "reportgen.checks.temperature",
    "reportgen.checks.unlike",
    "reportgen.checks.curves",
    "reportgen.checks.words",
    "reportgen.stats",
}
NEEDS = "reportgen.engine.needs"  # any file of this room: a new need is nowhere to be listed
# these stay quick and free of torch, whatever they import at the top of their files
LIGHT = ("reportgen.cli", "reportgen.report", "reportgen.audit", "reportgen.evidence", "reportgen.tracking")
HEAVY = {"torch", "torchvision", "weasyprint", "matplotlib", "mlflow", "wandb"}


@dataclass(frozen=True)
class Import:
    """One imported dotted name, and whether importing the file imports it too."""

    name: str
    at_once: bool


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(room + ".")


def dotted(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, root: Path) -> list[Import]:
    """Every import of a file. `from a import b` counts as a.b, for b may be a module."""
    package = path.relative_to(root).parent.parts

    def walk(node: ast.AST, at_once: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *filter(None, [node.module])))
            yield from (Import(f"{module}.{alias.name}", at_once) for alias in node.names)
        lazy = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        )
        for child in ast.iter_child_nodes(node):
            yield from walk(child, at_once and not lazy)

    return list(walk(ast.parse(path.read_text(encoding="utf-8")), True))


def tree(root: Path) -> dict[str, list[Import]]:
    """The imports of every module of the package below `root`, by dotted name."""
    return {dotted(p, root): imports(p, root) for p in sorted((root / "reportgen").rglob("*.py"))}


def trespasses(modules: dict[str, list[Import]]) -> list[str]:
    """Every import that a rule forbids, as `module imports name`."""
    found = []
    for module, imported in modules.items():
        names = {x.name for x in imported}
        for room, forbidden in FORBIDDEN.items():
            if within(module, room):
                shut = {n for n in names if any(within(n, bad) for bad in forbidden)}
                found += [(module, n) for n in shut if n.rpartition(".")[0] not in OPEN.get(module, ())]
        for package, owners in ONLY_IN.items():
            if not any(within(module, owner) for owner in owners):
                found += [(module, n) for n in names if within(n, package)]
        if module.startswith("reportgen.probes."):
            own = ".".join(module.split(".")[:3])
            ours = {n for n in names if within(n, "reportgen") and not within(n, own)}
            found += [(module, n) for n in ours if not allowed(n, modules, PROBES_MAY)]
        if module.startswith("reportgen.checks."):
            own = ".".join(module.split(".")[:3])
            ours = {n for n in names if within(n, "reportgen") and not within(n, own)}
            found += [(module, n) for n in ours if not allowed(n, modules, CHECKS_MAY)]
            found += [(module, n) for n in names if within(n, "torch") or within(n, "torchvision")]
    return sorted({f"{module} imports {name}" for module, name in found})


def allowed(name: str, modules: dict[str, list[Import]], may: set[str]) -> bool:
    """Whether a probe or a check may import a name: a need, or one of the rooms that it may know."""
    if within(name, NEEDS):
        return True
    if name in modules:  # a module itself, not a name out of one
        return name in may
    return name.rpartition(".")[0] in may


def reached(start: str, modules: dict[str, list[Import]]) -> set[str]:
    """All names that importing `start` imports at once, through our own modules."""
    seen: set[str] = set()
    pending = [start]
    while pending:
        name = pending.pop()
        parts = name.split(".")
        for module in (".".join(parts[:k]) for k in range(1, len(parts) + 1)):
            if module not in seen:
                seen.add(module)
                pending += [x.name for x in modules.get(module, []) if x.at_once]
    return seen


@pytest.fixture(scope="module")
def modules() -> dict[str, list[Import]]:
    return tree(REPOSITORY)


def test_no_room_imports_what_it_must_not(modules: dict[str, list[Import]]) -> None:
    assert trespasses(modules) == []


def test_the_tests_of_other_packages_run_no_line_of_ours() -> None:
    peers = sorted((REPOSITORY / "tests" / "peers").rglob("*.py"))
    assert peers
    names = {x.name for path in peers for x in imports(path, REPOSITORY)}
    assert {name for name in names if within(name, "reportgen")} == set()


@pytest.mark.parametrize("room", LIGHT)
def test_light_rooms_do_not_load_heavy_packages(room: str, modules: dict[str, list[Import]]) -> None:
    started = [module for module in modules if within(module, room)]
    assert started
    heavy = {module: sorted(reached(module, modules) & HEAVY) for module in started}
    assert {module: names for module, names in heavy.items() if names} == {}


def test_torchvision_is_loaded_only_for_its_networks_and_names(modules: dict[str, list[Import]]) -> None:
    """Its import takes as long as torch's own, and most networks need nothing of it."""
    for name, found in modules.items():
        assert not [x for x in found if x.at_once and within(x.name, "torchvision")], name


PLANTED = {
    "reportgen/engine/plan.py": "from reportgen import probes",
    "reportgen/engine/tape.py": "def late():\n    from ..report import html",
    "reportgen/probes/saliency.py": "import reportgen.probes.occlusion",
    "reportgen/probes/occlusion.py": "from reportgen.engine.onepass import Pass",
    "reportgen/probes/cam/grid.py": "from reportgen.probes.saliency import Saliency",
    "reportgen/checks/balance.py": "import torch",
    "reportgen/checks/head.py": "from reportgen.checks.balance import Balance",
    "reportgen/checks/weights.py": "from reportgen.engine.onepass import OnePass",
    "reportgen/report/html.py": "import torch.nn as nn",
    "reportgen/audit/gates.py": "def late():\n    from reportgen.engine import trace",
    "reportgen/recipe.py": "import typer",
    "reportgen/cli/questions.py": "def late():\n    from reportgen.inputs import load_subject",
    "reportgen/report/html_pages.py": "from weasyprint import HTML",
    "reportgen/probes/filters.py": "from matplotlib import colormaps",
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_trespass_is_found(planted: str, tmp_path: Path) -> None:
    for name in PLANTED:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PLANTED[name] if name == planted else "import json\n", encoding="utf-8")
    found = trespasses(tree(tmp_path))
    assert len(found) == 1
    assert found[0].startswith(dotted(tmp_path / planted, tmp_path) + " imports ")


def test_a_probe_may_import_its_needs_its_findings_and_the_registry(tmp_path: Path) -> None:
    probe = tmp_path / "reportgen/probes/saliency.py"
    probe.parent.mkdir(parents=True)
    probe.write_text(
        "import torch\nfrom reportgen.engine.needs import Gradient\n"
        "from reportgen.engine.needs.perturbations import Ablated\n"
        "from reportgen.findings import Heatmap\nfrom reportgen.probes import probe\n",
        encoding="utf-8",
    )
    folder = tmp_path / "reportgen/probes/cam"
    folder.mkdir()
    (folder / "__init__.py").write_text("from reportgen.probes.cam.grid import places\n", encoding="utf-8")
    (folder / "grid.py").write_text("from reportgen.probes import Method\n", encoding="utf-8")
    assert trespasses(tree(tmp_path)) == []


def test_what_is_reached_follows_our_modules_and_their_packages_but_nothing_lazy() -> None:
    graph = {
        "reportgen": [Import("json", True)],
        "reportgen.cli": [Import("reportgen.a.run", True), Import("torch", False)],
        "reportgen.a": [Import("matplotlib.figure", True)],
    }
    assert reached("reportgen.cli", graph) & HEAVY == {"matplotlib"}
    assert "json" in reached("reportgen.cli", graph)


def test_no_room_has_a_function_of_the_name_of_a_room_inside_it() -> None:
    """`from a import b` gave the function, and the room as soon as anything had imported `a.b`."""
    for head in (REPOSITORY / "reportgen").rglob("__init__.py"):
        inside = {path.stem for path in head.parent.iterdir()} - {"__init__"}
        tree = ast.parse(head.read_text(encoding="utf-8"))
        defined = {held.name for held in tree.body if isinstance(held, ast.FunctionDef | ast.ClassDef)}
        assert not defined & inside, head
