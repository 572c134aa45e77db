"""The quality page: what a check found, with pictures, for somebody who looks after the bank's data."""

from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup

from features.history.profile import months_without_rows
from features.history.quality import RULES, Profile, QualityReport, TableQuality
from features.history.wording import some
from features.home import write_whole
from features.pages.bars import lying_bars, upright_bars
from features.pages.colours import BLUE, GREY, RED
from features.pages.render import render

__all__ = ["quality_page", "write_quality_page"]

_LATE_WORDS = {
    "earlier": "before it happened",
    "at once": "at once",
    "an hour": "within an hour",
    "a day": "within a day",
    "a week": "within a week",
    "a month": "within a month",
    "later": "later",
}
_MOST_TICKS = 10


def write_quality_page(report: QualityReport, path: Path, title: str) -> None:
    """Write the page of a report, whole."""
    with write_whole(path) as part:
        part.write_text(quality_page(report, title), encoding="utf-8")


def quality_page(report: QualityReport, title: str) -> str:
    """The page of a report as HTML: counts, shares and months, and never a customer's value.

    Ids of rows that break a rule are left to the console: a page is passed around.
    """
    tables = [
        {
            "quality": table,
            "pictures": _pictures(table),
            "gaps": some(table.gaps),
            "reasons": {RULES[rule]: count for rule, count in table.reasons.items()},
        }
        for table in report.tables
    ]
    faults = [
        (fault.file, fault.column, RULES[fault.rule], fault.count, fault.cure) for fault in report.faults
    ]
    problems = [(one.file, one.column, RULES[one.rule], one.cure) for one in report.problems]
    return render(
        "quality.html.j2",
        title=title,
        report=report,
        tables=tables,
        faults=faults,
        problems=problems,
        phrases=RULES,
        set_aside=sum(table.quarantined for table in report.tables),
        rows=sum(table.rows for table in report.tables),
    )


def _pictures(table: TableQuality) -> list[tuple[Markup, str, str]]:
    """Each picture of a table: the picture, what it shows, and how to read it."""
    found = table.profile
    drawn = []
    if found.months:
        drawn.append((_months(table), "Rows by month", "The number is that of the fullest month."))
    if empty := {name: count / table.rows for name, count in table.nulls.items() if count and table.rows}:
        texts = [f"{share:.1%}" for share in empty.values()]
        shares = lying_bars(empty, texts, "share of empty values by column", most=1.0, colour=GREY)
        drawn.append((shares, "Share of empty values", "Columns that are always filled are left out."))
    if found.late:
        counts = {label: found.late.get(word, 0) for word, label in _LATE_WORDS.items()}
        caption = "How long after it happened the bank learned of it; a late row counts only from then on."
        drawn.append((_counted(counts, "rows by lateness"), "When rows were known", caption))
    if any(found.amounts.values()):
        caption = "Bookings by size, each bar ten times the one before, in units of their own currency."
        drawn.append((_amounts(found), "Amounts", caption))
    for name, words in found.words.items():
        if len(words) > 1:
            title = f"Rows by {name.replace('_', ' ')}"
            drawn.append((_counted(words, title), title, "Words of the contract's closed list."))
    if table.reasons:
        reasons = {RULES[rule]: count for rule, count in table.reasons.items()}
        picture = _counted(reasons, "quarantined rows by reason", RED)
        drawn.append((picture, "Quarantined rows by reason", "A row with two reasons counts for both."))
    return drawn


def _months(table: TableQuality) -> Markup:
    months = table.profile.months
    # Also the months that need no rows, so that equal steps are equal times.
    every = sorted({*months, *months_without_rows(table.profile)})
    step = max(1, -(-len(every) // _MOST_TICKS))
    labels = {nth: every[nth].replace("-", "\n") for nth in range(0, len(every), step)}
    return upright_bars({"rows": [months.get(month, 0) for month in every]}, labels, "rows by month")


def _amounts(found: Profile) -> Markup:
    """Bars by power of ten; the profile's sizes are quarters of one, in cents."""
    tens: dict[str, dict[int, int]] = {}
    for sign, sizes in found.amounts.items():
        tens[sign] = {}
        for size, rows in sizes.items():
            tens[sign][size // 4 - 2] = tens[sign].get(size // 4 - 2, 0) + rows
    powers = [power for sizes in tens.values() for power in sizes]
    every = range(min(powers), max(powers) + 1)
    series = {f"money {sign}": [sizes.get(power, 0) for power in every] for sign, sizes in tens.items()}
    labels = {nth: f"from\n{_short(power)}" for nth, power in enumerate(every)}
    return upright_bars(series, labels, "bookings by size of the amount", (BLUE, GREY))


def _short(power: int) -> str:
    """A power of ten in few letters.

    >>> [_short(power) for power in (-2, 0, 3, 7)]
    ['0.01', '1', '1k', '10M']
    """
    if power < 0:
        return f"{10.0**power:g}"
    thousands, rest = divmod(power, 3)
    return f"{10**rest}{('', 'k', 'M', 'bn', 'tn')[thousands]}" if thousands < 5 else f"1e{power}"


def _counted(counts: Mapping[str, int], says: str, colour: str = BLUE) -> Markup:
    return lying_bars(counts, [f"{count:,}" for count in counts.values()], says, colour=colour)
