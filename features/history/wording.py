"""A quality report as text for a console."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from features.history.quality import QualityReport, TableQuality

__all__ = ["report_text", "some"]

_HEAD = ("quarantined", "duplicates", "orphans", "out of range", "other", "gaps")
_SHOWN = ("duplicate", "orphan", "out_of_range")


def report_text(report: "QualityReport") -> str:
    """A line a table, then what is empty or missing, then what is odd, set aside or refused.

    `other` counts the rows that break any further rule, `gaps` the months without rows.
    """
    lines = [f"{'table':<13} {'rows':>12}  {'first':<10}  {'last':<10}  {'  '.join(_HEAD)}"]
    lines += [_numbers(table) for table in report.tables]
    lines += [line for table in report.tables for line in _remarks(table)]
    lines += [f"WARNING {concern.to_text()}" for concern in report.concerns]
    over = {table.file for table in report.over}
    lines += [f"QUARANTINE {fault.to_text()}" for fault in report.faults if fault.file not in over]
    refusal = report.refusal()
    lines += [f"PROBLEM {line}" for line in refusal]
    lines.append(_verdict(report, len(refusal)))
    return "\n".join(lines)


def some(months: tuple[str, ...]) -> str:
    """The first twelve months, and how many there are.

    >>> some(("2024-01", "2024-02"))
    '2024-01, 2024-02'
    """
    return ", ".join(months[:12]) + (f" ({len(months)} in all)" if len(months) > 12 else "")


def _numbers(table: "TableQuality") -> str:
    first, last = (f"{day:%Y-%m-%d}" if day else "-" for day in (table.first, table.last))
    shown = [table.reasons.get(rule, 0) for rule in _SHOWN]
    other = sum(count for rule, count in table.reasons.items() if rule not in _SHOWN)
    numbers = (table.quarantined, *shown, other, len(table.gaps))
    cells = "  ".join(f"{n:>{len(name)},}" for n, name in zip(numbers, _HEAD, strict=True))
    return f"{table.name:<13} {table.rows:>12,}  {first:<10}  {last:<10}  {cells}"


def _remarks(table: "TableQuality") -> list[str]:
    lines = []
    empty = {column: n for column, n in table.nulls.items() if n and table.rows}
    if empty:
        shares = ", ".join(f"{column} {n / table.rows:.0%}" for column, n in empty.items())
        lines.append(f"{table.name}: empty: {shares}")
    if table.gaps:
        lines.append(f"{table.name}: months without rows: {some(table.gaps)}")
    if table.ignored:
        lines.append(f"{table.name}: columns ignored: {', '.join(table.ignored)}")
    return lines


def _verdict(report: "QualityReport", problems: int) -> str:
    if problems:
        return f"{problems} problems; nothing may be imported"
    set_aside = sum(table.quarantined for table in report.tables)
    return f"ok; {set_aside:,} rows to quarantine" if set_aside else "ok"
