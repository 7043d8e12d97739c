"""A whole feed in memory: batch cuts, rollbacks and crashes are written into the script."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from gebus.model.errors import GebusError
from gebus.model.event import Mask
from gebus.plan import LanePlan, lanes
from gebus.testing import build
from gebus.testing.clock import START_MS, ManualClock
from gebus.testing.topology import Topology, token_key

DAY_MS = 86_400_000
EVENT = build.event_schema(
    "Report",
    [
        {"name": "price", "type": "double"},
        {"name": "phone", "type": ["null", "string"], "classification": 3, "identifies": "direct"},
        {
            "name": "city",
            "type": "string",
            "classification": 3,
            "identifies": "quasi",
            "generalised": Mask("division", digits=2),
        },
    ],
)
ONCE = {"deduplicate": {"name": "once", "of": "e", "key": ["event_id"], "within": "14d"}}
DEAR = {"where": {"name": "dear", "when": "e.price > 20"}}
OUT = {"select": {"name": "out", "fields": {"price": "e.price", "phone": "e.phone", "city": "e.city"}}}


def report(event_id: str, price: float = 30.0, entity: str = "shop", **changes: Any) -> dict[str, Any]:
    record = {
        "event_id": event_id,
        "entity_id": entity,
        "revision": 0,
        "status": "ASSERTED",
        "occurred_at": START_MS,
        "published_at": START_MS,
        "source": "jd",
        "region": "420100",
        "price": price,
        "phone": None,
        "city": "420103",
    }
    return record | changes


def topology(*feeds: Any, **contract: Any) -> Topology:
    catalogue = build.catalogue(EVENT, feeds or [build.feed([ONCE, DEAR, OUT])], build.topic_contract(**contract))
    return Topology(lanes(catalogue)[0], ManualClock())


def ids(lane: Topology, feed: str = "cdc/dear") -> list[str]:
    return [record["event_id"] for record in lane.delivered(feed)]


def counts(lane: Topology, feed: str = "cdc/dear") -> dict[str, int]:
    return {outcome: count for outcome, count in lane.accounts()[feed].items() if count}


def test_records_go_their_way_over_two_partitions() -> None:
    lane = topology()
    for number in range(20):
        lane.publish(report(f"e{number}", price=15.0 + number, entity=f"shop-{number}"), "jd")
    assert {message.partition() for message in lane.log.messages} == {0, 1}
    lane.run()
    assert sorted(ids(lane)) == sorted(f"e{number}" for number in range(6, 20))
    assert counts(lane) == {"taken": 20, "delivered": 14, "filtered": 6}


def test_two_feeds_of_one_lane_get_what_their_tiers_may_have() -> None:
    clear = build.feed([ONCE, OUT], name="all", consumer="cdc", tier=3)
    coarse = build.feed([ONCE, OUT], name="all", consumer="press", tier=2)
    public = build.feed([ONCE, OUT], name="all", consumer="public", tier=1)
    lane = topology(clear, coarse, public)
    lane.publish(report("e1", phone="13800000042"), "jd")
    lane.run()
    kept = {feed: dict(list(lane.delivered(f"{feed}/all")[0].items())[8:]) for feed in ("cdc", "press", "public")}
    token = kept["press"].pop("phone")
    assert kept == {
        "cdc": {"price": 30.0, "phone": "13800000042", "city": "420103"},
        "press": {"price": 30.0, "city": "420000"},
        "public": {"price": 30.0},
    }
    assert len(token) == 32
    assert token_key("press/all") != token_key("cdc/all"), "each consumer has its own tokens"


@pytest.mark.parametrize("interruption", ["commit", "rollback", "crash"])
def test_a_repeat_adds_nothing_over(interruption: str) -> None:
    lane = topology()
    lane.publish(report("e1"), "jd")
    lane.run()
    lane.publish(report("e1"), "jd")
    lane.publish(report("e2"), "jd")
    lane.step()
    getattr(lane, interruption)()
    lane.publish(report("e2"), "jd")
    lane.run()
    assert ids(lane) == ["e1", "e2"]
    assert counts(lane) == {"taken": 4, "delivered": 2, "duplicate": 2}


def test_what_was_not_committed_is_done_again_and_counts_once() -> None:
    lane = topology()
    lane.publish(report("e1"), "jd")
    lane.step()
    lane.crash()
    assert ids(lane) == []
    lane.step()
    lane.rollback()
    lane.run()
    assert ids(lane) == ["e1"]
    assert counts(lane) == {"taken": 1, "delivered": 1}


def test_a_script_gives_one_result_however_it_is_cut() -> None:
    results = []
    for limit in (1, 2, 3, None):
        lane = topology()
        for number in range(12):
            lane.publish(report(f"e{number % 5}", price=18.0 + number % 4, entity=f"s{number % 3}"), "jd")
        lane.run(limit)
        by_key = {
            key: [r["event_id"] for r in lane.delivered("cdc/dear") if r["entity_id"] == key]
            for key in ("s0", "s1", "s2")
        }
        results.append((by_key, counts(lane)))
    assert all(result == results[0] for result in results)


def test_after_the_window_an_id_counts_as_new() -> None:
    lane = topology()
    for days in (0, 13, 16):
        lane.publish(report("e1", occurred_at=START_MS + days * DAY_MS), "jd", START_MS + days * DAY_MS)
    lane.run()
    assert counts(lane) == {"taken": 3, "delivered": 2, "duplicate": 1}


def test_a_record_after_the_grant_is_withheld() -> None:
    grant = {"basis": "b", "approved_by": "jd", "approved_on": "2020-01-01", "expires_on": "2020-02-02"}
    lane = topology(build.feed([ONCE, OUT], grant=grant))
    lane.publish(report("e1"), "jd", START_MS + DAY_MS - 1)
    lane.publish(report("e2"), "jd", START_MS + DAY_MS)
    lane.run()
    assert ids(lane) == ["e1"]
    assert counts(lane) == {"taken": 2, "delivered": 1, "withheld": 1}


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("forged_source", {"source": "tmall"}),
        ("bad_status", {"status": "MAYBE"}),
        ("bad_region", {"region": "42"}),
        ("bad_event_id", {"event_id": ""}),
        ("negative_revision", {"revision": -1}),
        ("too_early", {"occurred_at": START_MS - 61 * DAY_MS}),
        ("too_late", {"occurred_at": START_MS + DAY_MS}),
    ],
)
def test_a_bad_record_is_a_dead_letter_and_costs_no_other(reason: str, changes: dict[str, Any]) -> None:
    lane = topology()
    lane.publish(report("e1"), "jd")
    lane.publish(report("e2") | changes, "jd")
    lane.publish(report("e3"), "jd")
    lane.run()
    assert [letter.reason for letter in lane.committed.dead] == [reason]
    assert ids(lane) == ["e1", "e3"]
    assert counts(lane) == {"taken": 3, "delivered": 2, "dead": 1}


def test_an_unknown_schema_stops_its_partition_until_it_is_known() -> None:
    lane = topology()
    lane.publish(report("e1"), "jd")
    lane.publish_bytes(b"shop", b"\0\0\0\0\x63" + lane.writers["market.price_report"].encode(report("e2"))[5:], "jd")
    lane.publish(report("e3"), "jd")
    lane.publish(report("e4", source="tmall"), "tmall")
    lane.run()
    assert ids(lane) == ["e1", "e4"], "the other party's topic goes on"
    assert set(lane.blocked.values()) == {"unknown_schema"}
    lane.refuse_schema(99, "foreign_schema")
    lane.run()
    assert ids(lane) == ["e1", "e4", "e3"]
    assert [letter.reason for letter in lane.committed.dead] == ["foreign_schema"]
    assert lane.blocked == {}


def test_above_the_ceiling_of_dead_letters_the_partition_stops() -> None:
    lane = topology(dead_letters={"in_a_row": 2, "ratio": 1.0})
    for number in range(5):
        lane.publish(report(f"e{number}", status="MAYBE"), "jd")
    lane.run()
    assert len(lane.committed.dead) == 2
    assert set(lane.blocked.values()) == {"dead_letter_limit"}


def test_a_party_that_does_not_publish_is_refused() -> None:
    with pytest.raises(GebusError, match=r"cdc does not publish market.price_report; its publishers are jd, tmall"):
        topology().publish(report("e1"), "cdc")


def test_a_record_that_does_not_fit_is_refused_before_the_log() -> None:
    lane = topology()
    with pytest.raises(ValueError, match="the record does not fit its schema"):
        lane.publish(report("e1", price="dear"), "jd")
    assert lane.log.messages == []


def test_a_message_shows_its_place_and_not_its_content() -> None:
    lane = topology()
    message = lane.publish(report("secret-id", phone="13800000042"), "jd")
    assert "offset=0" in repr(message)
    assert "secret-id" not in repr(message)


def test_the_clock_stands_until_it_is_moved() -> None:
    clock = ManualClock()
    clock.advance(5)
    assert clock.now_ms == START_MS + 5
    clock.at(7)
    assert clock.now_ms == 7
    with pytest.raises(ValueError, match="a clock goes on by -1 ms; allowed: zero or more"):
        clock.advance(-1)


def _without_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gebus_kernel", None)


def _with_a_kernel_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LanePlan, "to_kernel", lambda _: "{}")


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        (_without_kernel, "the kernel is not installed; install gebus with the extra `lanes`"),
        (_with_a_kernel_that_refuses, "the kernel refuses a lane plan: "),
    ],
)
def test_without_a_kernel_the_error_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None], message: str
) -> None:
    plant(monkeypatch)
    with pytest.raises(GebusError, match=message):
        topology()
