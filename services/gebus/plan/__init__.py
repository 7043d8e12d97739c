"""Feeds -> lane plans: values that one can print, compare and test before anything runs."""

from gebus.plan.explanation import explain, render
from gebus.plan.planner import Places, check, lanes
from gebus.plan.values import (
    DeduplicatePlan,
    FeedPlan,
    FieldPlan,
    LanePlan,
    SourcePlan,
    TablePlan,
    WherePlan,
)

__all__ = [
    "DeduplicatePlan",
    "FeedPlan",
    "FieldPlan",
    "LanePlan",
    "Places",
    "SourcePlan",
    "TablePlan",
    "WherePlan",
    "check",
    "explain",
    "lanes",
    "render",
]
