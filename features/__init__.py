"""What we know: history in, features out, honest in time."""

__version__ = "0.1.0"
"""Of Tenure; said here, so that a bento knows it too, in which nothing is installed."""
