"""What a feature is: a Field with its meaning, and a Window where it is an aggregate over time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from features.months import months_before

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.history.cut import Cut

__all__ = ["DType", "Expression", "Family", "Field", "Level", "Shared", "Slice", "Window"]

DType = Literal["int64", "float64", "string"]
NullPolicy = Literal["zero", "null"]


@dataclass(frozen=True)
class Field:
    """One column of a feature view.

    null
        `zero`: a customer without events has 0; `null`: absence is absence and stays null.
    use
        `model` fields feed models; `decision` fields only policies and lists.
    protected
        Never named as a reason. Gender is kept from the models altogether (`use="decision"`).
    label
        The words by which a reason names the feature.
    words
        Everything that a string may be, where that is a closed list; only then pages show its words.
    """

    name: str
    dtype: DType
    unit: str
    meaning: str
    label: str
    data_class: Literal["C1", "C2"] = "C1"
    null: NullPolicy = "zero"
    use: Literal["model", "decision"] = "model"
    protected: bool = False
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Slice:
    """Which rows a window looks at: allowed words by column, the sign of the amount, hours in UTC.

    hours
        From the first hour, included, to the second, excluded; (0, 24) is the whole day.
    """

    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sign: Literal["", "+", "-"] = ""
    hours: tuple[int, int] = (0, 24)


@dataclass(frozen=True)
class Window:
    """A window aggregate as data, over the `days` or the calendar `months` before as_of.

    table
        A relation of the cut history: transactions, interactions, touches.
    measure
        `count` rows, `sum`, `mean` or `largest` of `column`, or `recency`: whole days from the
        latest row to as_of.
    """

    field: Field
    table: str
    measure: Literal["count", "sum", "mean", "largest", "recency"]
    days: int = 0
    column: str = ""
    slice: Slice = Slice()
    months: int = 0

    def since(self, as_of: datetime) -> datetime:
        """Start of the window, included; its end is as_of, excluded."""
        return months_before(as_of, self.months) if self.months else as_of - timedelta(days=self.days)


@dataclass(frozen=True)
class Level:
    """The customer's balance, `months` calendar months before as_of, as data.

    The sum over the customer's holdings of the last balance booked before that moment and known at
    as_of; null before the first booking. Loans count where `owed` is set, and there alone.
    """

    field: Field
    months: int
    owed: bool = False


@dataclass(frozen=True)
class Shared:
    """A sum over the customers of the spine that share an id, as data.

    by
        Column with the id (household, manager); whoever has none is alone.
    value
        What each customer adds: an expression over the table of every window, level and expressed
        field; whole numbers, null adds nothing.
    """

    field: Field
    by: str
    value: Callable[["ir.Table"], "ir.Value"]


Expression = Callable[["Cut", "ir.Table"], "ir.Table"]
"""f(history cut at as_of, spine) -> table keyed by customer_id with the family's other fields."""


@dataclass(frozen=True)
class Family:
    """One feature view: windows and levels declared as data, and the rest as Ibis expressions.

    reads
        Relations of the history that the expression looks at; freshness is theirs.
    derived
        Fields computed from other columns of the same customer: an expression over the table of
        every window, level, expressed and shared field of all families, and of what families before
        this one derived.
    ttl_days
        Online, values older than this are stale and count as missing.
    """

    name: str
    meaning: str
    windows: tuple[Window, ...] = ()
    levels: tuple[Level, ...] = ()
    expressed: tuple[Field, ...] = ()
    expression: Expression | None = None
    shared: tuple[Shared, ...] = ()
    derived: tuple[tuple[Field, Callable[["ir.Table"], "ir.Value"]], ...] = ()
    ttl_days: int = 35
    reads: tuple[str, ...] = ()

    @property
    def relations(self) -> tuple[str, ...]:
        """The tables of the contract that the family's own columns come from; none if all are derived."""
        levels = ("transactions",) if self.levels else ()
        named = dict.fromkeys((*self.reads, *(w.table for w in self.windows), *levels))
        touches = ("transactions", "interactions")
        return tuple(dict.fromkeys(t for n in named for t in (touches if n == "touches" else (n,))))

    @property
    def fields(self) -> tuple[Field, ...]:
        """Every field of the view, windows first."""
        return (*self.base_fields, *(s.field for s in self.shared), *(f for f, _ in self.derived))

    @property
    def base_fields(self) -> tuple[Field, ...]:
        """The fields that come from history itself, not from other fields."""
        aggregated = (*(w.field for w in self.windows), *(level.field for level in self.levels))
        return (*aggregated, *self.expressed)
