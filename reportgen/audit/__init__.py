"""Judgements on what was measured: limits that must hold, files that must not have changed."""
