"""A processor's events have the class of what it reads, unless they count many."""

from __future__ import annotations

import json

import pytest
from tests.unit.catalogue.conftest import Draft
from tests.unit.catalogue.test_processors import FILE, GOOD, publishing

from gebus.catalogue import load
from gebus.model.processor import Processor
from gebus.processors.app import too_few

__all__ = ["publishing"]
COUNT = """\
counts: {field: people, at_least: 10}
"""


@pytest.fixture
def lower(publishing: Draft) -> Draft:
    """`watch` publishes alarms, of level 1, of what it reads of prices, which has a field of level 3."""
    draft = publishing
    event = json.loads((draft.root / "events/market/PriceReport.avsc").read_text("utf-8"))
    people = {"name": "people", "type": "long", "classification": 1, "identifies": "none", "doc": "How many."}
    event |= {"name": "Alarm", "fields": [*event["fields"][:8], people]}
    draft.write("events/market/Alarm.avsc", json.dumps(event))
    topic = (draft.root / "topics/market.price_report.yaml").read_text("utf-8")
    topic = topic.replace("market.price_report", "market.alarm").replace("PriceReport", "Alarm")
    topic = topic.replace("publishers: [jd, watch]", "publishers: [watch]")
    draft.write("topics/market.alarm.yaml", topic)
    examples = next((draft.root / "examples/market.price_report").iterdir())
    record = json.loads(examples.read_text("utf-8").splitlines()[0])
    alarm = {name: record[name] for name in list(record)[:8]} | {"people": 12, "source": "watch"}
    draft.write(f"examples/market.alarm/{examples.name}", json.dumps(alarm) + "\n")
    draft.write(FILE, GOOD.replace("publishes: market.price_report", "publishes: market.alarm"))
    return draft


def test_what_is_derived_is_of_the_highest_class_of_what_it_is_derived_from(lower: Draft) -> None:
    (finding,) = lower.findings()
    assert (finding.file, finding.rule) == (FILE, "classification")
    assert "Alarm is of class 1, and all-prices holds " in finding.found
    assert "or `counts`, where it counts at least so many" in finding.allowed


def test_a_count_with_enough_behind_it_may_be_of_a_lower_class(lower: Draft) -> None:
    lower.write(FILE, (lower.root / FILE).read_text("utf-8") + COUNT)
    counts = load(lower.root).processors["price-watch"].counts
    assert counts is not None
    assert (counts.field, counts.at_least) == ("people", 10)


def test_the_count_is_a_number_of_the_event(lower: Draft) -> None:
    lower.write(FILE, (lower.root / FILE).read_text("utf-8") + COUNT.replace("people", "persons"))
    (finding,) = lower.findings()
    assert "Alarm has no number `persons` that is always there" in finding.found


def test_few_are_not_many(lower: Draft) -> None:
    lower.write(FILE, (lower.root / FILE).read_text("utf-8") + COUNT.replace("10", "2"))
    assert any("at_least" in finding.found for finding in lower.findings())


@pytest.mark.parametrize(("people", "kept_back"), [(9, True), (10, False)])
def test_an_event_with_too_few_behind_it_is_not_published(people: int, kept_back: bool) -> None:
    values = {
        "processor": "p",
        "title": {"zh": "测", "en": "t"},
        "party": "watch",
        "reads": "a",
        "publishes": "m.alarm",
    }
    counting = Processor.model_validate({**values, "counts": {"field": "people", "at_least": 10}})
    assert too_few(counting, {"people": people}) is kept_back
    assert not too_few(Processor.model_validate(values), {"people": people})
