"""Where the microseconds of one decision go: the same calls as the service makes, timed one by one.

python -m benchmarks.live_stages HOME
"""

import gc
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from features.home import Home
from features.selling.expressions import SCORES
from serving.api.deciding import offers_text
from serving.api.decisions import OffersRequest
from serving.columns import ruled
from serving.deciding.adviser import Adviser, adviser_of
from serving.deciding.decide import decide, weigh
from serving.deciding.effects import effects_of
from serving.live import load_live
from serving.log.decisions import Decision
from serving.log.writer import Writer
from serving.scoring import ABSTAIN
from serving.steps import run

TIMES = 300


def stages(home: Home, ids: Sequence[str]) -> str:
    """A table of medians in microseconds, CPU time of one thread but for the last row."""
    with tempfile.TemporaryDirectory(dir=home.path) as folder:
        writer = Writer(Path(folder) / "decisions.db")
        adviser = adviser_of(load_live(home), home, "stages", writer.append)
        asked = [i for i in ids[: 2 * TIMES] if adviser.live.look([i]).answers[i].status != ABSTAIN][:TIMES]
        gc.collect()
        gc.freeze()
        found = {name: median(call, asked, time.thread_time) for name, call in parts(adviser).items()}
        made = {one.customer_id: one.decision for one in adviser.answer(asked, name="stages")}
        elapsed: dict[str, Callable[[str], object]] = {
            "one decision to disk, nothing else (elapsed)": lambda i: written(made[i], writer),
            "answer as text, the disk's part included (elapsed)": whole(adviser, "w"),
        }
        found |= {name: median(call, asked, time.perf_counter) for name, call in elapsed.items()}
        cold = median(whole(adviser, "c"), asked, time.perf_counter, idle=0.01)
        found["the same after ten idle milliseconds, memory cold (elapsed)"] = cold
        writer.close()
    rows = [f"| {name} | {us:.0f} |" for name, us in found.items()]
    return "\n".join(["| stage of one decision | µs |", "| --- | --- |", *rows])


def parts(adviser: Adviser) -> dict[str, Callable[[str], object]]:
    live, scorer = adviser.live, adviser.live.scorer
    kept: dict[str, Any] = {}

    def remembered(name: str, call: Callable[[str], Any]) -> Callable[[str], Any]:
        def made(customer_id: str) -> Any:
            kept[name, customer_id] = call(customer_id)
            return kept[name, customer_id]

        return made

    def of(customer_id: str) -> Any:
        return kept["look", customer_id].of([0])

    def weighed(customer_id: str) -> Any:
        columns, table = of(customer_id)
        rules = ruled(columns, {name: table[:, scorer.places[name]] for name in SCORES})
        return weigh(rules, kept["effects", customer_id], scorer.catalogue, adviser.policy)

    def decided(customer_id: str) -> Any:
        free = np.zeros(len(scorer.catalogue.options))
        words = {"salt": adviser.salt, "occasion": "stages"}
        return decide([customer_id], kept["weigh", customer_id], free, adviser.policy, **words)

    return {
        "read the features": lambda i: live.read([i]),
        "read them, all models": remembered("look", lambda i: live.look([i])),
        "effects of every option": remembered("effects", lambda i: effects_of(scorer, of(i)[1])),
        "policy and values": remembered("weigh", weighed),
        "arm, exploration, choice": decided,
        "reasons for leaving": lambda i: scorer.because(of(i)[0], "churn", "churn"),
        "answer as text, everything above and the log included": whole(adviser, "t"),
    }


def written(made: Decision | None, writer: Writer) -> object:
    return made and writer.append([replace(made, decision_id=f"d-{time.perf_counter_ns()}")]).result()


def whole(adviser: Adviser, mark: str) -> Callable[[str], object]:
    def call(customer_id: str) -> object:
        asked = OffersRequest(customer_ids=[customer_id], limit=1, reasons=True)
        name = f"{mark}-{time.perf_counter_ns()}"
        return run(offers_text(adviser, name, asked, lambda *_: None))  # told to nobody

    return call


def median(
    call: Callable[[str], object], ids: Sequence[str], clock: Callable[[], float], idle: float = 0.0
) -> float:
    times = []
    for customer_id in ids:
        if idle:
            time.sleep(idle)
        start = clock()
        call(customer_id)
        times.append(clock() - start)
    return float(np.median(times) * 1e6)


if __name__ == "__main__":
    from benchmarks.live_services import bank

    sys.stdout.write(stages(Home(Path(sys.argv[1])), bank(Home(Path(sys.argv[1])), 0)) + "\n")
