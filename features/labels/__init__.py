"""What happened after as_of.

A label looks at the outcome window [as_of + gap, as_of + gap + horizon) with the knowledge of
`known`; it is mature once the window and the reporting delay have passed by then. Whoever is
gone before the window opens is no longer at risk and gets no label.
"""

from features.labels.churn import CHURN_DEFINITIONS, churn_definition, churn_labels, churn_outcomes
from features.labels.contracts import line_labels
from features.labels.definition import Definition, Need, lacking
from features.labels.margin import margin_labels
from features.labels.outcome import MONTH_DAYS, Outcome
from features.labels.standing import STANDING
from features.labels.uptake import uptake_labels
from features.labels.value import VALUE_PARTS, value_labels

__all__ = [
    "CHURN_DEFINITIONS",
    "MONTH_DAYS",
    "STANDING",
    "VALUE_PARTS",
    "Definition",
    "Need",
    "Outcome",
    "churn_definition",
    "churn_labels",
    "churn_outcomes",
    "lacking",
    "line_labels",
    "margin_labels",
    "uptake_labels",
    "value_labels",
]
