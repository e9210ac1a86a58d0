"""The panel of an image's card on which its maps were put to the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reportgen.evidence import JUDGED, TrustRecord
from reportgen.report.pictures.plots import plot
from reportgen.report.values.card import Figure, Trial
from reportgen.report.wording import fixed, plural, sentence, signed


def trial(
    record: TrustRecord, answers: Mapping[str, str], titles: Mapping[str, str], anchor: str, readout: str
) -> Trial:
    """One image's panel: deletion and insertion along every map's order, beside random orders, and how its
    kind of map answered the questions: `answers` has that in words, by method."""
    methods = {name: record["methods"][name] for name in titles if name in record["methods"]}
    random = record["random"]
    curves = [c for tests in methods.values() for c in (tests["insertion"], tests["deletion"])]
    limits = _limits([c for c in (*curves, *(random[k]["mean"] for k in ("insertion", "deletion"))) if c])
    figures = tuple(
        _figure(f"{anchor}-trust-{name}", titles[name], tests, record, answers.get(name, ""), limits, readout)
        for name, tests in methods.items()
    )
    drawn = next((figure.plot.lines for figure in figures if figure.plot), ())
    name, cells = record["target"]["class_name"], record["cells"]
    axis = "probability p" if readout == "probability" else readout
    return Trial(
        summary="Put to the test",
        lead=f"The image's {cells} × {cells} squares in the order of each map: uncovered from the blurred"
        f" image (insertion), or blurred (deletion), against the {axis} of {name}. Bands:"
        f" {plural(len(random['gain']['blur']), 'random order')}, mean ± standard deviation. Below: the"
        f" gain, AUC of insertion − deletion, {signed(record['greedy']['blur'])} for occlusion's own"
        " order;"
        " and how maps of this kind answered the questions over all tested images.",
        figures=figures,
        lines=drawn,
    )


def _limits(curves: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Where the axis of all curves begins and ends: at 0, and below it where values are negative."""
    ends = [float(end) for curve in curves for end in (np.min(curve), np.max(curve))]
    return min([0.0, *ends]), max([0.0, *(ends or [1.0])])


def _figure(
    id_: str,
    title: str,
    tests: Mapping[str, Any],
    record: TrustRecord,
    answers: str,
    limits: tuple[float, float],
    readout: str,
) -> Figure:
    of_class = readout == "probability"
    target = record["target"]["class_name"]
    about = f"{title}: deletion and insertion of {record['id']} for the class {target}"
    if tests["flag"] or not tests["insertion"]:
        why = tests["flag"] or "could not be judged"
        return Figure(id_, "trial", title, "", f"{about}: {why}", words=sentence(why), target=target)
    kinds = ("insertion", "deletion")
    random = record["random"]
    bands = {0: _band(random["insertion"]), 1: _band(random["deletion"])}
    drawn = plot(
        100 * np.array(record["fractions"]),
        [(kind, np.array(tests[kind])) for kind in kinds],
        bands,
        "% of the image",
        "p" if of_class else readout,
        limits,
    )
    gain = tests["asked"]["counts"]["blur"]
    rho = tests["asked"].get("weights", {}).get(JUDGED)
    here = f"gain {signed(gain)}" + ("" if rho is None else f", ρ\N{NO-BREAK SPACE}{fixed(rho)} shuffled")
    caption = here
    details = (answers,) if answers else ()
    alt = f"{about}: {caption}"
    return Figure(id_, "trial", title, caption, alt, plot=drawn, details=details, target=target)


def _band(random: Mapping[str, Sequence[float]]) -> tuple[Any, Any]:
    mean, sd = np.array(random["mean"]), np.array(random["sd"])
    return mean - sd, mean + sd
