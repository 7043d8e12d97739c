"""`gebus explain`: word for word, and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gebus.model.catalogue import Catalogue
from gebus.model.event import ENVELOPE, Mask
from gebus.plan import explain, lanes, render
from gebus.testing import build

GOLDEN = Path(__file__).parent / "golden" / "explain.txt"


def world() -> Catalogue:
    event = build.event_schema(
        "Report",
        [
            {"name": "category", "type": "string"},
            {"name": "price", "type": "double"},
            {"name": "shop", "type": "string", "classification": 2, "identifies": "quasi"},
            {
                "name": "city",
                "type": "string",
                "classification": 3,
                "identifies": "quasi",
                "generalised": Mask("division", digits=4),
            },
            {"name": "phone", "type": ["null", "string"], "classification": 3, "identifies": "direct"},
            {"name": "remark", "type": "string", "classification": 4, "identifies": "none"},
        ],
    )
    once = {"deduplicate": {"name": "report-once", "of": "e", "key": ["event_id"], "within": "14d"}}
    dear = {"where": {"name": "dear", "when": "e.category == 'MASK' && e.price > 20"}}
    seldom = {"deduplicate": {"name": "shop-once", "of": "e", "key": ["entity_id"], "within": "12h"}}
    odd = {"where": {"name": "odd", "when": "e.category == 'MASK' || e.price > 20"}}
    fields: dict[str, Any] = {
        "category": "e.category",
        "city": "e.city",
        "place": {"of": "e.city", "mask": "token"},
        "shop": {"of": "e.shop", "mask": {"partial": {"first": 1, "last": 0}}},
        "phone": "e.phone",
        "remark": "e.remark",
    }
    feeds = [
        build.feed([once, dear, seldom, odd, {"select": {"name": "evidence", "fields": fields}}], name="dear", tier=2),
        build.feed(
            [once, {"select": {"name": "all", "fields": {"price": "e.price"}}}], name="prices", consumer="press"
        ),
    ]
    return build.catalogue(event, feeds)


def explained(feed: str = "cdc/dear") -> dict[str, Any]:
    catalogue = world()
    return explain(lanes(catalogue), catalogue.feeds[feed])


def test_the_text_is_the_golden_one() -> None:
    """After a wanted change, write what this shows into golden/explain.txt and read the difference."""
    assert render(explained()) == GOLDEN.read_text("utf-8")


def test_the_json_says_the_same() -> None:
    values = json.loads(json.dumps(explained()))
    assert [step["step"] for step in values["steps"]] == ["deduplicate", "where", "deduplicate", "where", "select"]
    assert values["steps"][0]["shared_with"] == ["press/prices"]
    assert values["steps"][1]["index"] == ["category"]
    assert values["steps"][3]["index"] == []
    assert {field["name"]: field["outcome"] for field in values["fields"]}["phone"] == "keyed token"
    assert [field["name"] for field in values["fields"]][:8] == list(ENVELOPE)


@pytest.mark.parametrize(
    ("when", "index"),
    [
        ("e.category == 'a'", ["category"]),
        ("'a' == e.category", ["category"]),
        ("e.category in ['a', 'b'] && e.price > 1", ["category"]),
        ("e.category.startsWith('a') && e.revision == 1", ["category", "revision"]),
        ("e.price == 1.0", []),
        ("e.category == null", []),
        ("e.category != 'a'", []),
        ("e.category == 'a' || e.category == 'b'", []),
        ("!(e.category == 'a')", []),
    ],
)
def test_what_the_index_uses(when: str, index: list[str]) -> None:
    catalogue = world()
    select = {"select": {"name": "out", "fields": {"price": "e.price"}}}
    feed = build.feed([{"where": {"name": "w", "when": when}}, select], name="one")
    plans = lanes(build.catalogue(catalogue.events["market.price_report"], [feed]))
    assert explain(plans, feed)["steps"][0]["index"] == index
