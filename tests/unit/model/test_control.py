"""What counts of the control topics."""

from __future__ import annotations

from tests.unit.model.test_grant import APPROVED, DAY, END, NOW, REVOKED
from tests.unit.model.test_mode import HOLDS

from gebus.model.control import AHEAD_MS, GRANTS_TOPIC, MODES_TOPIC, Known, next_number
from gebus.model.grant import FeedGrants, Grant

FEED = b"travel/trips"


def value(grant: Grant, version: int = 1) -> bytes:
    return FeedGrants(version=version, grants=(grant,)).model_dump_json().encode()


def test_the_newest_word_of_each_key_counts() -> None:
    known = Known()
    known.take(GRANTS_TOPIC, FEED, value(APPROVED), NOW)
    assert known.grants["travel/trips"].active(NOW) is not None
    known.take(GRANTS_TOPIC, FEED, value(REVOKED, 2), NOW + 1)
    assert known.grants["travel/trips"].active(NOW) is None
    assert (known.newest_ms, next_number(known.grants, "travel/trips"), next_number(known.grants, "x/y")) == (
        NOW + 1,
        2,
        1,
    )
    known.take(GRANTS_TOPIC, FEED, None, NOW + 2)
    assert known.grants == {}


def test_what_does_not_count_takes_the_earlier_word_with_it_and_is_named() -> None:
    for wrong in (b"{}", b"\xff\x00", value(APPROVED).replace(b"travel", b"press0"), b"[" * 100_000):
        known = Known()
        known.take(GRANTS_TOPIC, FEED, value(APPROVED), NOW)
        known.take(GRANTS_TOPIC, FEED, wrong, NOW)
        assert known.grants == {}, "a word that does not count leaves nothing granted"
        assert list(known.broken) == ["gebus.grants travel/trips"]
        known.take(GRANTS_TOPIC, FEED, value(APPROVED), NOW)
        assert known.broken == {}


def test_a_word_that_is_dated_ahead_of_the_log_does_not_count() -> None:
    known = Known()
    known.take(GRANTS_TOPIC, FEED, value(APPROVED), NOW - AHEAD_MS)
    assert "travel/trips" in known.grants
    known.take(GRANTS_TOPIC, FEED, value(APPROVED), NOW - AHEAD_MS - 1)
    assert known.grants == {}
    assert "[clock]" in known.broken["gebus.grants travel/trips"]


def test_modes_hold_between_their_instants_and_say_when_that_changes() -> None:
    known = Known()
    known.take(MODES_TOPIC, b"flood", HOLDS.model_dump_json().encode(), NOW + 1000)
    assert known.holding(NOW) == ()
    assert [mode.mode for mode in known.holding(NOW + 1000)] == ["flood"]
    assert known.next_change(NOW + 1000) == HOLDS.until == NOW + 10 * DAY
    assert known.holding(HOLDS.until) == ()
    known.take(MODES_TOPIC, b"other", HOLDS.model_dump_json().encode(), NOW + 1000)
    assert "it stands under other" in known.broken["gebus.modes other"]


def test_the_next_change_is_that_of_any_period() -> None:
    known = Known()
    assert known.next_change(NOW) is None
    known.take(GRANTS_TOPIC, FEED, value(APPROVED), NOW)
    assert known.next_change(NOW) == END
