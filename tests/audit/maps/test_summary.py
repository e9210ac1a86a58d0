"""What the records of single images add up to: answers from planted maps, numbers against numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reportgen.audit.maps import summarise
from reportgen.evidence import QUESTIONS
from reportgen.recipe import TrustLimits

LIMITS: Any = TrustLimits().model_dump()
USUAL = {"weights": 0.05, "counts": 0.5, "rival": 0.1, "share": 0.6, "amount": 0.5, "steady": 0.9}


@pytest.fixture
def found(image, answers):
    """found([{…}, …], images=8): the summary of a method m that has these answers in turn."""

    def make(*several: dict[str, Any], images: int = 8) -> dict[str, Any]:
        draw = np.random.default_rng(0)
        records = []
        for number in range(images):
            given = {**USUAL, **several[number % len(several)]}
            near = {key: value + 0.01 * float(draw.normal()) for key, value in given.items()}
            records.append(image(m=answers(**near)))
        summary = summarise(records, LIMITS, ["m"])
        assert summary is not None
        return dict(summary["methods"]["m"])

    return make


def test_without_records_there_is_nothing_to_say() -> None:
    assert summarise([], LIMITS, ["m"]) is None


def test_a_good_map_passes_every_question_that_was_asked(found) -> None:
    tested = found({})
    assert {q: tested["answers"][q]["answer"] for q in QUESTIONS} == {
        **dict.fromkeys(QUESTIONS, "yes"),
        "object": "not asked",
    }
    assert (tested["relies"], tested["responds"], tested["beats_random"]) == (True, True, True)
    assert tested["verdict"].startswith("depends on the weights, points at what counts, is about the class")


@pytest.mark.parametrize(
    ("flaw", "question", "words"),
    [
        ({"weights": 0.8}, "weights", "does not depend on the weights (ρ 0.80 once all weights"),
        ({"counts": 0.0}, "counts", "does not point at what counts (0.0"),
        ({"counts": -0.4}, "counts", "does not point at what counts (−0.5"),
        ({"rival": 0.94}, "class", "is not about the class (ρ 0.94 with"),
        ({"share": 0.25}, "picture", "does not find the right picture (0.2"),
    ],
)
def test_each_flaw_fails_its_own_question_and_no_other(found, flaw, question, words) -> None:
    tested = found(flaw)
    failed = [name for name, answer in tested["answers"].items() if answer["answer"] == "no"]
    assert failed == [question]
    assert words in tested["verdict"] and tested["verdict"].endswith("do not rely on this map")
    assert tested["relies"] is False


@pytest.mark.parametrize(
    ("flaw", "question", "words"),
    [
        ({"amount": 0.15}, "amount", "; does not say how much (ρ 0.15"),
        ({"steady": 0.1}, "steady", "; is not steady (ρ 0.1"),
    ],
)
def test_a_use_that_a_map_is_not_good_for_is_said_and_no_more(found, flaw, question, words) -> None:
    tested = found(flaw)
    assert [name for name, answer in tested["answers"].items() if answer["answer"] == "no"] == [question]
    assert words in tested["verdict"] and "do not rely" not in tested["verdict"]
    assert tested["relies"] is True


def test_what_is_open_is_neither_relied_on_nor_failed_and_says_how_many_would_decide(found) -> None:
    tested = found({"weights": 0.0}, {"weights": 0.5})
    answer = tested["answers"]["weights"]
    assert answer["answer"] == "undecided" and answer["needed"] > 8
    assert tested["relies"] is None
    assert "not decided is whether it depends on the weights (ρ 0.25" in tested["verdict"]
    assert f"about {answer['needed']} images would decide" in tested["verdict"]


def test_a_question_beside_the_required_ones_may_be_open(found) -> None:
    tested = found({"share": 0.1}, {"share": 0.9})
    assert tested["answers"]["picture"]["answer"] == "undecided" and tested["relies"] is True


def test_one_image_decides_nothing(found) -> None:
    tested = found({}, images=1)
    assert {answer["answer"] for answer in tested["answers"].values()} == {"undecided", "not asked"}
    assert (tested["interval"], tested["relies"]) == (None, None)


def test_the_numbers_that_gates_name_are_means_over_images(image, answers) -> None:
    gains = (0.5, 0.3, 0.1)
    records = [image(m=answers(counts=g, weights=g / 2, steady=1 - g)) for g in gains]
    tested = summarise(records, LIMITS, ["m"])["methods"]["m"]
    assert tested["faithfulness"] == tested["advantage"] == pytest.approx(0.3), (
        "random orders gain 0 in the mean"
    )
    assert tested["gain"] == pytest.approx(0.3 / 0.8)
    spread = np.sqrt(3 * np.mean(np.square(records[0]["random"]["gain"]["blur"]))) / 3
    assert tested["beats_random_sd"] == pytest.approx(0.3 / spread)
    assert tested["randomised"] == pytest.approx({"head": None, "half": 0.2, "all": 0.15})
    assert tested["stability"] == pytest.approx(0.7)
    low, high = tested["interval"]
    assert (low + high) / 2 == pytest.approx(0.3) and low < 0.1


def test_a_map_with_a_fault_counts_in_no_number_and_is_said(image, answers) -> None:
    dead = answers(flag="all zero: nothing in this map responds to the target")
    good = [image(m=answers()) for _ in range(4)]
    with_dead = summarise([*good, image(m=dead)], LIMITS, ["m"])["methods"]["m"]
    alone = summarise(good, LIMITS, ["m"])["methods"]["m"]
    assert with_dead.pop("verdict") == alone.pop("verdict") + "; 1 of 5 maps could not be judged"
    assert with_dead == alone
    every = summarise([image(m=dead)] * 3, LIMITS, ["m"])["methods"]["m"]
    assert every["verdict"] == f"could not be judged: {dead['flag']}"
    assert (every["judged"], every["relies"], every["faithfulness"]) == (0, None, None)


def test_more_methods_make_it_harder_to_be_sure(image, answers) -> None:
    """Holm: what one method alone decides, among twenty is open."""
    shares = (0.36, 0.57, 0.41, 0.45, 0.33, 0.5)
    alone = [image(m=answers(share=share)) for share in shares]
    among = [
        image(m=answers(share=share), **{f"n{n}": answers(share=0.25 + 0.1 * (-1) ** k) for n in range(19)})
        for k, share in enumerate(shares)
    ]
    one = summarise(alone, LIMITS, ["m"])["methods"]["m"]["answers"]["picture"]
    many = summarise(among, LIMITS, ["m", *(f"n{n}" for n in range(19))])["methods"]["m"]["answers"][
        "picture"
    ]
    assert one["low"] == many["low"] > 0.3
    assert (one["answer"], many["answer"]) == ("yes", "undecided")


def test_methods_stand_in_the_asked_order_and_those_that_pass_say_how_far_they_agree(image, answers) -> None:
    jitter = [0.01 * k for k in range(6)]
    records = [
        image(a=answers(weights=0.02 + d), b=answers(weights=0.9 + d), c=answers(weights=0.03 - d))
        for d in jitter
    ]
    found = summarise(records, LIMITS, ["c", "predictions", "a", "b"])
    assert list(found["methods"]) == found["agreement"]["methods"] == ["c", "a", "b"]
    assert found["passing"] == {"methods": ["c", "a"], "rho": 0.25, "least": 0.25, "apart": ["c", "a"]}
    assert (found["images"], found["doubtful"], found["stage"]) == (6, 0, "all")


def test_agreement_skips_what_is_not_known(image, answers) -> None:
    first, second = (image(a=answers(), b=answers()) for _ in range(2))
    first["agreement"]["rho"][0][1] = None
    second["agreement"]["rho"][0][1] = 0.5
    assert summarise([first, second], LIMITS, ["a", "b"])["agreement"]["rho"][0][1] == 0.5
