"""torch's compiler, two seconds and some 100 MB, is imported by nothing that reportgen does itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TRACED = """
import sys
import torch
from torch import nn
from reportgen.engine import device
from reportgen.engine.network import trace, uncompiled
from reportgen.engine.relu_rules import RectifierRule

network = nn.Sequential(
    nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.GELU(), nn.Hardswish(),
    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3),
).eval()
facts = trace.trace(network, (3, 8, 8))
assert (facts.rectifiers, facts.class_count) == (1, 3)
assert trace.has_gradient(network, (3, 8, 8))
x = torch.tensor([-1.0, 2.0], requires_grad=True)
with device.repeatable(0), RectifierRule("guided") as rule:
    given = torch.autograd.grad(torch.relu(x).sum(), x)[0]
assert (given.tolist(), rule.rewritten) == ([0.0, 1.0], 1)
print("torch._dynamo" in sys.modules)

def twice(x): return 2 * x
later = uncompiled._told_late(twice)
assert later(3) == 6 and not hasattr(twice, uncompiled.MARK)
import torch._dynamo
assert later(3) == 6
assert getattr(twice, uncompiled.MARK)._torchdynamo_disable
"""


def test_nothing_imports_the_compiler_and_once_it_is_there_it_is_told() -> None:
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", TRACED]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "False\n"
