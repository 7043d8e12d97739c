"""Feeds -> lane plans: values that one can print, compare and test before anything runs."""

from gebus.plan.difference import FeedDifference, FieldDifference, differences
from gebus.plan.explanation import explain
from gebus.plan.inputs import REKEY_PREFIX
from gebus.plan.planner import Places, check, lanes, rekeys
from gebus.plan.relation import JoinPlan, ReconcilePlan, Relation, SidePlan
from gebus.plan.rendering import render
from gebus.plan.steps import DeduplicatePlan, StepPlan, WherePlan
from gebus.plan.values import FeedPlan, FieldPlan, InputPlan, LanePlan, RekeyPlan, TablePlan

__all__ = [
    "REKEY_PREFIX",
    "DeduplicatePlan",
    "FeedDifference",
    "FeedPlan",
    "FieldDifference",
    "FieldPlan",
    "InputPlan",
    "JoinPlan",
    "LanePlan",
    "Places",
    "ReconcilePlan",
    "RekeyPlan",
    "Relation",
    "SidePlan",
    "StepPlan",
    "TablePlan",
    "WherePlan",
    "check",
    "differences",
    "explain",
    "lanes",
    "rekeys",
    "render",
]
