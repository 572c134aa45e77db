"""From a finished table to a sealed model, below `<home>/artifacts/tables/<name>/`, and its page.

The folder is written whole and replaces the last one of that name; the page lies with the others in
`<home>/reports/`. Nothing goes to the tracking server, where versions answer for the bank's own three
models.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from features.errors import InputError
from features.home import Home, write_whole_folder
from features.settings import Settings
from training.artifact import save_model
from training.datasets import TrainingSet
from training.evaluate import Evaluation, evaluate
from training.fit import Fitted, fit
from training.gates import Verdict, judge
from training.leaks import Warned, warnings
from training.pages.page import model_page, page_path, write_page
from training.slices import judged, slices_of
from training.specs import CHURN, SPECS, ModelSpec
from training.split import Split, latest_rows
from training.tables.table import Columns, Table, read_table
from training.tune import Budget, Tuned, tune
from training.versions.sealed import json_bytes

__all__ = ["Request", "TableResult", "train_table"]

Tell = Callable[[str], None]

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_DIGITS = 12


@dataclass(frozen=True)
class Request:
    """What a data scientist hands over.

    horizon_days
        How long after a row's time its label was decided; rows whose outcome was not known when the
        test begins are not learned from. 0: at once.
    signs
        Feature -> 1 (more of it never lowers the answer) or -1 (never raises it).
    budget
        How much to tune; None: not at all.
    """

    path: Path
    columns: Columns
    name: str
    horizon_days: int = 0
    signs: Mapping[str, int] | None = None
    budget: Budget | None = None


@dataclass(frozen=True)
class TableResult:
    """A finished model of a table.

    page
        Its page, such as `<home>/reports/leads-3f2a91bc01d4.html`, by the first digits of its hash.
    sha256
        Hash of the artifact, which `training.artifact.load_model` asks for.
    left_out
        Columns that say nothing, name -> why.
    """

    name: str
    folder: Path
    page: Path
    sha256: str
    rows: Mapping[str, int]
    metrics: Mapping[str, float]
    verdict: Verdict
    warned: tuple[Warned, ...]
    left_out: Mapping[str, str]
    tuned: Tuned | None


def train_table(
    home: Home, request: Request, *, now: datetime, settings: Settings, seed: int, tell: Tell
) -> TableResult:
    """Read, check, split by time, tune if asked, fit, calibrate, measure, judge, and write the bundle.

    The test is the latest fifth of the rows, whole moments together; of the ids a fifth is held out to
    calibrate. A model that the gates refuse is written all the same, and its report says why.

    Raises
    ------
    InputError
        If the name, the columns or the values break the contract (`training.tables.table.read_table`).
    RefusedError
        If there is one time only, or too few positives to learn from or to test on.
    """
    spec = _spec(request)
    table = read_table(request.path, request.columns, now=now, settings=settings, tell=tell)
    examples = table.examples
    signs = _signs(request, examples)
    split = latest_rows(examples.frame, spec)
    threads, tuned = settings.threads, None
    if request.budget is not None:
        tuned = tune(
            *(spec, examples, split),
            budget=request.budget,
            seed=seed,
            threads=threads,
            tell=tell,
            signs=signs,
        )
        spec = replace(spec, params=tuned.params)
    fitted = fit(spec, examples, split, currency="", threads=threads, seed=seed, tell=tell, signs=signs)
    tell(f"{spec.name}: evaluating on the latest rows")
    evaluation = evaluate(fitted.model, examples, split)
    warned = warnings(fitted.model, examples, split, evaluation, spec, threads)
    for warning in warned:
        tell(f"{warning.kind}: {warning.text}")
    parts = slices_of(fitted.model, evaluation, examples, split)
    verdict = judge(spec, evaluation.metrics, None, slices=judged(parts))
    page = model_page(
        *(fitted.model, examples, split, evaluation, parts),
        title=f"{spec.name}: will {spec.definition} happen?",
        verdict=verdict,
        notes=_notes(table, split, warned, tuned),
    )
    return _written(home, spec, table, split, fitted, evaluation, page, verdict, warned, tuned)


def _spec(request: Request) -> ModelSpec:
    if not _NAME.fullmatch(request.name) or request.name in SPECS:
        raise InputError(
            f"'{request.name}' cannot name a table's model; cure: small letters, digits, _ and -, at most "
            f"64, and none of {', '.join(SPECS)}"
        )
    if request.horizon_days < 0:
        raise InputError(f"a horizon of {request.horizon_days} days; cure: 0 or more")
    about: dict[str, Any] = {"name": request.name, "definition": request.columns.label}
    return replace(CHURN, **about, horizon_days=request.horizon_days, gap_days=0)


def _signs(request: Request, examples: TrainingSet) -> Mapping[str, int]:
    signs = request.signs or {}
    unknown = sorted(set(signs) - {field.name for field in examples.fields})
    if unknown:
        raise InputError(f"{request.path}: no feature {unknown[:5]} to rise or fall; cure: name a feature")
    return signs


def _written(
    home: Home,
    spec: ModelSpec,
    table: Table,
    split: Split,
    fitted: Fitted,
    evaluation: Evaluation,
    page: str,
    verdict: Verdict,
    warned: tuple[Warned, ...],
    tuned: Tuned | None,
) -> TableResult:
    folder = home.artifacts / "tables" / spec.name
    rows = {"train": len(split.train), "calibrate": len(split.calibrate), "test": len(split.test)}
    with write_whole_folder(folder) as part:
        sha256 = save_model(part / "model", fitted.model)
        (metrics,) = evaluation.metrics.values()
        where = page_path(home, spec.name, sha256[:_DIGITS])
        result = TableResult(
            spec.name, folder, where, sha256, rows, metrics, verdict, warned, table.left_out, tuned
        )
        (part / "report.json").write_bytes(json_bytes(_facts(result, fitted, spec)))
    write_page(home, spec.name, sha256[:_DIGITS], page)
    return result


def _facts(result: TableResult, fitted: Fitted, spec: ModelSpec) -> dict[str, Any]:
    return {
        "name": result.name,
        "label": spec.definition,
        "horizon_days": spec.horizon_days,
        "artifact_sha256": result.sha256,
        "training": dict(fitted.model.training),
        "rows": dict(result.rows),
        "metrics": dict(result.metrics),
        "promote": result.verdict.promote,
        "reasons": list(result.verdict.reasons),
        "warnings": [asdict(warning) for warning in result.warned],
        "left_out": dict(result.left_out),
        "tuned": None if result.tuned is None else asdict(result.tuned),
    }


def _notes(
    table: Table, split: Split, warned: tuple[Warned, ...], tuned: Tuned | None
) -> dict[str, list[str]]:
    """What the page says beside the figures: heading -> lines."""
    train, calibrate, test = (len(rows) for rows in (split.train, split.calibrate, split.test))
    made = [
        f"Learned from {train:,} rows, calibrated on {calibrate:,} of other ids, tested on {test:,} later."
    ]
    if tuned is not None:
        made.append(
            f"Tuned over {tuned.trials} parameter sets: loss {tuned.loss:.4f} of the base rate's on later "
            f"training rows, {tuned.loss_before:.4f} before."
        )
    return {
        "How it was made": made,
        "Warnings": [warning.text for warning in warned] or ["None."],
        "Columns left out": [f"{name}: {why}" for name, why in table.left_out.items()] or ["None."],
    }
