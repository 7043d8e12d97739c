"""The contract of a processor: what it names is there, and its party may publish what it concludes."""

from __future__ import annotations

import pytest
from tests.unit.catalogue.conftest import Draft

from gebus.catalogue import load

FILE = "processors/price-watch.yaml"
GOOD = """\
processor: price-watch
title: {zh: 价格监测, en: Price watch}
party: watch
reads: all-prices
publishes: market.price_report
"""


@pytest.fixture
def publishing(draft: Draft) -> Draft:
    """`watch` may publish what it concludes."""
    draft.edit("topics/market.price_report.yaml", "publishers: [jd]", "publishers: [jd, watch]")
    draft.write(FILE, GOOD)
    return draft


def test_a_processor_is_part_of_the_catalogue(publishing: Draft) -> None:
    processor = load(publishing.root).processors["price-watch"]
    assert processor.feed == "watch/all-prices"
    assert processor.group == "watch.price-watch"
    assert processor.state_topic == "gebus.processor.price-watch.state"


@pytest.mark.parametrize(
    ("old", "new", "rule", "says"),
    [
        ("reads: all-prices", "reads: all-price", "reference", "watch/all-price, which is not in feeds/"),
        ("reads: all-prices", "reads: dear-masks", "reference", "watch/dear-masks, which is not in feeds/"),
        ("market.price_report", "market.price_reports", "reference", "market.price_reports, which is not in topics/"),
        ("party: watch", "party: watcher", "reference", "watcher, which is not in parties/"),
        ("processor: price-watch", "processor: price-watches", "name", "`processor` is 'price-watches'"),
        ("reads: all-prices", "read: all-prices", "key", "unknown key `read`"),
    ],
)
def test_what_it_names_is_there(publishing: Draft, old: str, new: str, rule: str, says: str) -> None:
    publishing.edit(FILE, old, new)
    findings = publishing.findings()
    assert any(finding.rule == rule and says in finding.found for finding in findings), findings


def test_its_party_is_a_publisher_of_what_it_publishes(draft: Draft) -> None:
    draft.write(FILE, GOOD)
    (finding,) = draft.findings()
    assert finding.rule == "reference"
    assert finding.found == "watch is no publisher of market.price_report"
    assert finding.allowed == "a party among its publishers: jd"
    assert draft.line(finding) == "publishes: market.price_report"
