"""The network that a source names, with the weights in it, and what is known of it beforehand."""

from __future__ import annotations
