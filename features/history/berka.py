"""Map the Berka bank (PKDD'99 Discovery Challenge, Czech, 1993 to 1997) onto the history contract.

What the source does not say is not invented: no income, occupation, contact or closure. Consent is
assumed of everybody, so that the benchmark can score the whole bank. About a quarter of the
bookings are missing from the source, so balances are to be trusted, not sums.
"""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import duckdb
import pyarrow as pa

from features.errors import InputError, first_five
from features.history.engine import engine, literal
from features.history.running import order_within_days
from features.history.tables import write_table

__all__ = ["berka_catalogue", "map_berka"]

_SOURCES = ("account", "card", "client", "disp", "district", "loan", "order_with_dates", "trans")

_MEANING = (
    # type, operation, k_symbol, sign, category, channel
    ("PRIJEM", "", "UROK", 1, "interest", "auto"),
    ("PRIJEM", "VKLAD", "", 1, "cash_in", "branch"),
    ("PRIJEM", "PREVOD Z UCTU", "", 1, "transfer_in", "auto"),
    ("PRIJEM", "PREVOD Z UCTU", "DUCHOD", 1, "pension", "auto"),
    ("VYDAJ", "VYBER", "", -1, "cash_out", "branch"),
    ("VYBER", "VYBER", "", -1, "cash_out", "branch"),
    ("VYDAJ", "VYBER", "SLUZBY", -1, "fee", "auto"),
    ("VYDAJ", "VYBER", "SANKC. UROK", -1, "penalty", "auto"),
    ("VYDAJ", "VYBER", "SIPO", -1, "household", "branch"),
    ("VYDAJ", "VYBER", "POJISTNE", -1, "insurance", "branch"),
    ("VYDAJ", "VYBER KARTOU", "", -1, "card", "atm"),
    ("VYDAJ", "PREVOD NA UCET", "", -1, "standing_order", "auto"),
    ("VYDAJ", "PREVOD NA UCET", "SIPO", -1, "household", "auto"),
    ("VYDAJ", "PREVOD NA UCET", "POJISTNE", -1, "insurance", "auto"),
    ("VYDAJ", "PREVOD NA UCET", "UVER", -1, "loan_payment", "auto"),
)
"""What each kind of booking of the source means; amounts there carry no sign.

Every outgoing transfer (PREVOD NA UCET) is the execution of a standing order of the source.
"""

_OPENINGS = (
    "SELECT client_id, min(date) AS joined FROM disp JOIN account USING (account_id) GROUP BY client_id"
)

_CUSTOMERS = f"""
SELECT 'C' || client_id AS customer_id, 'person' AS kind, birth_date,
       CASE gender WHEN 'F' THEN 'female' WHEN 'M' THEN 'male' END AS gender,
       NULL::VARCHAR AS occupation, NULL::VARCHAR AS education, district.A3 AS region,
       NULL::BIGINT AS income, joined::TIMESTAMPTZ AS joined_at, NULL::VARCHAR AS household_id,
       NULL::VARCHAR AS manager_id, NULL::VARCHAR AS preferred_channel,
       true AS consent_marketing, true AS consent_profiling,
       joined::TIMESTAMPTZ AS valid_from, joined::TIMESTAMPTZ AS known_at
FROM client JOIN ({_OPENINGS}) USING (client_id) LEFT JOIN district ON district.A1 = client.district_id
ORDER BY client_id
"""

_HOLDINGS = """
WITH owner AS (SELECT account_id, client_id FROM disp WHERE type = 'OWNER'),
contracts AS (
  SELECT 'A' || account_id AS holding_id, client_id, 'current_account' AS product,
         CASE type WHEN 'OWNER' THEN 'owner' ELSE 'co_owner' END AS role,
         date AS opened, NULL::DATE AS closed
  FROM disp JOIN account USING (account_id)
  UNION ALL
  SELECT 'K' || card_id, client_id, 'card', 'owner', issued, NULL FROM card JOIN disp USING (disp_id)
  UNION ALL
  SELECT 'L' || loan_id, client_id, 'loan', 'owner', date, CAST(date + to_months(duration::INT) AS DATE)
  FROM loan JOIN owner USING (account_id)
  UNION ALL
  SELECT 'O' || order_id, client_id, 'standing_order', 'owner', first_exec, last_exec
  FROM order_with_dates JOIN owner USING (account_id)
),
versions AS (
  SELECT *, false AS ended FROM contracts
  UNION ALL
  SELECT *, true FROM contracts WHERE closed <= (SELECT max(date) FROM trans)
)
SELECT holding_id, 'C' || client_id AS customer_id, product, role, opened::TIMESTAMPTZ AS opened_at,
       CASE WHEN ended THEN closed::TIMESTAMPTZ END AS closed_at,
       CASE WHEN ended THEN 'matured' END AS close_reason,
       CASE WHEN ended THEN closed ELSE opened END::TIMESTAMPTZ AS known_at
FROM versions ORDER BY customer_id, opened_at, holding_id, known_at
"""

_BOOKINGS = """
SELECT trans_id, account_id, date, m.type IS NOT NULL AS understood, category, channel,
       CAST(round(amount * 100) AS BIGINT) * m.sign AS cents,
       CAST(round(balance * 100) AS BIGINT) AS balance_after,
       CASE WHEN account > 0 THEN coalesce(bank, '') || account END AS counterparty
FROM trans t LEFT JOIN meaning m ON t.type = m.type
 AND coalesce(trim(t.operation), '') = m.operation AND coalesce(trim(t.k_symbol), '') = m.k_symbol
ORDER BY account_id, date, trans_id
"""

_TRANSACTIONS = """
SELECT 'T' || trans_id AS transaction_id, 'C' || client_id AS customer_id, 'A' || account_id AS holding_id,
       date::TIMESTAMPTZ + to_seconds(position) AS "at", cents AS amount, 'CZK' AS currency,
       category, channel, counterparty, balance_after, date::TIMESTAMPTZ + to_seconds(position) AS known_at
FROM bookings JOIN positions USING (trans_id)
JOIN disp USING (account_id) WHERE disp.type = 'OWNER'
ORDER BY customer_id, "at", transaction_id
"""


def berka_catalogue() -> bytes:
    """The catalogue of this bank, in Czech crowns."""
    return files("features.history").joinpath("berka.toml").read_bytes()


def map_berka(source: Path, out: Path, tell: Callable[[str], None]) -> None:
    """Write the tables customers, holdings and transactions of the contract into `out`.

    The customer is the client. A booking belongs to the account's owner, so that it counts once; the
    co-owner (disponent) holds the account alone, from its opening. Loans end with their term, orders
    with their last execution; each end is a second version, known on its day. Bookings carry a date:
    within a day they follow the running balance, one second apart.

    Parameters
    ----------
    source
        Folder with the source's tables as parquet.
    tell
        Called with a line of progress.

    Raises
    ------
    InputError
        If a table is missing, or a booking is of a kind that the mapping does not know.
    """
    out.mkdir(parents=True, exist_ok=True)
    with engine(2, "2GB", near=out) as (connection, _):
        for name in _SOURCES:
            path = source / f"{name}.parquet"
            if not path.is_file():
                raise InputError(f"{path}: the table is missing; cure: name the folder of the Berka tables")
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({literal(path)})")
        for name, select in (("customers", _CUSTOMERS), ("holdings", _HOLDINGS)):
            tell(f"mapping {name}")
            write_table(out, name, connection.execute(select).to_arrow_table())
        tell("mapping transactions")
        _read_bookings(connection)
        write_table(out, "transactions", connection.execute(_TRANSACTIONS).to_arrow_table())


def _read_bookings(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `bookings`, with sign and meaning, and `positions`, the order within each day."""
    rows = ", ".join(f"({', '.join(map(literal, row))})" for row in _MEANING)
    names = "type, operation, k_symbol, sign, category, channel"
    signed = f"SELECT * REPLACE (CAST(sign AS INT) AS sign) FROM (VALUES {rows}) m({names})"
    connection.execute(f"CREATE VIEW meaning AS {signed}; CREATE TABLE bookings AS {_BOOKINGS}")
    strange = connection.execute("SELECT trans_id FROM bookings WHERE NOT understood ORDER BY 1").fetchall()
    if strange:
        ids = first_five(row[0] for row in strange)
        raise InputError(
            f"trans.parquet: type, operation and k_symbol of a kind that is not known: {ids}; "
            "cure: use the tables as they were published"
        )
    columns = connection.execute(
        "SELECT trans_id, account_id::BIGINT AS account_id, date - DATE '1970-01-01' AS day, "
        "cents, balance_after "
        "FROM bookings ORDER BY account_id, date, trans_id"
    ).fetchnumpy()
    position = order_within_days(
        columns["account_id"], columns["day"], columns["cents"], columns["balance_after"]
    )
    positions = pa.table({"trans_id": columns["trans_id"], "position": position})
    connection.register("positions", positions)
