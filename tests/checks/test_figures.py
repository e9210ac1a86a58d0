"""What a check shows beside its sentence is drawn by the report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reportgen.checks.abstention import Abstention
from reportgen.checks.accuracy import Accuracy
from reportgen.checks.case import Pictures
from reportgen.checks.properties import Properties
from reportgen.findings import Curve
from reportgen.inputs.images.facts import FIELDS
from reportgen.report.cards.blocks import of_model


@pytest.mark.parametrize("check", [Abstention(), Accuracy(), Properties()], ids=lambda c: type(c).__name__)
def test_every_curve_of_a_check_is_drawn(check, make_case, make_answers):
    draw = np.random.default_rng(0)
    labels, values = np.arange(600) % 4, draw.random((600, len(FIELDS)))
    values[:, FIELDS.index("luminance")] = np.linspace(0, 1, 600)
    case = make_case(labels, make_answers(labels, np.linspace(0.3, 1, 600), draw, 4))
    pixels = draw.integers(0, 256, (600, 16), dtype=np.uint8)
    facts = Pictures(FIELDS, values, pixels, np.zeros((600, 2), dtype=np.uint64), case.answers.hashes)
    said = check.judge(replace(case, pictures=facts))
    curves = [figure for figure in said.figures if isinstance(figure, Curve)]
    assert curves
    for curve in curves:
        assert curve.values.shape == (len(curve.labels), len(curve.x))
        assert not np.ndim(curve.band) or curve.band.shape == (2, len(curve.x))
    block = of_model({"name": "check-x", "title": "X", "summary": "x"}, said.figures)
    assert sum(figure.plot is not None for figure in block.figures) == len(curves)
