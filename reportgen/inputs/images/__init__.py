"""The image set: which files are in it, their labels, and each one decoded for the network."""

from __future__ import annotations
