"""How everybody's relation stood when the window closed, by which every definition begins.

Only what customers decide is churn: whom the bank put out or the heirs closed, and whose contracts
merely ran out, get no label.
"""

import ibis
import ibis.expr.types as ir

from features.compute import join_customers, spine_of
from features.history.cut import seconds
from features.history.levels import LOAN
from features.labels.outcome import MONTH_DAYS, Outcome
from features.vocabulary import CUSTOMER_ID

__all__ = [
    "BANK",
    "GONE",
    "MATURED",
    "STANDING",
    "UNKNOWN",
    "UNSTATED",
    "ended",
    "month_of",
    "standing",
    "taken_away",
]

GONE = "gone before the window"
BANK = "ended by the bank"
MATURED = "ended at its term"
UNSTATED = "ended for no stated reason"
UNKNOWN = "too little is known"
STANDING = (GONE, BANK, MATURED, UNSTATED, UNKNOWN)
"""Why any definition gives no label: the relation was over, or ended by no will of the customer."""


def standing(outcome: Outcome) -> ir.Table:
    """Everybody who was a customer at as_of.

    Returns
    -------
    table
        customer_id; left, whether the customer ended everything by their own will inside the
        window; month of the window in which the last holding ended, null unless left; excluded,
        why there is no label, else null.
    """
    end = outcome.at(outcome.closes)
    table = join_customers(
        spine_of(outcome.before()), spine_of(outcome.at(outcome.opens)).mutate(opened=True)
    )
    table = join_customers(table, spine_of(end).mutate(stayed=True))
    table = join_customers(table, ended(end.holdings, outcome, (CUSTOMER_ID,)))
    here, stayed = table.opened.fill_null(False), table.stayed.fill_null(False)
    left = here & ~stayed & table.own_will.fill_null(False)
    nowhere = ibis.null("string")
    why = ibis.cases((~here, GONE), (stayed | left, nowhere), else_=table.reason.fill_null(UNSTATED))
    month = left.ifelse(month_of(table.ended_at, outcome), ibis.null("int64"))
    return table.select(CUSTOMER_ID, left=left, month=month, excluded=why)


def ended(holdings: ir.Table, outcome: Outcome, by: tuple[str, ...]) -> ir.Table:
    """What ended inside the window, of a cut at the window's end.

    Returns
    -------
    table
        `by`; own_will, whether the customer ended something and the bank nothing; reason, by whom
        it ended otherwise; ended_at, when the last holding ended.
    """
    inside = holdings.filter(holdings.closed_at >= ibis.literal(outcome.opens))
    told = {
        word: (inside.close_reason == word).fill_null(False).any()
        for word in ("customer", "bank", "matured")
    }
    table = inside.group_by(list(by)).aggregate(**told, ended_at=inside.closed_at.max())
    reason = ibis.cases((table.bank, BANK), (table.matured, MATURED), else_=UNSTATED)
    return table.select(*by, own_will=table.customer & ~table.bank, reason=reason, ended_at=table.ended_at)


def taken_away(outcome: Outcome, *, deposits: bool) -> ir.Table:
    """Who lost a holding to the bank or at its term between as_of and the window's end.

    Parameters
    ----------
    deposits
        Whether only holdings count that carry money of the customer.

    Returns
    -------
    table
        customer_id, one row each, and reason: BANK or MATURED.
    """
    end = outcome.at(outcome.closes)
    lost = end.holdings.filter(
        end.holdings.closed_at >= ibis.literal(outcome.as_of),
        end.holdings.close_reason.isin(["bank", "matured"]),
    )
    if deposits:
        carrying = end.transactions.filter(end.transactions.balance_reporting.notnull())
        lost = lost.filter(lost["product"] != LOAN).semi_join(carrying, "holding_id")
    table = lost.group_by(CUSTOMER_ID).aggregate(bank=(lost.close_reason == "bank").any())
    return table.select(CUSTOMER_ID, reason=table.bank.ifelse(BANK, MATURED))


def month_of(at: ir.Value, outcome: Outcome) -> ir.Value:
    """The month of the window that a moment inside it falls into, from 1; exact integer arithmetic."""
    return (seconds(at) - int(outcome.opens.timestamp())) // (MONTH_DAYS * 86_400) + 1
