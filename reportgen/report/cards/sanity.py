"""The panel of an image's card on which its maps were put to the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reportgen.audit.sanity import CASCADE, Summary
from reportgen.evidence import Record
from reportgen.report.pictures.plots import plot
from reportgen.report.values.card import Figure, Trial
from reportgen.report.wording import fixed, plural, probability, sentence, signed


def trial(held: Record, stage: str, titles: Mapping[str, str], anchor: str) -> Trial:
    """One image's panel: deletion and insertion along every map's order, beside random orders."""
    methods = {name: held["methods"][name] for name in titles if name in held["methods"]}
    random = held["random"]
    curves = [c for found in methods.values() for c in (found["insertion"], found["deletion"])]
    highest = max((np.max(c) for c in (*curves, random["insertion"]["mean"]) if c), default=1.0)
    figures = tuple(
        _figure(f"{anchor}-trust-{name}", titles[name], found, held, stage, float(highest))
        for name, found in methods.items()
    )
    drawn = next((figure.plot.lines for figure in figures if figure.plot), ())
    name, cells = held["target"]["class_name"], held["cells"]
    return Trial(
        summary="Put to the test",
        lead=f"The image's {cells} × {cells} squares in the order of each map: uncovered from the blurred"
        f" image (insertion), or blurred (deletion), against the probability p of {name}. Bands:"
        f" {plural(len(random['faithfulness']), 'random order')}, mean ± standard deviation. Below:"
        f" AUC of insertion − deletion = faithfulness, {signed(_mean(random['faithfulness']))} for random"
        f" orders; ρ with the {CASCADE[stage]} shuffled.",
        figures=figures,
        lines=drawn,
    )


def _figure(id_: str, title: str, found: Summary, held: Record, stage: str, highest: float) -> Figure:
    target = held["target"]["class_name"]
    about = f"{title}: deletion and insertion of {held['id']} for the class {target}"
    if found["flag"] or not found["insertion"]:
        why = found["flag"] or "could not be judged"
        return Figure(id_, "trial", title, "", f"{about}: {why}", words=sentence(why), target=target)
    kinds = ("insertion", "deletion")
    bands = {n: _band(held["random"][kind]) for n, kind in enumerate(kinds)}
    drawn = plot(
        100 * np.array(held["fractions"]),
        [(kind, np.array(found[kind])) for kind in kinds],
        bands,
        "% of the image",
        "p",
        (0.0, highest),
    )
    auc = f"{probability(found['insertion_auc'])} − {probability(found['deletion_auc'])}"
    rho = f"ρ\N{NO-BREAK SPACE}{fixed(found['randomised'].get(stage))}, stability {fixed(found['stability'])}"
    caption = f"{auc} = {signed(found['faithfulness'])}"
    details = (rho,)
    alt = f"{about}: {caption}"
    return Figure(id_, "trial", title, caption, alt, plot=drawn, details=details, target=target)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _band(random: Mapping[str, Sequence[float]]) -> tuple[Any, Any]:
    mean, sd = np.array(random["mean"]), np.array(random["sd"])
    return mean - sd, mean + sd
