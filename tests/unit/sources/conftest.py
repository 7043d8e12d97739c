"""Small code lists, in the form of the real ones."""

from __future__ import annotations

from datetime import date

import pytest

from gebus.model.catalogue import CodeEntry, CodeList
from gebus_connectors.sources.divisions import Divisions
from gebus_connectors.sources.journeys import CoTravel
from gebus_connectors.sources.values import Themes, ValueMap

NAMES = {
    "310000": "上海市",
    "330000": "浙江省",
    "330300": "温州市",
    "410000": "河南省",
    "411300": "南阳市",
    "411381": "邓州市",
    "420000": "湖北省",
    "420100": "武汉市",
    "420103": "江汉区",
    "420600": "襄阳市",
    "429004": "仙桃市",
    "500000": "重庆市",
    "500101": "万州区",
    "500242": "酉阳土家族苗族自治县",
    "532500": "红河哈尼族彝族自治州",
    "530000": "云南省",
    "150000": "内蒙古自治区",
}


@pytest.fixture
def divisions() -> Divisions:
    return Divisions(NAMES)


def _list(name: str, **attributes: object) -> CodeList:
    entries = tuple(
        CodeEntry(code, None, None, value if isinstance(value, dict) else {}) for code, value in attributes.items()
    )
    return CodeList(name, "a test", entries)


@pytest.fixture
def verdicts() -> ValueMap:
    return ValueMap(_list("rumor-verdicts", false={"names": ["0"]}, credible={"names": ["1"]}))


@pytest.fixture
def statuses() -> ValueMap:
    return ValueMap(_list("campaign-statuses", open={"names": ["进行中"]}, closed={"names": ["已完成"]}))


@pytest.fixture
def kinds() -> ValueMap:
    return ValueMap(
        _list(
            "supply-kinds", mask={"names": ["口罩"]}, protective_suit={"names": ["防护服"]}, gown={"names": ["隔离衣"]}
        )
    )


@pytest.fixture
def themes() -> Themes:
    return Themes(_list("news-themes", counts={"words": ["例"]}, travel={"words": ["公交"]}, other={"words": []}))


@pytest.fixture
def rules() -> CoTravel:
    """Rules of two editions, and of a province that looks back further in the second."""
    co_travel = _list(
        "co-travel-rules",
        aircraft={"area": "rows", "rows": 3, "letters": ""},
        train_sealed={"area": "car", "rows": None, "letters": "GK"},
        train_open={"area": "car_rows", "rows": 1, "letters": ""},
    )
    second = date(2020, 2, 6)
    country, hubei = {"region": "100000", "days": 0}, {"region": "420000", "days": 4}
    look_back = (
        CodeEntry("first", date(2020, 1, 15), second, country),
        CodeEntry("second", second, None, {**country, "days": 2}),
        CodeEntry("hubei", second, None, hubei),
    )
    return CoTravel(co_travel, CodeList("look-back-days", "a test", look_back))
