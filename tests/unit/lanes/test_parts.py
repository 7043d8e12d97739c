"""The small parts of lanes: crash points, back-off, token keys, names, errors."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import random
import threading
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException
from tests.unit.lanes.conftest import lane_plan

from gebus.kafka import lane_clients
from gebus.lanes.backoff import Backoff
from gebus.lanes.crash import POINTS, CrashPoint
from gebus.lanes.errors import Fenced, SessionEnded, told
from gebus.lanes.places import Lanes, Place, Slice
from gebus.lanes.settings import GROUP, slot_id, state_topic
from gebus.lanes.token_keys import master_secret, token_key
from gebus.model.errors import Denied, StackError, Stopped


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_point_kills_at_its_passage_and_once(tmp_path: Path, point: str) -> None:
    killed: list[str] = []
    marker = tmp_path / "marker"
    environment = {"GEBUS_CRASH_AT": point, "GEBUS_CRASH_COUNT": "3", "GEBUS_CRASH_MARKER": str(marker)}
    crash = CrashPoint(environment, lambda: killed.append("kill"))
    for _ in range(5):
        for other in POINTS:
            crash.reach(other, lambda: killed.append("settled"))
    assert killed == ["settled", "kill"]
    assert marker.exists()
    after_restart = CrashPoint(environment, lambda: killed.append("again"))
    for _ in range(5):
        after_restart.reach(point)  # type: ignore[arg-type]
    assert "again" not in killed


def test_without_a_crash_point_nothing_happens() -> None:
    CrashPoint({}, lambda: pytest.fail("killed")).reach("after_poll")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"GEBUS_CRASH_AT": "after_lunch"}, "GEBUS_CRASH_AT is 'after_lunch'; allowed: after_poll"),
        ({"GEBUS_CRASH_AT": "after_poll", "GEBUS_CRASH_COUNT": "0"}, "a whole number from 1"),
    ],
)
def test_a_misspelt_crash_point_is_refused(environment: dict[str, str], message: str) -> None:
    with pytest.raises(Stopped, match=message):
        CrashPoint(environment)


def test_delays_double_to_the_ceiling_and_are_never_in_step() -> None:
    backoff = Backoff(1.0, 8.0, random.Random(1))
    delays = [backoff.next() for _ in range(6)]
    for delay, longest in zip(delays, (1, 2, 4, 8, 8, 8), strict=True):
        assert longest / 2 <= delay <= longest
    backoff.reset()
    assert backoff.next() <= 1.0


def test_a_token_key_is_that_of_consumer_and_purpose() -> None:
    master = bytes(range(32))
    assert token_key(master, "cdc", "tracing") == hmac.new(master, b"cdc\0tracing", hashlib.sha256).digest()
    keys = {token_key(master, consumer, purpose) for consumer in ("a", "ab") for purpose in ("c", "bc")}
    assert len(keys) == 4


def test_the_master_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    found: list[bytes] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        found.append(master_secret(tmp_path))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert len(found[0]) == 32
    path = tmp_path / "secrets" / "token-master"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["token-master"]


def test_a_damaged_master_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "token-master").write_bytes(b"short")
    with pytest.raises(StackError, match="holds 5 bytes, not 32"):
        master_secret(tmp_path)


def test_names_on_the_wire() -> None:
    assert (GROUP, slot_id(3), state_topic("a.b")) == ("gebus.lanes", "gebus.lanes.3", "gebus.state.a.b")
    assert GROUP == lane_clients.GROUP
    assert str(Place("a.b.x", 1)) == "a.b.x/1"
    assert Slice("a.b", 1).state == Place("gebus.state.a.b", 1)


def test_lanes_are_found_by_topic() -> None:
    lanes = Lanes([lane_plan(), lane_plan("c.d", ("c.d.x",), 3)])
    assert lanes.topics == ["a.b.x", "a.b.y", "c.d.x"]
    share = lanes.share(Place("c.d.x", 2))
    assert lanes.slices(share) == (Slice("c.d", 2),)
    assert lanes.places(lanes.share(Place("a.b.x", 1))) == {Place("a.b.x", 1), Place("a.b.y", 1)}
    assert not lanes.ordered_topics
    with pytest.raises(Stopped, match="no feed"):
        Lanes([])


def test_lanes_that_topics_connect_move_together_and_are_ordered_if_one_is() -> None:
    plans = [
        lane_plan("a", ("a.x",)),
        lane_plan("c", ("c.x",)),
        lane_plan("a-b", ("a.x", "b.x"), ordered=True),
        lane_plan("b", ("b.x",)),
    ]
    for order in itertools.permutations(plans):
        lanes = Lanes(order)
        share = lanes.share(Place("b.x", 1))
        assert lanes.share(Place("a.x", 1)) == share != lanes.share(Place("a.x", 0))
        assert lanes.slices(share) == (Slice("a", 1), Slice("a-b", 1), Slice("b", 1))
        assert lanes.places(share) == {Place("a.x", 1), Place("b.x", 1)}
        assert lanes.is_ordered(share)
        assert not lanes.is_ordered(lanes.share(Place("c.x", 1)))
        assert lanes.ordered_topics == {"a.x", "b.x"}


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (KafkaError._FENCED, Fenced),
        (KafkaError.INVALID_PRODUCER_EPOCH, Fenced),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, Denied),
        (KafkaError._TIMED_OUT, SessionEnded),
        (KafkaError.ILLEGAL_GENERATION, SessionEnded),
        (KafkaError.UNKNOWN_MEMBER_ID, Fenced),
        (KafkaError._FATAL, SessionEnded),
    ],
)
def test_what_kafka_says_decides_who_must_end(code: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="while doing this"), told("doing this"):
        raise KafkaException(KafkaError(code))
