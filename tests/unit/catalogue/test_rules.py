"""Each rule of the catalogue, broken once: one finding, at the right line, saying what and what instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import pytest

from gebus.catalogue.documents import Rule

EVENT = "events/market/PriceReport.avsc"
TOPIC = "topics/market.price_report.yaml"
FEED = "feeds/cdc/dear-masks.yaml"
ALL_PRICES = "feeds/watch/all-prices.yaml"
PARTY = "parties/jd.yaml"
CODES = "codes/goods.yaml"
EXAMPLE = "examples/market.price_report/masks.jsonl"

PIECES = '{"name": "pieces", "type": "int", "classification": 2, "identifies": "none", "generalise": {"band": 100},'
PRICE = '{"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}'
OFFERS = '{"type": "array", "items": {"type": "record", "name": "Offer", "fields": ['


@dataclass(frozen=True)
class Broken:
    """One edit and the finding it must give: its rule, a text of its line, and what it says."""

    file: str
    old: str
    new: str
    rule: str
    line: str
    says: str

    @property
    def title(self) -> str:
        return f"{self.rule}: {self.says}"


def pieces(type_: str, rule: str, says: str) -> Broken:
    """Another type for the field `pieces`."""
    return Broken(EVENT, '"pieces", "type": "int"', f'"pieces", {type_}', rule, "pieces", says)


def attribute(change: tuple[str, str], rule: str, line: str, says: str) -> Broken:
    """Another attribute of the field `pieces`."""
    return Broken(EVENT, PIECES, PIECES.replace(*change), rule, line, says)


def price(type_: str, says: str) -> Broken:
    """Another type for the field `price`."""
    return Broken(EVENT, PRICE, type_, "avro", "price", says)


def shop(type_: str, rule: str, says: str) -> Broken:
    """Another type for the field `shop` of the records in `offers`."""
    return Broken(EVENT, '"shop", "type": "string"', f'"shop", "type": {type_}', rule, "shop", says)


def _sharing(authority: str) -> str:
    return f"standard: null\nsharing: {{kind: conditional, catalogued: true, levels: 2, {authority}}}"


CASES = [
    # Form
    Broken(PARTY, "party: jd", "party: [jd", "syntax", "title", "did not find expected"),
    Broken(PARTY, "party: jd", "party: jd\nparty: jd", "duplicate-key", "party: jd", "written twice, first in line 1"),
    Broken(PARTY, "party: jd", "party: &a jd", "syntax", "&a", "the anchor &a"),
    Broken(PARTY, "party: jd", "party: !!python/name:os.system jd", "syntax", "!!python", "the tag"),
    Broken(PARTY, "kind: enterprise", "---\nkind: enterprise", "syntax", "---", "a second document"),
    Broken(PARTY, "kind: enterprise", "[kind]: enterprise", "syntax", "[kind]", "a key that is not text"),
    Broken(PARTY, "kind: enterprise", "kinds: enterprise", "key", "kinds", "did you mean `kind`?"),
    Broken(PARTY, "kind: enterprise", "kind: firm", "value", "kind: firm", "'enterprise' or 'department'"),
    Broken(PARTY, 'region: "110000"', "region: 110000", "value", "region", "put it in quotes"),
    Broken(PARTY, "title: {zh: 京东, en: JD}", "title: {zh: 京东}", "key", "title", "`en` is missing"),
    Broken(PARTY, "title: {zh: 京东, en: JD}", "title: JD", "value", "title", "a mapping with the keys en, zh"),
    Broken(TOPIC, "partitions: 2", "partitions: 0", "value", "partitions", "`partitions` is 0; allowed: 1 or more"),
    Broken(TOPIC, "partitions: 2", "partitions: two", "value", "partitions", "'two'; allowed: a whole number"),
    Broken(TOPIC, "key: [entity_id]", "key: entity_id", "value", "key", "allowed: a list, as in [a, b]"),
    Broken(TOPIC, "retention: 7d", "retention: a week", "value", "retention", "a whole number and a unit"),
    Broken(TOPIC, "retention: 7d", "retention: 0d", "value", "retention", "longer than zero"),
    Broken(TOPIC, "partitions: 2\n", "", "key", "topic: market", "`partitions` is missing"),
    Broken(TOPIC, "compatibility: BACKWARD_TRANSITIVE", "compatibility: NONE", "value", "compatibility", "FULL"),
    Broken(TOPIC, "in_a_row: 100", "in_row: 100", "key", "in_row", "did you mean `in_a_row`?"),
    Broken(FEED, "deduplicate: {name: once", "dedupe: {name: once", "key", "dedupe", "did you mean `deduplicate`?"),
    Broken(FEED, "within: 14d}", "during: 14d, within: 14d}", "key", "during", "unknown key `during`"),
    Broken(FEED, "goods: report.goods\n", "goods: {of: report.goods, mask: hide}\n", "value", "hide", "'token'"),
    Broken(FEED, "approved_on: 2026-01-01", "approved_on: 20260101", "value", "grant", "written as 2020-02-01"),
    Broken(FEED, "expires_on: 2036-01-01", "expires_on: 2020-01-01", "value", "grant", "`expires_on` '2020-01-01';"),
    Broken(FEED, "corrections: independent", "corrections: maybe", "value", "corrections", "'independent' or 'follow'"),
    # Names and references
    Broken(PARTY, "party: jd", "party: jdd", "name", "party: jdd", "'jd', as the file's path says"),
    Broken(ALL_PRICES, "consumer: watch", "consumer: cdc", "name", "consumer", "'watch', as the file's path says"),
    Broken(FEED, "feed: dear-masks", "feed: dear-mask", "name", "feed:", "'dear-masks'"),
    Broken(EVENT, '"name": "PriceReport"', '"name": "Price"', "name", '"Price"', "PriceReport, the name of the file"),
    Broken(EVENT, '"gebus.market"', '"market"', "name", "namespace", "gebus.market, after the directory"),
    Broken(TOPIC, "owner: watch", "owner: wach", "reference", "owner", "did you mean `watch`?"),
    Broken(FEED, "approved_by: watch", "approved_by: nobody", "reference", "grant", "names nobody"),
    Broken(
        TOPIC, "standard: null", _sharing("authority: nobody"), "reference", "sharing", "names nobody",
    ),
    Broken(TOPIC, "standard: null", _sharing("authority: null"), "value", "sharing", "authority that is the second"),
    Broken(
        ALL_PRICES, "approved_by: jd", "approved_by: watch", "value", "consumer", "than the consumer, watch",
    ),
    Broken(FEED, "report: market.price_report", "report: market.price", "reference", "report:", "did you mean"),
    Broken(EVENT, '"codes": "goods"', '"codes": "good"', "reference", "codes", "did you mean `goods`?"),
    # Events
    Broken(EVENT, '{"name": "region", "type": "string"},\n', "", "envelope", "fields", "`region` is missing"),
    Broken(EVENT, '"revision", "type": "long"', '"revision", "type": "int"', "envelope", "revision", '"long"'),
    Broken(EVENT, '"name": "source",', '"name": "source", "codes": "goods",', "envelope", "source", "`codes` on"),
    attribute(('"classification": 2, ', ""), "classification", "pieces", "`classification` is missing"),
    attribute(("n\": 2", "n\": 5"), "classification", "pieces", "1, 2, 3 or 4"),
    attribute(('"identifies": "none", ', ""), "classification", "pieces", "`identifies` is missing"),
    attribute(('"identifies"', '"identifier": "uscc", "identifies"'), "identifier", "pieces", "on a string"),
    attribute(("\"none\"", "\"maybe\""), "classification", "pieces", "'quasi'"),
    Broken(EVENT, '"doc": "Pieces on offer."', '"doc": ""', "value", '"doc": ""', "at least 1 character"),
    attribute(("generalise", "generalize"), "key", "generalize", "did you mean `generalise`?"),
    Broken(EVENT, '{"band": 100}', '{"date": "month"}', "mask", "pieces", "date on a date"),
    Broken(EVENT, '"classification": 3,', '"mask_": 1, "classification": 3,', "key", "mask_", "did you mean `mask`?"),
    Broken(EVENT, '"mask": "null"', '"mask": {"partial": {"first": 1, "last": 1}}', "mask", "mask", "on a string"),
    Broken(EVENT, '"mask": "null"', '"mask": {"generalise": {"band": 2}}', "mask", "mask", "a generalisation as mask"),
    Broken(EVENT, '"mask": "null"', '"mask": "drop"', "mask", "mask", "'null' or 'token'"),
    attribute(('{"band', '{"instant": "day", "band'), "mask", "pieces", "exactly one of"),
    # The subset of Avro
    pieces('"type": {"type": "enum", "name": "E", "symbols": ["A"]}', "avro", "an enum"),
    pieces('"type": "PriceReport"', "avro", "recursion is not allowed"),
    pieces('"type": "integer"', "avro", "the type 'integer'"),
    pieces('"type": ["int", "null"]', "avro", "with null first"),
    pieces('"type": ["null", "int"]', "avro", "no default null"),
    pieces('"type": ["null", "int", "long"], "default": null', "avro", "a union of 3"),
    pieces('"type": {"type": "int", "logicalType": "time-millis"}', "avro", "time-millis"),
    pieces('"type": {"type": "int", "logicalType": "timestamp-millis"}', "avro", "on long"),
    pieces('"type": "int", "default": "3"', "avro", "the default '3'"),
    pieces('"type": "int", "aliases": ["p"]', "key", "unknown key `aliases`"),
    Broken(EVENT, '"name": "pieces"', '"name": "goods"', "avro", '"goods", "type": "i', "a second field named goods"),
    Broken(EVENT, '"name": "pieces"', '"name": "Pieces"', "avro", "Pieces", "the field name 'Pieces'"),
    price(PRICE.replace("12", "39"), "precision 39"),
    price(PRICE.replace(', "scale": 2', ""), "scale null"),
    price('{"type": "fixed", "name": "Hash", "size": 16}', "fixed only below a decimal"),
    Broken(EVENT, OFFERS, OFFERS.replace("Offer", "PriceReport"), "avro", "offers", "a second type named PriceReport"),
    shop('"null"', "avro", "null as a type"),
    shop('{"type": "array", "items": "null"}', "avro", "null as a type"),
    shop('{"type": "map", "values": {"type": "record", "name": "Void", "fields": []}}', "limits", "without fields"),
    shop('{"type": "array", "items": ["null", "int"]}', "avro", "a union inside"),
    shop('"long", "codes": "goods"', "codes", "`codes` on"),
    shop('"long", "identifier": "phone"', "identifier", "`identifier` on \"long\""),
    shop('"string", "identifier": "fone"', "identifier", "did you mean `phone`?"),
    shop('"string", "identifier": 5', "identifier", "citizen-id, uscc, division, phone, plate"),
    Broken(EVENT, '"mask": {"par', '"identifier": "citizen_id", "mask": {"par', "identifier", "direct", "did you mean"),
    # Keys, codes, identifiers, steps
    Broken(TOPIC, "key: [entity_id]", "key: [entity]", "contract-key", "key", "did you mean `entity_id`?"),
    Broken(TOPIC, "key: [entity_id]", "key: [seen_on]", "contract-key", "key", "seen_on is nullable"),
    Broken(TOPIC, "key: [entity_id]", "key: [entity_id, entity_id]", "value", "key", "written twice"),
    Broken(FEED, "key: [event_id]", "key: [event_di]", "contract-key", "key", "did you mean `event_id`?"),
    Broken(CODES, "code: disinfectant", "code: mask", "codes", "消毒剂", "overlaps with its entry in line 4"),
    Broken(CODES, "valid_to: 2020-03-01", "valid_to: 2018-03-01", "codes", "pork", "valid_to later than valid_from"),
    Broken(CODES, "zh: 消毒剂", "zhs: 消毒剂", "key", "消毒剂", "did you mean `zh`?"),
    Broken(CODES, ", zh: 消毒剂", "", "key", "disinfectant", "`zh` of code disinfectant is missing"),
    Broken(CODES, "{code: pork, valid_from: 2019-01-01,", "{code: pork,", "key", "pork", "`valid_from` is missing"),
    Broken(PARTY, "91110000TEAT000154", "91110000TEAT000155", "identifier", "uscc", "5, where the others give 4"),
    Broken(FEED, "of: report", "of: reports", "steps", "of: reports", "did you mean `report`?"),
    Broken(FEED, "name: masks", "name: once", "steps", "where", "a second step named once"),
    Broken(FEED, "  - wh", "  - select: {name: early, fields: {a: report.a}}\n  - wh", "steps", "early", "as step 2"),
    # Examples
    Broken(EXAMPLE, '"event_id": "e2"', '"event_id": ""', "example", '"event_id": ""', "event_id: an id of 0 bytes"),
    Broken(EXAMPLE, '"quantity": 3', '"quantity": "3"', "example", '"e1"', "offers[0].quantity: text"),
    Broken(EXAMPLE, '"mask", "price": "0.00"', '"masks", "price": "0.00"', "example", '"e2"', "did you mean `mask`?"),
    Broken(EXAMPLE, '"pieces": 0, "offers"', '"piece": 0, "offers"', "example", '"e2"', "pieces: missing"),
    Broken(EXAMPLE, '{"event_id": "e2"', '{"event_id": "e2",', "syntax", '"e2"', "property name"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_a_broken_rule_gives_one_finding_at_its_line(case: Broken, draft: Any) -> None:
    assert draft.findings() == ()
    draft.edit(case.file, case.old, case.new)
    findings = draft.findings()
    assert len(findings) == 1, "\n".join(map(str, findings))
    finding = findings[0]
    assert (finding.file, finding.rule) == (case.file, case.rule), str(finding)
    assert case.line in draft.line(finding), f"{finding} points at {draft.line(finding)!r}"
    assert case.says in str(finding)


def test_the_envelope_comes_first_and_in_order(draft: Any) -> None:
    draft.edit(EVENT, '"name": "source"', '"name": "x"')
    draft.edit(EVENT, '"name": "region"', '"name": "source"')
    draft.edit(EVENT, '"name": "x"', '"name": "region"')
    (finding,) = draft.findings()
    assert "`region` in place 7" in finding.found
    assert '"region"' in draft.line(finding)


def test_a_file_that_nothing_uses_is_found(draft: Any) -> None:
    draft.write("parties/alone.yaml", (draft.root / PARTY).read_text().replace("jd", "alone"))
    draft.write("codes/alone.yaml", (draft.root / CODES).read_text().replace("goods", "alone"))
    draft.write("events/market/Alone.avsc", (draft.root / EVENT).read_text().replace("PriceReport", "Alone"))
    draft.write("examples/market.price_report/alone.jsonl", (draft.root / EXAMPLE).read_text())
    found = [(finding.file, finding.line, finding.rule) for finding in draft.findings()]
    assert found == [
        ("codes/alone.yaml", 1, "unused"),
        ("events/market/Alone.avsc", 1, "unused"),
        ("examples/market.price_report/alone.jsonl", 1, "unused"),
        ("parties/alone.yaml", 1, "unused"),
    ]


def test_a_contract_that_cannot_be_read_does_not_make_what_it_uses_look_unused(draft: Any) -> None:
    draft.edit(TOPIC, "owner: watch", "owner: [")
    assert [finding.rule for finding in draft.findings()] == ["syntax"]


def test_a_missing_example_is_found_where_it_is_named(draft: Any) -> None:
    (draft.root / EXAMPLE).unlink()
    (finding,) = draft.findings()
    assert (finding.file, finding.rule) == (TOPIC, "reference")
    assert "examples" in draft.line(finding)


def test_a_feed_without_a_select_is_refused(draft: Any) -> None:
    text = (draft.root / FEED).read_text()
    begin, end = text.index("  - select"), text.index("corrections")
    draft.write(FEED, text[:begin] + text[end:])
    (finding,) = draft.findings()
    assert (finding.rule, finding.found) == ("steps", "no select")


def test_sources_of_different_standards_are_not_joined_and_the_difference_is_named(draft: Any) -> None:
    standard = "standard: {scope: city, method: bulletin, dimension: confirmed, interval: day, level: city}"
    other = "topics/market.price_check.yaml"
    draft.edit(TOPIC, "standard: null", standard)
    text = (draft.root / TOPIC).read_text().replace("market.price_report", "market.price_check")
    draft.write(other, text.replace("interval: day", "interval: hour"))
    draft.write("examples/market.price_check/masks.jsonl", (draft.root / EXAMPLE).read_text())
    draft.edit(FEED, "  report: market.price_report", "  report: market.price_report\n  check: market.price_check")
    (finding,) = draft.findings()
    assert finding.rule == "standard"
    assert "differ in interval: day and hour" in finding.found
    assert "check: market.price_check" in draft.line(finding)
    draft.edit(other, "interval: hour", "interval: day")
    assert draft.findings() == ()


def test_a_region_lies_in_a_division_where_the_catalogue_has_divisions(draft: Any) -> None:
    entries = [f'  - {{code: "{code}", valid_from: 1980-01-01, valid_to: null}}' for code in ("110000", "420100")]
    draft.write("codes/divisions.yaml", "codes: divisions\nsource: GB/T 2260\nentries:\n" + "\n".join(entries))
    assert draft.findings() == ()
    draft.edit(PARTY, '"110000"', '"119900"')
    (finding,) = draft.findings()
    assert (finding.file, finding.rule) == (PARTY, "identifier")


@pytest.mark.parametrize("domain", ["feed", "dead", "gebus"])
def test_a_domain_may_not_have_the_name_of_what_the_bus_makes_itself(domain: str, draft: Any) -> None:
    for old in (TOPIC, EVENT, EXAMPLE):
        text = (draft.root / old).read_text().replace("market.price_report", f"{domain}.price_report")
        (draft.root / old).unlink()
        draft.write(old.replace("market", domain), text.replace("gebus.market", f"gebus.{domain}"))
    for feed in (FEED, ALL_PRICES):
        draft.edit(feed, "market.price_report", f"{domain}.price_report")
    (finding,) = draft.findings()
    assert (finding.rule, finding.line) == ("value", 1)
    assert domain in finding.found


def test_every_rule_has_a_case_that_breaks_it() -> None:
    elsewhere = {"tree", "file", "unused", "standard"}
    assert {case.rule for case in CASES} | elsewhere == set(get_args(Rule))
