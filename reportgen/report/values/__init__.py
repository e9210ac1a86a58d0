"""The values that templates read: plain dataclasses, no computing."""
