"""The step after the last image: what is known once the whole set has been seen."""

from __future__ import annotations

from reportgen.engine import atlas
from reportgen.engine.ascent import Climber
from reportgen.engine.needs import Ascent, Atlas
from reportgen.engine.tape import model_tape
from reportgen.evidence import Findings, shards
from reportgen.measure.measurement import Measurement
from reportgen.measure.top_images import PLACES


def conclude(m: Measurement) -> None:
    """The shards of the model and of the set."""
    if shards.MODEL not in m.writer.finished:
        m.fitting(lambda: _model(m))
    _set(m)


def _model(m: Measurement) -> None:
    """Findings of scope `model`: weights, the pictures that are climbed, and what the strongest images
    of the set show, which are seen again."""
    engine, plan, facts = m.engine, m.model.plan, m.model.facts
    climber = Climber(
        engine.network,
        facts,
        engine.normalisation,
        engine.device,
        engine.batch_size,
        engine.output,
        engine.feed,
        m.steps("ascend"),
    )
    with m.watch.on("compute"):
        ascended = climber.run(plan.of(Ascent))
        charts = atlas.charted(plan.of(Atlas), m.writer.tally(PLACES), climber) if plan.of(Atlas) else {}
        again, spent = m.ranked.seen_again(engine)
    tape = model_tape(engine.network, facts, plan.needs, again | ascended | charts)
    chosen = m.model.visualizations.of_scope("model")
    findings: Findings = {v.name: [tuple(v.probe.measure(tape))] for v in chosen}
    m.writer.write(shards.MODEL, findings, cost={**(climber.cost if ascended or charts else {}), **spent})


def _set(m: Measurement) -> None:
    """The findings of scope `set`, and of those of scope `image` that sum up, from all tallies."""
    findings: Findings = {}
    chosen = m.model.visualizations
    for v in (*chosen.of_scope("set"), *(v for v in chosen.every if v.summed)):
        tally = m.writer.tally(v.name)
        if tally is not None:
            findings[v.name] = [tuple(v.probe.conclude(tally, m.model.facts))]
    m.writer.write(shards.SET, findings)
