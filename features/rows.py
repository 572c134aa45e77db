"""Customers' rows of every view as numbers, decoded straight from the packed bytes.

Values as Python's own are unpacked only where somebody asks for them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from features.online.packed import Codec

__all__ = ["BITMAP", "EVENT", "INT", "WORD", "Layout", "Rows"]

EVENT, BITMAP = 8, 24
"""Where the moment and the null bitmap begin in a packed row."""

INT, FLOAT, WORD = 0, 1, 2
_KINDS = {"int64": INT, "float64": FLOAT, "string": WORD}
_WIDTHS = {"int64": 8, "float64": 8, "string": 4}


class Layout:
    """Where the fields of some views are in their packed rows, and among all fields.

    Parameters
    ----------
    beside
        Names that stand behind the fields, for numbers that are no features, such as scores.
    """

    def __init__(self, codecs: "Sequence[Codec]", beside: Sequence[str] = ()) -> None:
        self.codecs = tuple(codecs)
        names = [(view, name) for view, codec in enumerate(codecs) for name in codec.names]
        self.view = {name: view for view, name in names}
        self.place = {name: at for at, name in enumerate([*(name for _, name in names), *beside])}
        fields = [field for view, codec in enumerate(codecs) for field in _fields(view, codec)]
        self._words = 0
        for field in fields:
            field.append(self._words)
            self._words += field[3] == WORD
        self._fields = np.array(fields, dtype=np.int64).reshape(-1, 5)
        self._spans = np.cumsum([0, *(len(codec.names) for codec in codecs)], dtype=np.int64)
        self._heads = np.array([codec.head for codec in codecs], dtype=np.int64)
        self._places: dict[tuple[str, ...], NDArray[np.intp]] = {}

    def places(self, names: tuple[str, ...]) -> NDArray[np.intp]:
        """Where some names are among all; KeyError for one that is not there."""
        found = self._places.get(names)
        if found is None:
            found = self._places[names] = np.array([self.place[name] for name in names], dtype=np.intp)
        return found

    def span(self, view: int) -> tuple[int, int]:
        """Where the fields of one view begin and end."""
        return int(self._spans[view]), int(self._spans[view + 1])

    def nth_word(self, name: str) -> int:
        """Which word a field of words is, of those of a row."""
        return int(self._fields[self.place[name], 4])

    def rows(self, packed: Sequence[Sequence[bytes | None]]) -> "Rows":
        """Customers' rows from the packed ones of each view; one of another schema counts as missing.

        Raises
        ------
        CorruptError
            If a packed row is not as long as its header says.
        """
        # Imported here: who only knows of rows needs no compiler.
        from features.decode import decode

        n, views = len(packed), len(self.codecs)
        numbers = np.full((n, len(self.place)), np.nan)
        spans, events = np.zeros((n, self._words, 2), np.int64), np.empty((n, views), np.int64)
        kept, words = list[list[bytes | None]](), list[list[str]]()
        for at, one in enumerate(packed):
            sound: list[bytes | None] = [
                row if row is not None and row[:8] == codec.hash else None
                for row, codec in zip(one, self.codecs, strict=True)
            ]
            kept.append(sound)
            data = b"".join([row for row in sound if row])
            sizes = np.array([len(row) if row else 0 for row in sound], dtype=np.int64)
            torn = decode(
                *(np.frombuffer(data, np.uint8), sizes, self._spans, self._heads, self._fields),
                *(numbers[at], spans[at], events[at]),
            )
            if torn >= 0:
                raise self.codecs[torn].torn()
            words.append([data[begin:end].decode() for begin, end in spans[at].tolist()])
        return Rows(self, kept, numbers, words, events)


class Rows(Mapping[str, list[Any]]):
    """Some customers, as columns.

    numbers
        Every field, (n, fields): NaN where it is null or missing; of words no more than whether they are.
    events
        When each view's row was taken, in microseconds since 1970; 0 where there is none; (n, views).
    """

    def __init__(
        self,
        layout: Layout,
        packed: list[list[bytes | None]],
        numbers: NDArray[np.float64],
        words: list[list[str]],
        events: NDArray[np.int64],
    ) -> None:
        self.layout, self.numbers, self.events = layout, numbers, events
        self._packed, self._words = packed, words
        self._unpacked: dict[tuple[int, int], list[Any]] = {}

    @property
    def count(self) -> int:
        """How many customers."""
        return len(self._words)

    def picked(self, names: tuple[str, ...]) -> NDArray[np.float64]:
        """Some fields as numbers, (n, names); KeyError for one that is not there."""
        found: NDArray[np.float64] = self.numbers[:, self.layout.places(names)]
        return found

    def words(self, name: str) -> list[str | None]:
        """A field of words, None where it is null or missing."""
        nth, there = self.layout.nth_word(name), self.numbers[:, self.layout.place[name]].tolist()
        return [
            words[nth] if known == known else None for words, known in zip(self._words, there, strict=True)
        ]

    def forget(self, row: int, view: int) -> None:
        """Take one customer's values of a view for missing."""
        self._packed[row][view] = None
        begin, end = self.layout.span(view)
        self.numbers[row, begin:end] = np.nan

    def put(self, row: int, name: str, value: int) -> None:
        """Say otherwise of one customer's field."""
        self.numbers[row, self.layout.place[name]] = value
        view = self.layout.view[name]
        told = [*self._of_view(row, view)]
        told[self.layout.place[name] - self.layout.span(view)[0]] = value
        self._unpacked[row, view] = told

    def beside(self, numbers: Mapping[str, NDArray[np.float64]]) -> "Rows":
        """The same with numbers that are no features, at the places that the layout has for them."""
        told = self.numbers.copy()
        for name, column in numbers.items():
            told[:, self.layout.place[name]] = column
        return Rows(self.layout, self._packed, told, self._words, self.events)

    def some(self, rows: Sequence[int]) -> "Rows":
        """Some of the customers, in the given order."""
        packed, words = [self._packed[row] for row in rows], [self._words[row] for row in rows]
        found = Rows(self.layout, packed, self.numbers[rows], words, self.events[rows])
        if self._unpacked:
            found._unpacked = {
                (at, view): self._unpacked[row, view]
                for at, row in enumerate(rows)
                for view in range(len(self.layout.codecs))
                if (row, view) in self._unpacked
            }
        return found

    def __getitem__(self, name: str) -> list[Any]:
        view = self.layout.view.get(name)
        if view is None:
            found: list[Any] = self.numbers[:, self.layout.place[name]].tolist()
            return found
        return [self.cell(name, row) for row in range(self.count)]

    def cell(self, name: str, row: int) -> Any:
        """One customer's value of a field."""
        view = self.layout.view[name]
        return self._of_view(row, view)[self.layout.place[name] - self.layout.span(view)[0]]

    def _of_view(self, row: int, view: int) -> list[Any]:
        if (row, view) not in self._unpacked:
            packed, codec = self._packed[row][view], self.layout.codecs[view]
            self._unpacked[row, view] = (packed and codec.unpack(packed)) or [None] * len(codec.names)
        return self._unpacked[row, view]

    def __iter__(self) -> Iterator[str]:
        return iter(self.layout.view)

    def __len__(self) -> int:
        return len(self.layout.view)

    def __contains__(self, name: object) -> bool:
        return name in self.layout.place


def _fields(view: int, codec: "Codec") -> Iterator[list[int]]:
    """View, place in its packed row, bit of the null bitmap, and kind of each field."""
    at = BITMAP + (len(codec.names) + 7) // 8
    for bit, (_, dtype) in enumerate(codec.view.fields):
        yield [view, at, bit, _KINDS[dtype]]
        at += _WIDTHS[dtype]
