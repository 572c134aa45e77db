"""The command line `tenure`: thin verbs over the three packages."""

from serving.cli.main import main

__all__ = ["main"]
