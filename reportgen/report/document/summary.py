"""Evidence and results -> the first screen: the two statements, the requirements, what was not found and
not tested, limits, next steps, and what all of it is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reportgen.audit.calibration import JUDGED_FROM
from reportgen.audit.compare.limits import compares
from reportgen.audit.gates import FAILED, exact
from reportgen.report.document import requirements
from reportgen.report.document.provenance import stated
from reportgen.report.values.card import Fact
from reportgen.report.values.document import FindingLine
from reportgen.report.values.summary import Alike, Asked, Summary
from reportgen.report.wording import NONE, listed, plural, share
from reportgen.stats import wilson

Results = Mapping[str, Any]
NEXT_AT_MOST = 5
HASH = "hash"  # the name of facts that are one
CLASSES_AT_MOST = 12  # named one by one
LABELS_AT_MOST = 100_000  # beyond this many labelled images no number is proposed
MAPS_FROM = 10  # tested images from which on a verdict on maps is not called a first impression


def summary(manifest: Results, results: Results, lines: Sequence[FindingLine]) -> Summary:
    """All of the first screen but the findings, which are `lines`."""
    evidence, why = requirements.evidence(results)
    asked = results["checks"]
    untested = (*_unasked(manifest, results), *_asked(asked, "untested", "remedy"))
    return Summary(
        met=requirements.met(results["gates"]),
        counts=tuple(requirements.counts(results)),
        evidence=evidence,
        why=why,
        required=tuple(requirements.required(results)),
        measured=tuple(requirements.measured(results)),
        clear=tuple(_asked(asked, "clear", "sentence")),
        undecided=tuple(_asked(asked, "undecided", "remedy")),
        untested=untested,
        to_test=alike(untested),
        limits=tuple(_limits(manifest, results)),
        next=tuple(dict.fromkeys(_next(results, lines)))[:NEXT_AT_MOST],
        identity=tuple(_identity(manifest, results)),
        classes=_classes(results["identity"]["classes"]),
        stated=stated(manifest["recipe"].get("statement") or {}),
    )


def _asked(results: Sequence[Results], status: str, words: str) -> Iterator[Asked]:
    for result in results:
        if result["status"] == status:
            text = result[words] or result["sentence"]
            yield Asked(result["title"], text, f"#check-{result['name']}")


def alike(rows: Iterable[Asked]) -> tuple[Alike, ...]:
    """Rows by what is said of them, in the order of the first of each: twenty that want labels are a line."""
    by_text: dict[str, list[Asked]] = {}
    for row in rows:
        by_text.setdefault(row.text, []).append(row)
    return tuple(Alike(tuple(together), text) for text, together in by_text.items())


def _unasked(manifest: Results, results: Results) -> Iterator[Asked]:
    """The limits on changes, where there is no baseline to hold them against."""
    limits = [gate for gate in manifest["recipe"]["gates"] if compares(gate)]
    if limits and not results.get("baseline"):
        named = listed([str(gate.get("diff") or gate["metric"]).replace("_", " ") for gate in limits])
        text = f"{plural(len(limits), 'limit')} ({named}): name an earlier report with --baseline."
        yield Asked("Limits on changes", text, "#summary")


def _limits(manifest: Results, results: Results) -> Iterator[str]:
    """What the numbers cannot say, from what they rest on."""
    totals, images = results["metrics"], manifest["images"]
    yield (
        "All numbers are of these images; they hold for others as far as those are like them. Intervals are"
        " 95 %, with the images as the sample."
    )
    if not totals["labelled"]:
        yield "No image has a label: nothing is said of right and wrong."
    elif totals["labelled"] < totals["images"]:
        rest = totals["images"] - totals["labelled"]
        causes = [totals["rejected"] and "a readable file", totals["unanswered"] and "an answer"]
        lacks = " or ".join(cause for cause in ["a label", *causes] if cause)
        yield f"{plural(rest, 'image is', 'images are')} without {lacks}."
    sizes = {result["sample"] for result in results["checks"] if result["sample"]}
    if sizes and max(sizes) < images["ok"]:
        yield f"Checks that alter images asked a random sample of {max(sizes):,} of {images['ok']:,} images."
    if trust := results["trust"]:
        few = " Too few for more than a first impression." if trust["images"] < MAPS_FROM else ""
        yield f"The maps were put to the test on {plural(trust['images'], 'image')}.{few}"
    if images["shown"] < images["ok"]:
        yield f"{images['shown']:,} of {images['ok']:,} images have figures. {images['chosen']}"


def _next(results: Results, lines: Iterable[FindingLine]) -> Iterator[str]:
    """What would help most: more labels where the evidence does not suffice, then the findings' remedies."""
    yield from filter(None, map(_labels_needed, results["gates"]))
    labelled = results["metrics"]["labelled"]
    if labelled == 0:
        yield "Label images: images.labels of the recipe."
    elif labelled < JUDGED_FROM:
        yield f"Label more images: of fewer than {JUDGED_FROM} little about the answers can be decided."
    if not results["gates"]:
        yield "Set requirements: gates of the recipe, such as {metric: accuracy, min_lower: 0.9}."
    yield from (line.remedy for line in lines if line.remedy and line.kind == "finding")


def _labels_needed(gate: Results) -> str:
    """How many labelled images would lift the lower end of the accuracy to its limit, or ""."""
    undecided = requirements.straddled(gate) or (gate["bound"] == "min_lower" and gate["outcome"] == FAILED)
    value, limit = gate["value"], gate["limit"]
    if gate["metric"] != "accuracy" or gate["bound"] == "max" or not undecided or value <= limit:
        return ""
    n = needed(value, limit)
    if n is None or n <= (gate["n"] or 0):
        return ""
    clear = f"the interval clears {exact(gate['metric'], limit)}"
    return f"Label about {n:,} images in all: if {share(value)} stay right, {clear}."


def needed(accuracy: float, limit: float) -> int | None:
    """The least number of images, in steps of a tenth, of which so large a share right has an interval above
    the limit; None where that takes too many."""
    n = 10
    while n <= LABELS_AT_MOST:
        if wilson(accuracy * n, n)[0] >= limit:
            return n
        n += max(1, n // 10)
    return None


def _identity(manifest: Results, results: Results) -> Iterator[Fact]:
    hashes, environment = results["identity"], manifest["environment"]
    total = manifest["images"]["total"]
    yield Fact("model", f"{manifest['checkpoint']['sha256']}", manifest["checkpoint"]["name"], HASH)
    yield Fact("image set", hashes["images"], plural(total, "file"), HASH)
    labels = results["metrics"]["labelled"]
    kind = HASH if hashes["labels"] else ""
    yield Fact("labels", hashes["labels"] or NONE, plural(labels, "labelled answer"), kind)
    yield Fact("recipe", hashes["recipe"], "resolved, defaults included", HASH)
    if code := hashes.get("code"):
        yield Fact("code of the network", code, manifest["model"]["source"], HASH)
    versions = f"reportgen {environment['reportgen']}, torch {environment['torch']}"
    yield Fact("software", versions, "" if code else manifest["model"]["source"])


def _classes(counts: Mapping[str, int]) -> str:
    """How many images each label has, the most first."""
    if not counts:
        return ""
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{name} {n:,}" for name, n in order[:CLASSES_AT_MOST]]
    rest = len(order) - len(named)
    if rest:
        named.append(plural(rest, "more label"))
    return f"{plural(len(order), 'label')}: {listed(named)}"
