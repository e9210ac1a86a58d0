"""Networks that are a file of their own: torch.export, TorchScript and ONNX, run by an interpreter of ours.

Nothing in such a file is handed to a loader that evaluates, imports or unpickles. What it computes is read
as data, and run by calling the operators of `operators.ALLOWED` on tensors, and no others.
"""

from __future__ import annotations
