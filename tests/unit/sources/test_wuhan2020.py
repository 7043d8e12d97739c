"""Change streams of wuhan2020: additions, updates, removals, and lines that are none."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from gebus_connectors.sources.divisions import Divisions
from gebus_connectors.sources.reading import Event, Reading, Skipped
from gebus_connectors.sources.values import ValueMap
from gebus_connectors.sources.wuhan2020 import Wuhan2020Config, Wuhan2020Source
from gebus_connectors.sources.wuhan2020.config import Form

Read = Callable[[Form, Sequence[object]], list[Reading]]


@pytest.fixture
def read(tmp_path: Path, divisions: Divisions, statuses: ValueMap, kinds: ValueMap) -> Read:
    def read_changes(form: Form, lines: Sequence[object]) -> list[Reading]:
        config = Wuhan2020Config(tmp_path, form, "wuhan2020")
        config.changes.parent.mkdir(exist_ok=True)
        written = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
        config.changes.write_text("\n".join(written) + "\n", encoding="utf-8")
        return list(Wuhan2020Source(config, divisions, campaign_statuses=statuses, supply_kinds=kinds).read())

    return read_changes


def _change(op: str, *records: Mapping[str, object], at: int = 1, key: str = "甲") -> dict[str, object]:
    change: dict[str, object] = {"at": f"2020-02-0{at}T10:00:00+08:00", "path": "p.json", "op": op, "key": key}
    return change | ({"records": list(records)} if records else {})


def _hospital(name: str = "协和医院", **changes: object) -> dict[str, object]:
    record = {"province": "湖北", "city": "武汉市", "district": "江汉区", "name": name, "supplies": [], "url": " u "}
    return record | {"remark": "", **changes}


def _events(readings: list[Reading]) -> list[Event]:
    assert not [reading for reading in readings if isinstance(reading, Skipped)]
    return [reading for reading in readings if isinstance(reading, Event)]


def test_a_life_of_one_need(read: Read) -> None:
    more = _hospital(supplies=[{"key": "防护服", "value": 500}])
    changes = [_change("add", _hospital()), _change("update", more, at=2), _change("update", more, at=3)]
    added, updated, repeated, removed = _events(read("hospital", [*changes, _change("remove", at=4)]))
    assert [event.fields["status"] for event in (added, updated, removed)] == ["ASSERTED", "CORRECTED", "RETRACTED"]
    assert [event.fields["revision"] for event in (added, updated, removed)] == [0, 1, 2]
    assert repeated.event_id == updated.event_id
    assert len({event.fields["entity_id"] for event in (added, updated, removed)}) == 1
    assert added.fields["region"] == "420103"
    assert added.fields["source_url"] == "u"
    assert added.fields["remark"] is None


def test_one_is_no_number_and_null_is_not_wanted(read: Read) -> None:
    supplies = [
        {"key": "口罩", "value": 1, "specification": " YY 0469 "},
        {"key": "防护服", "value": 2000},
        {"key": "隔离衣", "value": None},
    ]
    (event,) = _events(read("hospital", [_change("add", _hospital(supplies=supplies))]))
    assert event.fields["supplies"] == [
        {"kind": "mask", "name": "口罩", "quantity": None, "specification": "YY 0469"},
        {"kind": "protective_suit", "name": "防护服", "quantity": 2000, "specification": None},
    ]


def test_what_an_update_leaves_out_is_retracted(read: Read) -> None:
    both = [_hospital("红十字会"), _hospital("红十字会", district="襄阳市", city="襄阳市")]
    events = _events(read("hospital", [_change("add", *both), _change("update", both[0], at=2)]))
    assert [(event.fields["status"], event.fields["region"]) for event in events] == [
        ("ASSERTED", "420103"),
        ("ASSERTED", "420600"),
        ("ASSERTED", "420103"),
        ("RETRACTED", "420600"),
    ]


def test_every_line_that_is_no_event_is_listed_with_its_place(read: Read) -> None:
    lines = [
        "{not json",
        _change("add", _hospital(province="泰国")),
        _change("remove", key="乙"),
        _change("rename", _hospital()),
        _change("add", _hospital(name=" "), key="丙"),
        {"op": "add"},
        _change("add", key="丁"),
        _change("add", _hospital(supplies=[{"key": "口罩", "value": "many"}]), key="戊"),
        _change("add", _hospital()),
    ]
    readings = read("hospital", lines)
    skipped = [reading for reading in readings if isinstance(reading, Skipped)]
    assert [one.line for one in skipped] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [one.reason for one in skipped] == [
        "not a line of JSON",
        "no division of GB/T 2260 is called like its province",
        "a removal of what was never there",
        "op is 'rename'; known are add, update and remove",
        "name is empty",
        "at is empty",
        "records is not a list of objects",
        "a supply whose value is no whole number",
    ]
    assert len(readings) == len(lines)


def test_a_channel_and_its_day_in_china(read: Read) -> None:
    record = {"name": "顺丰", "from": "全国", "dest": "武汉", "allowPersonal": "否", "date": "2020-01-24T16:00:00.000Z"}
    (event,) = _events(read("logistical", [_change("add", record)]))
    assert event.topic == "supply.logistics"
    assert event.fields["route"] == "全国 - 武汉"
    assert event.fields["region"] == "420100"
    assert event.fields["takes_private_goods"] is False
    assert event.fields["opened_on"] == 18286


def test_an_unknown_word_for_yes_or_a_status_is_not_guessed(read: Read) -> None:
    odd = {"name": "顺丰", "area": "武汉", "allowPersonal": "也许"}
    assert "也许" in str(read("logistical", [_change("add", odd)])[0])
    toys = _hospital(supplies=[{"key": "玩具", "value": 1}])
    assert "no name of codes/supply-kinds.yaml" in str(read("hospital", [_change("add", toys)])[0])
    ended = {"name": "慈善总会", "info": "账号", "status": "结束了"}
    assert "no name of codes/campaign-statuses.yaml" in str(read("donation", [_change("add", ended)])[0])


def test_a_campaign_and_a_consultation(read: Read) -> None:
    (campaign,) = _events(
        read("donation", [_change("add", {"name": "湖北省慈善总会", "status": "进行中", "info": "x"})])
    )
    assert (campaign.fields["kind"], campaign.fields["campaign_status"]) == ("channel", "open")
    assert campaign.fields["account_info"] == "x"
    (clinic,) = _events(read("clinic", [_change("add", {"name": "京东健康", "remark": "免费"})]))
    assert (clinic.fields["kind"], clinic.fields["region"]) == ("online_consultation", "100000")
