"""Bytes of a text file as text, in the encodings that people's programs write."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
QUOTES = "…‘’“”–—"  # stand beside letters
SIGNS = "\N{EURO SIGN}•\N{NO-BREAK SPACE}§°²³´µ·«»¿¡"  # of western texts
RUN = re.compile(r"[^\x00-\x7f]{2,}")
WORD = re.compile(r"[^\W\d_]+")


class Text(NamedTuple):
    """A file's text, and what was assumed of its encoding, "" where it is sure."""

    text: str
    note: str = ""


class UnknownEncoding(ValueError):
    """No encoding that is known fits; `byte` is the first that is not UTF-8."""

    def __init__(self, byte: int) -> None:
        super().__init__(f"byte {byte} is not UTF-8")
        self.byte = byte


def decoded(data: bytes, name: str) -> Text:
    """The text of a file: UTF-8, UTF-16 as Windows writes it (with or without its mark), or the one-byte
    encoding of western Europe where all that is not ASCII is a letter or sign of its languages, and stands
    alone among others. The last is an assumption, and said. Raises UnknownEncoding."""
    if wide := utf_16(data):
        return Text(data.decode(wide, "replace"))
    try:
        return Text(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        western = _western(data)
        if western is None:
            raise UnknownEncoding(error.start) from error
    note = f"{name} is no UTF-8 and is read as text of western Europe (Windows-1252); if that is wrong"
    return Text(western, f"{note}, save it as UTF-8.")


def utf_16(data: bytes) -> str | None:
    """Which UTF-16 a text is, by its mark or because every other byte of ASCII is 0; None of another."""
    if data.startswith(BOMS):
        return "utf-16"
    even, odd = data[:400:2], data[1:400:2]
    if len(odd) < 2 or len(data) % 2:
        return None
    if odd.count(0) * 4 >= len(odd) * 3 and even.count(0) == 0:
        return "utf-16-le"
    return "utf-16-be" if even.count(0) * 4 >= len(even) * 3 and odd.count(0) == 0 else None


def _western(data: bytes) -> str | None:
    """The text by Windows-1252, None where it looks like another encoding: letters of it that no western
    language has, or words without a letter of ASCII."""
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return None
    odd = {c for c in text if c > "\x7f"}
    letters = {c for c in odd if c.isalpha() and "À" <= c <= "ÿ"}
    if not odd <= letters | set(QUOTES + SIGNS):
        return None
    if any(not run.strip(QUOTES).isalpha() for run in RUN.findall(text) if run.strip(QUOTES)):
        return None  # a letter beside a sign: parts of one letter of another encoding
    words = [word for word in WORD.findall(text) if not word.isascii()]
    return (
        None
        if any(sum(c > "\x7f" for c in word) * 2 > len(word) for word in words if len(word) > 1)
        else text
    )
