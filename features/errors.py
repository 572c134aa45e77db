"""Every error that Tenure raises on purpose.

    TenureError                 exit  HTTP
    ├── InputError                 2   422   what was handed over breaks a contract
    ├── ConfigError                2   500   a TOML file or a setting is wrong
    ├── NotReadyError              3   503   an earlier step has not run yet, or a part is down
    │   └── FullError              3   507   no room to keep what was handed over
    ├── RefusedError               4   409   asked for what cannot honestly be given
    └── CorruptError               5   503   stored state fails its own hash

A message says what is wrong, where, and the cure, and names the first five offending ids; it
never carries any other value of a customer.
"""

from collections.abc import Iterable

__all__ = [
    "ConfigError",
    "CorruptError",
    "FullError",
    "InputError",
    "NotReadyError",
    "RefusedError",
    "TenureError",
    "first_five",
]


class TenureError(Exception):
    """The root; `exit_code` is the process's, `http_status` the service's."""

    exit_code = 1
    http_status = 500


class InputError(TenureError):
    """What was handed over breaks a contract; nothing was written."""

    exit_code = 2
    http_status = 422


class ConfigError(TenureError):
    """A TOML file or a setting is wrong."""

    exit_code = 2
    http_status = 500


class NotReadyError(TenureError):
    """A step that this one stands on has not run yet, or a part that it needs is down."""

    exit_code = 3
    http_status = 503


class FullError(NotReadyError):
    """There is no room to keep what was handed over; nothing was written."""

    http_status = 507


class RefusedError(TenureError):
    """Asked for what cannot honestly be given."""

    exit_code = 4
    http_status = 409


class CorruptError(TenureError):
    """Stored state does not match its recorded hash."""

    exit_code = 5
    http_status = 503


def first_five(ids: Iterable[object]) -> str:
    """Name the first five of some ids, and say how many there are.

    >>> first_five(["a", "b"])
    'a, b'
    >>> first_five(range(8))
    '0, 1, 2, 3, 4 (8 in all)'
    """
    listed = [str(i) for i in ids]
    shown = ", ".join(listed[:5])
    return shown if len(listed) <= 5 else f"{shown} ({len(listed)} in all)"
