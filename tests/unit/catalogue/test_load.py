"""Loading as a whole: every finding at once, hostile files, and what a valid catalogue is worth."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from gebus.catalogue import Places, load
from gebus.model.errors import ContractError
from gebus.model.event import Mask

EVENT = "events/market/PriceReport.avsc"
TOPIC = "topics/market.price_report.yaml"
FEED = "feeds/cdc/dear-masks.yaml"
PARTY = "parties/jd.yaml"


def test_ten_planted_errors_give_ten_findings_each_with_file_and_line(draft: Any) -> None:
    draft.edit(PARTY, "kind: enterprise", "kind: company")
    draft.edit("parties/cdc.yaml", "11420000TEAT00031A", "11420000TEAT000311")
    draft.edit(TOPIC, "owner: watch", "owner: market-watch")
    draft.edit(TOPIC, "partitions: 2", "partitons: 2")
    draft.edit(EVENT, '"classification": 2, "identifies": "none", "generalise"', '"identifies": "none", "generalise"')
    draft.edit(EVENT, '"revision", "type": "long"', '"revision", "type": "string"')
    draft.edit(FEED, "of: report", "of: reprot")
    draft.edit("codes/goods.yaml", "code: disinfectant", "code: mask")
    draft.edit("feeds/watch/all-prices.yaml", "within: 14d", "within: fortnight")
    draft.write("topics/notes.txt", "todo")
    findings = draft.findings()
    assert [(finding.file, finding.rule) for finding in findings] == [
        ("codes/goods.yaml", "codes"),
        (EVENT, "envelope"),
        (EVENT, "classification"),
        (FEED, "steps"),
        ("feeds/watch/all-prices.yaml", "value"),
        ("parties/cdc.yaml", "identifier"),
        (PARTY, "value"),
        (TOPIC, "reference"),
        (TOPIC, "key"),
        ("topics/notes.txt", "tree"),
    ]
    lines = [draft.line(finding) for finding in findings]
    for text, line in zip(
        (
            "消毒剂",
            "revision",
            "pieces",
            "of: reprot",
            "fortnight",
            "uscc",
            "company",
            "market-watch",
            "partitons",
            "todo",
        ),
        lines,
        strict=True,
    ):
        assert text in line


def test_a_valid_catalogue_is_a_value_with_everything_resolved(draft: Any) -> None:
    catalogue = load(draft.root)
    assert set(catalogue.parties) == {"jd", "watch", "cdc"}
    assert set(catalogue.feeds) == {"cdc/dear-masks", "watch/all-prices"}
    schema = catalogue.events["market.price_report"]
    assert [field.name for field in schema.fields[:8]] == [
        "event_id", "entity_id", "revision", "status", "occurred_at", "published_at", "source", "region",
    ]  # fmt: skip
    phone, seen_on, offers = (schema.field(name) for name in ("reporter_phone", "seen_on", "offers"))
    assert phone is not None
    assert seen_on is not None
    assert offers is not None
    assert phone.masked == Mask("partial", first=3, last=4)
    assert (phone.level, phone.identifies, phone.generalised) == (3, "direct", None)
    assert seen_on.generalised == Mask("date", unit="month")
    assert offers.masked == Mask("null")
    goods = catalogue.codes["goods"]
    assert [entry.code for entry in goods.entries] == ["mask", "disinfectant", "pork"]
    assert goods.entries[0].attributes == {"zh": "口罩"}


def test_findings_are_sorted_by_place_and_read_as_sentences(draft: Any) -> None:
    draft.edit(TOPIC, "owner: watch", "owner: wach")
    with pytest.raises(ContractError) as caught:
        load(draft.root)
    assert str(caught.value) == (
        "topics/market.price_report.yaml:4: 'owner' names wach, which is not in parties/; "
        "allowed: a file below parties/; did you mean `watch`? [reference]"
    )


@pytest.mark.parametrize(
    ("content", "rule", "says"),
    [
        (b"", "file", "an empty file"),
        (b" \n\n", "file", "an empty file"),
        (b"# nothing\n", "file", "only comments"),
        (b"party: jd\nkind: \xff\n", "file", "byte 0xff is not UTF-8"),
        (b"party: \x07jd\n", "syntax", "a control character"),
        (b"[" * 100_000, "syntax", "more than 48 levels"),
        (b"- " * 100_000, "syntax", "more than 48 levels"),
        (b"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", "syntax", "the anchor &a"),
        (b"just words\n", "value", "'just words'"),
        (b"- a list\n", "value", "a list of 1"),
        (b"a" * (9 * 1024 * 1024), "file", "at most 8388608 bytes"),
    ],
    ids=lambda value: value[:12].decode("latin-1") if isinstance(value, bytes) else str(value),
)
def test_a_broken_file_is_one_finding_and_costs_no_other_file(content: bytes, rule: str, says: str, draft: Any) -> None:
    draft.write(PARTY, content)
    draft.edit("parties/cdc.yaml", "kind: department", "kind: bureau")
    begin = time.monotonic()
    findings = draft.findings()
    assert time.monotonic() - begin < 5
    assert [(finding.file, finding.rule) for finding in findings] == [("parties/cdc.yaml", "value"), (PARTY, rule)]
    assert says in str(findings[1])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "Expecting property name"),
        ("[]", "a list of 0"),
        ('{"type": "record", "type": "record"}', "written twice"),
        ('{"type": NaN}', "NaN is not a JSON number"),
        ("type: record", "Expecting value"),
        ("[" * 100_000, "more than 48 levels"),
        ('{"a": ' * 100_000, "more than 48 levels"),
        ('{"type": "record", "fields": {}}', "a list of objects"),
        ('{"type": "record", "fields": [1]}', "a list of objects"),
        ('{"type": "record", "fields": [{"name": ["event_id"], "type": {}}]}', "the field name a list of 1"),
    ],
)
def test_a_broken_schema_is_found_and_ends_nothing(content: str, says: str, draft: Any) -> None:
    draft.write(EVENT, content)
    findings = draft.findings()
    assert {finding.file for finding in findings if finding.rule != "unused"} == {EVENT}
    assert any(says in str(finding) for finding in findings)


def test_a_schema_of_too_many_fields_or_levels_is_refused(draft: Any) -> None:
    schema = json.loads((draft.root / EVENT).read_text())
    plain = {"classification": 1, "identifies": "none", "doc": "x"}
    deep: Any = "string"
    for level in range(13):
        deep = {"type": "record", "name": f"Level{level}", "fields": [{"name": "a", "type": deep}]}
    wide = [{"name": f"f{number}", "type": "string", **plain} for number in range(400)]
    draft.write(EVENT, json.dumps({**schema, "fields": [*schema["fields"], {"name": "deep", "type": deep, **plain}]}))
    assert [finding.found for finding in draft.findings()] == ["more than 12 levels of nesting"]
    draft.write(EVENT, json.dumps({**schema, "fields": [*schema["fields"], *wide]}))
    assert [finding.found for finding in draft.findings()] == ["more than 400 fields"]


def test_a_directory_or_a_device_in_the_place_of_a_file_is_found(draft: Any) -> None:
    (draft.root / PARTY).unlink()
    (draft.root / PARTY).mkdir()
    os.mkfifo(draft.root / "parties/pipe.yaml")
    found = {(finding.file, finding.found) for finding in draft.findings()}
    assert found == {
        (PARTY, "a directory"),
        ("parties/pipe.yaml", "not a regular file"),
        ("parties/pipe.yaml", "nothing uses this file"),
    }


@pytest.mark.parametrize("file", ["topics/market.price_report.yml", "parties/sub/jd.yaml", "jd.yaml", "feeds/jd.yaml"])
def test_a_file_in_no_place_of_the_catalogue_is_found(file: str, draft: Any) -> None:
    draft.write(file, "party: jd")
    assert [(finding.file, finding.rule) for finding in draft.findings()] == [(file, "tree")]


def test_a_readme_may_explain_the_catalogue(draft: Any) -> None:
    draft.write("README.md", "# What flows")
    assert draft.findings() == ()


def test_a_catalogue_that_is_not_there_or_empty_is_one_finding(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for name, says in (("missing", "no directory"), ("empty", "an empty directory"), ("file", "not a directory")):
        with pytest.raises(ContractError, match=says):
            load(tmp_path / name)


def test_scalars_mean_what_is_written(draft: Any) -> None:
    draft.edit("codes/goods.yaml", "zh: 口罩", "zh: no")
    draft.edit("codes/goods.yaml", "code: disinfectant", "code: 0102")
    codes = load(draft.root).codes["goods"]
    assert codes.entries[0].attributes == {"zh": "no"}
    assert codes.entries[1].code == "0102"


def test_places_tell_the_line_of_a_key_or_of_what_is_around_it(draft: Any) -> None:
    places = Places(draft.root)
    text = (draft.root / FEED).read_text().splitlines()
    assert "report.goods ==" in text[places.line(FEED, ("steps", 1, "where", "when")) - 1]
    assert "pieces:" in text[places.line(FEED, ("steps", 2, "select", "fields", "pieces")) - 1]
    assert "select" in text[places.line(FEED, ("steps", 2, "select", "nothing")) - 1]
    assert places.line("feeds/cdc/missing.yaml", ("feed",)) == 1
    assert places.line("../outside.yaml", ("feed",)) == 1


def test_five_thousand_feeds_are_checked_within_bounds(draft: Any) -> None:
    text = (draft.root / FEED).read_text()
    for number in range(500):  # a tenth of the number, for a tenth of the time
        draft.write(f"feeds/cdc/feed-{number}.yaml", text.replace("dear-masks", f"feed-{number}"))
    begin = time.monotonic()
    assert len(load(draft.root).feeds) == 502
    assert time.monotonic() - begin < 10
