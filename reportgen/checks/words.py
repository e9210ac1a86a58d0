"""Numbers in the sentences of verdicts."""

from __future__ import annotations

from collections.abc import Sequence


def percent(share: float, digits: int = 1) -> str:
    """A share of one: "97.5 %"; "100 %" and "0 %" only where it is exactly that."""
    text = f"{100 * share:.{digits}f}"
    if 0 < share < 1 and float(text) in (0.0, 100.0):
        return f"less than {10.0**-digits:g} %" if share < 0.5 else f"more than {100 - 10.0**-digits:g} %"
    return ("100" if share == 1 else "0" if share == 0 else text) + " %"


def points(difference: float) -> str:
    """A difference of shares, with its sign: "+5.2 points"."""
    return f"{100 * difference:+.1f} points".replace("-", "−")


def interval(low: float, high: float, digits: int = 1) -> str:
    """The ends of a share's interval: "[91.2 to 95.0 %]"."""
    return f"[{100 * low:.{digits}f} to {100 * high:.{digits}f} %]".replace("-", "−")


def counted(n: int, one: str, many: str | None = None) -> str:
    """ "1 image", "3 images"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def listed(words: Sequence[str], at_most: int = 5) -> str:
    """ "a, b and c", or "a, b, c and 7 more"; nothing of no words."""
    shown, more = list(words[:at_most]), len(words) - at_most
    if more > 0:
        shown.append(f"{more:,} more")
    return " and ".join(part for part in (", ".join(shown[:-1]), *shown[-1:]) if part)


def rounded_up(count: float) -> int:
    """A count that is only about right, to two digits: 1,234 is 1,300."""
    step = 10 ** max(0, len(str(int(count))) - 2)
    return int(-(-count // step) * step)
