"""One page of figures a head: what the test showed, for the run's record."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from training.artifact import Matrix, Model
from training.evaluate import Evaluation, HeadResult

__all__ = ["draw"]

_POINTS = 400
_GROUPS = 10
_DRIVERS = 12


def draw(evaluation: Evaluation, model: Model, folder: Path) -> tuple[Path, ...]:
    """Write `<head>.png` for every evaluated head into an existing folder.

    Four panels: ranking, calibration, tenths of the test by score, and drivers (the share of
    the trees' total gain; empty for a sum of heads). The same results give the same bytes.
    """
    return tuple(_page(result, model, folder / f"{result.name}.png") for result in evaluation.heads)


def _page(result: HeadResult, model: Model, path: Path) -> Path:
    figure = Figure(figsize=(11, 8), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    figure.suptitle(f"{model.name} · {model.definition} · {result.name}, out-of-time test")
    ranking, calibration, tenths, drivers = figure.subplots(2, 2).flat
    (_roc_and_pr if result.kind == "probability" else _lorenz)(ranking, result)
    _calibration(calibration, result)
    _tenths(tenths, result)
    _drivers(drivers, result, model)
    canvas.print_png(path, metadata={"Software": None})
    return path


def _roc_and_pr(axes: Axes, result: HeadResult) -> None:
    hits = result.actual[np.argsort(-result.predicted, kind="stable")]
    found, missed = np.cumsum(hits), np.cumsum(1 - hits)
    shown = np.unique(np.linspace(0, len(hits) - 1, _POINTS).astype(int))
    recall = found / max(found[-1], 1)
    axes.plot(
        (missed / max(missed[-1], 1))[shown], recall[shown], label=f"ROC, AUC {_of(result, 'auc', '.3f')}"
    )
    axes.plot(
        recall[shown],
        (found / (found + missed))[shown],
        label=f"precision, AP {_of(result, 'pr_auc', '.3f')}",
    )
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    axes.set(title="Ranking", xlabel="false positive rate; recall", ylabel="recall; precision")
    axes.legend()


def _lorenz(axes: Axes, result: HeadResult) -> None:
    x = np.linspace(0, 1, len(result.actual))
    shown = np.unique(np.linspace(0, len(x) - 1, _POINTS).astype(int))
    for label, order in (("model", -result.predicted), ("perfect", -result.actual)):
        gained = np.cumsum(result.actual[np.argsort(order, kind="stable")])
        axes.plot(x[shown], gained[shown], label=label)
    axes.set(title=f"Gains, normalised Gini {_of(result, 'gini', '.3f')}")
    axes.set(xlabel="share of customers, best first", ylabel="amount brought")
    axes.legend()


def _groups(result: HeadResult) -> tuple[Matrix, Matrix]:
    """Mean prediction and mean outcome of each tenth of the rows, lowest first."""
    parts = np.array_split(np.argsort(result.predicted, kind="stable"), _GROUPS)
    parts = [part for part in parts if len(part)]
    predicted = np.array([result.predicted[part].mean() for part in parts])
    return predicted, np.array([result.actual[part].mean() for part in parts])


def _calibration(axes: Axes, result: HeadResult) -> None:
    predicted, actual = _groups(result)
    axes.plot(predicted, actual, marker="o")
    ends = [min(predicted.min(), actual.min()), max(predicted.max(), actual.max())]
    axes.plot(ends, ends, color="grey", linewidth=0.8)
    axes.set(title=f"Calibration, slope {_of(result, 'calibration_slope', '.2f')}")
    axes.set(xlabel="predicted", ylabel="happened")


def _tenths(axes: Axes, result: HeadResult) -> None:
    _, actual = _groups(result)
    axes.bar(np.arange(1, len(actual) + 1), actual[::-1])
    axes.axhline(float(result.actual.mean()), color="grey", linewidth=0.8)
    axes.set(
        title="Outcome by tenth of the test", xlabel="tenth, highest score first", ylabel="mean outcome"
    )


def _drivers(axes: Axes, result: HeadResult, model: Model) -> None:
    heads = [head for head in model.heads if head.name == result.name]
    if not heads:
        axes.set_axis_off()
        return
    gain = heads[0].booster.feature_importance("gain")
    top = np.argsort(-gain, kind="stable")[:_DRIVERS][::-1]
    share = gain[top] / (gain.sum() or 1.0)
    axes.barh([model.features[i].name for i in top], share)
    axes.set(title="Drivers", xlabel="share of total gain")


def _of(result: HeadResult, name: str, form: str) -> str:
    number = result.metrics.get(name)
    return "not defined" if number is None else format(number, form)
