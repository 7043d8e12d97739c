"""Names of places become codes only where there is one possible answer."""

from __future__ import annotations

import pytest

from gebus_connectors.sources.divisions import Divisions, level_of


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("湖北", "武汉市", "江汉区"), "420103"),
        (("湖北省", "武汉", None), "420100"),
        (("湖北", "襄阳市", "高新区"), "420600"),
        (("湖北", "襄阳市", "襄阳市"), "420600"),
        (("湖北", "仙桃市", "仙桃市"), "429004"),
        (("重庆", "万州", None), "500101"),
        (("重庆市", "酉阳县", None), "500242"),
        (("云南省", "红河州", None), "532500"),
        (("内蒙古", None, None), "150000"),
        (("泰国", None, None), None),
    ],
)
def test_the_finest_division_that_is_found(divisions: Divisions, names: tuple[str, ...], code: str | None) -> None:
    assert divisions.finest(*names) == code


def test_a_code_that_a_spreadsheet_made_a_float(divisions: Divisions) -> None:
    assert divisions.coded("330300.0") == "330300"
    assert [divisions.coded(written) for written in ("0.0", "-1.0", "", None, "999999")] == [None] * 5


def test_what_could_be_two_is_none() -> None:
    twins = Divisions({"110000": "北京市", "110105": "朝阳区", "110106": "朝阳县"})
    assert twins.within("110000", "朝阳") is None
    assert twins.within("110000", "朝阳区") == "110105"


def test_the_place_that_words_speak_of_last(divisions: Divisions) -> None:
    assert divisions.mentioned("温州到武汉") == "420100"
    assert divisions.mentioned("湖北省慈善总会") == "420000"
    assert divisions.mentioned("某基金会") is None


@pytest.mark.parametrize(
    ("code", "level"), [("100000", "country"), ("420000", "province"), ("420100", "city"), ("429004", "county")]
)
def test_the_level_of_a_code(code: str, level: str) -> None:
    assert level_of(code) == level
