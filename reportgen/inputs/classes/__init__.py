"""Class names, where they come from, and which class a label means."""

from __future__ import annotations
