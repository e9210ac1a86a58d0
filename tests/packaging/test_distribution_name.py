"""The distribution's name: the index's `reportgen` is a stranger's, and no text tells to install it."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reportgen import version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).resolve().parents[2]
TEXTS = ("*.md", "*.j2", "*.js", "*.yaml", "*.toml", "*.txt", "*.lock", "Makefile", "run")
VERB = re.compile(r"\b(?:re)?install(?:s|ing)?\s+|\b(?:pipx|uv tool)\s+run\s+|\buvx\s+|\buv add\s+", re.I)
END = re.compile(r"[`\n;|#&)]|[,.:](?=\s|$)|\\n")  # where the words of a command, or of its sentence, end
EXTRA = re.compile(r"(?<![\w.-])reportgen\s*\[(?=[\w ,-]+\])", re.I)
REQUIREMENT = re.compile(r"^\s*reportgen\s*(?:\[[^\]]*\])?\s*(?:[=<>~!@;#].*)?$", re.I | re.M)


def bare(text: str) -> list[str]:
    """What of a text would install the bare name: after an installer's word, or with an extra in brackets."""
    joined = re.sub(r"\\\n\s*", " ", text)
    found = [joined[at.start() :][:60] for at in EXTRA.finditer(joined)]
    for verb in VERB.finditer(joined):
        words = END.split(joined[verb.end() :], maxsplit=1)[0].split()
        names = [re.split(r"[\[=<>~!@]", word.strip("\"'“”*"), maxsplit=1)[0].casefold() for word in words]
        if "reportgen" in names:
            found.append(f"{verb[0]}{' '.join(words)}")
    return found


def strings(source: str) -> Iterator[str]:
    """The texts of a program: each string, f-strings with their gaps, and lists of words as one line."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.List | ast.Tuple):
            yield " ".join(str(part.value) for part in node.elts if isinstance(part, ast.Constant))


def sources() -> list[Path]:
    return [*(REPOSITORY / "reportgen").rglob("*.py"), *(REPOSITORY / "examples").rglob("*.py")]


def texts() -> list[Path]:
    """Every text of the repository that a user may read or a tool may run."""
    return [
        path
        for pattern in TEXTS
        for path in REPOSITORY.rglob(pattern)
        if not {".venv", "node_modules", "build", "dist"} & set(path.relative_to(REPOSITORY).parts)
        and not path.relative_to(REPOSITORY).parts[0].startswith("demo-report")
    ]


def test_no_text_tells_to_install_the_bare_name() -> None:
    read = texts()
    named = {path.name for path in read}
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "pyproject.toml"} <= named
    assert {"print.html.j2", "requirements.lock"} <= named
    found = {str(p): bare(p.read_text(encoding="utf-8")) for p in read}
    assert {path: held for path, held in found.items() if held} == {}


def test_no_message_of_the_source_tells_to_install_the_bare_name() -> None:
    found = {}
    for path in sources():
        said = strings(path.read_text(encoding="utf-8"))
        found[str(path)] = [held for text in said for held in bare(text)]
    assert len(found) > 100
    assert {path: held for path, held in found.items() if held} == {}


def test_no_requirement_is_the_bare_name() -> None:
    for path in REPOSITORY.glob("requirements*"):
        assert not REQUIREMENT.findall(path.read_text(encoding="utf-8")), path
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == version.DISTRIBUTION == "reportgen-audit"
    assert project["version"] == version.__version__
    assert list(project["scripts"]) == ["reportgen"]
    extras = [held for extra in project["optional-dependencies"].values() for held in extra]
    assert not [held for held in (*project["dependencies"], *extras) if REQUIREMENT.match(held)]


def test_nothing_asks_for_the_version_of_the_distribution() -> None:
    """A report's numbers and its key come from the code itself, however it was installed."""
    asked = re.compile(r"^reportgen([-_.]audit)?$")
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and "metadata" in ast.unparse(node.func):
                named = [held.value for held in node.args if isinstance(held, ast.Constant)]
                assert not [held for held in named if asked.match(str(held))], path


def test_readme_warns_of_the_bare_name_and_installs_from_checkout_or_wheel() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert re.search(r"`reportgen` of the public index is another\s+project", readme)
    assert f'pip install "dist/{version.WHEEL}[demo]"' in readme
    assert 'pip install ".[demo]"' in readme
    assert version.WHEEL in version.with_extra("demo") and "make setup" in version.with_extra("demo")


PLANTED = (
    'pip install "reportgen[demo]"',
    "pip install reportgen",
    "pip3 install --upgrade reportgen==0.1.0",
    "python -m pip install -q \\\n  Reportgen",
    "uv pip install 'reportgen>=0.1'",
    "uv add reportgen",
    "pipx install reportgen",
    "pipx run reportgen demo",
    "uvx reportgen demo",
    "install reportgen again",
    "read from TensorBoard (`reportgen[tensorboard]`)",
    "needs reportgen [demo]",
)
FINE = (
    'pip install ".[demo]" && reportgen demo',
    'pip install "dist/reportgen_audit-0.1.0-py3-none-any.whl[demo]"; then `reportgen demo`',
    "pip install ./reportgen",
    "`pip install -r requirements.lock`, then run reportgen",
    "pip uninstall --yes reportgen",
    "install the wheel of reportgen-audit again",
    "pip install reportgen-audit[demo]",
)


@pytest.mark.parametrize("text", PLANTED)
def test_a_planted_bare_name_is_found(text: str) -> None:
    assert bare(text)


@pytest.mark.parametrize("text", FINE)
def test_the_own_name_a_wheel_and_a_checkout_are_not(text: str) -> None:
    assert not bare(text)


@pytest.mark.parametrize("line", ["reportgen", "reportgen==0.1.8", "reportgen[demo]>=0.1 ; extra"])
def test_a_planted_requirement_is_found(line: str) -> None:
    assert REQUIREMENT.findall(f"numpy==2.0\n{line}\n")
    assert not REQUIREMENT.findall("reportgen-audit\nreportgen_audit==1\n")


def test_a_planted_message_is_found_however_it_is_written() -> None:
    for source in (
        'REMEDY = "pip " \\\n    "install reportgen"',
        'f"pip install reportgen[{extra}]"',
        'run(["pip", "install", "reportgen"])',
    ):
        assert [held for text in strings(source) for held in bare(text)], source
