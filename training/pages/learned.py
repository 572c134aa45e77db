"""The pages of what contacts change and of what new holdings earn: tables, a curve, and the gates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from features.pages.colours import GREY
from features.pages.render import render
from training.artifact import Model
from training.estimate import Estimate
from training.evaluate import Evaluation
from training.gates import Verdict
from training.pages.lines import Axis, Curve, line_chart, percent
from training.uplift.model import UpliftFit

__all__ = ["margin_page", "uplift_page"]


@dataclass(frozen=True)
class _Section:
    heading: str
    says: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    picture: Markup | None = None


def uplift_page(fit: UpliftFit, verdict: Verdict) -> str:
    """What contacts change: by tenths of the promise, by product and channel, and what a contact costs."""
    model = fit.uplift.model
    return render(
        "learned.html.j2",
        title=f"{model.name.title()}: what a contact changes",
        model=model,
        lead=f"Learned from {fit.contacted:,} contacts and {fit.rows - fit.contacted:,} customers who "
        "could have been contacted; every figure is of customers that the models had not seen.",
        sections=[_order(fit), _tenths(fit), _offers(fit), *_contacts(model.training.get("contacts", {}))],
        verdict=verdict,
    )


def margin_page(model: Model, evaluation: Evaluation, verdict: Verdict) -> str:
    """What new holdings earn, product by product, on the takers of the test."""
    rows = [
        (
            head.name.replace("_", " "),
            f"{head.metrics['learned_mean']:.2f}",
            "the mean" if head.metrics["constant"] else "each customer's own",
            f"{head.metrics['rows']:.0f}",
            _figure(head.metrics, "mean", ".2f"),
            _figure(head.metrics, "bias", "+.1%"),
            _figure(head.metrics, "spearman", ".2f"),
            _figure(head.metrics, "loss_beside_mean", ".3f"),
        )
        for head in evaluation.heads
    ]
    columns = ("product", f"mean learned, {model.currency}", "answer", "takers in the test", "they earned")
    return render(
        "learned.html.j2",
        title="Margin: what a new holding earns in a year",
        model=model,
        lead="Tested on takers after everything it learned from was known.",
        sections=[
            _Section(
                "By product",
                "Error: squared error over the mean's; below 1 customers are told apart.",
                (*columns, "bias", "rank correlation", "error"),
                rows,
            )
        ],
        verdict=verdict,
    )


def _order(fit: UpliftFit) -> _Section:
    curve, share = fit.curve, fit.curve.share
    top = float(max(curve.gain.max(), 0.0)) * 1.05 or 1e-4
    low = float(min(curve.gain.min(), 0.0)) * 1.05
    picture = line_chart(
        [
            Curve("by the model", share, curve.gain),
            Curve("at random", share, share * curve.gain[-1], GREY, dashed=True),
        ],
        Axis("share of customers contacted", 0.0, 1.0, percent),
        Axis("change for each customer", low, top, lambda v: f"{v:.4f}"),
        "Qini curve: what contacting the best share of customers changes, beside a random order",
    )
    rows = [(f"{name.replace('_', ' ')}", _interval(found)) for name, found in fit.qini.items()]
    rows.append(("the answer, calibrated", _interval(curve.qini)))
    rows.append(("average effect", _interval(fit.line.average)))
    learner = fit.learner.replace("_", " ")
    says = f"'{learner}' answers; its differences are believed by {fit.line.slope:.0%}."
    return _Section("Order", says, ("", "Qini or effect (95% interval)"), rows, picture)


def _tenths(fit: UpliftFit) -> _Section:
    rows = [
        (str(n), f"{d.rows:,}", f"{d.contacted:,}", f"{d.score:+.4f}", _interval(d.uplift))
        for n, d in enumerate(fit.curve.deciles, 1)
    ]
    return _Section(
        "By tenths of what is promised",
        "Promised and found change of the probability, from the largest promise to the smallest.",
        ("tenth", "rows", "contacted", "promised", "found (95% interval)"),
        rows,
    )


def _offers(fit: UpliftFit) -> _Section:
    rows = [
        (product.replace("_", " "), channel, f"{contacts:,}", _interval(effect))
        for product, channel, contacts, effect in fit.offers
    ]
    return _Section(
        "Average effect by product and channel",
        "What contacting everybody of the log would change; doubly robust, customers as clusters.",
        ("product", "channel", "contacts", "effect (95% interval)"),
        rows,
    )


def _contacts(about: Mapping[str, Mapping[str, float]]) -> list[_Section]:
    heads = {
        "fatigue": (
            "What one more contact costs later",
            "Opting out and complaints, in money.",
        ),
        "tiring": (
            "How it weakens later answers",
            "Log-odds of the outcome taken from the contacts of the half year to come.",
        ),
        "stakes": ("What an answer is worth", "Derived from the bank's own history, in money."),
        "accepts": ("How many accept what the offer grants", "Shares of those contacted."),
    }
    return [
        _Section(*heads[name], ("", ""), [(k.replace("_", " "), f"{v:.3f}") for k, v in of.items()])
        for name, of in about.items()
        if name in heads and of
    ]


def _interval(found: Estimate) -> str:
    if not np.isfinite(found.low) or not np.isfinite(found.high):
        return f"{found.point:+.5f}"
    return f"{found.point:+.5f} ({found.low:+.5f} to {found.high:+.5f})"


def _figure(metrics: Mapping[str, float], name: str, form: str) -> str:
    return f"{metrics[name]:{form}}" if name in metrics else "–"
