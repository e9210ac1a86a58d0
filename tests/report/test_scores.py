"""What scores are called on the page is what the head calls them."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from reportgen.engine.network.dense import Region
from reportgen.engine.network.head import Head
from reportgen.report import scores as words
from reportgen.report.document.answers import by_class, means
from reportgen.report.document.sanity import method

HEADS = {
    "logits": Head(),
    "log-probabilities": Head(form="log-probabilities"),
    "values": Head(kind="values"),
    "mean logits": Head(kind="values", region=Region(None, (8, 8))),
    "scores": Head(kind="values", region=Region(None, (8, 8), 3, detects=True)),
}


@pytest.mark.parametrize("plural", HEADS)
def test_a_map_explains_what_the_head_says(plural):
    head = HEADS[plural]
    model = {"head": asdict(head)}
    assert (words.score(model), words.scores(model)) == (head.score_words, plural)


@pytest.mark.parametrize("form", ["logits", "probabilities"])
@pytest.mark.parametrize("kind", ["binary", "labels"])
def test_what_stands_by_itself_has_log_odds(kind, form):
    head = Head(kind=kind, form=form)
    assert words.score({"head": asdict(head)}) == head.score_words == "logit"


def test_a_value_has_no_probability():
    target = {"logit": 2.5, "probability": None}
    assert words.target_words({"head": asdict(HEADS["values"])}, target) == "value 2.50"
    assert words.target_words({}, {"logit": 2.5, "probability": 0.25}) == "logit 2.50, probability 0.250"


def test_the_test_of_the_maps_names_what_it_follows():
    tested = {"agreement": {}}
    assert "under the value of the class" in method(tested, {}, "value").definition
    assert "under the probability of the class" in method(tested, {}, "probability").definition


def test_precision_and_f1_stand_by_class_and_in_the_mean():
    row = {
        "class_index": 0, "class_name": "ant", "count": 4, "correct": 3, "accuracy": 0.75, "low": 0.3,
        "high": 0.95, "answered": 5, "precision": 0.6, "recall": 0.75, "f1": 2 / 3,
    }
    never = {**row, "class_name": "bee", "precision": None, "f1": 0.0}
    (first, second), _ = by_class([row, never])
    assert (first.precision, first.f1) == ("60.0 %", "66.7 %")
    assert (second.precision, second.f1) == ("–", "0.0 %")
    totals = {"macro_precision": 0.3, "macro_recall": 0.75, "macro_f1": 1 / 3}
    assert "precision 30.0 %, recall 75.0 %, F1 33.3 %" in means(totals)
    assert means(dict.fromkeys(totals)) == ""
