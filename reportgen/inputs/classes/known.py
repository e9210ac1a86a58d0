"""The classes by every spelling that folders and labels have of them."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property

from reportgen.engine.network.facts import index_of
from reportgen.errors import UnknownName
from reportgen.shown import named

WHOLE = re.compile(r"\d{1,9}\.0+")  # pandas writes a column of whole numbers with gaps so
NUMBER_BEFORE = re.compile(r"(\d{1,6})\s*[._ \-]\s*(\S.*)")  # 00_ant, 1. ant, 001.Black_footed_Albatross
ID_BEFORE = re.compile(r"(n\d{8})[\s._\-]+\S.*")  # n01440764-tench
NOTHING = ("nan", "<na>", "none", "null")


@dataclass(frozen=True)
class Known:
    """The classes by every spelling: names, names with case and '_' set aside, one of several names, names
    behind a number, WordNet ids."""

    classes: tuple[str, ...]
    ids: tuple[str, ...] = ()
    used: dict[str, str] = field(default_factory=dict)  # how text was read -> an example

    @property
    def unnamed(self) -> bool:
        """Whether nobody named the classes."""
        return all(name == f"class {n}" for n, name in enumerate(self.classes))

    def is_name(self, text: str) -> bool:
        """Whether a class, or several, are called so to the letter."""
        return text in self._exact

    def index(self, text: str, numbers: bool = True) -> int | None:
        """The index that a text means, None where it is no class; notes how it was read."""
        found = self._by_name(text)
        if found is None and (shown := named(text)) != text:  # classes are named as they are shown
            found = self._by_name(shown)
        if found is None and numbers:
            number = text.partition(".")[0] if WHOLE.fullmatch(text) else text
            found = self._by_number(number)
            if found is not None and number != text:
                self.used["whole"] = text
        return found

    def _by_name(self, text: str) -> int | None:
        if places := self._exact.get(text, ()):  # of several: an error that says so
            return places[0] if len(places) == 1 else None
        if text in self.ids:
            self.used["id"] = text
            return self.ids.index(text)
        for how, form, table in self._ways(text):
            found = table.get(form, ())
            if len(found) == 1:
                self.used[how] = f"{text} is '{self.classes[found[0]]}'"
                return found[0]
            if found:
                return None
        return None

    def _ways(self, text: str) -> Iterable[tuple[str, str, dict[str, tuple[int, ...]]]]:
        """How else a text may name a class, the surest first: what it is then, and the classes so."""
        folded = _folded(text)
        yield "folded", folded, self._folded_names
        yield "synonym", folded, self._synonyms
        if not self.unnamed:  # GreatWhite, great.white
            yield "folded", _squeezed(text), self._squeezed_names
        if part := NUMBER_BEFORE.fullmatch(text):
            yield "numbered", _folded(part[2]), self._folded_names
            yield "numbered", _folded(part[2]), self._synonyms
        yield "numbered", folded, self._behind_numbers
        if part := ID_BEFORE.fullmatch(text):
            yield "id", part[1], {one: (n,) for n, one in enumerate(self.ids) if one.startswith("n")}

    @cached_property
    def _exact(self) -> dict[str, tuple[int, ...]]:
        return _table(self.classes, lambda name: [name])

    @cached_property
    def _folded_names(self) -> dict[str, tuple[int, ...]]:
        return _table(self.classes, lambda name: [_folded(name)])

    @cached_property
    def _squeezed_names(self) -> dict[str, tuple[int, ...]]:
        return _table(self.classes, lambda name: [form] if (form := _squeezed(name)) else [])

    @cached_property
    def _synonyms(self) -> dict[str, tuple[int, ...]]:
        """ImageNet's `tench, Tinca tinca` by each of its names."""
        several = [name if "," in name else "" for name in self.classes]
        return _table(several, lambda name: [_folded(one) for one in name.split(",") if one.strip()])

    @cached_property
    def _behind_numbers(self) -> dict[str, tuple[int, ...]]:
        """Classes that all begin with a number, by the rest."""
        parts = {name: NUMBER_BEFORE.fullmatch(name) for name in self.classes}
        if not all(parts.values()):
            return {}
        return _table(self.classes, lambda name: [_folded(part[2])] if (part := parts[name]) else [])

    def _by_number(self, text: str) -> int | None:
        try:
            return None if self.is_name(text) else index_of(text, self.classes)
        except UnknownName:
            return None

    def notes(self) -> list[str]:
        """What a reader should know of how texts were read."""
        words = {
            "id": "Labels are read as WordNet ids of the classes, such as {}.",
            "folded": "In labels, case and what stands between words do not count: {}.",
            "synonym": "Labels are read as one of several names of a class: {}.",
            "numbered": "The number before a name does not count in labels: {}.",
            "whole": "Labels such as {} are read as whole numbers, indices of classes.",
        }
        return [words[how].format(example) for how, example in self.used.items()]


def _table(classes: Iterable[str], forms: Callable[[str], Iterable[str]]) -> dict[str, tuple[int, ...]]:
    """The indices of the classes by each form of their names."""
    found: dict[str, tuple[int, ...]] = {}
    for index, name in enumerate(classes):
        for form in dict.fromkeys(forms(name)):
            found[form] = (*found.get(form, ()), index)
    return found


def _folded(name: str) -> str:
    """A name with case, the form of its letters, and what stands between words set aside."""
    return re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFC", name)).strip().casefold()


def _squeezed(name: str) -> str:
    """A folded name without what stands between its words; "" of one that has no letter."""
    form = re.sub(r"[\s._-]+", "", _folded(name))
    return form if re.search(r"[^\W\d]", form) else ""


def quoted(name: str) -> str:
    """A name as a recipe may write it: in quotes where YAML would take it for something else."""
    plain = re.fullmatch(r"[^\W\d_][\w .-]*", name) and name.casefold() not in YAML_WORDS
    return name if plain and name == name.strip() else json.dumps(name, ensure_ascii=False)


YAML_WORDS = ("true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan")
