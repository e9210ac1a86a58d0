"""The pictures, maps, fonts, style and script of a page: embedded in it, or in files beside it."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from reportgen.ownership import PAGE_FILES
from reportgen.report.pictures.levels import RawMap, png
from reportgen.report.pictures.rasters import Encoded, Encoding, Raster, carried, kept, screen

FOLDER = PAGE_FILES  # beside report.html
NAME_LETTERS = 16  # of a picture's hash: enough to tell the pictures of one report apart
Kind: TypeAlias = Literal["pictures", "maps", "fonts", "script", "text"]
KINDS: tuple[Kind, ...] = ("pictures", "maps", "fonts", "script", "text")


@dataclass
class Embedding:
    """What was loaded so far. In a page of one file all of it is data: URIs; beside a page it is
    `files`, by their names, and a picture that occurs twice is one file."""

    encoding: Encoding
    beside: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    inside: Counter[Kind] = field(default_factory=Counter)  # bytes of the page, by what they are
    outside: Counter[Kind] = field(default_factory=Counter)  # bytes of the files

    def picture(self, raster: Raster) -> str:
        """Where the page finds a picture."""
        encoded = screen(raster, self.encoding)
        alone = raster.map is not None and raster.map.alone and carried(raster.map, self.encoding)
        kind: Kind = "maps" if alone else "pictures"
        if self.beside:
            name = hashlib.sha256(encoded.data).hexdigest()[:NAME_LETTERS]
            return self._file(f"{name}.{encoded.media_type.partition('/')[2]}", encoded.data, kind)
        return self._uri(encoded.data, encoded.media_type, kind)

    def logo(self, drawn: Encoded | None) -> str:
        """Where the page finds its theme's logo; nowhere where it has none."""
        if drawn is None:
            return ""
        if self.beside:
            ending = {"image/svg+xml": "svg"}.get(drawn.media_type, "png")
            return self._file(f"logo.{ending}", drawn.data, "pictures")
        return self._uri(drawn.data, drawn.media_type, "pictures")

    def levels(self, raw: RawMap) -> str | None:
        """What the page carries of a map beside its picture, in base64.

        Nothing where the picture is the map itself; None where the map's values are given up.
        A script may not read a picture of another file, so beside such files all maps are carried.
        """
        if not carried(raw, self.encoding):
            return None
        if raw.alone and not self.beside:
            return ""
        text = base64.b64encode(png(kept(raw, self.encoding))).decode()
        self.inside["maps"] += len(text)
        return text

    def font(self, file: Path) -> str:
        """Where the style sheet finds a font: beside it, where it is a file."""
        if self.beside:
            self._file(file.name, file.read_bytes(), "fonts")
            return file.name
        return self._uri(file.read_bytes(), "font/woff2", "fonts")

    def text(self, name: str, text: str, kind: Kind) -> str:
        """A style sheet or a script: itself, or where it is found."""
        if self.beside:
            return self._file(name, text.encode(), kind)
        if kind != "text":
            self.inside[kind] += len(text.encode())
        return text

    def weigh(self, page: str) -> dict[Kind, int]:
        """Bytes of the page and its files, by what they are. What is nothing else is text."""
        rest = len(page.encode()) - sum(self.inside.values())
        by_kind = Counter(self.inside) + self.outside + Counter[Kind]({"text": rest})
        return {kind: by_kind[kind] for kind in KINDS}

    def _uri(self, data: bytes, media_type: str, kind: Kind) -> str:
        uri = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
        self.inside[kind] += len(uri)
        return uri

    def _file(self, name: str, data: bytes, kind: Kind) -> str:
        if name not in self.files:
            self.files[name] = data
            self.outside[kind] += len(data)
        return f"{FOLDER}/{name}"
