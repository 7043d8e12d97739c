"""Seats as people write them, and the rules that are stamped on a case's journey."""

from __future__ import annotations

from datetime import date

import pytest

from gebus.model.identifiers import identifier_kinds
from gebus_connectors.sources.clinics import place_key
from gebus_connectors.sources.divisions import city_of
from gebus_connectors.sources.generator.market import merchant_code
from gebus_connectors.sources.journeys import Carrier, CoTravel, Run, Spot, carrier_numbers, spots
from gebus_connectors.sources.reading import BadRow
from gebus_connectors.sources.rows import days_since_epoch, moment

JANUARY, FEBRUARY = moment("2020-01-28T12:00:00+08:00"), moment("2020-02-10T12:00:00+08:00")
FLIGHT = Run("aircraft", "CA8221", date(2020, 1, 22), "420100")


@pytest.mark.parametrize(
    ("words", "carrier", "expected"),
    [
        ("座位号：21D", "aircraft", [Spot(None, 21, "D")]),
        ("座位27D,同乘航班96人", "aircraft", [Spot(None, 27, "D")]),
        ("6-7排,31-32排", "aircraft", [Spot(rows=(6, 7)), Spot(rows=(31, 32))]),
        ("经临汾，代码共享航班，国航CA8215", "aircraft", [Spot()]),
        ("6号车厢3排D座 经过汉口/武汉", "train", [Spot("6", 3, "D")]),
        ("座次17车03F", "train", [Spot("17", 3, "F")]),
        ("01车厢 01车厢004C座", "train", [Spot("1", 4, "C")]),
        ("11车09A号二等座", "train", [Spot("11", 9, "A")]),
        ("13车007号下铺", "train", [Spot("13")]),
        ("A3号车厢 A3车厢0048号座", "train", [Spot("A3")]),
        ("加1号车厢", "train", [Spot("加1")]),
        ("4、6、13号车厢", "train", [Spot("4"), Spot("6"), Spot("13")]),
        ("第7车厢 7车26D", "train", [Spot("7", 26, "D")]),
        ("K1348次列车(深圳东-西安)1号车厢的一名乘客", "train", [Spot("1")]),
        ("同车次乘客共有49人需采取防护措施", "train", [Spot()]),
    ],
)
def test_a_seat_is_found_however_it_is_written(words: str, carrier: Carrier, expected: list[Spot]) -> None:
    assert spots(words, carrier) == expected


def test_a_flight_can_have_several_numbers() -> None:
    assert list(carrier_numbers("ZH4751（CA8215）", "aircraft")) == ["ZH4751", "CA8215"]
    assert list(carrier_numbers(" k1627 ", "train")) == ["K1627"]
    assert list(carrier_numbers("8L9564", "aircraft")) == ["8L9564"]


@pytest.mark.parametrize(("written", "carrier"), [("未知", "train"), ("G52775X", "train"), ("1234", "aircraft")])
def test_what_is_no_number_is_not_guessed(written: str, carrier: Carrier) -> None:
    with pytest.raises(BadRow, match="is no number of"):
        list(carrier_numbers(written, carrier))


@pytest.mark.parametrize(
    ("number", "spot", "area", "rows"),
    [
        ("CA8221", Spot(row=27, seat="D"), "rows", (24, 30)),
        ("CA8221", Spot(row=2), "rows", (1, 5)),
        ("CA8221", Spot(rows=(22, 28)), "rows", (22, 28)),
        ("CA8221", Spot(), "carrier", (None, None)),
        ("G1278", Spot("2", 8, "D"), "car", (None, None)),
        ("G1278", Spot(), "carrier", (None, None)),
        ("5539", Spot("3", 4), "car_rows", (3, 5)),
        ("5539", Spot("3"), "car", (None, None)),
    ],
)
def test_the_area_is_the_rule_widened_to_what_is_known(
    rules: CoTravel, number: str, spot: Spot, area: str, rows: tuple[int | None, int | None]
) -> None:
    run = Run("aircraft" if number == "CA8221" else "train", number, date(2020, 1, 22), "420100")
    trip = rules.trip(run, spot, at=JANUARY)
    assert (trip["contact_area"], (trip["contact_row_from"], trip["contact_row_to"])) == (area, rows)


def test_the_look_back_is_that_of_the_day_and_the_nearest_place(rules: CoTravel) -> None:
    onset = date(2020, 1, 25)
    beijing = Run("aircraft", "CA8221", date(2020, 1, 22), "110105")
    found = [
        (trip["look_back"], trip["look_back_days"], trip["infectious_from"])
        for run, at in ((FLIGHT, JANUARY), (beijing, FEBRUARY), (FLIGHT, FEBRUARY))
        for trip in (rules.trip(run, Spot(), at=at, onset=onset),)
    ]
    day = days_since_epoch(onset)
    assert found == [("first", 0, day), ("second", 2, day - 2), ("hubei", 4, day - 4)]
    assert rules.trip(FLIGHT, Spot(), at=JANUARY)["infectious_from"] is None


def test_a_day_without_a_rule_is_told(rules: CoTravel) -> None:
    with pytest.raises(BadRow, match=r"codes/look-back-days\.yaml has no rule for 2019-12-31"):
        rules.trip(FLIGHT, Spot(), at=moment("2019-12-31T12:00:00+08:00"))


def test_a_place_is_its_city_and_its_name() -> None:
    assert [city_of(code) for code in ("420106", "420100", "310115", "110000", "100000")] == [
        "420100",
        "420100",
        "310000",
        "110000",
        "100000",
    ]
    assert (
        place_key("420106", "武汉大学 人民医院") == place_key("420100", "武汉大学人民医院") == "420100/武汉大学人民医院"
    )


def test_invented_merchants_have_valid_codes() -> None:
    codes = [merchant_code(number) for number in range(200)]
    assert len(set(codes)) == 200
    assert [code for code in codes if identifier_kinds()["uscc"].problem(code, date.min)] == []
