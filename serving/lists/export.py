"""A target list as a file: a CSV that a spreadsheet may open safely, and its manifest."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from features.home import write_whole, write_whole_json

__all__ = ["COLUMNS", "ListManifest", "ListRow", "safe_cell", "to_csv", "write_list"]

COLUMNS = (
    *("list_id", "rank", "customer_id", "arm", "offer", "product", "channel", "probability"),
    *("expected_value", "currency", "reason_1", "reason_2", "reason_3", "tier", "segment"),
    *("manager_id", "as_of", "uplift", "terms"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")
"""What a spreadsheet may take for the start of a formula, full-width signs too."""


@dataclass(frozen=True)
class ListRow:
    """One customer of a list, with at most three `reasons`.

    probability, uplift
        P(what the offer is for | contacted), and by how much the contact changes it; None if not known.
    expected_value
        What the contact changes, after costs, in major units of `currency`.
    terms
        The personal price that the offer grants, and why; "" for none.
    """

    list_id: str
    rank: int
    customer_id: str
    arm: str
    offer: str
    product: str
    channel: str
    probability: float | None
    expected_value: float
    currency: str
    reasons: tuple[str, ...]
    tier: str
    segment: str
    manager_id: str
    as_of: str
    uplift: float | None
    terms: str

    def cells(self) -> tuple[str, ...]:
        """The row in the order of `COLUMNS`."""
        reasons = (*self.reasons, "", "", "")[:3]
        return (
            safe_cell(self.list_id),
            str(self.rank),
            safe_cell(self.customer_id),
            self.arm,
            safe_cell(self.offer),
            safe_cell(self.product),
            self.channel,
            _share(self.probability),
            f"{self.expected_value:.2f}",
            self.currency,
            *(safe_cell(reason) for reason in reasons),
            safe_cell(self.tier),
            safe_cell(self.segment),
            safe_cell(self.manager_id),
            self.as_of,
            _share(self.uplift),
            safe_cell(self.terms),
        )


@dataclass(frozen=True)
class ListManifest:
    """How a list came about; `expected_value` is the target group's, in major units of `currency`.

    `removed` and `not_selected` are those of `serving.lists.selection`, small counts folded; `prices` is
    the plan whose prices counted, "" for none.
    """

    list_id: str
    product: str
    offer: str
    size: int
    rows: int
    target: int
    control: int
    control_share: float
    considered: int
    removed: Mapping[str, int]
    not_selected: int
    expected_value: float
    currency: str
    as_of: str
    feature_generation: str
    models: Mapping[str, str]
    catalogue: str
    policy: str
    prices: str
    purpose: str
    pulled_by: str
    pulled_at: str
    sha256: str

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def safe_cell(text: str) -> str:
    """Text that a spreadsheet takes for text, never for a formula (OWASP, CSV injection).

    >>> safe_cell("=1+1"), safe_cell("C000123")
    ("'=1+1", 'C000123')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.6f}"


def to_csv(rows: Sequence[ListRow]) -> bytes:
    """The list as UTF-8, with a header line and RFC 4180 line ends."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(row.cells() for row in rows)
    return text.getvalue().encode()


def write_list(path: Path, content: bytes, manifest: Mapping[str, Any]) -> None:
    """Write a list whole, and `<name>.manifest.json` beside it."""
    with write_whole(path) as part:
        part.write_bytes(content)
    write_whole_json(path.with_name(f"{path.name}.manifest.json"), manifest)
