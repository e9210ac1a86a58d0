"""The command line: what a user types, and what stands on the terminal."""

from reportgen.cli.commands import main

__all__ = ["main"]
