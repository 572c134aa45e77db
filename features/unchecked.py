"""Feast, imported without its run-time checks of argument types: it is there three times as soon.

Feast has `typeguard` write these checks into its functions anew in every process, from their source, which
takes seconds. Import this before Feast.
"""

from unittest.mock import patch

__all__: list[str] = []

with patch("typeguard.typechecked", lambda target: target):
    import feast  # noqa: F401 - imported for those who import it after us
