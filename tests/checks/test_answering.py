"""Probabilities of logits, and a case as other logits would answer it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from reportgen.checks.answering import answered_instead, answers_of, probabilities
from reportgen.checks.case import Sample

LOGITS = np.array([[2.0, 0, 1], [np.nan, 0, 1], [800.0, 0, -800], [0, np.inf, 0]], dtype=np.float32)


def test_probabilities_are_torchs_softmax_and_unknown_where_logits_are_not_finite():
    p = probabilities(LOGITS)
    assert p[[0, 2]] == pytest.approx(torch.from_numpy(LOGITS).double().softmax(1).numpy()[[0, 2]])
    assert np.isnan(p[[1, 3]]).all()
    assert answers_of(p).tolist() == [0, -1, 0, -1]
    assert probabilities(LOGITS[:0]).shape == (0, 3)


def test_a_case_as_other_logits_answer_some_of_the_sample(make_case):
    before = make_case([0, 1, 2, -1, 1], 3 * np.eye(3)[[0, 0, 0, 0, 0]])
    case = replace(before, sample=Sample(np.array([0, 1, 3, 4])))
    other = np.array([[0, 5.0, 0], [0, 5.0, 0], [0, 0, 5.0], [np.nan, 0, 0]])
    mended = answered_instead(case, other, np.array([False, True, True, True]))
    assert mended.answers.numbers.tolist() == [0, 1, 3, 4]
    assert mended.answers.answers.tolist() == [0, 1, 2, -1]
    assert mended.answers.right.tolist() == [True, True, False, False]
    assert mended.answers.label_probability[1] == pytest.approx(np.exp(5) / (np.exp(5) + 2))
    assert np.isnan(mended.answers.label_probability[2:]).all()  # no label, and no answer
    ((numbers, logits),) = mended.sources.logits()
    assert numbers.tolist() == [0, 1, 2, 3, 4]
    assert logits[0].tolist() == [3, 0, 0] and logits[1].tolist() == [0, 5, 0]
    assert before.sources.all[1].tolist() == [3, 0, 0], "the case before is as it was"
