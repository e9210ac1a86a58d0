"""The pictures, maps, fonts, style and script of a page: embedded in it, or in files beside it."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

from reportgen.ownership import PAGE_FILES
from reportgen.report.pictures.levels import RawMap, png
from reportgen.report.pictures.rasters import Encoded, Encoding, Raster, carried, kept, screen
from reportgen.report.render.deferred import Deferred

FOLDER = PAGE_FILES  # beside report.html
NAME_LETTERS = 16  # of a picture's hash: enough to tell the pictures of one report apart
Kind: TypeAlias = Literal["pictures", "maps", "fonts", "script", "text"]
KINDS: tuple[Kind, ...] = ("pictures", "maps", "fonts", "script", "text")


@dataclass(frozen=True)
class Piece:
    """A picture or the levels of a map, as the page carries them: text, or a file's name and content."""

    kind: Kind
    text: str
    data: bytes = b""


@dataclass
class Embedding:
    """What was loaded so far. In a page of one file all of it is data: URIs; beside a page it is
    `files`, by their names, and a picture that occurs twice is one file.

    Pictures and levels are encoded in threads; until the page is `filled` marks stand for them.
    """

    encoding: Encoding
    beside: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    inside: Counter[Kind] = field(default_factory=Counter)  # bytes of the page that are no text and no piece
    outside: Counter[Kind] = field(default_factory=Counter)  # bytes of the files
    pieces: Deferred[Piece] = field(default_factory=Deferred)

    def picture(self, raster: Raster) -> str:
        """What stands for the place where the page finds a picture."""
        return self.pieces.mark(partial(_picture, raster, self.encoding, self.beside))

    def logo(self, drawn: Encoded | None) -> str:
        """Where the page finds its theme's logo; nowhere where it has none."""
        if drawn is None:
            return ""
        if self.beside:
            ending = {"image/svg+xml": "svg"}.get(drawn.media_type, "png")
            return self._file(f"logo.{ending}", drawn.data, "pictures")
        return self._inside(_uri(drawn.data, drawn.media_type), "pictures")

    def levels(self, raw: RawMap) -> str | None:
        """What the page carries of a map beside its picture: what stands for its base64.

        Nothing where the picture is the map itself; None where the map's values are given up.
        A script may not read a picture of another file, so beside such files all maps are carried.
        """
        if not carried(raw, self.encoding):
            return None
        if raw.alone and not self.beside:
            return ""
        return self.pieces.mark(partial(_levels, raw, self.encoding))

    def font(self, file: Path) -> str:
        """Where the style sheet finds a font: beside it, where it is a file."""
        if self.beside:
            self._file(file.name, file.read_bytes(), "fonts")
            return file.name
        return self._inside(_uri(file.read_bytes(), "font/woff2"), "fonts")

    def text(self, name: str, text: str, kind: Kind) -> str:
        """A style sheet or a script: itself, or where it is found."""
        if self.beside:
            return self._file(name, text.encode(), kind)
        return text if kind == "text" else self._inside(text, kind)

    def weigh(self, page: str) -> dict[Kind, int]:
        """Bytes of the page and its files, by what they are. What is nothing else is text."""
        by_kind = Counter(self.inside)
        by_kind["text"] -= sum(self.inside.values())
        for part in self.pieces.parts(page):
            if isinstance(part, Piece):
                self._keep(part)
                by_kind["text" if part.data else part.kind] += len(part.text)
            else:
                by_kind["text"] += len(part.encode())
        by_kind.update(self.outside)
        return {kind: by_kind[kind] for kind in KINDS}

    def filled(self, page: str) -> Iterator[bytes]:
        """The page with its pictures and levels, in parts."""
        for part in self.pieces.parts(page):
            if isinstance(part, Piece):
                self._keep(part)
                yield part.text.encode()
            else:
                yield part.encode()

    def _inside(self, text: str, kind: Kind) -> str:
        self.inside[kind] += len(text.encode())
        return text

    def _keep(self, piece: Piece) -> None:
        if piece.data:
            self._file(piece.text.removeprefix(f"{FOLDER}/"), piece.data, piece.kind)

    def _file(self, name: str, data: bytes, kind: Kind) -> str:
        if name not in self.files:
            self.files[name] = data
            self.outside[kind] += len(data)
        return f"{FOLDER}/{name}"


def _picture(raster: Raster, encoding: Encoding, beside: bool) -> Piece:
    encoded = screen(raster, encoding)
    alone = raster.map is not None and raster.map.alone and carried(raster.map, encoding)
    kind: Kind = "maps" if alone else "pictures"
    if beside:
        name = hashlib.sha256(encoded.data).hexdigest()[:NAME_LETTERS]
        return Piece(kind, f"{FOLDER}/{name}.{encoded.media_type.partition('/')[2]}", encoded.data)
    return Piece(kind, _uri(encoded.data, encoded.media_type))


def _levels(raw: RawMap, encoding: Encoding) -> Piece:
    return Piece("maps", base64.b64encode(png(kept(raw, encoding))).decode())


def _uri(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
