"""Style sheets, parsed and written again: a page gets rules that were understood, never pasted text.

Comments are gone, every block is closed, and nothing that is written can end a page's style element.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import tinycss2
from tinycss2.serializer import serialize_identifier

from reportgen.errors import RecipeError
from reportgen.report.render.theme_files import SHEET_BYTES
from reportgen.report.render.theme_files import read as read_bytes

Node: TypeAlias = Any  # tinycss2 has no types
ENDS = re.compile(r"</|<!|-->|\x00", re.I)  # what could end a style element, or hide in one
GROUPS = frozenset({"media"})
MARGINS = frozenset(f"{edge}-{at}" for edge in ("top", "bottom") for at in ("left", "center", "right"))
# where an at-rule may stand: all others (@import, @layer, @keyframes, @property, …) are refused
WITHIN = {"": frozenset({"media", "page", "font-face"}), "page": MARGINS}
DEEPEST = 24  # brackets within brackets; a sheet of ours has four
FETCHES = "a report fetches nothing, and a theme is plain rules: take it out"


@dataclass(frozen=True)
class Declaration:
    """`name: value`, and where it stands as file:line:column."""

    name: str
    value: tuple[Node, ...]
    important: bool
    place: str

    @cached_property
    def text(self) -> str:
        """The value as it is written."""
        return str(tinycss2.serialize(self.value)).strip()

    def written(self) -> str:
        """The declaration as CSS."""
        return f"{serialize_identifier(self.name)}: {self.text}{' !important' if self.important else ''};"


@dataclass(frozen=True)
class Rule:
    """A rule, or a group of them: its selector or `@media …`, and what stands inside."""

    head: str
    body: tuple[Declaration | Rule, ...]
    place: str

    @property
    def declarations(self) -> dict[str, Declaration]:
        """What it declares itself, by name."""
        return {part.name: part for part in self.body if isinstance(part, Declaration)}

    def written(self) -> str:
        """The rule as CSS."""
        return f"{self.head} {{ {' '.join(part.written() for part in self.body)} }}"


def read(path: Path) -> tuple[Rule, ...]:
    """A file's rules. Raises RecipeError with file:line:column where it is no plain style sheet."""
    return parse(_read_text(path), str(path))


def stated(path: Path) -> frozenset[tuple[tuple[str, ...], str]]:
    """Every declaration of a file as CSS, with the heads of its rules. Raises RecipeError as `read` does."""
    return _stated(_read_text(path), str(path))


def _read_text(path: Path) -> str:
    try:
        return read_bytes(path.parent, path.name, SHEET_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        cause = f"cannot read {str(path)!r}: it is not UTF-8 text"
        raise RecipeError(cause, "write it as a UTF-8 style sheet") from error


@lru_cache(maxsize=32)
def _stated(text: str, file: str) -> frozenset[tuple[tuple[str, ...], str]]:
    return frozenset((heads, declaration.written()) for heads, declaration in walk(parse(text, file)))


@lru_cache(maxsize=32)  # a report asks for the same few sheets again and again
def parse(text: str, file: str) -> tuple[Rule, ...]:
    """The rules of a sheet's text. Raises RecipeError as `read` does."""
    tokens = tinycss2.parse_component_value_list(text, skip_comments=True)
    _tidy(tokens, file)
    return tuple(_rules(tinycss2.parse_stylesheet(tokens, skip_whitespace=True), file, ""))


def written(rules: Sequence[Rule]) -> str:
    """Rules as CSS, one a line."""
    return "\n".join(rule.written() for rule in rules)


def walk(
    rules: Sequence[Rule], within: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Declaration]]:
    """Every declaration, with the heads of the rules that it stands in."""
    for rule in rules:
        heads = (*within, rule.head)
        for part in rule.body:
            if isinstance(part, Rule):
                yield from walk((part,), heads)
            else:
                yield heads, part


def sealed(sheet: str) -> str:
    """A whole sheet that goes into a style element, looked through once more."""
    if ending := ENDS.search(sheet):
        raise AssertionError(f"a style sheet holds {sheet[ending.start() :][:40]!r}")
    return sheet


def refused(node: Node, file: str, cause: str, remedy: str = FETCHES) -> RecipeError:
    """The complaint about a node of a file, with its line and column."""
    return RecipeError(f"{file}:{node.source_line}:{node.source_column}: {cause}", remedy)


def _tidy(nodes: Sequence[Node], file: str, depth: int = 0) -> None:
    """Makes white space one space, in place. Raises where a string, an address or a bracket is broken."""
    for node in nodes:
        if depth > DEEPEST:
            raise refused(node, file, f"has more than {DEEPEST} brackets within one another")
        if node.type == "error":
            raise refused(node, file, f"the style sheet has a mistake: {node.message}", "mend it there")
        if node.type == "whitespace":
            node.value = " "
        for inside in ("content", "arguments"):
            _tidy(getattr(node, inside, None) or (), file, depth + 1)


def _rules(nodes: Sequence[Node], file: str, where: str) -> Iterator[Rule]:
    for node in nodes:
        if node.type == "error":
            raise refused(node, file, f"the style sheet has a mistake: {node.message}", "mend it there")
        if node.type == "at-rule":
            if node.lower_at_keyword == "charset":
                continue  # every sheet is UTF-8
            yield _at_rule(node, file, where)
        else:
            yield Rule(_text(node, node.prelude, file), tuple(_body(node, file, "style")), _place(node, file))


def _at_rule(node: Node, file: str, where: str) -> Rule:
    keyword = node.lower_at_keyword
    if keyword not in WITHIN.get(where, ()) or node.content is None:
        raise refused(node, file, f"has '@{node.at_keyword}'")
    head = f"@{keyword} {_text(node, node.prelude, file)}".strip()
    if keyword in GROUPS:
        inside = tinycss2.parse_rule_list(node.content, skip_whitespace=True)
        return Rule(head, tuple(_rules(inside, file, keyword)), _place(node, file))
    return Rule(head, tuple(_body(node, file, keyword)), _place(node, file))


def _body(node: Node, file: str, where: str) -> Iterator[Declaration | Rule]:
    for part in tinycss2.parse_blocks_contents(node.content, skip_whitespace=True):
        if part.type == "declaration":
            value = tuple(part.value)
            name = part.name if part.name.startswith("--") else part.lower_name
            declaration = Declaration(name, value, part.important, _place(part, file))
            _text(part, value, file)
            if ENDS.search(declaration.written()):
                raise refused(part, file, f"has {declaration.name[:40]!r}")
            yield declaration
        elif part.type == "at-rule":
            yield _at_rule(part, file, where)
        else:
            cause = getattr(part, "message", "a rule stands inside a rule")
            raise refused(part, file, f"the style sheet has a mistake: {cause}", "mend it there")


def _text(node: Node, tokens: Sequence[Node], file: str) -> str:
    """Tokens as they are written. Raises where they could end a page's style element."""
    text = str(tinycss2.serialize(tokens)).strip()
    if ending := ENDS.search(text):
        raise refused(node, file, f"has {ending[0]!r}")
    return text


def _place(node: Node, file: str) -> str:
    return f"{file}:{node.source_line}:{node.source_column}"
