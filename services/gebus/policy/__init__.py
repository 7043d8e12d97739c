"""Classification x tier x purpose x mode -> what is left of a field, and why. Pure: the day is an argument."""

from gebus.policy.combinations import COMBINATION_LIST, Combination, Shown, told_together
from gebus.policy.decision import NULL, Outcome, combine, decide, tells_no_more
from gebus.policy.masks import describe, inapplicable
from gebus.policy.table import POLICY_LIST, Line, Policy, PolicyMode
from gebus.policy.tokens import TOKEN_LIST, TokenRule

__all__ = [
    "COMBINATION_LIST",
    "NULL",
    "POLICY_LIST",
    "TOKEN_LIST",
    "Combination",
    "Line",
    "Outcome",
    "Policy",
    "PolicyMode",
    "Shown",
    "TokenRule",
    "combine",
    "decide",
    "describe",
    "inapplicable",
    "tells_no_more",
    "told_together",
]
