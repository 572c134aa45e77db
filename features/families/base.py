"""What a feature is: a Field with its meaning, and a Window where it is an aggregate over time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from features.months import months_before

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.history.cut import Cut

__all__ = ["DType", "Expression", "Family", "Field", "Slice", "Window"]

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


@dataclass(frozen=True)
class Slice:
    """Which rows a window looks at: allowed words by column, and the sign of the amount."""

    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sign: Literal["", "+", "-"] = ""


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


Expression = Callable[["Cut", "ir.Table"], "ir.Table"]
"""f(history cut at as_of, spine) -> table keyed by customer_id with the family's other fields."""


@dataclass(frozen=True)
class Family:
    """One feature view: windows declared as data, and the rest as Ibis expressions.

    derived
        Fields computed from the family's own columns, name -> expression over that table.
    """

    name: str
    meaning: str
    windows: tuple[Window, ...] = ()
    expressed: tuple[Field, ...] = ()
    expression: Expression | None = None
    derived: tuple[tuple[Field, Callable[["ir.Table"], "ir.Value"]], ...] = ()

    @property
    def fields(self) -> tuple[Field, ...]:
        """Every field of the view, windows first."""
        return (*(w.field for w in self.windows), *self.expressed, *(f for f, _ in self.derived))
