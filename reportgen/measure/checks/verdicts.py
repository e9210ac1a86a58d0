"""The step that judges: every check on what was measured, causes before symptoms, into evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from reportgen.checks.case import Case, untested
from reportgen.evidence import Findings, shards
from reportgen.findings import STATUSES, NotApplicable, Verdict
from reportgen.findings.verdicts import as_json
from reportgen.measure.checks.cases import case_of, foreign_of, sample_of
from reportgen.measure.checks.chosen import ChosenCheck
from reportgen.measure.checks.decoded import drawn_files
from reportgen.measure.checks.intervening import outcomes
from reportgen.measure.measurement import Measurement

ERROR_LENGTH = 200


def judge(m: Measurement) -> None:
    """The verdicts of all chosen checks. They are judged again when a run goes on: nothing is measured."""
    chosen = {each.name: each for each in m.model.checks.every}
    if not chosen:
        return
    with m.watch.on("checks"):
        case = case_of(m)
        files, tried = drawn_files(m), outcomes(m)
        cases = {
            name: replace(
                case,
                sample=replace(sample_of(m, each, files), outcomes=tried),
                foreign=foreign_of(m, each),
            )
            for name, each in chosen.items()
        }
        verdicts = {name: _verdict(m, each, cases[name]) for name, each in chosen.items()}
        verdicts = folded(chosen, cases, verdicts)
    records = [{"name": name, **as_json(verdict)} for name, verdict in verdicts.items()]
    figures: Findings = {f"check:{name}": [verdict.figures] for name, verdict in verdicts.items()}
    m.writer.write(shards.VERDICTS, {name: held for name, held in figures.items() if held[0]}, records)


def _verdict(m: Measurement, chosen: ChosenCheck, case: Case) -> Verdict:
    if chosen.reason is not None:
        return untested(chosen.reason)
    if chosen.name in m.failed_checks:
        return _failed(m.failed_checks[chosen.name])
    return judged(chosen, case)


def judged(chosen: ChosenCheck, case: Case) -> Verdict:
    """The verdict of one check on a case. One that raises is untested, and the rest of the report kept."""
    try:
        verdict = chosen.check.judge(case)
        if not isinstance(verdict, Verdict):
            raise TypeError(f"judge gave {type(verdict).__name__}, not a Verdict")
    except NotApplicable as refusal:
        return untested(str(refusal))
    except Exception as error:
        return _failed(error)
    return verdict


def _failed(error: Exception) -> Verdict:
    words = " ".join(f"{type(error).__name__}: {error}".split())[:ERROR_LENGTH]
    refusal = untested(f"the check itself failed ({words})", "This is a fault of reportgen's own; report it.")
    return replace(refusal, error=words)


def folded(
    chosen: Mapping[str, ChosenCheck], cases: Mapping[str, Case], verdicts: Mapping[str, Verdict]
) -> dict[str, Verdict]:
    """The verdicts with those that follow from another one said to: each is judged again on the case as it
    would be without the cause, and folded under the cause where nothing grave is left of it.

    Faults come before warnings, and a cause before what it explains; but where mending it leaves most answers
    wrong, and mending what it explains does not, that one is the cause.
    """
    result = _turned(chosen, cases, verdicts)
    order = sorted(verdicts, key=lambda name: STATUSES.index(verdicts[name].status))
    for cause in order:
        verdict = result[cause]
        if not verdict.grave or not verdict.explains or verdict.explained_by:
            continue
        for name in verdict.explains:
            if name in result and name != cause and not result[name].explained_by:
                result[name] = _without(chosen, cases, cause, verdict, name, result[name])
    return result


def _turned(
    chosen: Mapping[str, ChosenCheck], cases: Mapping[str, Case], verdicts: Mapping[str, Verdict]
) -> dict[str, Verdict]:
    """The verdicts, with a cause that mends little under the one of what it explains that mends most: stale
    statistics make another preprocessing look better, and not the other way round."""
    result = dict(verdicts)
    for name, verdict in verdicts.items():
        if not verdict.grave or (mended := _mended(chosen, cases, name, verdict)) is None:
            continue
        if not _leaves_most(cases[name], mended):
            continue
        for other in verdict.explains:
            its = verdicts.get(other)
            if its is None or not its.grave or not its.explains or other == name:
                continue
            without = _mended(chosen, cases, other, its)
            if without is not None and not _leaves_most(cases[other], without):
                result[name] = replace(verdict, explained_by=other)
                break
    return result


def _mended(
    chosen: Mapping[str, ChosenCheck], cases: Mapping[str, Case], name: str, verdict: Verdict
) -> Case | None:
    """The case without a cause; None where it is not known how it would be."""
    check = chosen[name].check
    try:
        return check.without(cases[name], verdict) if hasattr(check, "without") else None
    except Exception:  # what it would be is not known; what it is stands
        return None


def _leaves_most(case: Case, mended: Case) -> bool:
    """Whether most of the answers that were wrong are wrong without the cause, too: then it is not why
    something that cannot be judged again looks as it does."""
    same = np.isin(case.answers.numbers, mended.answers.numbers)
    before, after = (
        int((answers.judged & ~answers.right).sum()) for answers in (case.answers.only(same), mended.answers)
    )
    return 2 * after > before


def _without(
    chosen: Mapping[str, ChosenCheck],
    cases: Mapping[str, Case],
    cause: str,
    verdict: Verdict,
    name: str,
    own: Verdict,
) -> Verdict:
    """One verdict that another one may explain, beside what it would be without that cause."""
    if not own.grave:
        return own
    if not hasattr(chosen[cause].check, "without"):
        return replace(own, explained_by=cause)
    mended = _mended(chosen, cases, cause, verdict)
    if mended is None:
        return own
    sample = cases[name].sample.only(mended.answers.numbers)
    again = judged(chosen[name], replace(mended, sample=sample))
    if again.error or (again.status == "untested" and _leaves_most(cases[cause], mended)):
        return own
    return replace(own, otherwise=again.sentence, explained_by="" if again.grave else cause)
