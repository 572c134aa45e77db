"""Where rows lie: a file of the home, or a database on a server."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["Address", "Where"]


@dataclass(frozen=True)
class Address:
    """The URL of a server; as text it is shown without user, password and options.

    >>> print(Address("postgresql://ada:secret@db:5432/tenure?sslmode=require"))
    postgresql://db:5432/tenure
    """

    url: str = field(repr=False)

    def __str__(self) -> str:
        found = urlsplit(self.url)
        return f"{found.scheme}://{found.netloc.rpartition('@')[2]}{found.path}"


Where = Path | Address
"""A file below the home, or an address."""
