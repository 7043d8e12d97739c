"""The tables of wuhan-support, DXY, canghailan and The Paper, with the defects that they have."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gebus_connectors.sources.canghailan import CanghailanConfig, CanghailanSource
from gebus_connectors.sources.divisions import Divisions
from gebus_connectors.sources.dxy import DxyConfig, DxyCountsSource, DxyNewsSource, DxyRumorsSource
from gebus_connectors.sources.reading import Event, Reading, Skipped
from gebus_connectors.sources.thepaper import ThePaperConfig, ThePaperSource
from gebus_connectors.sources.values import Themes, ValueMap
from gebus_connectors.sources.wuhan_support import WuhanSupportConfig, WuhanSupportSource

AREA = (
    "updateTime,provinceName,province_zipCode,cityName,city_zipCode,province_confirmedCount,province_suspectedCount,"
    "province_curedCount,province_deadCount,city_confirmedCount,city_suspectedCount,city_curedCount,city_deadCount\n"
)
NEWS = "id,pubDate,title,summary,infoSource,sourceUrl,provinceId,provinceName,createTime,crawlTime,infoType,adoptType\n"
RUMORS = "at,op,commit,id,title,mainSummary,body,rumorType,sourceUrl\n"
DAILY = "date,country,countryCode,province,provinceCode,city,cityCode,confirmed,suspected,cured,dead\n"
REVISIONS = (
    "seen_at,op,date,provinceCode,cityCode,old_confirmed,old_suspected,old_cured,old_dead,"
    "new_confirmed,new_suspected,new_cured,new_dead\n"
)
NOTICES = "报道时间,省份,城市,新增确诊,新增出院,新增死亡,消息来源,来源链接1,来源链接2,来源链接3,备注\n"


def _put(path: Path, text: str, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))


def _events(readings: Iterable[Reading]) -> list[Event]:
    return [reading for reading in readings if isinstance(reading, Event)]


def _skipped(readings: Iterable[Reading]) -> list[str]:
    return [str(reading) for reading in readings if isinstance(reading, Skipped)]


def test_dxy_counts_of_two_files_are_one_history(tmp_path: Path, divisions: Divisions) -> None:
    config = DxyConfig(tmp_path)
    changes, raw = config.counts
    wrong_and_back = "".join(
        f"2020-02-12 0{hour}:00:00,浙江省,330000,,,10,0,{cured},0,,,,\n" for hour, cured in ((1, 5), (2, 537), (4, 5))
    )
    _put(changes, AREA + wrong_and_back)
    _put(raw, AREA + "2020-02-12 03:00:00.000,浙江省,330000,温州,330300.0,10,0,537,0,4,0,1,0\n")
    events = _events(DxyCountsSource(config, divisions).read())
    province = [event for event in events if event.fields["region"] == "330000"]
    assert [event.fields["cured"] for event in province] == [5, 537, 537, 5]
    assert [event.fields["revision"] for event in province] == [0, 1, 1, 2]
    assert province[1].event_id == province[2].event_id
    city = next(event for event in events if event.fields["region"] == "330300")
    assert (city.fields["place"], city.fields["level"], city.fields["entity_id"]) == (
        "温州市",
        "city",
        "330300/2020-02-12",
    )


def test_dxy_places_without_a_code(tmp_path: Path, divisions: Divisions) -> None:
    config = DxyConfig(tmp_path)
    rows = [("江汉区", "0.0"), ("外地来汉人员", "-1.0"), ("温州", ""), ("江汉", "")]
    lines = [f"2020-02-12 01:00:00,湖北省,420000,{city},{code},,,,,1,0,0,0\n" for city, code in rows]
    lines.append("2020-02-12 01:00:00,河南省,410000,南阳（含邓州）,411300.0,,,,,1,0,0,0\n")
    _put(config.counts[0], AREA + "".join(lines))
    _put(config.counts[1], AREA)
    found = [
        (event.fields["region"], event.fields["level"], event.fields["place"])
        for event in _events(DxyCountsSource(config, divisions).read())
    ]
    assert found == [
        ("420103", "county", "江汉区"),
        ("420000", "uncoded", "外地来汉人员"),
        ("420000", "uncoded", "温州"),
        ("420103", "county", "江汉区"),
        ("411300", "uncoded", "南阳（含邓州）"),
    ]


def test_dxy_counts_that_are_none_are_listed(tmp_path: Path, divisions: Divisions) -> None:
    config = DxyConfig(tmp_path)
    rows = [
        "later,湖北省,420000,,,1,0,0,0,,,,",
        "2020-02-12 01:00:00,某省,0,,,1,0,0,0,,,,",
        "2020-02-12 01:00:00,湖北省,420000,,,一,0,0,0,,,,",
        "2020-02-12 01:00:00,湖北省,420000,,,,,,,,,,",
        "2020-02-12 01:00:00,湖北省",
    ]
    _put(config.counts[0], AREA + "\n".join(rows) + "\n")
    _put(config.counts[1], AREA)
    readings = list(DxyCountsSource(config, divisions).read())
    assert sorted(_skipped(readings)) == [
        "DXYArea_changes.csv:2: 'later' is not a time",
        "DXYArea_changes.csv:3: province_zipCode is no code of GB/T 2260",
        "DXYArea_changes.csv:4: province_confirmedCount is '一', not a whole number",
        "DXYArea_changes.csv:5: counts of neither a province nor a city",
        "DXYArea_changes.csv:6: 2 cells; the header has 13",
    ]
    assert len(readings) == len(rows)


def test_news_crawled_again_is_one_event_and_reposts_are_one_entity(
    tmp_path: Path, divisions: Divisions, themes: Themes
) -> None:
    config = DxyConfig(tmp_path)
    item = "7,2020-01-25 15:30:39,福建新增 20 例,摘要,央视新闻,u,35,福建省,c,{crawl},,{adopt}\n"
    repost = "8,2020-01-25 16:00:00,福建新增20例！,摘要,人民日报,u,42,湖北省,c,x,,1.0\n"
    _put(config.news, NEWS + item.format(crawl=1, adopt="") + item.format(crawl=2, adopt="1.0") + repost)
    first, again, other = _events(DxyNewsSource(config, divisions, themes).read())
    assert first.event_id == again.event_id != other.event_id
    assert first.fields["entity_id"] == other.fields["entity_id"]
    assert (first.fields["adopted_as"], again.fields["adopted_as"]) == (None, "1")
    assert (first.fields["region"], other.fields["region"]) == ("100000", "420000")
    assert first.fields["theme"] == "counts"


def test_an_embedded_line_break_stays_in_its_cell(tmp_path: Path, divisions: Divisions, themes: Themes) -> None:
    config = DxyConfig(tmp_path)
    _put(config.news, NEWS + '1,2020-01-25 15:30:39,停运公交,"两\n行",甲,u,42,湖北省,c,x,,\n' + ",,,,,,,,,,,\n")
    readings = list(DxyNewsSource(config, divisions, themes).read())
    assert _events(readings)[0].fields["summary"] == "两\n行"
    assert _events(readings)[0].fields["theme"] == "travel"
    assert _skipped(readings) == ["news.csv:4: title is empty"]


def test_a_rumor_is_revised_and_an_unknown_verdict_is_listed(tmp_path: Path, verdicts: ValueMap) -> None:
    config = DxyConfig(tmp_path)
    line = "2020-01-31T21:50:34+08:00,{op},c,5,喝茶可以预防？,{summary},b,{kind},\n"
    rows = (("publish", "编造", 0), ("revise", "可信", 1), ("revise", "?", 9))
    _put(config.rumors, RUMORS + "".join(line.format(op=op, summary=said, kind=kind) for op, said, kind in rows))
    readings = list(DxyRumorsSource(config, verdicts).read())
    assert [(event.fields["verdict"], event.fields["revision"]) for event in _events(readings)] == [
        ("false", 0),
        ("credible", 1),
    ]
    assert _skipped(readings) == ["rumor_events.csv:4: '9' is no name of codes/rumor-verdicts.yaml"]


def test_canghailan_gives_what_was_revised_before_the_revision(tmp_path: Path, divisions: Divisions) -> None:
    config = CanghailanConfig(tmp_path)
    seen = "2020-01-28T23:57:08+08:00"
    rows = [
        f"{seen},late_add,2020-01-10,420000,420100,,,,,41,0,2,1",
        f"{seen},revise,2020-01-20,,,291,54,25,6,291,54,0,0",
        f"{seen},remove,2020-01-20,上海市,,2,7,0,0,,,,",
        f"{seen},remove,2020-01-20,上海市,,2,7,0,0,,,,",
        f"{seen},late_add,2020-01/13,420000,420100,,,,,41,0,7,1",
        f"{seen},late_add,2020-01-11,天堂,,,,,,1,0,0,0",
        f"{seen},rename,2020-01-11,420000,,,,,,1,0,0,0",
    ]
    _put(config.revisions, REVISIONS + "\n".join(rows) + "\n")
    _put(config.daily, DAILY + "2020-01-10,中国,CN,湖北省,420000,武汉市,420100,41,0,2,1\n")
    readings = list(CanghailanSource(config, divisions).read())
    late, total, total_now, shanghai, gone, final = _events(readings)
    assert final.event_id == late.event_id
    assert (total.fields["cured"], total_now.fields["cured"]) == (25, 0)
    assert (total.fields["region"], total_now.fields["revision"]) == ("100000", 1)
    assert (shanghai.fields["level"], gone.fields["status"]) == ("uncoded", "RETRACTED")
    assert _skipped(readings) == [
        "revisions.csv:5: a removal of what was removed before",
        "revisions.csv:6: '2020-01/13' is not a date",
        "revisions.csv:7: provinceCode is neither a code of GB/T 2260 nor the name of a province",
        "revisions.csv:8: op is 'rename'; known are late_add, revise, remove",
    ]


def test_canghailan_places_without_a_code(tmp_path: Path, divisions: Divisions) -> None:
    config = CanghailanConfig(tmp_path)
    _put(config.revisions, REVISIONS)
    _put(config.daily, DAILY + "2020-01-20,中国,CN,上海市,310000,外地来沪,,1,0,0,0\n")
    (event,) = _events(CanghailanSource(config, divisions).read())
    assert (event.fields["region"], event.fields["level"]) == ("310000", "uncoded")
    assert event.fields["entity_id"] == "310000/2020-01-20/外地来沪"


def test_thepaper_is_gb18030_with_increments_and_corrections(tmp_path: Path, divisions: Divisions) -> None:
    config = ThePaperConfig(tmp_path)
    rows = [
        '2020年1月11日,湖北,武汉市,41,2,1,"武汉市\n卫健委",u1,u2,,',
        "2020年2月13日,湖北,地市明细不详,,-16,,湖北卫健委,u,,,核减",
        "2020年2月13日,湖北,NA,1,0,0,湖北卫健委,u,,,",
        "2020年1月17日,泰国,,2,0,0,泰国公共卫生部,u,,,",
        "2020年2月13日,湖北,武汉市,,,,湖北卫健委,u,,,",
        "2020年2月13日,湖北,NA,1,0,0,湖北卫健委,u,,,",
    ]
    _put(config.notices, NOTICES + "\n".join(rows) + "\n", "gb18030")
    readings = list(ThePaperSource(config, divisions).read())
    wuhan, unknown, province, again = _events(readings)
    assert (wuhan.fields["region"], wuhan.fields["authority"]) == ("420100", "武汉市 卫健委")
    assert wuhan.fields["source_urls"] == ["u1", "u2"]
    assert (unknown.fields["level"], unknown.fields["new_confirmed"], unknown.fields["new_cured"]) == (
        "uncoded",
        None,
        -16,
    )
    assert province.fields["level"] == "province"
    assert again.event_id == province.event_id
    assert _skipped(readings) == [
        "data.csv:6: outside the divisions of GB/T 2260",
        "data.csv:7: none of the three numbers is given",
    ]


def test_wuhan_support_keeps_slips_of_the_pen_and_lists_what_has_no_name(tmp_path: Path, divisions: Divisions) -> None:
    config = WuhanSupportConfig(tmp_path)
    rows = "hubei,湖北省,武汉市,江汉区,被进医院,\nhubei,湖北省,武汉市,,,\nx,火星,,,y,\n"
    _put(config.hospitals, "file,province,city,suburb,name,address\n" + rows)
    readings = list(WuhanSupportSource(config, divisions).read())
    assert [event.fields["name"] for event in _events(readings)] == ["被进医院"]
    assert _skipped(readings) == [
        "designated_hospitals.csv:3: name is empty",
        "designated_hospitals.csv:4: no division of GB/T 2260 is called like its province",
    ]
