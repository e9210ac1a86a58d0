"""What lies between an audit and the baseline that it is held against: audits that were no baseline, as their
requirements were not met."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from reportgen.report.wording import listed, plural

NAMED = 3


class Between(NamedTuple):
    """The title of the section on what changed, and a sentence on the audits between, where there are any."""

    title: str = "Since the last audit"
    words: str = ""


LAST = Between()


def between(results: Mapping[str, Any]) -> Between:
    """By the history, where the recipe names one: without it nothing is known of other audits."""
    baseline, past = results.get("baseline"), results.get("history")
    if not baseline or not past:
        return LAST
    old = baseline["old"]
    after = [audit for audit in past["audits"] if audit["created"] > old["created"]]
    if not after:
        return LAST
    unmet = sum(not audit["met"] for audit in after)
    names = listed([audit["name"] for audit in after[-NAMED:]])
    which = names if len(after) <= NAMED else f"the latest of them {names}"
    lie = "lies" if len(after) == 1 else "lie"
    told = f" Between the two {lie} {plural(len(after), 'audit')}: {which}"
    of_them = "which" if len(after) == 1 else f"of which {unmet:,}"
    met = f", {of_them} did not meet the requirements" if unmet else ""
    return Between("Since the baseline", f"{told}{met}.")
