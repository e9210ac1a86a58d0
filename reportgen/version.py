"""The version and the distribution, in one place: package, evidence's key, report and remedies name them."""

__version__ = "0.1.0"
DISTRIBUTION = "reportgen-audit"  # the index's `reportgen` is another project's: no message may name that
WHEEL = f"{DISTRIBUTION.replace('-', '_')}-{__version__}-py3-none-any.whl"


def with_extra(extra: str) -> str:
    """How an installation gets an extra: from a checkout or the wheel, by no name that an index resolves."""
    return f'in a checkout make setup, else pip install "{WHEEL}[{extra}]"'
