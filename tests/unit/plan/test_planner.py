"""Feeds become lane plans; what cannot is named with its place, all of it at once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import fastavro
import pytest

from gebus.catalogue import Places, load
from gebus.model.catalogue import Catalogue
from gebus.model.errors import PlanError
from gebus.model.event import Mask
from gebus.plan import check, lanes
from gebus.testing import build

EVENT = build.event_schema(
    "Report",
    [
        {"name": "price", "type": "double"},
        {"name": "phone", "type": ["null", "string"], "classification": 3, "identifies": "direct"},
        {"name": "count", "type": "int"},
        {
            "name": "seller",
            "type": {"type": "record", "name": "Seller", "fields": [{"name": "name", "type": "string"}]},
        },
        {"name": "buyer", "type": ["null", "Seller"]},
        {
            "name": "city",
            "type": "string",
            "classification": 2,
            "identifies": "quasi",
            "generalised": Mask("division", digits=2),
            "codes": "divisions",
        },
    ],
)
ONCE = {"deduplicate": {"name": "once", "of": "e", "key": ["event_id"], "within": "14d"}}
DEAR = {"where": {"name": "dear", "when": "e.price > 20.0"}}
OUT = {"select": {"name": "out", "fields": {"price": "e.price"}}}


class Lines:
    """Places that answer with the path, so that a test sees what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[str | int, ...]]] = []

    def line(self, file: str, path: tuple[str | int, ...]) -> int:
        self.asked.append((file, path))
        return len(self.asked)


def world(*feeds: Any, **contract: Any) -> Catalogue:
    return build.catalogue(EVENT, feeds, build.topic_contract(**contract))


def select(**fields: Any) -> dict[str, Any]:
    return {"select": {"name": "out", "fields": fields}}


def test_a_lane_for_each_source() -> None:
    lane = lanes(world(build.feed([ONCE, OUT])))[0]
    assert lane.name == "market.price_report"
    assert lane.inputs[0].topics == {"market.price_report.jd": "jd", "market.price_report.tmall": "tmall"}
    assert lane.partitions == 2
    assert json.loads(lane.to_kernel())["sources"][0]["past_ms"] == 60 * 86_400_000


def test_the_same_catalogue_gives_the_same_plan() -> None:
    feeds = [build.feed([ONCE, DEAR, OUT], name=name) for name in ("b", "a")]
    assert lanes(world(*feeds)) == lanes(world(*reversed(feeds)))
    assert lanes(world(*feeds))[0].to_kernel() == lanes(world(*reversed(feeds)))[0].to_kernel()


def test_no_feed_no_lane() -> None:
    assert lanes(world()) == ()


def test_a_first_deduplicate_of_same_key_and_window_is_shared() -> None:
    other = {"deduplicate": {"name": "twice", "of": "e", "key": ["event_id"], "within": "336h"}}
    longer = {"deduplicate": {"name": "long", "of": "e", "key": ["event_id"], "within": "30d"}}
    feeds = [build.feed([step, OUT], name=name) for name, step in (("a", ONCE), ("b", other), ("c", longer))]
    lane = lanes(world(*feeds))[0]
    assert [(table.name, table.window_ms) for table in lane.tables] == [
        ("event_id.14d", 14 * 86_400_000),
        ("event_id.30d", 30 * 86_400_000),
    ]


def test_a_later_deduplicate_has_a_table_of_its_own() -> None:
    lane = lanes(world(build.feed([DEAR, ONCE, OUT], name="a"), build.feed([DEAR, ONCE, OUT], name="b")))[0]
    assert [table.name for table in lane.tables] == ["cdc/a.once", "cdc/b.once"]


def test_a_key_that_holds_the_topic_key_will_do() -> None:
    step = {"deduplicate": {"name": "once", "of": "e", "key": ["count", "entity_id"], "within": "1h"}}
    assert lanes(world(build.feed([step, OUT])))[0].tables[0].name == "count+entity_id.1h"


def test_the_delivered_schema() -> None:
    fields = {"cost": "e.price", "phone": "e.phone", "city": "e.city", "seller": "e.seller", "buyer": "e.buyer"}
    feed = build.feed([select(**fields)], name="dear-masks", consumer="city-cdc", tier=2)
    plan = lanes(world(feed))[0].feeds[0]
    schema = plan.output_schema
    assert (schema["namespace"], schema["name"]) == ("gebus.feed.city_cdc", "DearMasks")
    assert [field["name"] for field in schema["fields"]][8:] == list(fields)
    cost, phone, city, seller, buyer = schema["fields"][8:]
    assert cost == {"name": "cost", "type": "double", "doc": "price", "classification": 1, "identifies": "none"}
    assert phone == {
        "name": "phone",
        "type": ["null", "string"],
        "doc": "phone (keyed token)",
        "default": None,
        "classification": 3,
        "identifies": "direct",
    }
    assert city["codes"] == "divisions"
    assert (seller["type"]["namespace"], seller["type"]["name"]) == ("gebus.test", "Seller")
    assert buyer["type"] == ["null", "gebus.test.Seller"], "a definition is written out once"
    fastavro.parse_schema(json.loads(json.dumps(schema)))


def test_a_masked_field_names_no_code_list_and_a_dropped_one_is_not_there() -> None:
    feed = build.feed([select(city="e.city", phone="e.phone")], tier=1)
    plan = lanes(world(feed))[0].feeds[0]
    assert [field.name for field in plan.delivered][8:] == ["city"]
    assert plan.fields[-1].outcome.reason.endswith("no line of the policy allows it")
    assert "codes" not in plan.output_schema["fields"][8]
    assert plan.output_schema["fields"][8]["doc"] == "city (cut to the province)"


@pytest.mark.parametrize(
    ("mask", "of", "avro", "json_mask"),
    [
        ("null", "count", ["null", "int"], {"kind": "null"}),
        ("token", "count", "string", {"kind": "token"}),
        ({"fixed": "x"}, "city", "string", {"kind": "fixed", "value": "x"}),
        ({"partial": {"first": 0, "last": 4}}, "phone", ["null", "string"], {"kind": "partial", "first": 0, "last": 4}),
        ({"generalise": {"band": 10}}, "count", "int", {"kind": "band", "width": 10}),
    ],
)
def test_the_type_of_a_masked_field(mask: Any, of: str, avro: Any, json_mask: Any) -> None:
    lane = lanes(world(build.feed([select(a={"of": f"e.{of}", "mask": mask})])))[0]
    field = json.loads(lane.to_kernel())["feeds"][0]["select"]["fields"][8]
    assert (field["type"], field["mask"]) == (avro, json_mask)


def test_the_grant_ends_at_midnight_utc() -> None:
    assert lanes(world(build.feed([OUT])))[0].feeds[0].grant_expires_ms == 1_893_456_000_000


def test_the_day_chooses_the_policy() -> None:
    policy = build.policy_list([(3, "direct", 2, "token")])
    ended = replace(policy, entries=(replace(policy.entries[0], valid_to=date(2021, 1, 1)),))
    catalogue = build.catalogue(EVENT, [build.feed([select(phone="e.phone")], tier=2)], policy=ended)
    assert len(lanes(catalogue, on=date(2020, 12, 31))[0].feeds[0].delivered) == 9
    assert len(lanes(catalogue)[0].feeds[0].delivered) == 8


@pytest.mark.parametrize(
    ("steps", "path", "found", "allowed"),
    [
        (
            [{"deduplicate": {"name": "once", "of": "x", "key": ["event_id"], "within": "1d"}}, OUT],
            ("steps", 0, "deduplicate", "of"),
            "once: `x` is no source of the feed",
            "e",
        ),
        (
            [{"deduplicate": {"name": "once", "of": "e", "key": ["count"], "within": "1d"}}, OUT],
            ("steps", 0, "deduplicate", "key"),
            "once: the key count: records that it calls equal can lie in different partitions, and each partition is "
            "deduplicated on its own",
            "event_id, or all key fields of market.price_report: entity_id",
        ),
        (
            [{"deduplicate": {"name": "once", "of": "e", "key": ["event_id", "phone"], "within": "1d"}}, OUT],
            ("steps", 0, "deduplicate", "key"),
            "once: `phone` as part of the key",
            "fields of type string, int or long, never null",
        ),
        (
            [{"deduplicate": {"name": "once", "of": "e", "key": ["nope"], "within": "1d"}}, OUT],
            ("steps", 0, "deduplicate", "key"),
            "once: `nope` as part of the key",
            "fields of type string, int or long, never null",
        ),
        (
            [{"where": {"name": "dear", "when": "e.price > 'a'"}}, OUT],
            ("steps", 0, "where", "when"),
            "dear, character 11: > of a double and a string",
            "two values of one type, of int, double, string, timestamp, date or duration",
        ),
        ([DEAR], ("steps",), "steps: the steps where", "exactly one select, as the last step"),
        ([OUT, DEAR], ("steps",), "steps: the steps select, where", "exactly one select, as the last step"),
        ([OUT, OUT], ("steps",), "steps: the steps select, select", "exactly one select, as the last step"),
        (
            [select(region="e.region")],
            ("steps", 0, "select", "fields", "region"),
            "out.region: `region` is selected",
            "other names: the envelope is delivered without being asked for",
        ),
        (
            [select(a="x.price")],
            ("steps", 0, "select", "fields", "a"),
            "out.a: `x.price`",
            "<source>.<field>, where the source is e",
        ),
        (
            [select(a="e.nope")],
            ("steps", 0, "select", "fields", "a"),
            "out.a: `e` has no field `nope`",
            "event_id, entity_id, revision, status, occurred_at, published_at, source, region, price, phone, count, "
            "seller, buyer, city",
        ),
        (
            [select(a={"of": "e.price", "mask": "token"})],
            ("steps", 0, "select", "fields", "a"),
            "out.a: keyed token needs a string, an int or a long",
            "a mask that fits the type of the field",
        ),
    ],
)
def test_what_cannot_be_planned(steps: list[Any], path: tuple[str | int, ...], found: str, allowed: str) -> None:
    places = Lines()
    findings = check(world(build.feed(steps)), places)
    assert [(finding.found, finding.allowed) for finding in findings] == [(found, allowed)]
    assert places.asked == [("feeds/cdc/dear.yaml", path)]
    with pytest.raises(PlanError) as refused:
        lanes(world(build.feed(steps)))
    assert refused.value.place.startswith("cdc/dear: ")


def test_every_problem_of_every_feed_at_once() -> None:
    one = build.feed(
        [{"where": {"name": "a", "when": "e.nope"}}, {"where": {"name": "b", "when": "!"}}, OUT], name="one"
    )
    two = build.feed([select(a="e.nope", b="e.nope")], name="two")
    findings = check(world(one, two, build.feed([OUT], name="three")), Lines())
    assert [finding.file for finding in findings] == ["feeds/cdc/one.yaml"] * 2 + ["feeds/cdc/two.yaml"] * 2


def test_without_a_policy_nothing_is_planned() -> None:
    catalogue = world(build.feed([OUT]))
    bare = Catalogue(catalogue.root, {}, catalogue.topics, catalogue.events, catalogue.feeds, {})
    with pytest.raises(PlanError, match="there is no policy, so no field may leave; write the list"):
        lanes(bare)
    findings = check(bare, Lines())
    assert [(finding.file, finding.rule) for finding in findings] == [("codes/field-policy.yaml", "policy")]


def test_a_broken_line_of_the_policy_is_found_at_its_line() -> None:
    policy = build.policy_list([(1, "none", 1, "pass"), (1, "none", 2, "hide")])
    places = Lines()
    findings = check(build.catalogue(EVENT, [build.feed([OUT])], policy=policy), places)
    assert [finding.found for finding in findings] == [
        "level-1.none.tier-2: outcome is 'hide'; allowed: pass, mask, token, generalise, drop"
    ]
    assert places.asked == [("codes/field-policy.yaml", ("entries", 1))]


def test_the_position_of_a_condition_is_an_attribute() -> None:
    with pytest.raises(PlanError) as refused:
        lanes(world(build.feed([{"where": {"name": "dear", "when": "e.price > 'a'"}}, OUT])))
    assert refused.value.position == 11
    assert str(refused.value).startswith("cdc/dear: dear: at 11: > of a double and a string; allowed: two values")


def test_the_shipped_catalogue_is_planned_in_full() -> None:
    root = Path(__file__).parents[3] / "schemas"
    catalogue = load(root)
    assert check(catalogue, Places(root)) == []
    assert sum(len(lane.feeds) for lane in lanes(catalogue)) == len(catalogue.feeds)


def test_five_thousand_feeds_are_planned_quickly() -> None:
    feeds = [
        build.feed([ONCE, {"where": {"name": "mine", "when": f"e.city == '{number:06}'"}}, OUT], name=f"f-{number}")
        for number in range(5000)
    ]
    lane = lanes(world(*feeds))[0]
    assert len(lane.feeds) == 5000
    assert len(lane.tables) == 1
