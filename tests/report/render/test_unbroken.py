"""A line that ends between a number and its per cent sign reads badly; nothing else is touched."""

from __future__ import annotations

import re

import pytest

from reportgen.report.render.templates import in_one_in_print, unbroken

NB = '<span class="nb">{}</span>'


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<p>of 98.0 % [96.4 to 98.9 %], 1,000 % more</p>", ["98.0 %", "98.9 %", "1,000 %"]),
        ('<td class="num">98.0 %</td>', []),
        ("<p>sparsity <b>54.9 %</b></p><td><b>98.0 %</b></td>", ["54.9 %", "98.0 %"]),
        ('<img alt="up to 5 % of it">', []),
        ("<svg><title>5 % of it</title><text>5 % of it</text></svg> and 7 % too", ["7 %"]),
        ("<pre>a: 5 % of it</pre><option>5 % of it</option>", []),
        ("<p>5% and v1.5 %x</p>", ["1.5 %"]),
        ("<p>none</p>", []),
        ("<td>≥ 95 %</td><p>asked ≥ 95 % (5 % of it)</p>", ["≥ 95 %", "5 %"]),
    ],
)
def test_a_per_cent_stays_with_its_number(markup: str, expected: list[str]) -> None:
    found = unbroken(markup)
    assert re.findall(r'<span class="nb">(.*?)</span>', found) == expected
    assert found.replace('<span class="nb">', "").replace("</span>", "") == markup
    printed = unbroken(markup, in_one_in_print)
    assert printed.replace("\u00a0", " ") == markup
    assert printed.count("\u00a0") == sum(text.count(" ") for text in expected)
