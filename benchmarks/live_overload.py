"""Three times as many requests as can be answered: how many still are, how soon, and what others get.

`python -m benchmarks.live_overload --size small|full`; the bank is that of `benchmarks.live`.
"""

from benchmarks.live import CUSTOMERS, LOAD_CORE, SECONDS, SERVICE_CORE, asked_for
from benchmarks.live_load import ask
from benchmarks.live_services import bank, decisions, plan
from benchmarks.table import write_table
from features.home import Home

TIMES = (1, 2, 3)
CONNECTIONS = 256
"""Of the load; those who find none free wait, and their latency counts from when they were due."""


def overload(home: Home, ids: list[str], seconds: float) -> tuple[list[list[object]], str]:
    """A row for each multiple of the most that is answered, and what the last one keeps of the peak."""
    with decisions(home, SERVICE_CORE) as (_, ports, calls):
        ask(LOAD_CORE, ports, plan(calls, ids, 200))
        most = ask(LOAD_CORE, ports, plan(calls, ids, int(seconds * 400))).rate
        rows, goodput = [], []
        for times in TIMES:
            told = plan(calls, ids, int(seconds * times * most), times * most, CONNECTIONS)
            found = ask(LOAD_CORE, ports, told)
            goodput.append(found.rate)
            cells = (f"{found.rate:,.0f}", f"{found.p50:.1f}", f"{found.p99:.1f}")
            rows.append(
                [f"{times}x: {times * most:,.0f}", *cells, f"{found.refused:,}", f"{found.failed:,}"]
            )
    kept = goodput[-1] / max(most, *goodput)
    return rows, f"At {TIMES[-1]} times the load {kept:.0%} of the highest rate is still answered."


def main() -> None:
    size, home = asked_for(__doc__)
    rows, note = overload(home, bank(home, CUSTOMERS[size]), SECONDS[size])
    head = ["requests/s sent", "answered/s", "p50 ms", "p99 ms", "503 with Retry-After", "other"]
    write_table("live-overload", size, head, rows, f"{note} Open-loop, exponential gaps, one core a side.")


if __name__ == "__main__":
    main()
