"""What a report's results say of one image: its answers, the checks that show it, what was found in it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from reportgen.errors import InputError

NEAR_AT_MOST = 3  # names that are proposed
SCHEMA = "reportgen.results/"
Results = Mapping[str, Any]  # results.json


def read(folder: Path) -> Results:
    """The results of the report in a folder. Raises InputError where there are none."""
    file = folder / "results.json"
    try:
        results = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{file} cannot be read ({type(error).__name__})",
            "name the folder that `reportgen run` wrote; `reportgen render` writes its results again",
        ) from error
    if not isinstance(results, dict) or not str(results.get("schema", "")).startswith(SCHEMA):
        raise InputError(
            f"{file} is no results.json of reportgen's", "name the folder that `reportgen run` wrote"
        )
    return results


def find(results: Results, name: str) -> Mapping[str, Any]:
    """The image of that id (`000012`, or `12`), path, or last part of a path. Raises InputError where there
    is none, with names that are near, and where there are several."""
    images: Sequence[Mapping[str, Any]] = results["images"]
    for alike in (_of_id, _of_path, _of_end):
        found = [image for image in images if alike(image, name)]
        if len(found) == 1:
            return found[0]
        if found:
            named = ", ".join(f"{image['id']} {image['path']!r}" for image in found[:NEAR_AT_MOST])
            raise InputError(f"{len(found)} images are called {name!r}: {named}", "name one by its id")
    near = [repr(path) for path in _near(images, name)]  # quoted: a name may hold a line break
    some = f"such as {', '.join(near)}" if near else f"{len(images):,} images have ids from 000000 on"
    raise InputError(f"no image is called {name!r}", f"name an image's id or path, {some}")


def _of_id(image: Mapping[str, Any], name: str) -> bool:
    return bool(
        name == image["id"] or (name.isascii() and name.isdigit() and f"{int(name):06d}" == image["id"])
    )


def _of_path(image: Mapping[str, Any], name: str) -> bool:
    return bool(image["path"] == name)


def _of_end(image: Mapping[str, Any], name: str) -> bool:
    """Whether a path ends with the parts of a name: `7/2069.png` of `digits/7/2069.png`."""
    own, wanted = PurePosixPath(image["path"]).parts, PurePosixPath(name).parts
    return bool(wanted) and own[-len(wanted) :] == wanted


def _near(images: Iterable[Mapping[str, Any]], name: str) -> Iterator[str]:
    """The paths that are most like a name, whole or in their last part."""
    by_name: dict[str, str] = {}
    for image in images:
        path = image["path"]
        by_name.setdefault(PurePosixPath(path).name.casefold(), path)
        by_name[path.casefold()] = path
    close = difflib.get_close_matches(name.casefold(), by_name, n=2 * NEAR_AT_MOST, cutoff=0.5)
    yield from list(dict.fromkeys(by_name[one] for one in close))[:NEAR_AT_MOST]


def explained(results: Results, image: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of the image, as JSON values: `answer` and the others by probability, `refer` (whether
    the answer lies below the threshold that the check `abstention` found; None where it found none),
    `checks` that show it in evidence, `findings` by visualization, each with what the test of its maps said,
    and of two models what the second one answered."""
    trust = (results.get("trust") or {}).get("methods", {})
    second = _of_second(results, image["id"])
    return {
        "id": image["id"],
        "path": image["path"],
        "sha256": image["sha256"],
        "status": image["status"],
        "reason": image["reason"],
        "label": image["label"],
        "correct": image["correct"],
        "loss": image["loss"],
        "margin": _margin(image),
        "refer": _refer(results, image),
        "predictions": image["predictions"],
        "checks": [
            {key: check[key] for key in ("name", "title", "status", "sentence", "remedy")}
            for check in results["checks"]
            if image["id"] in check["exhibits"]["images"]
        ],
        "findings": {
            name: {"relied_on": trust[name]["relies"] if name in trust else None, **numbers}
            for name, numbers in image["findings"].items()
        },
        **({"beside": second} if second else {}),
        "card": f"report.html#i{image['id']}" if image["findings"] else None,
    }


def _margin(image: Mapping[str, Any]) -> float | None:
    first, second = ([one["probability"] for one in image["predictions"][:2]] + [None, None])[:2]
    if "answered_indices" in image or first is None or second is None:
        return None
    return float(first - second)


def _refer(results: Results, image: Mapping[str, Any]) -> bool | None:
    check = next((one for one in results["checks"] if one["name"] == "abstention"), None)
    if check is None or check["status"] != "clear" or "answered_indices" in image or not image["predictions"]:
        return None
    below, p = check["numbers"].get("threshold", {}).get("value"), image["predictions"][0]["probability"]
    return None if below is None or p is None else bool(p <= below)


def _of_second(results: Results, id_: str) -> dict[str, Any] | None:
    beside = results.get("beside")
    for image in (beside or {}).get("images", ()):
        if image["id"] == id_:
            return {key: image[key] for key in ("correct", "loss", "predictions")}
    return None
