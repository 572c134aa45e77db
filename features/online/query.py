"""The query of every feature, compiled once: the same SQL as a build's, with the moment left open.

Compiling the declarations takes a second, running them for one customer some hundredths. So they are
compiled at two known moments: where the two texts differ there stands something that hangs on the moment,
and is put in anew each time. The text is planned anew too: DuckDB plans by what its tables hold just then,
and a plan that is kept is wrong when they hold something else.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import ibis
import pyarrow as pa

from features.compute import feature_table, spine_of
from features.engines.base import snapshot_select
from features.families import all_families
from features.families.base import Family
from features.history.contract import TABLES
from features.history.cut import cut_history
from features.history.tables import ARROW, arrow_schema, derived
from features.months import months_before
from features.vocabulary import AS_OF, CUSTOMER_ID, Catalogue

__all__ = ["ASKED", "Query", "feature_query"]

ASKED = "wanted"
"""The table that names the customers whose features are wanted."""

_ONE, _OTHER = (
    datetime(2023, 3, 1, 5, 3, 7, tzinfo=UTC),
    datetime(2024, 2, 29, 6, 7, 5, tzinfo=UTC),
)
"""Two moments that differ in all that the SQL may hold of a moment; `_names` checks it."""

_TOKEN = re.compile(r"""MAKE_TIMESTAMPTZ\([^()]*\)|'(?:[^']|'')*'|"[^"]*"|\w+(?:\.\d+)?|\s+|.""", re.DOTALL)
_DERIVED = {"known_until": ARROW["timestamp"]}

Fact = datetime | int


@dataclass(frozen=True)
class Query:
    """SQL over customers, holdings, transactions, interactions and `ASKED`.

    parts, names
        What always stands there, and between two parts each the name of what hangs on the moment.
    months
        Distances in calendar months that the families look back.
    """

    parts: tuple[str, ...]
    names: tuple[str, ...]
    months: tuple[int, ...]

    def at(self, moment: datetime) -> str:
        """The SQL at a moment.

        >>> Query(("SELECT ", ""), ("epoch",), ()).at(datetime(1970, 1, 2, tzinfo=UTC))
        'SELECT 86400'
        """
        facts = _facts(moment, self.months)
        filled = zip(self.parts, (*(_literal(facts[name]) for name in self.names), ""), strict=True)
        return "".join(part + fact for part, fact in filled)


_QUERIES: dict[str, Query] = {}
"""By the version of the catalogue, whose products the families stand on."""


def feature_query(catalogue: Catalogue) -> Query:
    """The query of a catalogue's families: the columns of a snapshot; compiled once a process."""
    if catalogue.version not in _QUERIES:
        families = all_families(catalogue)
        months = {w.months for family in families for w in family.windows}
        months |= {level.months for family in families for level in family.levels}
        _QUERIES[catalogue.version] = _opened(families, tuple(sorted(months - {0})))
    return _QUERIES[catalogue.version]


def _opened(families: tuple[Family, ...], months: tuple[int, ...]) -> Query:
    """The text of both moments, open wherever they differ."""
    known = _names(months)
    one, other = (_TOKEN.findall(_compiled(families, moment)) for moment in (_ONE, _OTHER))
    parts, names = [""], []
    for here, there in zip(one, other, strict=True):
        if here == there:
            parts[-1] += here
        else:
            names.append(known[_fact(here), _fact(there)])
            parts.append("")
    return Query(tuple(parts), tuple(names), months)


def _names(months: tuple[int, ...]) -> dict[tuple[Fact, Fact], str]:
    """What something is called that has one value at one moment and another at the other."""
    one, other = _facts(_ONE, months), _facts(_OTHER, months)
    names = {(one[name], other[name]): name for name in one}
    if len(names) < len(one) or any(here == there for here, there in names):
        raise ValueError(f"{months} calendar months: the two moments do not tell them apart; change one")
    return names


def _facts(moment: datetime, months: tuple[int, ...]) -> dict[str, Fact]:
    """All that the declarations take from a moment."""
    facts: dict[str, Fact] = {"as_of": moment, "epoch": int(moment.timestamp())}
    facts |= {"year": moment.year, "month": moment.month, "day": moment.day}
    for number in months:
        before = months_before(moment, number)
        facts[f"before_{number}m"] = before
        facts[f"age_{number}m"] = int((moment - before).total_seconds())
    return facts


def _fact(token: str) -> Fact:
    """What a token of the SQL says."""
    if token.isdigit():
        return int(token)
    *whole, seconds = token.removeprefix("MAKE_TIMESTAMPTZ(").removesuffix(", 'UTC')").split(", ")
    year, month, day, hour, minute = map(int, whole)
    return datetime(year, month, day, hour, minute, tzinfo=UTC) + timedelta(seconds=float(seconds))


def _literal(fact: Fact) -> str:
    return str(fact) if isinstance(fact, int) else f"TIMESTAMPTZ '{fact.isoformat()}'"


def _compiled(families: tuple[Family, ...], moment: datetime) -> str:
    backend = ibis.duckdb.connect()
    for table in TABLES:
        schema = arrow_schema(table)
        for name in derived(table):
            schema = schema.append(pa.field(name, _DERIVED.get(name, pa.int64())))
        backend.con.register(table.name, schema.empty_table())
    backend.con.register(ASKED, pa.table({CUSTOMER_ID: pa.array([], pa.string())}))
    cut = cut_history(backend, moment)
    # Cut to those asked for last: a household's sums run over the whole spine.
    found = feature_table(cut, spine_of(cut), families)
    asked = backend.compile(found.semi_join(backend.table(ASKED), CUSTOMER_ID))
    return snapshot_select(asked, families, AS_OF)
