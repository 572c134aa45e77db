"""The bank's policy: what it says, how its file is read, and its rules for each customer."""

from features.selling.expressions import Mask
from serving.policy.load import load_policy, policy_of, shipped_policy
from serving.policy.nouns import Arm, ContactRules, Lever, Managers, Plan, Policy, Volume, Window
from serving.policy.rules import Removed, allowed, columns_needed, rules_of

__all__ = [
    "Arm",
    "ContactRules",
    "Lever",
    "Managers",
    "Mask",
    "Plan",
    "Policy",
    "Removed",
    "Volume",
    "Window",
    "allowed",
    "columns_needed",
    "load_policy",
    "policy_of",
    "rules_of",
    "shipped_policy",
]
