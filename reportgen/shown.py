"""Text of strangers as it is shown: what cannot be seen becomes an escape, and what has no end a length.

A name may hold the escape sequences of a terminal, characters that turn the direction of what stands beside
them (Boucher & Anderson 2021, Trojan Source), bytes that are no UTF-8, halves of characters, or fifty
thousand letters. It is shown alike in the page, the PDF, the terminal and the files for programs.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from typing import Any

NAME = 255  # letters of a name that are shown: no file system has longer ones
PATH = 1000
LINE = 500  # of a line on the terminal that tells of an error, its first word included
HASH = 12  # hexadecimal digits that tell two long names apart
LAYOUT = frozenset("\n\t")  # what prose may have besides
SPACES = frozenset({"Zs"})
JOINERS = "\u200c\u200d"
SCRIPTS = "\u0600-\u1fff\u2600-\U0001faff"  # those whose letters join, and emoji
JOINED = re.compile(f"(?<=[{SCRIPTS}])([{JOINERS}])(?=[{SCRIPTS}])")  # parts of letters, and not hidden
BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # printable, and nothing to see
BYTE = range(0xDC80, 0xDD00)  # how Python keeps a byte that is no UTF-8
# what a name that is plain text must not look like
ESCAPED = re.compile(r"\\(?:\\|[nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")
SHORTENED = re.compile(r"…(?=\[[\d,]+ characters, [0-9a-f]{12}\]…)")
WORD = re.compile(rf"[!-\u0dff]{{{NAME + 1},}}")  # of scripts that have spaces
JSON_ESCAPE = re.compile(r"\\(?:u00[01][0-9a-f]|u007f|.)", re.S)


def visible(text: str) -> str:
    """Text of one line or more in which nothing is hidden: controls, formats, halves of characters, and code
    points that mean nothing, are escapes. Applied twice it is the same."""
    if text.isascii() and text.isprintable():
        return text
    plain = text.replace("\r\n", "\n")
    hidden = {ord(c): escape(c) for c in set(plain) if not _shows(c)}
    return _translated(plain, hidden)


def named(name: str, at_most: int = NAME) -> str:
    """A name in one visible line. Two names that differ are shown differently: a backslash that would look
    like one of the escapes is doubled, and a long name has its length and part of its SHA-256 in it."""
    text = _escaped(name)
    if len(text) <= at_most:
        return text
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:HASH]
    return _cut(text, at_most, f"…[{len(name):,} characters, {digest}]…")


def path_named(path: str) -> str:
    """A path in one visible line, as `named` shows a name."""
    return named(path, PATH)


def line(text: object, at_most: int = LINE) -> str:
    """Any text as a line of the terminal, its white space single spaces, its middle left out where it is
    longer than so many characters."""
    whole = visible(" ".join(str(text).split()))
    return whole if len(whole) <= at_most else _cut(whole, at_most, f"…[{len(whole):,} characters]…")


def bounded(value: Any, at_most: int) -> Any:
    """JSON values with every text visible and of at most so many characters, keys included, and no word of
    it longer than a name: it could be broken nowhere."""
    if isinstance(value, str):
        text = WORD.sub(lambda word: named(word[0]), visible(value))
        return text if len(text) <= at_most else named(text, at_most)
    if isinstance(value, dict):
        return {bounded(key, at_most): bounded(part, at_most) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [bounded(part, at_most) for part in value]
    return value


def visible_json(text: str) -> str:
    """The text of JSON in which every string is `visible`, whoever reads it. It must be of `json.dumps`."""
    if "\\u00" in text or "\\b" in text or "\\f" in text or "\\r" in text:
        text = JSON_ESCAPE.sub(_json_escape, text)
    return _translated(text, {ord(c): f"\\{escape(c)}" for c in set(text) if not _shows(c)})


def escape(c: str) -> str:
    r"""One character as an escape: \n, \x1b, \u202e, and \xff for a byte that is no UTF-8."""
    code = ord(c)
    if code in BYTE:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return c.encode("unicode_escape").decode()
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _shows(c: str) -> bool:
    return _prints(c) or c in LAYOUT or unicodedata.category(c) in SPACES


def _prints(c: str) -> bool:
    return c.isprintable() and c not in BLANK


def _escaped(name: str) -> str:
    if all(map(_prints, set(name))) and not ESCAPED.search(name):
        return SHORTENED.sub(r"\\u2026", name)
    doubled = name.replace("\\", "\\\\")
    hidden = {ord(c): escape(c) for c in set(doubled) if not _prints(c)}
    return SHORTENED.sub(r"\\u2026", _translated(doubled, hidden))


def _translated(text: str, hidden: dict[int, str]) -> str:
    """A text with escapes for what is hidden, but for joiners that are parts of letters."""
    if not hidden:
        return text
    if hidden.keys() & set(map(ord, JOINERS)):
        parts = JOINED.split(text)  # every second is such a joiner
        return "".join(part if n % 2 else part.translate(hidden) for n, part in enumerate(parts))
    return text.translate(hidden)


def _cut(text: str, at_most: int, middle: str) -> str:
    """A text's beginning and end, and what is said in place of the rest."""
    left = max(0, at_most - len(middle))
    end = left // 4
    return f"{text[: left - end]}{middle}{text[len(text) - end :]}"


def _json_escape(found: re.Match[str]) -> str:
    code = found[0]
    if len(code) == 6:
        return "\\\\" + escape(json.loads(f'"{code}"'))[1:]
    return {"\\b": "\\\\x08", "\\f": "\\\\x0c", "\\r": "\\\\r"}.get(code, code)
