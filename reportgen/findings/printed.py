"""Which numbers of a map its colours are drawn from and printed beside them; they are kept exactly."""

from __future__ import annotations

PERCENTILE = 99.5  # maps of many pixels are scaled to this, so that one pixel does not darken all
MANY = 1024  # values from which the percentile is taken
