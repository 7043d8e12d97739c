"""An emergency in a whole lane: where and when it holds, what it shows, and that its end ends it. Tokens by period."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from gebus.plan import lanes
from gebus.testing import build
from gebus.testing.clock import START_MS
from gebus.testing.oracle_masks import Tokens
from gebus.testing.topology import Topology, token_key

DAY_MS = 86_400_000
PHONE = {"name": "phone", "type": "string", "classification": 3, "identifies": "direct"}
WUHAN, BEIJING = "420106", "110105"
HUBEI = ("m-1", "42", START_MS + 1000, START_MS + 2000)


def world(tokens: Any = None, **changes: Any) -> Topology:
    """A feed that shows tokens, and in an emergency the value."""
    feed = build.feed([{"select": {"name": "out", "fields": {"phone": "e.phone"}}}], tier=2, **changes)
    policy = build.policy_list([(3, "direct", 2, "token")], emergency=[(3, "direct", 2, "pass")])
    contract = build.topic_contract(partitions=1, event_time={"past": "4000d", "future": "4000d"})
    schema = build.event_schema("Report", [PHONE])
    return Topology(lanes(build.catalogue(schema, [feed], contract, policy, tokens=tokens))[0])


def publish(topology: Topology, event_id: str, at_ms: int, **changes: Any) -> None:
    record: Mapping[str, Any] = {
        "event_id": event_id,
        "entity_id": "x",
        "revision": 0,
        "status": "ASSERTED",
        "occurred_at": START_MS,
        "published_at": START_MS,
        "source": "jd",
        "region": WUHAN,
        "phone": "13800000001",
    }
    topology.publish({**record, **changes}, "jd", at_ms)


def phones(topology: Topology) -> dict[str, str]:
    topology.run()
    return {
        one["event_id"]: "clear" if one["phone"] == "13800000001" else "token" for one in topology.delivered("cdc/dear")
    }


def test_an_emergency_holds_in_its_region_and_for_its_time() -> None:
    topology = world()
    topology.set_modes([HUBEI])
    publish(topology, "before", START_MS + 999)
    publish(topology, "first", START_MS + 1000)
    publish(topology, "elsewhere", START_MS + 1500, region=BEIJING)
    publish(topology, "province", START_MS + 1500, region="420000")
    publish(topology, "last", START_MS + 1999)
    publish(topology, "after", START_MS + 2000)
    assert phones(topology) == {
        "before": "token",
        "first": "clear",
        "elsewhere": "token",
        "province": "clear",
        "last": "clear",
        "after": "token",
    }


def test_an_end_by_hand_is_an_end() -> None:
    topology = world()
    topology.set_modes([HUBEI])
    publish(topology, "open", START_MS + 1100)
    topology.run()
    topology.set_modes([(*HUBEI[:3], START_MS + 1200)])
    publish(topology, "closed", START_MS + 1300)
    assert phones(topology) == {"open": "clear", "closed": "token"}


def test_a_replay_shows_what_the_first_run_showed() -> None:
    runs = []
    for cut in (1, 4):
        topology = world()
        topology.set_modes([HUBEI])
        for number in range(4):
            publish(topology, f"e{number}", START_MS + 700 * number)
        for _ in range(4 // cut):
            topology.step(cut)
            topology.commit()
        runs.append(topology.delivered("cdc/dear"))
    assert runs[0] == runs[1]


def test_modes_do_not_change_within_a_transaction() -> None:
    topology = world()
    publish(topology, "open", START_MS)
    topology.step()
    with pytest.raises(ValueError, match="modes change between transactions; commit or roll back first"):
        topology.set_modes([HUBEI])
    topology.commit()
    topology.set_modes([HUBEI])


@pytest.mark.parametrize(("mode", "delivered"), [("emergency", ["within"]), ("normal", ["outside"])])
def test_a_feed_of_one_mode_is_withheld_in_the_other(mode: str, delivered: list[str]) -> None:
    topology = world(mode=mode)
    topology.set_modes([HUBEI])
    publish(topology, "outside", START_MS)
    publish(topology, "within", START_MS + 1000)
    assert list(phones(topology)) == delivered
    assert topology.accounts()["cdc/dear"]["withheld"] == 1


def test_a_retraction_after_the_end_does_not_repeat_what_an_emergency_showed() -> None:
    topology = world(corrections="follow")
    topology.set_modes([HUBEI])
    publish(topology, "shown", START_MS + 1000)
    publish(topology, "taken-back", START_MS + 5000, revision=1, status="RETRACTED")
    assert phones(topology) == {"shown": "clear", "taken-back": "token"}


def test_a_leaf_names_the_mode_that_made_a_difference() -> None:
    topology = world()
    topology.set_modes([("m-0", "11", 0, 1), HUBEI])
    publish(topology, "before", START_MS)
    publish(topology, "within", START_MS + 1000)
    topology.run()
    assert sorted((leaf.mode, leaf.count) for leaf in topology.committed.leaves) == [(0, 1), (2, 1)]


@pytest.mark.parametrize(
    ("modes", "problem"),
    [
        ([("m", "hubei", 0, 1)], "mode m: `hubei` is no beginning of a division"),
        ([("m", "42", 5, 5)], "mode m: it ends before it begins"),
        ([HUBEI, HUBEI], "mode m-1: `42` is there twice"),
    ],
)
def test_what_is_no_mode_is_refused(modes: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        world().set_modes(modes)


@pytest.mark.parametrize("hash_name", ["sha-256", "sm3"])
def test_a_token_changes_with_the_period_of_the_log(hash_name: str) -> None:
    topology = world(tokens=build.token_rules("month", hash_name))
    instants = {"first": 0, "same-month": 20 * DAY_MS, "next-month": 40 * DAY_MS}
    for event_id, later in instants.items():
        publish(topology, event_id, START_MS + later)
    topology.run()
    tokens = {one["event_id"]: one["phone"] for one in topology.delivered("cdc/dear")}
    assert tokens["first"] == tokens["same-month"] != tokens["next-month"]
    own = Tokens(token_key("cdc/dear"), "month", hash_name)
    assert tokens == {name: own.of("13800000001", START_MS + later) for name, later in instants.items()}
