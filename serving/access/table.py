"""Who may ask for what: the one table. What is not in it is refused, for every role."""

from serving.api.problems import Problem

__all__ = ["ANYONE", "ROLES", "TABLE", "Asked", "check_allowed", "is_open", "roles_of"]

Asked = tuple[str, str]
"""A method and a path."""

CRM, MARKETER, ANALYST, ADMIN = ROLES = ("crm", "marketer", "analyst", "admin")
"""A call-centre system, a marketer's page, a data scientist, an operator."""

ANYONE = frozenset({"anyone"})
"""Without a key: probes, and descriptions of the service that hold nothing of a customer."""

TABLE: dict[Asked, frozenset[str]] = {
    ("GET", "/"): ANYONE,
    ("GET", "/docs"): ANYONE,
    ("GET", "/openapi.json"): ANYONE,
    ("GET", "/healthz"): ANYONE,
    ("GET", "/readyz"): ANYONE,
    ("POST", "/v1/profile"): frozenset({CRM, ADMIN}),
    ("POST", "/v1/scores"): frozenset({CRM, ANALYST, ADMIN}),
    ("POST", "/v1/offers"): frozenset({CRM, ADMIN}),
    ("POST", "/v1/outcomes"): frozenset({CRM, MARKETER, ADMIN}),
    ("POST", "/v1/events"): frozenset({CRM, ADMIN}),
    ("POST", "/v1/lists/preview"): frozenset({MARKETER, ADMIN}),
    ("POST", "/v1/lists"): frozenset({MARKETER, ADMIN}),
    ("GET", "/v1/models"): frozenset(ROLES),
    ("GET", "/metrics"): frozenset({ANALYST, ADMIN}),
}


def is_open(method: str, path: str) -> bool:
    """Whether anybody may ask, without a key."""
    return TABLE.get((method, path)) is ANYONE


def check_allowed(method: str, path: str, role: str) -> None:
    """Refuse what the table does not give to a role.

    Raises
    ------
    Problem
        403 if other roles may; 405 if the path has no such method; 404 if it is not in the table.
    """
    roles = TABLE.get((method, path))
    if roles is None:
        known = any(path == each for _, each in TABLE)
        raise Problem(405 if known else 404, "see /docs for what there is")
    if role not in roles:
        raise Problem(403, "the role of this key may not ask for this; see /docs")


def roles_of(method: str, path: str) -> str:
    """The roles of one row in words, as /docs shows them.

    >>> roles_of("POST", "/v1/offers")
    'crm, admin'
    """
    roles = TABLE.get((method, path), frozenset())
    return ", ".join(role for role in (*ROLES, *ANYONE) if role in roles)
