"""Classification x tier -> what is left of a field, with the reason in words. Pure: the day is an argument."""

from gebus.policy.decision import Outcome, combine, decide
from gebus.policy.masks import describe, inapplicable
from gebus.policy.table import POLICY_LIST, Line, Policy

__all__ = ["POLICY_LIST", "Line", "Outcome", "Policy", "combine", "decide", "describe", "inapplicable"]
