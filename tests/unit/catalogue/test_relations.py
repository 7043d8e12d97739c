"""Joins and reconciles as they are written in a feed: their form, and the line of what cannot be planned."""

from __future__ import annotations

from typing import Any

import pytest

from gebus import plan
from gebus.catalogue import Places, load
from gebus.model.feed import JoinStep, ReconcileStep
from gebus.model.relation import Join

FEED = "feeds/cdc/dear-masks.yaml"
WHERE = "  - where: {name: masks, when: \"report.goods == 'mask'\"}\n"
ONCE = "  - deduplicate: {name: once, of: report, key: [event_id], within: 14d}\n"
RECONCILE = """\
  - reconcile:
      name: best
      of: report
      key: [entity_id]
      authority: [jd]
      within: 90d
      compare:
        - pieces
        - goods
      gives: winner
      most: 16
"""
JOIN = """\
  - join:
      name: both
      left: report
      right: check
      on: [goods]
      within: 14d
      matches: each-pair
      unmatched: wait
      broadcast: none
      most: 1000
"""


def with_relation(draft: Any, relation: str) -> Any:
    draft.edit(FEED, WHERE, relation)
    return draft


def test_a_reconcile_is_read_and_planned(draft: Any) -> None:
    with_relation(draft, RECONCILE)
    catalogue = load(draft.root)
    step = catalogue.feeds["cdc/dear-masks"].steps[1]
    assert isinstance(step, ReconcileStep)
    assert plan.check(catalogue, Places(draft.root)) == []


def test_a_join_is_read(draft: Any) -> None:
    """`on` is text here, though YAML 1.1 takes it for true."""
    with_relation(draft, JOIN)
    step = load(draft.root).feeds["cdc/dear-masks"].steps[1]
    assert isinstance(step, JoinStep)
    assert step.join.on == ("goods",)


@pytest.mark.parametrize(
    ("relation", "change", "line", "says"),
    [
        (JOIN, ("left:", "lefts:"), "lefts", "unknown key `lefts`; allowed: broadcast, left, matches, most, name, on,"),
        (JOIN, ("      unmatched: wait\n", ""), "join", "`unmatched` is missing; allowed: every key written out"),
        (JOIN, ("each-pair", "all"), "matches", "'each-pair', 'latest' or 'valid-at'"),
        (JOIN, ("most: 1000", "most: 0"), "most", "`most` is 0; allowed: 1 or more"),
        (JOIN, ("most: 1000", "most: 1000000"), "most", "`most` is 1000000; allowed: 100000 or less"),
        (
            JOIN,
            ("join:", "joins:"),
            "joins",
            "allowed: exactly one of deduplicate, where, join, reconcile, select; did you",
        ),
        (RECONCILE, ("gives: winner", "gives: all"), "gives", "'winner' or 'conflicts'"),
        (RECONCILE, ("key: [entity_id]", "key: []"), "key", "1 or more entries"),
        (RECONCILE, ("name: best", "name: once"), "name: once", "a second step named once"),
    ],
)
def test_a_slip_gives_one_finding_at_its_line(
    relation: str, change: tuple[str, str], line: str, says: str, draft: Any
) -> None:
    (finding,) = with_relation(draft, relation.replace(*change)).findings()
    assert line in draft.line(finding), str(finding)
    assert says in str(finding)


def test_a_deduplicate_may_be_of_the_relation(draft: Any) -> None:
    once = ONCE.replace("once", "once-more").replace("of: report", "of: best").replace("event_id", "report.event_id")
    with_relation(draft, RECONCILE + once)
    assert draft.findings() == ()
    draft.edit(FEED, "of: best", "of: bets")
    (finding,) = draft.findings()
    assert str(finding).endswith(
        "`of` is bets; allowed: a source of the feed: report; or the step best; did you mean `best`? [steps]"
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("        - goods\n", "        - good\n", "- good", "best: `report` has no field `good`"),
        ("authority: [jd]", "authority: [jd, watch]", "authority", "watch is no publisher of market.price_report"),
        ("key: [entity_id]", "key: [entity]", "key", "`report` has no field `entity`"),
        ("of: report\n", "of: stock\n", "of: stock", "`stock` is no source of the feed"),
    ],
)
def test_what_cannot_be_planned_is_found_at_its_line(old: str, new: str, line: str, says: str, draft: Any) -> None:
    with_relation(draft, RECONCILE.replace(old, new))
    (finding,) = plan.check(load(draft.root), Places(draft.root))
    assert (finding.file, finding.rule) == (FEED, "plan")
    assert line in draft.line(finding), str(finding)
    assert says in str(finding)


def test_the_promises_stand_in_the_docstrings() -> None:
    """Which side waits, which value wins, when it emits, what becomes of the unmatched, and what is not promised."""
    for words in ("Which waits:", "Which row\n        wins:", "Emits:", "Unmatched:", "Promised:", "Not promised:"):
        assert words in (Join.__doc__ or "")
