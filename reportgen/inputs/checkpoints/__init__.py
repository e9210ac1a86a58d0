"""A checkpoint, a file or a folder of files, as plain tensors by name; nothing in it is ever run."""

from __future__ import annotations
