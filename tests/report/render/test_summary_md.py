"""summary.md: what a CI job's page shows is text, whatever files and classes are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from reportgen.audit.results import results
from reportgen.evidence import Evidence
from reportgen.report.document.document import document
from reportgen.report.render.summary_md import STATUS_LETTERS, plain, status, text


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("a|b", r"a\|b"),
        ("<script>", "&lt;script&gt;"),
        ("@somebody", "&#64;somebody"),
        ("[link](x)", r"\[link\](x)"),
        ("two\nlines", "two lines"),
        ("*_`", r"\*\_\`"),
    ],
)
def test_words_are_shown_as_they_are(words: str, shown: str) -> None:
    assert plain(words) == shown


def test_it_has_the_requirements_the_findings_and_the_hashes(small_evidence: Path) -> None:
    evidence = Evidence(small_evidence / "evidence")
    made = document(evidence, results(evidence))
    summary = text(made)
    assert summary.startswith(f"## {summary[3]} {plain(made.summary.met.text)}: ")
    assert "<script>" not in summary
    assert made.sha256 in summary
    rows = [line for line in summary.splitlines() if line.startswith("| ") and "requirement" not in line]
    assert len(rows) == len(made.summary.required) + len(made.summary.measured)
    assert all(line.count("|") - line.count(r"\|") == 8 for line in rows)
    assert 0 < len(status(made)) <= STATUS_LETTERS
    assert "\n" not in status(made)
