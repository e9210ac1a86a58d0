"""The contract of the commands: exit codes, stdout and stderr, through the real program."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from reportgen.cli.commands import app
from reportgen.errors import InputError

REPOSITORY = Path(__file__).resolve().parents[2]
MNIST = REPOSITORY / "examples" / "mnist"
CHECKPOINT = MNIST / "checkpoints" / "epoch-10.safetensors"
MAIN = (sys.executable, "-c", "from reportgen.cli import main; main()")
RECIPE = f"""\
model:
  source: {MNIST / "network.py"}:DigitNet
  preprocessing: {{crop: 28, mean: [0.1307], std: [0.3081]}}
run: {{device: cpu}}
trust: false
checks: false
visualizations: [architecture, saliency, {{grad-cam: {{layer: conv2}}}}]
output: {{pdf: false}}
gates: [{{metric: rejected, max: 0}}]
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}


def allowing(arguments: tuple[object, ...]) -> list[object]:
    """The arguments of a command, and where it builds a network the permission for the one of RECIPE."""
    more = ["--allow-code", MNIST / "network.py"] if arguments and arguments[0] in ("run", "inspect") else []
    return [*arguments[:1], *more, *arguments[1:]]


def program(*arguments: object) -> subprocess.CompletedProcess[str]:
    """A command as a process of its own."""
    words = [*MAIN, *map(str, allowing(arguments))]
    return subprocess.run(words, env=environment(), capture_output=True, text=True)


def reportgen(*arguments: object) -> subprocess.CompletedProcess[str]:
    """A command in this process, where torch is loaded already."""
    done = CliRunner().invoke(app, [str(argument) for argument in allowing(arguments)])
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


def is_told(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """Nothing on stdout, a line of cause and one of remedy on stderr, and the exit code."""
    assert (done.returncode, done.stdout) == (code, "")
    cause, remedy = [line for line in done.stderr.splitlines() if not line.startswith("plan: ")][-2:]
    assert cause.startswith("error: ")
    assert remedy.startswith("remedy: ")
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in cause


@pytest.fixture(autouse=True)
def keep_the_handler() -> Iterator[None]:
    """`run` in this process sets a handler for SIGTERM: it must not stay."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "recipe.yaml"
    file.write_text(RECIPE)
    return file


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("run")
    (folder / "recipe.yaml").write_text(RECIPE)
    arguments = ("--recipe", folder / "recipe.yaml", "--out", folder / "out", "--limit", 3, "--save-maps")
    done = program("run", CHECKPOINT, MNIST / "digits", *arguments, "--json")
    return folder / "out", done


def test_help_is_light() -> None:
    script = (
        "import sys\nfrom reportgen.cli.commands import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'matplotlib', 'weasyprint', 'pydantic', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True)
    assert done.stdout.endswith("[]\n")
    for command in ("run", "render", "inspect", "verify", "demo", "methods", "recipe", "doctor"):
        assert re.search(rf"^  {command} ", done.stdout, re.MULTILINE)


def test_a_run_writes_the_report_and_a_summary(report: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = report
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["report"] == str(folder / "report.html")
    assert summary["pdf"] is None
    assert summary["gates_passed"] is True
    assert summary["metrics"]["images"] == 3
    assert (folder / "report.html").exists()
    assert sorted(path.name for path in (folder / "maps").iterdir()) == [f"00000{n}.npz" for n in range(3)]
    assert "measure: 3 of 3 images" in done.stderr


def test_results_follow_their_schema(report: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    schema = json.loads(reportgen("recipe", "schema", "--results").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    results = json.loads((report[0] / "results.json").read_bytes())
    jsonschema.Draft202012Validator(schema).validate(results)
    assert results["model"]["parameters"] == 53_030
    assert results["cost"]["forwards"] == 3


def test_a_report_verifies_until_it_is_changed(report: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = report
    assert reportgen("verify", folder, "--checkpoint", CHECKPOINT).returncode == 0
    page = folder / "report.html"
    page.write_bytes(page.read_bytes() + b" ")
    done = reportgen("verify", folder)
    assert (done.returncode, done.stdout) == (1, "changed: report.html\n")
    done = reportgen("render", folder)  # and rendering mends it
    assert (done.returncode, done.stdout) == (0, f"{page}\n")
    assert reportgen("verify", folder).returncode == 0


def test_a_failed_gate_is_exit_1_with_the_report_written(recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(RECIPE.replace("{metric: rejected, max: 0}", "{metric: accuracy, min: 0.5}"))
    out = tmp_path / "out"
    arguments = ("--recipe", recipe, "--out", out, "--limit", 2, "--labels", "none", "--quiet")
    done = reportgen("run", CHECKPOINT, MNIST / "digits", *arguments)
    assert done.returncode == 1
    assert done.stdout == f"{out / 'report.html'}\n"
    said = "gate cannot be judged: accuracy ≥ 50 %: accuracy is not known: no image has a label"
    assert done.stderr.startswith(said)
    assert (out / "report.html").exists()


def test_a_second_model_is_named_on_the_command_line(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checkpoint is in the working folder, as the first one's; what it belongs to as for --model."""
    monkeypatch.chdir(MNIST / "checkpoints")
    shown = ("run", CHECKPOINT, MNIST / "digits", "--recipe", recipe, "--limit", 2, "--quiet")
    out = ("--out", tmp_path / "out")
    done = reportgen(*shown, *out, "--json", "--beside", "epoch-01.safetensors")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["beside"]["compared"] == 2
    found = json.loads((tmp_path / "out" / "results.json").read_bytes())
    assert (found["beside"]["main"], found["beside"]["name"]) == ("epoch-10", "epoch-01")
    assert (tmp_path / "out" / "evidence" / "beside" / "manifest.json").is_file()
    source = ("--beside-model", f"{MNIST / 'network.py'}:DigitsNet")
    is_told(reportgen(*shown, *out, *source), 2, "no checkpoint")
    named = ("--beside", "epoch-01.safetensors", *source)
    is_told(reportgen(*shown, *out, *named), 2, "'DigitsNet' (did you mean 'DigitNet'?)")
    is_told(reportgen(*shown, *out, "--beside", "epoch-99.safetensors"), 3, "the model beside: ", "epoch-99")


def test_a_misspelt_layer_is_found_in_the_recipe(recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(RECIPE.replace("layer: conv2", "layer: conf2"))
    done = reportgen("run", CHECKPOINT, MNIST / "digits", "--recipe", recipe, "--out", tmp_path / "out")
    is_told(done, 2, "recipe.yaml:7:61: unknown layer", "'conf2'", "did you mean 'conv2'?")
    assert not (tmp_path / "out").exists()


def test_errors_of_each_kind_have_their_exit_code(recipe: Path, tmp_path: Path) -> None:
    images, out = MNIST / "digits", ("--out", tmp_path / "out", "--recipe", recipe)
    is_told(program("run", tmp_path / "no.pt", images, *out), 3, "no.pt")
    is_told(reportgen("run", CHECKPOINT, tmp_path / "nothing", *out), 3, "nothing")
    is_told(reportgen("run", CHECKPOINT, images, *out, "--device", "gpu"), 2, "device must be")
    is_told(reportgen("run", CHECKPOINT, images, "--out", tmp_path / "out"), 2, "model")
    assert reportgen("run", CHECKPOINT).returncode == 2
    recipe.write_text("titel: x\n")
    is_told(reportgen("run", CHECKPOINT, images, *out), 2, "recipe.yaml:1:1: unknown key 'titel'")
    is_told(reportgen("verify", tmp_path), 3, "no complete evidence")
    is_told(reportgen("methods", "salience"), 2, "did you mean 'saliency'?")
    is_told(reportgen("recipe", "new", recipe), 2, "cannot write")


def test_inspect_lists_the_layers(recipe: Path) -> None:
    facts = json.loads(reportgen("inspect", CHECKPOINT, "--recipe", recipe, "--json").stdout)
    leaves = {layer["name"]: layer["parameters"] for layer in facts["layers"] if layer["number"]}
    # by hand: 10·(3·3+1), 20·(10·3·3+1), 100·(20·5·5+1), 10·(100+1)
    assert leaves | {"conv1": 100, "conv2": 1820, "fc1": 50_100, "fc2": 1010} == leaves
    assert facts["parameters"] == sum(leaves.values()) == 53_030
    words = [held["words"] for held in facts["graph"]["operations"]]
    assert words[:4] == ["input", "conv 3×3, 10", "relu", "max-pool 2×2/2"]
    assert facts["graph"]["edges"] == [[at, at + 1] for at in range(len(words) - 1)]
    table = reportgen("inspect", CHECKPOINT, "--recipe", recipe, "--input", "1x28x28").stdout
    assert "53,030" in table
    assert "10×26×26" in table
    assert "2 convolutions, 2 linear layers, 2 pools" in table
    is_told(reportgen("inspect", CHECKPOINT, "--recipe", recipe, "--input", "28"), 2, "'28'")


def test_inspect_prints_the_table_of_the_report(recipe: Path, tmp_path: Path) -> None:
    """The same heads, cells and totals: the page is taken apart with regular expressions."""
    printed = reportgen("inspect", CHECKPOINT, "--recipe", recipe).stdout
    shorter = recipe.with_name("architecture.yaml")
    lines = recipe.read_text(encoding="utf-8").splitlines()
    text = [line if "visualizations" not in line else "visualizations: [architecture]" for line in lines]
    shorter.write_text("\n".join(text), encoding="utf-8")
    out = tmp_path / "out"
    done = reportgen("run", CHECKPOINT, MNIST / "digits", "--recipe", shorter, "--limit", 1, "--out", out)
    assert done.returncode == 0
    page = (out / "report.html").read_text(encoding="utf-8")
    section = page[page.index('id="model-architecture-layers"') :]
    table = section[: section.index("</table>")]
    lines = re.findall(r"<tr>(.*?)</tr>", table, re.S)
    rows = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", line) for line in lines]
    assert len(rows) == 12  # heads, ten layers, totals
    by_line = [line.split() for line in printed.splitlines()]
    for row in rows:
        assert " ".join(filter(None, row)).split() in by_line


def test_recipe_new_check_and_schema(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    done = reportgen("recipe", "new", file)
    assert (done.returncode, done.stdout) == (0, f"{file}\n")
    assert file.read_text() == reportgen("recipe", "new").stdout
    assert reportgen("recipe", "check", file).returncode == 0
    schema = json.loads(reportgen("recipe", "schema").stdout)
    resolved = json.loads(reportgen("recipe", "check", file, "--json").stdout)
    jsonschema.Draft202012Validator(schema).validate(resolved)


def test_methods_are_told_in_words_and_as_json() -> None:
    methods = json.loads(reportgen("methods", "--json").stdout)
    one = next(method for method in methods if method["name"] == "grad-cam")
    words = reportgen("methods", "grad-cam").stdout
    for key in ("title", "summary", "definition", "reading", "limits", "source"):
        assert one[key] in words
    assert "layer" in one["options"]
    assert "Option layer" in words


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_says_how_to_go_on(number: int, code: int, recipe: Path, tmp_path: Path) -> None:
    arguments = allowing(
        ("run", CHECKPOINT, MNIST / "digits", "--recipe", recipe, "--out", tmp_path / "out")
    )
    process = subprocess.Popen(
        [*MAIN, *map(str, allowing(arguments))],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        # a job in the background of a script begins with interrupts ignored, and so would its child
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("measure: "):  # the pass is on its way
            break
    process.send_signal(number)
    rest = process.stderr.read()
    assert process.wait(timeout=240) == code
    assert rest.splitlines()[-1] == "remedy: the same command goes on where this one stopped"
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".reportgen-work"]
    assert (tmp_path / "out" / ".reportgen-work" / "evidence").is_dir()


def test_a_run_without_pdf_says_how_to_get_one_and_keeps_it_up(recipe: Path, tmp_path: Path) -> None:
    pytest.importorskip("weasyprint")
    out = tmp_path / "my report"
    options = ("--recipe", recipe, "--limit", 1, "--out", out, "--json")
    done = reportgen("run", CHECKPOINT, MNIST / "digits", *options)
    assert (done.returncode, json.loads(done.stdout)["pdf"]) == (0, None)
    pdf = out / "report.pdf"
    done = reportgen("render", out)
    assert (done.returncode, done.stdout, pdf.exists()) == (0, f"{out}/report.html\n", False)
    assert done.stderr.startswith("no report.pdf, as the run was told")
    assert done.stderr.endswith(f": reportgen render '{out}' --pdf\n")
    done = reportgen("render", out, "--pdf")
    assert (done.returncode, done.stderr, pdf.exists()) == (0, "", True)
    pdf.write_bytes(b"of an older theme")
    done = reportgen("render", out)  # one that is there is not left behind
    assert (done.returncode, done.stderr, pdf.read_bytes()[:5]) == (0, "", b"%PDF-")
    assert reportgen("verify", out).returncode == 0
    done = reportgen("render", out, "--no-pdf")
    assert (done.returncode, done.stderr, pdf.exists()) == (0, "", False)


def test_a_report_among_the_images_is_not_measured_and_its_folder_is_the_user_s(
    recipe: Path, tmp_path: Path
) -> None:
    images = tmp_path / "im"
    shutil.copytree(MNIST / "digits", images, ignore=lambda _, names: sorted(names)[3:])
    folder = recipe.read_text(encoding="utf-8").replace("pdf: false", "pdf: false, layout: folder")
    recipe.write_text(folder, encoding="utf-8")
    (tmp_path / "latest").symlink_to("im/report")
    out = tmp_path / "latest"
    arguments = ("run", CHECKPOINT, images, "--recipe", recipe, "--labels", "none", "--out", out)
    for _ in range(2):
        done = reportgen(*arguments)
        assert (done.returncode, done.stdout) == (0, f"{out}/report.html\n"), done.stderr
        assert json.loads((out / "results.json").read_bytes())["metrics"]["images"] == 9
        assert any((out / "report-files").iterdir()) and out.is_symlink()
        (out / "best.pt").write_bytes(b"weights")
    (out / "report.pdf").write_bytes(b"mine")
    assert (out / "best.pt").read_bytes() == b"weights"
    pdf = recipe.read_text(encoding="utf-8").replace("pdf: false", "pdf: true")
    recipe.write_text(pdf, encoding="utf-8")
    is_told(reportgen(*arguments), 2, "latest/report.pdf was not written by reportgen")
    assert (out / "report.pdf").read_bytes() == b"mine"


def test_the_demo_s_input_lies_beside_a_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(folder: Path) -> None:
        raise InputError(f"asked for {folder}", "none")

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("reportgen.cli.demo.prepare", stop)
    is_told(reportgen("demo", "--out", "."), 3, f"asked for {tmp_path / 'here-input'}")


def test_a_fault_of_ours_has_no_traceback_unless_it_is_asked_for(tmp_path: Path) -> None:
    script = (
        "import sys, reportgen.recipe\n"
        "def broken(file): raise ZeroDivisionError('by zero')\n"
        "reportgen.recipe.load = broken\n"
        "from reportgen.cli.commands import app\napp(sys.argv[1:])"
    )
    command = [sys.executable, "-c", script, "recipe", "check", "x.yaml"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    is_told(done, 70, "ZeroDivisionError: by zero")  # never 1, which is a failed gate
    done = subprocess.run([*command, "--verbose"], env=environment(), capture_output=True, text=True)
    assert "Traceback" in done.stderr


def test_the_package_runs_as_the_console_script_does() -> None:
    command = [sys.executable, "-m", "reportgen", "methods", "saliency"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert "Simonyan" in done.stdout
