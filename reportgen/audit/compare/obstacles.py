"""What stands in the way of a comparison: said by name, and the rest is compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from typing_extensions import TypedDict

from reportgen.audit.compare.matching import Matching, in_one_order, names_twice
from reportgen.audit.compare.sides import Side

# keys of the recipe that change no measurement
SAID = ("title", "gates", "output", "beside", "statement", "history")
NAMED = 6  # keys and images that are named one by one


class Obstacle(TypedDict):
    """Why a part is not compared, or not like with like."""

    what: Literal[
        "code", "recipe", "version", "images", "labels", "classes", "preprocessing", "evidence", "head"
    ]
    sentence: str


def obstacles(new: Side, old: Side, images: Matching) -> Iterator[Obstacle]:
    """All that both audits do not have in common and should."""
    if keys := sorted(_differing(new.results["recipe"], old.results["recipe"])):
        yield {"what": "recipe", "sentence": f"The recipes differ in {_some(keys)}."}
    yield from _versions(new, old)
    yield from _images(images)
    yield from _model(new, old)
    if missing := [side.name for side in (old, new) if side.evidence is None]:
        text = f"No evidence of this version is left of {_some(missing)}: maps, scores, curves and"
        yield {"what": "evidence", "sentence": f"{text} tensors are not compared."}


def _versions(new: Side, old: Side) -> Iterator[Obstacle]:
    mine, theirs = new.results["environment"], old.results["environment"]
    parts = [
        f"{name} {theirs.get(name)} → {mine.get(name)}"
        for name in ("reportgen", "torch", "torchvision", "precision", "device", "seed")
        if mine.get(name) != theirs.get(name)
    ]
    if parts:
        yield {"what": "version", "sentence": f"Measured otherwise: {', '.join(parts)}."}


def _images(images: Matching) -> Iterator[Obstacle]:
    for what, several in (("new", images.only_new), ("old", images.only_old)):
        if several:
            count = len(several)
            noun = "image is" if count == 1 else "images are"
            names = _some([one["path"] for one in several])
            yield {
                "what": "images",
                "sentence": f"{count:,} {noun} in the {what} audit only, and not compared: {names}.",
            }
    relabelled = [pair.new for pair in images.pairs if pair.relabelled]
    if relabelled:
        count = len(relabelled)
        noun = "image has" if count == 1 else "images have"
        names = _some([one["path"] for one in relabelled])
        text = f"{count:,} {noun} another label; both answers are judged by the new one: {names}."
        yield {"what": "labels", "sentence": text}


def _model(new: Side, old: Side) -> Iterator[Obstacle]:
    codes = [side.results["identity"].get("code") for side in (old, new)]
    if None not in codes and codes[0] != codes[1]:
        yield {"what": "code", "sentence": "The file that defines the network is another."}
    heads = [side.results["model"]["head"]["kind"] for side in (old, new)]
    if heads[0] != heads[1]:
        text = f"The old network gives {heads[0]}, the new one {heads[1]}: scores are not compared."
        yield {"what": "head", "sentence": text}
    yield from _classes(new, old)
    if new.evidence and old.evidence:
        ways = [side.manifest["model"]["preprocessing"] for side in (old.evidence, new.evidence)]
        if ways[0] != ways[1]:
            text = "The two models see the images by other preprocessing; maps of one crop are compared."
            yield {"what": "preprocessing", "sentence": text}


def _classes(new: Side, old: Side) -> Iterator[Obstacle]:
    known = bool(new.classes and old.classes)
    if new.classes == old.classes if known else in_one_order(new.names, old.names):
        return
    twice = names_twice(new.names) or names_twice(old.names)
    how = "by place, as two have one name" if twice else "by name"
    if known:
        lost = [name for name in old.names.values() if name not in new.names.values()]
        come = [name for name in new.names.values() if name not in old.names.values()]
        parts = [f"without {_some(lost)}"] if lost else []
        parts += [f"with {_some(come)} besides"] if come else []
        others = " and ".join(parts) or "in another order"
    else:  # of one audit only the classes that it answered are known
        others = "in another order, or under other names"
    text = f"The new model has other classes: {others}. Answers are matched {how}, scores not compared."
    yield {"what": "classes", "sentence": text}


def _differing(new: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[str]:
    """The keys of the recipe, two deep, whose values differ."""
    for key in dict.fromkeys((*new, *old)):
        a, b = new.get(key), old.get(key)
        if key in SAID or a == b:
            continue
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            yield from (f"{key}.{inner}" for inner in dict.fromkeys((*a, *b)) if a.get(inner) != b.get(inner))
        else:
            yield key


def _some(names: list[str]) -> str:
    shown, rest = names[:NAMED], len(names) - NAMED
    return ", ".join(shown) + (f" and {rest:,} more" if rest > 0 else "")
