"""What the test of the maps takes is counted beforehand: exactly what a hook counts."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from reportgen.engine.incremental.answering import Incremental
from reportgen.engine.network.head import Head
from reportgen.measure.maps import price as pricing
from reportgen.measure.maps.mosaics import arranged
from reportgen.measure.maps.testing import cost_of
from reportgen.measure.maps.trial import Mosaics, tried
from reportgen.probes.grad_cam import GradCam
from reportgen.probes.occlusion import Occlusion
from reportgen.probes.saliency import Saliency
from reportgen.recipe import TrustRecipe


class Never(Incremental):
    """Nothing is worked out patch by patch, which a hook would count otherwise."""

    def grouping(self, *_: object) -> None:
        return None


def test_the_price_is_what_a_hook_counts(asking, hues, coloured):
    """Every image has a mosaic here, and the score of each rests on the right quarter."""
    answers = [0, 1, 2, 0, 1]
    probes = (Saliency(), GradCam(layer="conv"), Occlusion(window_px=4, stride_px=4))
    pixels = coloured(answers)
    recipe = {"dear": 2, "steps": 2, "random_orders": 2, "copies": 2}
    asked = asking(hues, pixels, *probes, targets=answers, rivals=[1, 2, 0, 1, 2], **recipe)
    asked = replace(asked, engine=replace(asked.engine, incremental=Never()))
    mosaics = arranged(answers, [True] * 5, 0)
    sizes: list[int] = []
    handle = hues.register_forward_hook(lambda _m, _a, out: sizes.append(len(out)))
    found = tried(asked, Mosaics(mosaics, dict(enumerate(pixels))))
    handle.remove()  # copies of the network carry the hook too
    facts, trust = asked.facts, TrustRecipe(**recipe)
    cost = pricing.price(asked.visualizations, facts, trust, 5)
    assert sum(sizes) == cost_of(asked.engine.counted)["trust_forwards"]
    in_mosaics = sum("picture" in record["methods"]["p0"]["asked"] for record in found)
    assert in_mosaics == 5
    assert cost == {"forwards": sum(sizes), "backwards": asked.engine.counted.backwards}


def test_the_plan_names_what_is_dear(measured, quarters, bright):
    done = measured(quarters, bright([0]), Saliency(), Occlusion(window_px=7, stride_px=7))
    names = zip(("saliency", "occlusion"), done.chosen.every, strict=True)
    named = [SimpleNamespace(name=name, needs=v.needs, probe=None) for name, v in names]
    shown = SimpleNamespace(of_scope=lambda _scope: named, facts=done.facts)
    whole, dear = pricing.lines(shown, TrustRecipe(), 40)
    assert whole.startswith("2 kinds of map are put to the test on 20 images: ")
    assert "are of occlusion, made again for 5 images (trust.dear)" in dear
    assert pricing.lines(shown, TrustRecipe(images=0), 40) == []
    assert "on 3 images" in pricing.lines(shown, TrustRecipe(), 3)[0]


@pytest.mark.parametrize(
    ("head", "classes", "rivals", "mosaics"),
    [
        (Head(), 3, True, True),
        (Head(), 2, False, True),
        (Head(kind="binary"), 2, False, True),
        (Head(kind="labels"), 4, True, False),
        (Head(kind="values"), 4, False, False),
    ],
)
def test_what_can_be_asked_follows_from_the_head(head, classes, rivals, mosaics):
    facts = SimpleNamespace(head=head, class_count=classes)
    assert pricing.has_rivals(facts) is rivals
    assert pricing.has_mosaics(facts) is mosaics
