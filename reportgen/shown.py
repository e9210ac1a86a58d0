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
COLOURED = "\ufe0f"  # makes an emoji of what is a sign of text else, and is seen there alone (Unicode TS 51)
SIGNS = (  # those that it does that to
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u2199\u21a9\u21aa\u2328\u23cf\u23ed-\u23ef\u23f1\u23f2\u23f8-\u23fa\u24c2"
    "\u25aa\u25ab\u25b6\u25c0\u25fb\u25fc\u2600-\u2604\u260e\u2611\u2618\u261d\u2620\u2622\u2623\u2626\u262a\u262e\u262f"
    "\u2638-\u263a\u2640\u2642\u265f\u2660\u2663\u2665\u2666\u2668\u267b\u267e\u2692\u2694-\u2697\u2699\u269b\u269c\u26a0"
    "\u26a7\u26b0\u26b1\u26c8\u26cf\u26d1\u26d3\u26e9\u26f0\u26f1\u26f4\u26f7-\u26f9\u2702\u2708\u2709\u270c\u270d\u270f"
    "\u2712\u2714\u2716\u271d\u2721\u2733\u2734\u2744\u2747\u2763\u2764\u27a1\u2934\u2935\u2b05-\u2b07\u3030\u303d\u3297"
    "\u3299\U0001f170\U0001f171\U0001f17e\U0001f17f\U0001f202\U0001f237\U0001f321\U0001f324-\U0001f32c\U0001f336"
    "\U0001f37d\U0001f396\U0001f397\U0001f399-\U0001f39b\U0001f39e\U0001f39f\U0001f3cb-\U0001f3ce"
    "\U0001f3d4-\U0001f3df\U0001f3f3\U0001f3f5\U0001f3f7\U0001f43f\U0001f441\U0001f4fd\U0001f549\U0001f54a"
    "\U0001f56f\U0001f570\U0001f573-\U0001f579\U0001f587\U0001f58a-\U0001f58d\U0001f590\U0001f5a5\U0001f5a8"
    "\U0001f5b1\U0001f5b2\U0001f5bc\U0001f5c2-\U0001f5c4\U0001f5d1-\U0001f5d3\U0001f5dc-\U0001f5de\U0001f5e1"
    "\U0001f5e3\U0001f5e8\U0001f5ef\U0001f5f3\U0001f5fa\U0001f6cb\U0001f6cd-\U0001f6cf\U0001f6e0-\U0001f6e5"
    "\U0001f6e9\U0001f6f0\U0001f6f3"
)
KEPT = re.compile(  # parts of letters and emoji, and not hidden
    f"((?<=[{SCRIPTS}])[{JOINERS}](?=[{SCRIPTS}])|(?<=[{SIGNS}]){COLOURED}|(?<=[0-9#*]){COLOURED}(?=\u20e3))"
)
VARIANTS = (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))  # selectors of a form
BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U00016fe4\U0001d159").union(
    *(map(chr, codes) for codes in VARIANTS)
)  # printable, and nothing to see
UNSEEN = re.compile("^ | $|(?<= ) ")  # spaces of a name that a page or an eye leaves out
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
    """A name in one visible line. Two names that differ are shown by different characters: a backslash that
    would look like one of the escapes is doubled, a space at an end or behind another is one, and a long
    name has its length and part of its SHA-256 in it."""
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
    if all(map(_prints, set(name))) and not ESCAPED.search(name) and not UNSEEN.search(name):
        return SHORTENED.sub(r"\\u2026", name)
    doubled = name.replace("\\", "\\\\")
    hidden = {ord(c): escape(c) for c in set(doubled) if not _prints(c)}
    spaced = UNSEEN.sub(r"\\x20", _translated(doubled, hidden))
    return SHORTENED.sub(r"\\u2026", spaced)


def _translated(text: str, hidden: dict[int, str]) -> str:
    """A text with escapes for what is hidden, but for what is part of a letter or an emoji."""
    if not hidden:
        return text
    if hidden.keys() & set(map(ord, JOINERS + COLOURED)):
        parts = KEPT.split(text)  # every second is such a part
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
