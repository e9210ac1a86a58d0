"""A finished report as a run of an experiment tracker: its files, numbers and verdict."""
