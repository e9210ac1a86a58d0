"""Which values of a recipe name files: no other text of it is looked for on the disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# keys whose values are files or folders, with the words there that are none
OF_MODEL: dict[tuple[str, ...], tuple[str, ...]] = {
    ("classes",): ("imagenet",),
    ("signed_by",): (),
    ("target", "mask"): (),
}
KEYS: dict[tuple[str, ...], tuple[str, ...]] = {
    **{("model", *key): words for key, words in OF_MODEL.items()},
    **{("beside", "model", *key): words for key, words in OF_MODEL.items()},
    ("beside", "checkpoint"): (),
    ("images", "labels"): ("auto", "none", "folder", "imagefolder"),
    ("images", "parts"): (),
    ("images", "masks"): (),
    ("images", "training"): (),
    ("images", "foreign"): (),
    ("history",): (),
    ("output", "theme"): ("default",),
}
OPTIONS = ("checkpoints", "log")  # of a visualization
LONGEST = 4096  # letters of a path


def named_files(data: Mapping[str, Any]) -> list[str]:
    """The paths that a recipe's plain values name, each once, sorted; not addresses, and none of a list of
    class names."""
    found = {text for key, words in KEYS.items() for text in _at(data, key) if text not in words}
    shown = data.get("visualizations")
    for one in shown if isinstance(shown, list) else ():
        for options in one.values() if isinstance(one, Mapping) else ():
            if isinstance(options, Mapping):
                found |= {text for key in OPTIONS for text in _texts(options.get(key))}
    paths = (text for text in found if 0 < len(text) <= LONGEST and "://" not in text)
    return sorted(path for path in paths if path.isprintable())


def _at(data: Any, key: tuple[str, ...]) -> Iterator[str]:
    for part in key:
        data = data.get(part) if isinstance(data, Mapping) else None
    if isinstance(data, str):
        yield data


def _texts(value: Any) -> Iterator[str]:
    yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))
