"""The journeys of cases as nosugar and dlunion have them, and the invented lists of passengers beside them."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

from gebus_connectors.sources.divisions import Divisions
from gebus_connectors.sources.dlunion import DlunionConfig, DlunionSource
from gebus_connectors.sources.journeys import CoTravel, Run
from gebus_connectors.sources.manifest import ManifestConfig, ManifestSource, QuerySource, flights, trains
from gebus_connectors.sources.nosugar import NosugarConfig, NosugarSource
from gebus_connectors.sources.reading import Event, Reading, Skipped

HEADER = "日期,类别,车次/航班/车牌,车厢/座位等,出发地,目的地,发布时间,引用\n"


def _events(readings: list[Reading]) -> list[Event]:
    return [reading for reading in readings if isinstance(reading, Event)]


def _skipped(readings: list[Reading]) -> list[str]:
    return [str(reading) for reading in readings if isinstance(reading, Skipped)]


def _trip(**cells: Any) -> dict[str, Any]:
    known = {"id": 1, "t_date": "2020-01-22", "t_type": 1, "t_no": "CA8221", "t_no_sub": "", "t_memo": None}
    more = {"t_pos_start": "武汉", "source": "u", "created_at": "2020-01-27T18:00:00.000Z"}
    return known | more | cells


def _nosugar(folder: Path, divisions: Divisions, rules: CoTravel, answer: object) -> list[Reading]:
    config = NosugarConfig(folder)
    config.trips.parent.mkdir(exist_ok=True)
    config.trips.write_text(answer if isinstance(answer, str) else json.dumps(answer), encoding="utf-8")
    return list(NosugarSource(config, divisions, rules).read())


def test_nosugar_gives_the_announced_day_and_no_remark(tmp_path: Path, divisions: Divisions, rules: CoTravel) -> None:
    rows = [
        _trip(t_memo="座位号：21D,返乡人员", t_start="2019-12-31T16:00:00.000Z"),
        _trip(id=2, t_type=2, t_no="G4", t_no_sub="17号车厢"),
        _trip(id=3, t_memo="6-7排,31-32排"),
    ]
    events = _events(_nosugar(tmp_path, divisions, rules, {"code": 0, "data": rows}))
    flight, train, first, second = events
    assert (flight.fields["carrier_no"], flight.fields["row"], flight.fields["region"]) == ("CA8221", 21, "420100")
    assert flight.fields["service_date"] == (date(2020, 1, 22) - date(1970, 1, 1)).days
    assert "返乡" not in str(dict(flight.fields))
    assert (train.fields["carrier"], train.fields["car"], train.fields["contact_area"]) == ("train_sealed", "17", "car")
    assert [(one.fields["contact_row_from"], one.fields["contact_row_to"]) for one in (first, second)] == [
        (6, 7),
        (31, 32),
    ]
    assert len({event.fields["entity_id"] for event in events}) == 4


def test_nosugar_lists_what_has_no_list_of_passengers(tmp_path: Path, divisions: Divisions, rules: CoTravel) -> None:
    rows: list[object] = [_trip(t_type=5), _trip(t_no="未知"), _trip(t_date="2020-02-30"), _trip(t_no=""), 7]
    readings = _nosugar(tmp_path, divisions, rules, {"code": 0, "data": rows})
    assert _skipped(readings) == [
        "transportation.json:1: t_type 5 is no carrier that has a list of passengers",
        "transportation.json:2: '未知' is no number of a flight",
        "transportation.json:3: '2020-02-30' is not a date",
        "transportation.json:4: t_no is empty",
        "transportation.json:5: not a JSON object",
    ]
    assert _events(readings) == []


def test_nosugar_does_not_read_what_is_no_answer(tmp_path: Path, divisions: Divisions, rules: CoTravel) -> None:
    for answer in ('{"code": 0,', '{"code": 1, "data": []}', "[]"):
        (found,) = _skipped(_nosugar(tmp_path, divisions, rules, answer))
        assert "not JSON" in found or "not an answer" in found
    missing = list(NosugarSource(NosugarConfig(tmp_path / "none"), divisions, rules).read())
    assert _skipped(missing)[0].startswith("transportation.json:1: cannot be read")


def _dlunion(folder: Path, divisions: Divisions, rules: CoTravel, *tables: str) -> list[Reading]:
    config = DlunionConfig(folder)
    for path, lines in zip(config.tables, (*tables, "", "")[:3], strict=True):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((HEADER + lines).encode("gb18030"))
    return list(DlunionSource(config, divisions, rules).read())


def test_dlunion_repeats_are_one_event_whatever_account_they_are_from(
    tmp_path: Path, divisions: Divisions, rules: CoTravel
) -> None:
    first = "1月22,火车,G1278,2号车厢,武汉,哈尔滨,2020.1.29,u1\n"
    again = "1月22,火车,G1278,2号车厢,武汉,哈尔滨,2020.1.30,u2\n1月22,飞机,ZH4751(CA8215),,武汉,北京,2020.1.30,u2\n"
    one, two, *shared = _events(_dlunion(tmp_path, divisions, rules, first, again))
    assert one.event_id == two.event_id
    assert two.fields["source_url"] == "u1"
    assert [event.fields["carrier_no"] for event in shared] == ["ZH4751", "CA8215"]
    assert {event.fields["contact_area"] for event in shared} == {"carrier"}


def test_dlunion_finds_the_year_and_lists_defects(tmp_path: Path, divisions: Divisions, rules: CoTravel) -> None:
    lines = (
        "12月31,火车,K1627,3、17号车厢,武汉,柳州,2020.1.29,u\n"
        ",,,,,,,\n"
        "1月32,火车,K1627,,武汉,柳州,2020.1.29,u\n"
        "一月3,火车,K1627,,武汉,柳州,2020.1.29,u\n"
        "1月20,汽车,吉JG4***,,松原,乾安,2020.1.29,u\n"
        "1月20,飞机,武汉,,武汉,乾安,2020.1.29,u\n"
    )
    readings = _dlunion(tmp_path, divisions, rules, lines)
    events = _events(readings)
    assert [event.fields["car"] for event in events] == ["3", "17"]
    assert {event.fields["service_date"] for event in events} == {(date(2019, 12, 31) - date(1970, 1, 1)).days}
    assert _skipped(readings) == [
        "data.1.29.csv:3: 类别 is empty",
        "data.1.29.csv:4: '1月32' is not a date",
        "data.1.29.csv:5: '一月3' is not a date",
        "data.1.29.csv:6: 汽车 is no carrier that has a list of passengers",
        "data.1.29.csv:7: '武汉' is no number of a flight",
    ]


RUNS = [Run("aircraft", "CA8221", date(2020, 1, 22), "420100"), Run("train", "G1278", date(2020, 1, 23), "420100")]


def test_a_manifest_names_nobody_and_skips_row_13_where_it_says_so(tmp_path: Path) -> None:
    config = ManifestConfig(tmp_path, "hangkong", passengers=200)
    events = _events(list(ManifestSource(config, RUNS).read()))
    again = _events(list(ManifestSource(config, RUNS).read()))
    assert [event.event_id for event in events] == [event.event_id for event in again]
    flight = [event.fields for event in events if event.fields["carrier_no"] == "CA8221"]
    assert {seat["skips_row_13"] for seat in flight} == {True}
    assert 13 not in {seat["row"] for seat in flight}
    assert all(str(event.fields["passenger_id"]).startswith("p-") for event in events)
    assert Counter(event.fields["role"] for event in events)["crew"] == 2 * len(RUNS)
    assert Counter(event.fields["status"] for event in events) == {"ASSERTED": 404, "CORRECTED": 1, "RETRACTED": 1}


def test_other_runs_are_those_of_the_timetables(tmp_path: Path) -> None:
    config = ManifestConfig(tmp_path, "tielu", others=2)
    config.stops.parent.mkdir()
    config.stops.write_text("\ufefftid,sno,sname,arrv_time,depart_time\nD1,0,北京,x,y\nD1,1,沈阳,x,y\nG2,0,武汉,x,y\n")
    config.routes.parent.mkdir()
    config.routes.write_text(
        "3K,3021,HAK,4120,SIN,3316,,0,320\nCA,751,PEK,3364,WUH,3376,,0,320\nXXX,1,A,2,B,3,,0,320\n"
    )
    assert sorted(run.carrier_no for run in trains(config)) == ["D1", "G2"]
    assert sorted(run.carrier_no[:2] for run in flights(config)) == ["3K", "CA"]
    assert trains(config) == trains(config)


def test_each_run_is_asked_for_once() -> None:
    events = _events(list(QuerySource("hanglv", RUNS).read()))
    assert [event.fields["carrier_no"] for event in events] == ["CA8221", "G1278"]
    assert len({event.fields["query_no"] for event in events}) == 2
