"""Grants that are told while the kernel works."""

from __future__ import annotations

import pytest
from tests.unit.kernel.support import NOW, Feed, Lane, event, message, values

OTHER = Feed(name="ditu/all")


def test_a_feed_that_is_not_named_delivers_nothing_and_its_records_are_withheld() -> None:
    kernel = Lane([Feed(), OTHER]).kernel()
    kernel.set_grants({"ditu/all": NOW + 10})
    step = kernel.step([message(event(1)), message(event(2), time=NOW + 10)])
    assert values(step) == []
    assert len(values(step, "feed.ditu.all")) == 1
    kernel.commit(NOW)
    rows = {row.feed: (row.taken, row.delivered, row.withheld) for row in kernel.accounts() if row.feed}
    assert rows == {"cdc/masks": (2, 0, 2), "ditu/all": (2, 1, 1)}


def test_what_is_told_counts_from_the_next_record_on_whatever_is_rolled_back() -> None:
    kernel = Lane([Feed()]).kernel()
    assert len(values(kernel.step([message(event(1))]))) == 1
    kernel.set_grants({})
    assert values(kernel.step([message(event(2))])) == []
    kernel.rollback()
    assert values(kernel.step([message(event(1))])) == []
    kernel.set_grants({"cdc/masks": 1 << 62})
    assert len(values(kernel.step([message(event(3))]))) == 1


def test_a_feed_that_is_not_there_is_refused_and_nothing_changes() -> None:
    kernel = Lane([Feed()]).kernel()
    with pytest.raises(ValueError, match="no lane has the feed no/such"):
        kernel.set_grants({"no/such": 1})
    assert len(values(kernel.step([message(event(1))]))) == 1
