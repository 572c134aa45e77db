"""What rows of a well-formed table must keep: SQL predicates that are true where a rule is broken."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from features.history.contract import Column, Table
from features.history.engine import literal, word_list
from features.history.tables import SQL
from features.vocabulary import Catalogue

__all__ = ["Rule", "plausible", "reference_rules", "row_rules"]

_FIRST, _AFTER = "1500-01-01", "2200-01-01"
"""No date of a living bank lies outside; what does is a typing error or a missing-value code."""


@dataclass(frozen=True)
class Rule:
    """One rule of one column; `broken` is SQL over the table's columns.

    `needs` names the other table that the rule looks into.
    """

    column: str
    name: str
    broken: str
    cure: str
    needs: str = ""


def row_rules(
    table: Table, catalogue: Catalogue, currencies: Sequence[str], now: datetime | None
) -> tuple[Rule, ...]:
    """Rules that each row keeps or breaks by itself.

    Parameters
    ----------
    currencies
        Codes that can be converted: the reporting currency and those with a rate; empty if unknown.
    now
        The moment of the import, after which nothing can be known; None for a simulated bank.
    """
    rules = [rule for column in table.columns for rule in _column_rules(column)]
    if any(column.name == "product" for column in table.columns):
        broken = f"product NOT IN {word_list(tuple(catalogue.products))}"
        cure = f"add the product to catalogue.toml, or use one of: {', '.join(catalogue.products)}"
        rules.append(Rule("product", "unknown_product", broken, cure))
    if table.name == "transactions" and currencies:
        broken = f"currency NOT IN {word_list(currencies)}"
        cure = f"add its rates to {catalogue.currency} to the table 'rates'; known: {', '.join(currencies)}"
        rules.append(Rule("currency", "unknown_currency", broken, cure))
    if table.ends:
        cure = f"set '{table.ends}' to the true end, not before '{table.starts}', or leave it empty"
        rules.append(Rule(table.ends, "end_before_start", f'"{table.ends}" < "{table.starts}"', cure))
    if now is not None:
        cure = f"write when the bank learned it, before {now:%Y-%m-%d %H:%M} UTC; is the offset right?"
        broken = f"known_at > TIMESTAMPTZ {literal(now.isoformat())}"
        rules.append(Rule("known_at", "in_future", broken, cure))
    return tuple(rules)


def reference_rules(table: Table, catalogue: Catalogue) -> tuple[Rule, ...]:
    """Rules that look into other tables.

    The SQL calls the table itself `source`, and the whole clean history of another one `all_<table>`.
    """
    rules = []
    if table.name in ("holdings", "transactions", "interactions"):
        broken = "NOT EXISTS (SELECT 1 FROM all_customers c WHERE c.customer_id = source.customer_id)"
        cure = "add these customers to 'customers', or leave the rows out"
        rules.append(Rule("customer_id", "orphan", broken, cure, "customers"))
    if table.name == "transactions":
        broken = (
            "NOT EXISTS (SELECT 1 FROM all_holdings h "
            "WHERE h.holding_id = source.holding_id AND h.customer_id = source.customer_id)"
        )
        cure = "add the holding of this customer to 'holdings', or book on one that is there"
        rules.append(Rule("holding_id", "orphan", broken, cure, "holdings"))
        first = (
            "(SELECT min(greatest(r.date, r.known_at)) FROM all_rates r WHERE r.currency = source.currency)"
        )
        broken = f'currency <> {literal(catalogue.currency)} AND "at" < {first}'
        cure = "add the earlier rates to 'rates', with the day on which each was known"
        rules.append(Rule("currency", "no_rate_yet", broken, cure, "rates"))
        rules.append(_convertible(table, catalogue))
    return tuple(rules)


def _convertible(table: Table, catalogue: Catalogue) -> Rule:
    """Converted, an amount must stay within the bounds of one in the reporting currency."""
    most = table.column("amount").high
    largest = "greatest(abs(amount::DOUBLE), abs(coalesce(balance_after, 0)::DOUBLE))"
    rate = "(SELECT max(r.rate) FROM all_rates r WHERE r.currency = source.currency)"
    broken = f"currency <> {literal(catalogue.currency)} AND {largest} * {rate} > {most}"
    cure = f"write cents of the row's currency; in {catalogue.currency} they may not pass {most:g}"
    return Rule("amount", "out_of_range", broken, cure, "rates")


def plausible(column: Column) -> str:
    """SQL that is true where a timestamp or date may be one of a bank."""
    kind = SQL[column.type]
    return f'"{column.name}" >= {kind} {literal(_FIRST)} AND "{column.name}" < {kind} {literal(_AFTER)}'


def _column_rules(column: Column) -> Iterator[Rule]:
    name = f'"{column.name}"'
    if not column.nullable:
        empty = f"({name} IS NULL OR {name} = '')" if column.type == "string" else f"{name} IS NULL"
        yield Rule(column.name, "empty", empty, f"fill it: {column.meaning}")
    if column.allowed:
        cure = f"use one of: {', '.join(column.allowed)}"
        yield Rule(column.name, "not_allowed", f"{name} NOT IN {word_list(column.allowed)}", cure)
    if column.type in ("timestamp", "date"):
        cure = f"write a date from {_FIRST} to before {_AFTER}" + (
            ", or leave it empty" if column.nullable else ""
        )
        yield Rule(column.name, "out_of_range", f"NOT ({plausible(column)})", cure)
    limits = [f"{name} < {column.low}"] if column.low is not None else []
    limits += [f"{name} > {column.high}"] if column.high is not None else []
    limits += [f"NOT isfinite({name})"] if column.type == "float64" else []
    if limits:
        low = "-" if column.low is None else f"{column.low:g}"
        high = "without upper bound" if column.high is None else f"to {column.high:g}"
        cure = f"write values from {low} {high}" + (f" ({column.unit})" if column.unit else "")
        yield Rule(column.name, "out_of_range", " OR ".join(limits), cure)
