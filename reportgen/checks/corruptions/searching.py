"""What to ask next: an axis is searched by halving on a few images, and what was found is asked of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reportgen.checks.corruptions.axes import EVERYDAY, SEVERITIES, Axis
from reportgen.checks.corruptions.falls import Course

SCREENED = 20  # images of which a severity is asked first
WHOLE = 2  # severities of an axis that are asked of all images
PLACES = 4  # severities of an axis that are asked at all
FEWEST_DECIDING = 20  # images; of fewer nothing is decided, and only the first severity is asked
FEW = 100  # images; of fewer only two severities of an axis are asked: that keeps to the price of many


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
        return axes * images * 2
    return axes * (PLACES * SCREENED + WHOLE * (images - SCREENED))


def _next(course: Course | None, images: int, severities: int, limit: float) -> Mapping[float, int]:
    """Of one axis: the severity to ask next."""
    if severities >= 5:
        return {} if course else dict.fromkeys(SEVERITIES, images)
    if course is None and images < FEW:
        return {1.0: images}
    if images < FEWEST_DECIDING:
        return {}
    if course is not None and images < FEW:
        worse = 3.0 if course.holds_to else EVERYDAY
        return {worse: images} if len(course.falls) == 1 else {}
    holds, falls = _bracket(course, limit)
    asked = len(course.falls) if course else 0
    if falls - holds > 1 and asked < severities:
        return {SEVERITIES[(holds + falls + 1) // 2]: SCREENED}
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
    """What seems to hold is asked of all images, and where these do not decide it the everyday change; then
    what seems to fall, where a few do not decide that."""
    asked = {SEVERITIES.index(severity): fall.n for severity, fall in course.falls.items()}
    whole = [place for place, n in asked.items() if n > SCREENED]
    todo = [max(holds, 0)] if course.holds_to else [max(holds, 0), 0]
    todo += [falls] if falls < len(SEVERITIES) and SEVERITIES[falls] not in course.fallen else []
    todo = [place for place in todo if place not in whole]
    if not todo or len(whole) >= WHOLE or (len(asked) >= PLACES and todo[0] not in asked):
        return {}
    return {SEVERITIES[todo[0]]: images}
