"""A time budget: what does not fit is left out in a stated order, once, and the report says so."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest

from reportgen.errors import RecipeError
from reportgen.measure import audit as audits
from reportgen.measure import budget
from reportgen.measure.budget import Choices, Decision, Pace, decide, in_words, seconds_of
from reportgen.recipe import Recipe

PACE = Pace(forward=0.1, backward=0.2)


def single(text: str) -> str:
    """The recipe of one model, nothing to draw but pages."""
    return text.partition("beside:")[0]


def with_budget(two, seconds: float | None, more: str = ""):
    said = "" if seconds is None else f", budget: {seconds:g} s"
    edit = lambda text: single(text).replace("batch_size: 2", f"batch_size: 2{said}") + more  # noqa: E731
    return two.recipe(own="", edit=edit)


def test_a_wide_budget_leaves_nothing_out(two):
    audit = two.audit(with_budget(two, 3600))
    decision = decide(audit, PACE)
    assert decision.choices == Choices.of(audit.main.recipe) and not decision.cuts and not decision.notes()
    assert decision.expected == pytest.approx(seconds_of(audit, decision.choices, PACE))
    cost = audit.main.visualizations.cost(9, 9)
    assert decision.expected > 0.1 * (cost["forwards"] + cost["perturbed_forwards"]) + 0.2 * cost["backwards"]


def test_what_is_left_out_has_its_order_and_its_price(two):
    seen = []
    for seconds in (9000, 40, 20, 12, 8, 7, 0.1):
        audit = two.audit(with_budget(two, seconds))
        decision = decide(audit, PACE)
        assert decision.expected <= seconds or seconds == 0.1
        assert sum(cut.seconds for cut in decision.cuts) == pytest.approx(
            seconds_of(audit, Choices.of(audit.main.recipe), PACE) - decision.expected
        )
        seen.append([cut.what for cut in decision.cuts])
    assert seen == sorted(seen, key=len), "less time, more left out"
    for fewer, more in itertools.pairwise(seen):
        assert more[: len(fewer)] == fewer, "and always from the same order"
    assert seen[0] == [] and seen[-1][:2] == ["the tests of maps on 1 image", "occlusion"]
    assert "predictions" not in seen[-1] and "still expected" in decision.notes()[-1]


def test_what_is_drawn_has_its_price_by_figure_and_page(two):
    nothing = Pace(0.0, 0.0)
    audit = two.audit(with_budget(two, None))
    plain = Choices.of(audit.main.recipe)
    drawn = seconds_of(audit, plain, nothing) - budget.PAGE_SECONDS
    of_images = [v.name for v in audit.main.visualizations.of_scope("image")]
    assert drawn == pytest.approx(audit.readable * len(of_images) * budget.FIGURE_SECONDS)
    fewer = seconds_of(audit, replace(plain, without=(of_images[0], "filters"), at_most=4), nothing)
    assert fewer - budget.PAGE_SECONDS == pytest.approx(4 * (len(of_images) - 1) * budget.FIGURE_SECONDS)
    printed = two.audit(two.recipe(own="", edit=lambda text: single(text).replace("pdf: false", "pdf: true")))
    assert seconds_of(printed, plain, nothing) == pytest.approx(
        drawn + budget.PAGE_SECONDS + budget.PRINT_SECONDS
    )


def test_what_a_gate_names_stays(two):
    gates = "gates: [{metric: trust.occlusion.faithfulness, min: -9}]\n"
    decision = decide(two.audit(with_budget(two, 0.1, gates)), PACE)
    left_out = [cut.what for cut in decision.cuts]
    assert "occlusion" not in left_out and not any("tests of maps" in what for what in left_out)
    assert decision.choices.tested == 1


def test_checks_are_asked_of_fewer_and_then_not_at_all(two):
    recipe = with_budget(two, 0.1).model_copy(update={"checks": Recipe().checks})
    audit = two.audit(recipe)
    many = replace(audit, files=tuple(replace(audit.files[0], number=n) for n in range(300)))
    decision = decide(many, PACE)
    left_out = [cut.what for cut in decision.cuts]
    assert (
        left_out[0] == "the checks were asked of 100 images instead of 300" and left_out[-1] == "the checks"
    )
    applied = decision.choices.applied(recipe)
    assert applied.checks.only == () and applied.trust.images == 0
    assert {v.name for v in applied.visualizations}.isdisjoint(decision.choices.without)


def test_a_decision_is_written_and_read_as_it_is():
    cuts = (budget.Cut("rise", 12.5),)
    decision = Decision(Choices(20, 0, 100, False, ("rise",)), 31.0, cuts, 60.0)
    assert Decision.from_json(json.loads(json.dumps(decision.as_json()))) == decision
    assert decision.notes() == (
        "To stay within the budget of 1 minute, left out were: rise (about 12 seconds).",
    )


def test_a_resumed_run_keeps_what_was_decided_and_the_report_says_it(two, monkeypatch):
    recipe = with_budget(two, 8)
    paces = [PACE]
    monkeypatch.setattr(budget, "pace", lambda audit: paces.pop())

    def stop(stage, done, total, note=""):
        if stage == "measure" and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        two.run(recipe, "out", progress=stop)
    told = []
    out = two.run(recipe, "out", progress=lambda *words: told.append(words))  # no pace is left to take
    lines = [words[3] for words in told if words[0] == "plan"]
    assert any(line.startswith("expected to take about ") for line in lines)
    manifest = json.loads((out / "evidence" / "manifest.json").read_bytes())
    names = [shown["name"] for shown in manifest["visualizations"]]
    assert "occlusion" not in names and "grad-cam" in names
    assert [cut["what"] for cut in manifest["budget"]["cuts"]][:2] == [
        "the tests of maps on 1 image",
        "occlusion",
    ]
    page = (out / "report.html").read_text()
    assert (
        "To stay within the budget of 8 seconds, left out were: the tests of maps on 1 image (about " in page
    )
    assert not (out / budget.DECISION).exists()
    whole = two.run(
        recipe.model_copy(update={"run": recipe.run.model_copy(update={"budget": None})}), "whole"
    )
    for file in ("batch-000000.json", "batch-000001.json"):  # what is there is as it would be without
        mine, theirs = (json.loads((o / "evidence" / file).read_bytes())["records"] for o in (out, whole))
        assert mine == theirs


def test_an_audit_that_is_cut_reads_no_network_and_no_image_again(two, monkeypatch):
    recipe = with_budget(two, 8)
    monkeypatch.setattr(budget, "pace", lambda audit: PACE)
    calls = []
    for name in ("read_network", "surveyed"):
        plain = getattr(audits, name)
        monkeypatch.setattr(
            audits, name, lambda *args, _plain=plain, _name=name: calls.append(_name) or _plain(*args)
        )
    material = audits.read_material(recipe, two.folder / "main.safetensors", two.images, None)
    whole = material.audit(material.recipe, False)
    decision = decide(whole, PACE)
    less = decision.choices.applied(whole.main.recipe)
    cut = material.audit(less, False)
    assert calls == ["read_network", "surveyed"]
    again = audits.prepare(less, two.folder / "main.safetensors", two.images, None, False)
    assert cut.key(cut.main) == again.key(again.main) != whole.key(whole.main)
    assert cut.lines(cut.main) == again.lines(again.main)
    assert "occlusion" not in [v.name for v in cut.main.visualizations.every]


def test_the_pace_is_taken_of_the_first_images(two):
    taken = budget.pace(two.audit(two.recipe(own="", edit=single)))
    assert taken.forward > 0 and taken.backward >= 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "less than a second"),
        (1, "about 1 second"),
        (40, "about 40 seconds"),
        (60, "about 1 minute"),
        (150, "about 2.5 minutes"),
        (660, "about 11 minutes"),
        (3600, "about 1 hour"),
        (9000, "about 2.5 hours"),
    ],
)
def test_durations_in_words(seconds, words):
    assert in_words(seconds) == words


@pytest.mark.parametrize(
    ("said", "seconds"), [("90 s", 90), ("10min", 600), ("0.5 h", 1800), ("1.5 min", 90)]
)
def test_a_budget_is_a_duration(said, seconds):
    assert Recipe(run={"budget": said}).run.budget_seconds == seconds
    assert Recipe().run.budget_seconds is None


@pytest.mark.parametrize("said", ["0 s", "10", "ten minutes", "-3 min", "5 days", "1e3 s"])
def test_anything_else_is_refused_with_the_remedy(said):
    with pytest.raises(RecipeError, match="a duration above 0"):
        Recipe().with_values({"run.budget": said})
