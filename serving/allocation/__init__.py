"""Set-wise optimisation: offers to customers within budgets, capacities and volumes, arrays in and out."""

from serving.allocation.allocate import allocate
from serving.allocation.certificate import Evaluation, evaluate
from serving.allocation.choices import best_choices
from serving.allocation.problem import Block, Fairness, GroupLimit, Limit, Plan, Pricing, Problem
from serving.allocation.stream import at_once
from serving.allocation.words import without, words

__all__ = [
    "Block",
    "Evaluation",
    "Fairness",
    "GroupLimit",
    "Limit",
    "Plan",
    "Pricing",
    "Problem",
    "allocate",
    "at_once",
    "best_choices",
    "evaluate",
    "without",
    "words",
]
