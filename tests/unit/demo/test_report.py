"""The demo's result for people and for machines."""

from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path

from rich.console import Console

from gebus.cli._demo.history import History, Refusal
from gebus.cli._demo.programme import Programme
from gebus.cli._demo.report import Result, as_json, show
from gebus.cli._demo.verdict import Check, FeedAccount, TopicAccount, Verdict
from gebus.lanes.accounts import Counts
from gebus_connectors.sources.reading import Skipped

COUNTS = Counts(taken=7, delivered=3, duplicate=3, dead=1)


def _result(*, kept: bool = False, found: str = "") -> Result:
    history = History(
        refusals=[Refusal("xinwen", "reads donors", refused=True, answer="no right")],
        skipped={"thepaper": [("health.case_increment", Skipped("data.csv", 6, "outside"))]},
        latencies_ms=[float(value) for value in range(1, 101)],
        killed=7,
        replaced_by=8,
    )
    verdict = Verdict(
        topics=[TopicAccount("supply.donation.cishan", 6, 1, 0, Counts(taken=7, dead=1), {"not_avro": 1})],
        feeds=[FeedAccount("hubei-civil/donations", 4, COUNTS, 3, COUNTS)],
        checks=[Check("the account adds up", found)],
    )
    sample = {
        "sent by cishan": {"event_id": "1", "donated_on": 18_299, "donor_name": "王一"},
        "xinwen": {"event_id": "1", "donated_on": date(2020, 2, 1)},
    }
    programme = Programme(Path("/data"), {}, ("info.rumor of dxy",))
    return Result(programme, history, verdict, {"publish": 1.25}, Path("/home/demo"), kept, sample)


def _shown(result: Result) -> str:
    sink = io.StringIO()
    show(result, Console(file=sink, width=160, highlight=False))
    return sink.getvalue()


def test_json_is_complete_and_plain() -> None:
    document = json.loads(as_json(_result()))
    assert document["holds"] is True
    assert document["feeds"][0]["lane"] == document["feeds"][0]["expected"]
    assert document["topics"][0]["reasons"] == {"not_avro": 1}
    assert document["skipped"] == {"thepaper": ["data.csv:6: outside"]}
    assert document["latency_ms"] == {"p50": 51.0, "p95": 96.0, "max": 100.0, "records": 100}
    assert document["sample"]["xinwen"]["donated_on"] == "2020-02-01"
    assert document["home"] is None


def test_piped_text_says_everything_without_colour_or_lines() -> None:
    text = _shown(_result())
    for words in (
        "supply.donation.cishan",
        "not_avro 1",
        "agrees",
        "王一",
        "no right",
        "thepaper: 1 rows could not become events, among them data.csv:6: outside",
        "not found in /data, so invented: info.rumor of dxy",
        "worker 7 was killed in the middle, 8 took its place",
        "p50 51 ms, p95 96 ms, max 100 ms",
        "all 1 checks hold",
        "make demo KEEP=1",
    ):
        assert words in text
    assert "\x1b" not in text
    assert "─" not in text


def test_what_does_not_hold_is_said_and_what_is_kept_can_be_looked_at() -> None:
    text = _shown(_result(kept=True, found="one is missing"))
    assert "does not hold: the account adds up: one is missing" in text
    assert "checks hold" not in text
    assert "export GEBUS_HOME=/home/demo" in text


def test_without_a_check_nothing_holds() -> None:
    assert not Verdict().holds
