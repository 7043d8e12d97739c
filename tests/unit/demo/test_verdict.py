"""The demo's verdict finds what is planted: without this, a demo that always says yes would look the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gebus.catalogue import load
from gebus.cli._demo.expectations import EXPECTED
from gebus.cli._demo.history import History, Planted, Refusal, Told
from gebus.cli._demo.verdict import Verdict, judge
from gebus.lanes.accounts import Counts, Row
from gebus.lanes.dead_letters import DeadLetter
from gebus.model.catalogue import Catalogue
from gebus.model.event import ENVELOPE
from gebus.policy import POLICY_LIST, Policy, decide
from gebus_connectors.sources.generator import PeopleSource
from gebus_connectors.sources.reading import Event

ROOT = Path(__file__).parents[3]
TOPIC, KAFKA_TOPIC = "supply.donation", "supply.donation.cishan"
SEEN = ("hubei-civil/donations", "hubei-market/donation-channels", "xinwen/donation-totals")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    whole = load(ROOT / "schemas")
    feeds = {name: feed for name, feed in whole.feeds.items() if name in SEEN}
    return replace(whole, topics={TOPIC: whole.topics[TOPIC]}, feeds=feeds)


def _events() -> list[dict[str, Any]]:
    return [reading.at(0) for reading in PeopleSource("cishan").read() if isinstance(reading, Event)]


def _delivered(feed: str, event: dict[str, Any]) -> dict[str, Any]:
    expectation = EXPECTED[feed]
    shown = {name: event[name] for name in (*ENVELOPE, *expectation.clear.split())}
    return shown | {name: mask(event[origin]) for name, (origin, mask) in expectation.masked.items()}


class _Run:
    """Three donations, each sent twice, and one bad record: a run in which everything is right."""

    def __init__(self) -> None:
        events = _events()
        twice = [*events, *events]
        self.history = History(
            told=[Told("cishan", TOPIC, event, 0, offset) for offset, event in enumerate(twice)],
            planted=[Planted("cishan", TOPIC, "no Avro", "not_avro", b"k", b"v")],
            refusals=[Refusal("xinwen", "reads", refused=True, answer="no")],
            received={
                SEEN[0]: [_delivered(SEEN[0], event) for event in events],
                SEEN[1]: [],
                SEEN[2]: [_delivered(SEEN[2], event) for event in events],
            },
            killed=7,
            replaced_by=8,
        )
        counts = {
            "": Counts(taken=7, dead=1),
            SEEN[0]: Counts(taken=7, delivered=3, duplicate=3, dead=1),
            SEEN[1]: Counts(taken=7, filtered=3, duplicate=3, dead=1),
            SEEN[2]: Counts(taken=7, delivered=3, duplicate=3, dead=1),
        }
        self.rows = {feed: Row(TOPIC, KAFKA_TOPIC, feed, each) for feed, each in counts.items()}
        self.letters = [_letter(b"v", "not_avro")]

    def judged(self, catalogue: Catalogue) -> Verdict:
        return judge(catalogue, self.history, list(self.rows.values()), self.letters)

    def broken(self, catalogue: Catalogue) -> str:
        verdict = self.judged(catalogue)
        assert not verdict.holds
        return "\n".join(f"{check.name}: {check.found}" for check in verdict.checks if not check.holds)


def _letter(value: bytes, reason: str) -> DeadLetter:
    values: dict[str, Any] = dict.fromkeys(DeadLetter.__dataclass_fields__, "")
    values |= {"reason": reason, "topic": KAFKA_TOPIC, "partition": 0, "offset": 6, "key": b"k", "value": value}
    return DeadLetter(**values)


def test_a_run_in_which_everything_is_right_holds(catalogue: Catalogue) -> None:
    verdict = _Run().judged(catalogue)
    assert [check for check in verdict.checks if not check.holds] == []
    assert [feed.feed for feed in verdict.feeds] == sorted(SEEN)


def test_a_lost_record_is_found_though_the_lane_agrees(catalogue: Catalogue) -> None:
    run = _Run()
    lost = run.history.received[SEEN[0]].pop()
    run.rows[SEEN[0]] = Row(TOPIC, KAFKA_TOPIC, SEEN[0], Counts(taken=7, delivered=2, filtered=1, duplicate=3, dead=1))
    assert f"missing: 1, as {lost['event_id']}" in run.broken(catalogue)


def test_a_record_that_came_twice_is_found(catalogue: Catalogue) -> None:
    run = _Run()
    run.history.received[SEEN[0]].append(run.history.received[SEEN[0]][0])
    run.rows[SEEN[0]] = Row(TOPIC, KAFKA_TOPIC, SEEN[0], Counts(taken=7, delivered=4, duplicate=2, dead=1))
    assert "twice: 1, as" in run.broken(catalogue)


def test_a_record_that_nobody_wanted_there_is_found(catalogue: Catalogue) -> None:
    run = _Run()
    run.history.received[SEEN[1]].append(_delivered(SEEN[1], _events()[0]))
    assert "unwanted: 1, as" in run.broken(catalogue)


@pytest.mark.parametrize(
    ("field", "value"), [("donor_region", "330106"), ("amount_yuan", 23_500), ("donor_name", "王一"), ("kind", None)]
)
def test_a_field_that_shows_too_much_or_is_wrong_is_found(catalogue: Catalogue, field: str, value: object) -> None:
    run = _Run()
    first = next(one for one in run.history.received[SEEN[2]] if one["donor_region"] == "330000")
    run.history.received[SEEN[2]] = [dict(first) | {field: value}, *run.history.received[SEEN[2]][1:]]
    assert f"{field} is not as it must be in 1 records" in run.broken(catalogue)


def test_a_token_must_be_one() -> None:
    channel = _events()[0] | {"kind": "channel", "account_info": "户名"}
    got = _delivered(SEEN[1], channel)
    expectation = EXPECTED[SEEN[1]]
    assert expectation.violations(channel, got) == ["account"]
    assert expectation.violations(channel, got | {"account": "0" * 32}) == []
    assert expectation.violations(channel | {"account_info": None}, got | {"account": None}) == []


def test_counts_that_differ_are_found(catalogue: Catalogue) -> None:
    run = _Run()
    run.rows[SEEN[0]] = Row(TOPIC, KAFKA_TOPIC, SEEN[0], Counts(taken=7, delivered=3, duplicate=2, dead=1))
    assert "the parts do not add up to the 7" in run.broken(catalogue)
    run = _Run()
    run.rows[""] = Row(TOPIC, KAFKA_TOPIC, "", Counts(taken=6, dead=1))
    assert "7 records were sent, the lane took 6" in run.broken(catalogue)


def test_a_bad_record_that_left_no_letter_or_another_is_found(catalogue: Catalogue) -> None:
    run = _Run()
    run.letters = []
    assert "dead letters: none" in run.broken(catalogue)
    run.letters = [_letter(b"changed", "not_avro")]
    assert "kept byte for byte" in run.broken(catalogue)
    run.letters = [_letter(b"v", "short")]
    assert "dead letters: short" in run.broken(catalogue)


def test_what_was_not_refused_and_who_was_not_replaced_are_found(catalogue: Catalogue) -> None:
    run = _Run()
    run.history.refusals = [Refusal("xinwen", "reads donors", refused=False, answer="nothing stopped it")]
    assert "xinwen reads donors: refused: nothing stopped it" in run.broken(catalogue)
    run = _Run()
    run.history.replaced_by = 0
    assert "no other took its place" in run.broken(catalogue)
    run.history.killed = 0
    assert "no worker was there to kill" in run.broken(catalogue)


def test_a_feed_that_the_demo_does_not_know_is_still_added_up(catalogue: Catalogue) -> None:
    known = catalogue.feeds[SEEN[0]]
    added = known.model_copy(update={"feed": "another"})
    run = _Run()
    run.rows["hubei-civil/another"] = Row(
        TOPIC, KAFKA_TOPIC, "hubei-civil/another", Counts(taken=7, delivered=1, filtered=5, dead=1)
    )
    assert "1 were delivered, 0 received" in run.broken(replace(catalogue, feeds={added.id: added}))


def test_what_the_demo_expects_are_the_fields_that_the_policy_leaves() -> None:
    whole = load(ROOT / "schemas")
    policy = Policy.from_codes(whole.codes[POLICY_LIST])
    for name in EXPECTED:
        feed = whole.feeds[name]
        topic = next(iter(feed.sources.values()))
        assert EXPECTED[name].topic == topic
        fields = whole.events[topic].fields
        selected = feed.steps[-1].select.fields  # type: ignore[union-attr]  # a select is last in every feed
        left = {
            given
            for given, choice in selected.items()
            for field in fields
            if field.name == (choice if isinstance(choice, str) else choice.of).partition(".")[2]
            and decide(field, feed.tier, policy).delivered
        }
        assert EXPECTED[name].fields() == left, name
