"""The version, in one place: the package, the evidence's key and the report name it."""

__version__ = "0.1.0"
