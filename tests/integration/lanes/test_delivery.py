"""Workers on the real stack: what feeds hold, what dead letters hold, and that every record is accounted for."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable

from tests.integration.lanes.kit import PARTITIONS, Bed, alive, children, record, wait_until

from gebus.lanes.token_keys import token_key
from gebus.testing.oracle_masks import Tokens

SMALL = [record(f"s-{number}", entity=f"e{number % 40}", quantity=number) for number in range(200)]
REPEATS = SMALL[::10]
OTHER = [record(f"o-{number}", entity=f"e{number % 40}", source="canghailan", note=None) for number in range(50)]
FORGED = [("trace", b"\x00\xff"), ("_dlq.errors.reason", b"forged")]
ALL_IDS = sorted(one["event_id"] for one in SMALL + OTHER)


def publish_all(bed: Bed) -> None:
    bed.publish(SMALL + REPEATS)
    bed.publish(OTHER, "canghailan")


def wait_taken(bed: Bed, count: int) -> None:
    wait_until(lambda: bed.taken() == count, f"{count} records taken")


def assert_accounts(bed: Bed, *, taken: int, dead: int = 0) -> None:
    """The accounts add up, and say what the feeds hold."""
    rows = bed.accounts()
    assert all(row.adds_up for row in rows), rows
    assert sum(row.counts.taken for row in rows if not row.feed) == taken
    assert sum(row.counts.dead for row in rows if not row.feed) == dead
    for name in ("open", "all", "large"):
        delivered = sum(row.counts.delivered for row in rows if row.feed.endswith(f"-{name}"))
        assert delivered == len(bed.ids(name)), name


def test_feeds_of_one_source_get_each_what_it_may_have(bed: Bed) -> None:
    publish_all(bed)
    with bed.worker() as running:
        running.wait_live()
        wait_taken(bed, 270)
    everything = {one["event_id"]: one for one in bed.feed("all")}
    public = {one["event_id"]: one for one in bed.feed("open")}
    assert sorted(everything) == sorted(public) == ALL_IDS
    assert sorted(bed.ids("large")) == sorted(one["event_id"] for one in SMALL if one["quantity"] >= 100)
    assert everything["s-150"]["phone"] == "13800000001"
    assert everything["s-150"]["note"] == "urgent"
    assert public["s-150"]["note"] is None
    key = token_key((bed.stack.home / "secrets" / "token-master").read_bytes(), "ditu", "open-purpose")
    now_ms = int(time.time() * 1000)
    year = [Tokens(key, "year").of("13800000001", at_ms) for at_ms in (now_ms, now_ms - 3_600_000)]
    assert public["s-150"]["phone"] in year, "the token of the year in which the log took it"
    assert_accounts(bed, taken=270)


def test_the_records_of_a_key_keep_their_order(bed: Bed) -> None:
    bed.publish([record(f"n-{number}", entity=f"e{number % 5}", revision=number) for number in range(300)])
    with bed.workers(2) as running:
        running.wait_live()
        wait_taken(bed, 300)
    last: dict[str, int] = {}
    for one in bed.feed("all"):
        assert one["revision"] > last.get(one["entity_id"], -1)
        last[one["entity_id"]] = one["revision"]
    assert sum(1 for _ in bed.ids("all")) == 300


def test_three_workers_share_the_slices_and_a_restart_keeps_what_was_seen(bed: Bed) -> None:
    with bed.workers(3) as running:
        running.wait_live()
        publish_all(bed)
        wait_taken(bed, 270)
        live = [running.metrics(worker) for worker in range(3)]
        assert sum(float(text.split("\ngebus_live_slices ")[1].split()[0]) for text in live) == PARTITIONS
        assert all("gebus_live_slices 0.0" not in text for text in live)
        assert running.stop() < 5
    with bed.workers(2) as running:
        running.wait_live()
        bed.publish(SMALL)
        bed.publish(OTHER, "canghailan")
        wait_taken(bed, 520)
    assert sorted(bed.ids("all")) == sorted(bed.ids("open")) == ALL_IDS
    assert_accounts(bed, taken=520)


def test_a_stop_that_is_asked_for_takes_two_seconds_at_most(bed: Bed) -> None:
    with bed.worker() as running:
        running.wait_live()
        bed.publish(SMALL)
        assert running.stop() < 2
        assert running.process.returncode == 0
    with bed.worker() as running:
        running.wait_live()
        bed.publish(REPEATS)
        wait_taken(bed, 220)
    assert sorted(bed.ids("all")) == sorted(one["event_id"] for one in SMALL)


def test_no_worker_outlives_its_supervisor(bed: Bed) -> None:
    with bed.workers(2) as running:
        running.wait_live()
        workers = children(running.process.pid)
        assert len(workers) == 2
        running.process.kill()
        running.process.wait()
        wait_until(lambda: not any(alive(worker) for worker in workers), "the workers have ended", seconds=10)


def poison(bed: Bed) -> dict[str, bytes | None]:
    """One record of every kind that cannot be taken, by the reason that its dead letter gives."""
    good = bed.encoder.encode(record("p-1", entity="e"))
    encode = bed.encoder.encode
    past, future = int(time.time() * 1000) - 30 * 86_400_000, int(time.time() * 1000) + 30 * 86_400_000
    no_id = encode(record("X" * 7, entity="e"))
    return {
        "not_avro": b"\x01" + good[1:],
        "short": b"\x00\x00",
        "truncated": good[:-3],
        "trailing_bytes": good + b"\x00",
        "bad_utf8": good.replace(b"urgent", b"urg\xff\xfet"),
        "bad_union": good[: good.rindex(b"\x02\x0curgent")] + b"\x08\x0curgent",
        "negative_length": good[:5] + b"\x01" + good[6:],
        "bad_number": good[:5] + b"\xff" * 11 + good[6:],
        "too_large": encode(record("p-2", entity="e", note="x" * (1 << 20))),
        "wrong_key": encode(record("p-3", entity="other")),
        "forged_source": encode(record("p-4", entity="e", source="canghailan")),
        "bad_status": encode(record("p-5", entity="e", status="MAYBE")),
        "bad_region": encode(record("p-6", entity="e", region="Wuhan")),
        "bad_event_id": no_id.replace(b"\x0eXXXXXXX", b"\x00", 1),
        "negative_revision": encode(record("p-7", entity="e", revision=-1)),
        "too_early": encode(record("p-8", entity="e", occurred_at=past)),
        "too_late": encode(record("p-9", entity="e", occurred_at=future)),
        "tombstone": None,
        "unregistered_schema": struct.pack(">bI", 0, 900_000_001) + good[5:],
    }


def test_poison_of_every_kind_costs_no_other_record(bed: Bed) -> None:
    kinds = poison(bed)
    with bed.worker() as running:
        running.wait_live()
        with bed.publisher() as producer:
            for number, value in enumerate(kinds.values()):
                good = bed.encoder.encode(record(f"before-{number}", entity="e"))
                producer.send(bed.topic("dxy"), key=b"e", value=good)
                producer.send(bed.topic("dxy"), key=b"e", value=value, headers=FORGED)
            producer.send(bed.topic("dxy"), key=b"e", value=bed.encoder.encode(record("after", entity="e")))
        wait_taken(bed, 2 * len(kinds) + 1)
    assert bed.ids("all") == [*(f"before-{number}" for number in range(len(kinds))), "after"]
    letters = bed.dead()
    assert [letter.reason for letter in letters] == list(kinds)
    assert [letter.value for letter in letters] == list(kinds.values())
    assert all(letter.key == b"e" for letter in letters)
    assert all(letter.headers == tuple(FORGED) for letter in letters)
    source = {message.offset(): message for message in bed.read(bed.topic("dxy"), PARTITIONS) if message.key() == b"e"}
    for letter in letters:
        assert letter.topic == bed.topic("dxy")
        assert source[letter.offset].value() == letter.value
        assert source[letter.offset].timestamp()[1] == letter.timestamp_ms
    assert_accounts(bed, taken=2 * len(kinds) + 1, dead=len(kinds))
    shown = bed.gebus("dead-letters", bed.contract, "--limit", "3", "--json")
    assert [letter["reason"] for letter in json.loads(shown.stdout)] == list(kinds)[-3:]
    assert "wrong_key" in bed.gebus("dead-letters", bed.contract).stdout


def test_a_partition_stops_at_the_ceiling_of_dead_letters_and_the_others_go_on(
    make_bed: Callable[..., Bed],
) -> None:
    bed = make_bed(in_a_row=5)
    with bed.worker() as running:
        running.wait_live()
        for _ in range(8):
            bed.publish_bytes(b"poison", key=b"e")
        running.wait_for("too many dead letters")
        bed.publish([record(f"s-{number}", entity=f"k{number}") for number in range(40)])
        bed.publish([record("late", entity="e")])
        wait_until(lambda: len(bed.ids("all")) >= 25, "the other partitions are delivered")
        assert "late" not in bed.ids("all")
        assert len(bed.dead()) == 5
        assert 'gebus_blocked_partitions{reason="dead_letter_limit"' in running.metrics()


def test_the_accounts_are_shown_to_people_and_machines(bed: Bed) -> None:
    nothing = bed.gebus("accounts")
    assert (nothing.exit_code, nothing.stdout.split(";")[0]) == (0, "no lane has committed anything yet")
    publish_all(bed)
    with bed.worker() as running:
        running.wait_live()
        wait_taken(bed, 270)
        metrics = running.metrics()
    shown = bed.gebus("accounts")
    assert shown.exit_code == 0
    assert "every record is accounted for" in shown.stdout
    as_json = json.loads(bed.gebus("accounts", "--json").stdout)
    assert as_json["adds_up"] is True
    wanted = {"topic": bed.topic("dxy"), "feed": f"ditu/{bed.domain}-open", "taken": 220, "delivered": 200}
    assert any(wanted.items() <= row.items() for row in as_json["rows"])
    delivered = [line for line in metrics.splitlines() if "-open" in line and 'outcome="delivered"' in line]
    assert sum(float(line.rpartition(" ")[2]) for line in delivered) == 250
    assert "\ngebus_end_to_end_seconds_count 600.0\n" in metrics
    assert "\nprocess_resident_memory_bytes " in metrics
    assert f'gebus_lag_records{{partition="0",topic="{bed.topic("dxy")}"}} 0.0' in metrics


def test_a_catalogue_that_was_not_applied_is_said_so(bed: Bed) -> None:
    feed = next(bed.root.glob("feeds/ditu/*.yaml"))
    text = feed.read_text()
    feed.write_text(text.replace("quantity: reading.quantity, ", ""))
    with bed.worker() as running:
        running.wait_for("is what the catalogue delivers now; run `gebus apply`")
        bed.publish([record("early")])
        bed.apply()
        wait_until(lambda: bed.ids("open") == ["early"], "the lanes to begin by themselves", 60)
