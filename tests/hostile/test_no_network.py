"""Promise 9: a whole audit, page and PDF, where there is no network and any connection is an error."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MNIST = REPOSITORY / "examples" / "mnist"
RECIPE = """
model:
  source: network.py:DigitNet
  classes: classes.txt
  preprocessing: {crop: 28, mean: [0.1307], std: [0.3081]}
images: {labels: folder, show: {at_most: 2}}
run: {device: cpu}
visualizations: [architecture, predictions, saliency, grad-cam]
checks: {only: [accuracy, duplicates]}
trust: false
"""
# imported by Python before anything else; a family of sockets within the machine is no network
GUARD = """
import os, sys
SOCKETS = ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo")
def guard(event, arguments):
    inline = event == "urllib.Request" and str(arguments[0]).startswith("data:")
    if not inline and (event == "urllib.Request" or event in SOCKETS):
        os.write(2, f"a connection: {event} {arguments}\\n".encode())
        os._exit(99)
sys.addaudithook(guard)
"""


def test_promise_9_an_audit_is_whole_without_a_network(tmp_path: Path) -> None:
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "sitecustomize.py").write_text(GUARD)
    for name in ("network.py", "classes.txt"):
        shutil.copy(MNIST / name, tmp_path / name)
    for file in sorted((MNIST / "digits").rglob("*.png"))[::100]:
        (tmp_path / "digits" / file.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, tmp_path / "digits" / file.parent.name)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    words = ["run", MNIST / "checkpoints" / "epoch-10.safetensors", "digits", "--recipe", "recipe.yaml"]
    command = [
        sys.executable,
        "-c",
        "from reportgen.cli import main; main()",
        *words,
        "--out",
        "out",
        "--quiet",
    ]
    done = subprocess.run(
        [*unshared(), *map(str, command)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path / 'guard'}:{REPOSITORY}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert (tmp_path / "out" / "report.html").stat().st_size > 100_000
    assert (tmp_path / "out" / "report.pdf").read_bytes().startswith(b"%PDF")


def test_the_guard_is_one(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(GUARD)
    code = "import socket; socket.create_connection(('127.0.0.1', 9))"
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    assert subprocess.run([sys.executable, "-c", code], env=env, capture_output=True).returncode == 99


def unshared() -> list[str]:
    """What takes the network away from a command, where that is allowed here."""
    tool = shutil.which("unshare")
    tried = tool and subprocess.run([tool, "-rn", "true"], capture_output=True).returncode == 0
    return [tool, "-rn"] if tool and tried else []
