"""Results -> junit.xml: gates, checks, images and visualizations as test cases."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from reportgen.audit.results import Results
from reportgen.evidence import write_whole
from reportgen.formats import Report
from reportgen.ownership import claim
from reportgen.shown import visible

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(report: Report, folder: Path) -> None:
    """Writes junit.xml."""
    claim(folder, ["junit.xml"])
    write_whole(folder / "junit.xml", junit(report.results, report.evidence.manifest))


def junit(results: Results, manifest: Mapping[str, Any]) -> bytes:
    """Gates, checks, images and visualizations as test cases; what could not be done is skipped, and says
    why."""
    cases: list[tuple[str, str, str, str | None]] = []  # (class, name, outcome, why)
    for gate in results["gates"]:
        why = None if gate["passed"] else f"{gate['outcome']}: {gate['reason']}"
        cases.append(("gates", gate["name"], "failure", why))
    for checked in results["checks"]:
        outcome = "failure" if checked["status"] == "fault" else "skipped"
        said = None if checked["status"] in ("clear", "warning") else checked["sentence"]
        cases.append(("checks", checked["name"], outcome, said))
    for image in results["images"]:
        if image["status"] == "rejected" or image["answered"] is False:
            cases.append(("images", f"{image['id']} {image['path']}", "skipped", image["reason"]))
    for shown in manifest["visualizations"]:
        cases.append(("visualizations", shown["name"], "skipped", shown["reason"]))
    counts = {
        "tests": len(cases),
        "failures": sum(bool(why) for *_, outcome, why in cases if outcome == "failure"),
        "errors": 0,
        "skipped": sum(bool(why) for *_, outcome, why in cases if outcome == "skipped"),
    }
    attributes = {"name": _text(results["title"])} | {key: str(value) for key, value in counts.items()}
    suites = ElementTree.Element("testsuites", attributes)
    suite = ElementTree.SubElement(suites, "testsuite", attributes | {"timestamp": results["created"]})
    for room, name, outcome, why in cases:
        case = ElementTree.SubElement(suite, "testcase", classname=f"reportgen.{room}", name=_text(name))
        if why:
            ElementTree.SubElement(case, outcome, message=_text(why))
    ElementTree.indent(suites)
    return bytes(ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)) + b"\n"


def _text(words: str) -> str:
    """Text without the characters that XML 1.0 cannot hold: what is hidden is an escape."""
    return NOT_XML.sub("\ufffd", visible(words))
