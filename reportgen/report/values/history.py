"""The audits before this one: plain values that a template lays out."""

from __future__ import annotations

from dataclasses import dataclass

from reportgen.report.values.card import Figure, Sign
from reportgen.report.values.comparison import ChangeLine


@dataclass(frozen=True)
class PastRow:
    """An audit of the history."""

    name: str
    date: str
    met: Sign
    failed: str  # the requirements that were not met
    accuracy: str
    faults: str  # the checks that found a fault
    checkpoint: str  # the beginning of its hash


@dataclass(frozen=True)
class HistorySection:
    """Small plots over all audits, the latest ones as rows, and what only the history shows."""

    lead: str
    count: str  # of earlier audits
    figures: tuple[Figure, ...]
    rows: tuple[PastRow, ...]  # the latest first, this audit before all
    lines: tuple[ChangeLine, ...]
