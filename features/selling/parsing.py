"""Read conditions as a marketer writes them: `kind == "person" and 26 <= age_years < 45`.

The language is the part of Python's that compares features with numbers and words, and joins
comparisons by `and`, `or`, `not`. A text is parsed and checked against the declared features, never
run. Money is written in major units.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from features.errors import ConfigError
from features.selling.entries import did_you_mean
from features.selling.expressions import EVERYBODY, Comparison, Expression, Joined, Not, Term

__all__ = ["parse_expression"]

_LONGEST = 500
_EXAMPLE = 'cure: such as kind == "person" and age_years >= 18'
_CONSTANTS = "compares one feature with a number or a word, nothing else"
_OPERATORS: Mapping[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.In: "in",
    ast.NotIn: "not in",
}
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def parse_expression(text: str, terms: Mapping[str, Term], where: str) -> Expression:
    """Check a text against the terms that it may name; the empty text is true of everybody.

    Raises
    ------
    ConfigError
        Naming `where` (file and key), cause and cure.
    """
    if not text.strip():
        return EVERYBODY
    if len(text) > _LONGEST:
        raise ConfigError(f"{where}: longer than {_LONGEST} characters; cure: say it shorter")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{where}: '{text}' is no expression; {_EXAMPLE}") from error
    return Expression(text.strip(), _node(tree, terms, where))


def _node(node: ast.expr, terms: Mapping[str, Term], where: str) -> Comparison | Not | Joined:
    if isinstance(node, ast.BoolOp):
        parts = tuple(_node(part, terms, where) for part in node.values)
        return Joined(isinstance(node.op, ast.And), parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return Not(_node(node.operand, terms, where))
    here = f"{where}: '{ast.unparse(node)}'"
    if not isinstance(node, ast.Compare):
        raise ConfigError(f"{here} is no comparison; only comparisons, and, or, not; {_EXAMPLE}")
    try:
        pairs = list(_pairs(node))
    except _NotSimpleError as error:
        raise ConfigError(f"{here}: {error}; {_EXAMPLE}") from error
    links = tuple(_comparison(name, sign, value, terms, here) for name, sign, value in pairs)
    return links[0] if len(links) == 1 else Joined(True, links)


def _comparison(name: str, sign: str, value: Any, terms: Mapping[str, Term], where: str) -> Comparison:
    if name not in terms:
        allowed = [n for n, term in terms.items() if not term.refused]
        raise ConfigError(f"{where}: unknown feature '{name}'; cure: {did_you_mean(name, allowed)}")
    term = terms[name]
    if term.refused:
        raise ConfigError(f"{where}: {name} is {term.refused}; cure: leave it out")
    for one in value if isinstance(value, tuple) else (value,):
        if isinstance(one, str) != term.text:
            kind, cure = ("a text", 'a word in "quotes"') if term.text else ("a number", "a number")
            raise ConfigError(f"{where}: {name} is {kind}; cure: compare it with {cure}")
        if term.words and one not in term.words:
            raise ConfigError(f"{where}: {name} is never '{one}'; cure: {did_you_mean(one, term.words)}")
    if term.text:
        if sign not in ("==", "!=", "in", "not in"):
            raise ConfigError(f"{where}: {name} is a text; cure: compare it by ==, != or in")
        return Comparison(term, sign, value)
    # Rounded, for 0.29 in major units is 29 cents, not 28.999999999999996.
    stored = [round(v * term.scale, 6) for v in (value if isinstance(value, tuple) else (value,))]
    return Comparison(term, sign, tuple(stored) if isinstance(value, tuple) else stored[0])


class _NotSimpleError(ValueError):
    """A comparison of other things than one feature with constants."""


def _pairs(node: ast.Compare) -> Iterator[tuple[str, str, Any]]:
    """(name, operator, constant) of each link of a chain; a constant on the left is turned round."""
    sides = [node.left, *node.comparators]
    for left, op, right in zip(sides, node.ops, sides[1:], strict=False):
        if type(op) not in _OPERATORS:
            raise _NotSimpleError("compares by <, <=, >, >=, ==, !=, in and not in only")
        sign = _OPERATORS[type(op)]
        if isinstance(left, ast.Name) and not isinstance(right, ast.Name):
            yield left.id, sign, _several(right) if sign in ("in", "not in") else _one(right)
        elif isinstance(right, ast.Name) and not isinstance(left, ast.Name) and sign in _FLIPPED:
            yield right.id, _FLIPPED[sign], _one(left)
        else:
            raise _NotSimpleError(_CONSTANTS)


def _several(node: ast.expr) -> tuple[Any, ...]:
    if not isinstance(node, ast.Tuple | ast.List) or not node.elts:
        raise _NotSimpleError('after "in" stands a list such as ["north", "south"]')
    return tuple(_one(part) for part in node.elts)


def _one(node: ast.expr) -> Any:
    """A word or a number."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _one(node.operand)
        if not isinstance(value, str):
            return -value
    if isinstance(node, ast.Constant):
        value = node.value
        number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
        if number or isinstance(value, str):
            return value
    raise _NotSimpleError(_CONSTANTS)
