"""What a clone must be: whole, pinned, and free of anybody's machine."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

REPOSITORY = Path(__file__).resolve().parents[1]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
# folders that exist on one machine only; a path in a test's prose would be one too
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|Users|work|opt|mnt|srv)/\w")
CREDENTIAL = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY|\bgh[pousr]_\w{30}|\bAKIA[0-9A-Z]{16}\b")


def files() -> list[Path]:
    """What git tracks or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    paths = (REPOSITORY / os.fsdecode(name) for name in listed.split(b"\0"))
    return [path for path in paths if path.is_file()]


@pytest.mark.parametrize("pattern", [MACHINE_PATH, CREDENTIAL], ids=["machine path", "credential"])
def test_no_file_holds(pattern: re.Pattern[str]) -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()[:80]}"
        for path in files()
        if b"\0" not in (data := path.read_bytes())[:8000] and path != Path(__file__)
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_files_are_small() -> None:
    large = [str(p.relative_to(REPOSITORY)) for p in files() if p.stat().st_size > 512 * 1024]
    assert large == []


def paths_in(text: str) -> set[str]:
    """The paths of this repository that a page names, as code or as links; NAME stands for any name."""
    code = re.findall(r"^```\w*\n(.*?)^```|`([^`\n]+)`", text, re.M | re.S)
    words = [word for pair in code for word in re.split(r"[\s,;\"'()]+", "".join(pair))]
    links = {target for target in re.findall(r"\]\(([^)#\s]+)\)", text) if "://" not in target}
    ours = re.compile(r"(?:reportgen|templates|themes|examples|tests|\.ci)/")
    return links | {word for word in words if ours.match(word)}


def there(path: str) -> bool:
    """Whether a path exists, in which a word in capitals and `*` stand for any name."""
    pattern = re.sub(r"\b[A-Z]{3,}\b", "*", path.rstrip("/"))
    return any(REPOSITORY.glob(pattern))


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "README.md"])
def test_every_path_that_a_page_names_is_there(page: str) -> None:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    added = {"reportgen/probes/hires_cam.py", "tests/probes/test_hires_cam.py"}  # CONTRIBUTING's examples
    added |= {"reportgen/checks/noise.py", "tests/checks/test_noise.py"}
    named = paths_in(text)
    assert len(named) > 5
    assert {path for path in named - added if not there(path)} == set()


def test_a_path_that_is_not_there_is_found() -> None:
    text = "`tests/nowhere.py -k x`, [this](LICENSE), [that](docs/none.md), `templates/sections/NAME.html.j2`"
    text += "\n```\npytest tests/neither.py  # and tests in words\n```\n"
    nowhere = {"tests/nowhere.py", "docs/none.md", "tests/neither.py"}
    assert paths_in(text) == {*nowhere, "LICENSE", "templates/sections/NAME.html.j2"}
    assert {path for path in paths_in(text) if not there(path)} == nowhere


def locked() -> list[Requirement]:
    lines = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]


def wanted() -> list[Requirement]:
    """Every requirement of pyproject.toml, extras included (tomllib is not in Python 3.10)."""
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    blocks = re.findall(r"^(?:dependencies|demo|test|dev) = \[\n(.*?)^\]", text, re.M | re.S)
    assert len(blocks) == 4
    requirements = [Requirement(text) for text in re.findall(r'"([^"]+)"', "".join(blocks))]
    return [found for found in requirements if found.name != "reportgen-audit"]


def test_the_lock_pins_one_version_and_names_no_index() -> None:
    for requirement in locked():
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), requirement
        assert requirement.url is None


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_satisfies_what_the_project_requires(python: str) -> None:
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.5",
        "sys_platform": "linux",
        "platform_machine": "x86_64",
    }
    pins: dict[str, list[Version]] = {}
    for requirement in locked():
        if requirement.marker is None or requirement.marker.evaluate(environment):
            pin = Version(str(requirement.specifier)[2:])
            pins.setdefault(requirement.name.lower(), []).append(pin)
    assert {name for name, versions in pins.items() if len(versions) > 1} == set()
    for requirement in wanted():
        name = requirement.name.lower()
        assert name in pins, f"{name} is not in the lock: make lock"
        assert requirement.specifier.contains(pins[name][0]), requirement


def test_the_promised_bounds_stand() -> None:
    """torch >= 2.10; WeasyPrint 70, which the print template is written for; Pillow >= 12.3."""
    by_name = {requirement.name: requirement.specifier for requirement in wanted()}
    assert by_name["torch"].contains("2.10") and not by_name["torch"].contains("2.9.1")
    assert by_name["weasyprint"].contains("70.1") and not by_name["weasyprint"].contains("71.0")
    assert not by_name["weasyprint"].contains("69.0")
    assert by_name["pillow"].contains("12.3") and not by_name["pillow"].contains("12.2")
