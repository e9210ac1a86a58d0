"""Which maps can be relied on: the questions that were put to them, a file each, and how they are
answered."""

from reportgen.audit.maps.judging import Answer, Word
from reportgen.audit.maps.summary import TITLES, Tested, Trust, summarise, summary

__all__ = ["TITLES", "Answer", "Tested", "Trust", "Word", "summarise", "summary"]
