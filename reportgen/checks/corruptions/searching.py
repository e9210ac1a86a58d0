"""What to ask next: an axis is searched by halving on a few images, and what was found is asked of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reportgen.checks.corruptions.axes import SEVERITIES, Axis
from reportgen.checks.corruptions.falls import Course

SCREENED = 25  # images of which a severity is asked first
WHOLE = 3  # severities of an axis that are asked of all images
PLACES = 5  # severities of an axis that are asked at all
FEWEST_DECIDING = 20  # images; of fewer nothing is decided, and only the first severity is asked
FEW = 50  # images; of fewer an axis is halved once less
HALVED = 4  # the place from which on what is not decided is halved before the everyday change is asked


def wishes(
    axes: Sequence[Axis],
    courses: Sequence[Course],
    images: int,
    severities: int,
    limit: float,
    side_px: int,
) -> dict[str, int]:
    """The views to ask next, and of how many images; none where all is known that was looked for.

    `images` are those of the sample that are asked, `severities` how often an axis is halved; all are asked
    of all images where it is 5.
    """
    known = {course.axis.kind: course for course in courses}
    found: dict[str, int] = {}
    for axis in axes:
        for severity, count in _next(known.get(axis.kind), images, severities, limit).items():
            found[axis.view(severity, side_px).name] = count
    return found


def asked_at_most(axes: int, images: int, severities: int) -> int:
    """How many forwards the search takes at most, in images."""
    if severities >= 5:
        return axes * len(SEVERITIES) * images
    if images < FEWEST_DECIDING:
        return axes * images
    if images < FEW:
        return axes * images * 3
    screened = min(SCREENED, images)
    return axes * (PLACES * screened + WHOLE * (images - screened))


def _next(course: Course | None, images: int, severities: int, limit: float) -> Mapping[float, int]:
    """Of one axis: the severity to ask next."""
    if severities >= 5:
        return {} if course else dict.fromkeys(SEVERITIES, images)
    if images < FEWEST_DECIDING:
        return {} if course else {1.0: images}
    halvings = severities if images >= FEW else min(2, severities)
    holds, falls = _bracket(course, limit)
    asked = len(course.falls) if course else 0
    if falls - holds > 1 and asked < halvings:
        return {SEVERITIES[(holds + falls + 1) // 2]: min(SCREENED, images)}
    return _confirmed(course, holds, falls, images) if course else {}


def _bracket(course: Course | None, limit: float) -> tuple[int, int]:
    """The places of the last severity that seems to hold, as do all milder ones, and of the first that seems
    to fall: -1 and 6 where there is none."""
    holds, falls = -1, len(SEVERITIES)
    for place, severity in enumerate(SEVERITIES):
        if course is None or severity not in course.falls:
            continue
        if course.falls[severity].size > limit:
            return holds, place
        holds = place
    return holds, falls


def _confirmed(course: Course, holds: int, falls: int, images: int) -> Mapping[float, int]:
    """What seems to hold is asked of all images, and where these do not decide it a much milder one, at last
    the everyday change; then what seems to fall, where a few do not decide that."""
    asked = {SEVERITIES.index(severity): fall.n for severity, fall in course.falls.items()}
    whole = [place for place, n in asked.items() if n > SCREENED or images <= SCREENED]
    milder = [holds, holds // 2 if holds >= HALVED and images >= FEW else 0, 0]
    todo = [place for place in milder if place >= 0] if not course.holds_to else [holds]
    todo += [falls] if falls < len(SEVERITIES) and SEVERITIES[falls] not in course.fallen else []
    todo = [place for place in todo if place not in whole]
    if not todo or len(whole) >= WHOLE or (len(asked) >= PLACES and todo[0] not in asked):
        return {}
    return {SEVERITIES[todo[0]]: images}
