"""Names in a delivered schema are spelled as registries give them back, so that a second apply finds nothing new."""

from __future__ import annotations

from typing import Any

from gebus import plan
from gebus.testing.build import catalogue, event_schema, feed

PART = {"type": "record", "name": "Part", "namespace": "gebus.goods", "fields": [{"name": "n", "type": "long"}]}
SUPPLY = {
    "type": "record",
    "name": "Supply",
    "fields": [
        {"name": "part", "type": PART},
        {"name": "spare", "type": {"type": "array", "items": "gebus.goods.Part"}},
    ],
}


def _types(*fields: dict[str, Any]) -> list[Any]:
    select = {"select": {"name": "all", "fields": {field["name"]: f"e.{field['name']}" for field in fields}}}
    (lane,) = plan.lanes(catalogue(event_schema("Report", fields), [feed([select])]))
    return [field["type"] for field in lane.feeds[0].output_schema["fields"][8:]]


def test_a_definition_has_its_namespace_unless_it_is_that_around_it() -> None:
    (supplies,) = _types({"name": "supplies", "type": {"type": "array", "items": SUPPLY}})
    supply = supplies["items"]
    assert (supply["name"], supply["namespace"]) == ("Supply", "gebus.test")
    part = supply["fields"][0]["type"]
    assert (part["name"], part["namespace"]) == ("Part", "gebus.goods")
    assert supply["fields"][1]["type"]["items"] == "gebus.goods.Part"


def test_what_is_defined_is_named_from_then_on() -> None:
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "n", "type": "long"}]}
    outer = {
        "type": "record",
        "name": "Outer",
        "fields": [{"name": "a", "type": inner}, {"name": "b", "type": "Inner"}],
    }
    first, again = _types({"name": "one", "type": outer}, {"name": "two", "type": {"type": "array", "items": "Inner"}})
    assert "namespace" not in first["fields"][0]["type"]
    assert first["fields"][1]["type"] == "Inner"
    assert again["items"] == "gebus.test.Inner"
