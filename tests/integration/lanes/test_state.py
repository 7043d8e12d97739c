"""The state on the real stack: snapshots, what happens when one or its topic is gone, and feeds that changed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.integration.lanes.joined import SLICES, JoinBed, event, pairs
from tests.integration.lanes.kit import PARTITIONS, Bed, Running, record, wait_until

from gebus.kafka.edge import open_producer
from gebus.lanes.forms import STEPS_TOPIC
from gebus.lanes.places import Slice
from gebus.lanes.settings import state_topic
from gebus.lanes.snapshot import snapshot_path

EAGER = ("--snapshot-bytes", "1")
"""A snapshot whenever there is anything to write."""


def numbered(first: int, last: int) -> list[dict[str, object]]:
    return [record(f"e-{number}", entity=f"e{number % 40}", quantity=number) for number in range(first, last)]


def ids(first: int, last: int) -> list[str]:
    return sorted(f"e-{number}" for number in range(first, last))


def snapshots(bed: Bed) -> list[Path]:
    return [snapshot_path(bed.stack.home / "state", Slice(bed.contract, number)) for number in range(PARTITIONS)]


def tombstone(bed: Bed, feed: str) -> None:
    """As if nothing had been noted of a feed."""
    with closing(open_producer(bed.stack.connection())) as producer:
        producer.send(STEPS_TOPIC, key=feed.encode(), value=None).get(30)


def kill(running: Running) -> None:
    running.process.send_signal(signal.SIGKILL)
    running.process.wait(10)


def work_and_die(bed: Bed) -> None:
    """Two hundred records, a snapshot of every slice, some more behind it, and a kill."""
    bed.publish(numbered(0, 200))
    with bed.worker(options=EAGER) as running:
        running.wait_live()
        wait_until(lambda: bed.taken() == 200, "200 records taken")
        wait_until(lambda: all(path.exists() for path in snapshots(bed)), "four snapshots")
    with bed.worker() as running:
        running.wait_live()
        bed.publish(numbered(200, 300))
        wait_until(lambda: bed.taken() == 300, "300 records taken")
        kill(running)


def test_a_killed_worker_comes_back_from_snapshots_and_tails_or_from_the_log_alone(bed: Bed) -> None:
    work_and_die(bed)
    bed.publish(numbered(0, 320))
    with bed.worker() as running:
        running.wait_live()
        wait_until(lambda: bed.taken() == 620, "620 records taken")
        running.wait_for("restored 4 slices in ")
        assert int(running.said.partition(" bytes, ")[2].split()[0]) > 0, running.said
        assert 'gebus_snapshots_total{outcome="unfit"} 0.0' in running.metrics()
    assert sorted(bed.ids("all")) == ids(0, 320)

    shown = json.loads(bed.gebus("state", "--json").stdout)
    assert {(one["lane"], one["slice"]) for one in shown} == {(bed.contract, number) for number in range(PARTITIONS)}
    assert sum(one["keys"] for one in shown if one["table"] == "event_id.14d") == 320
    assert {tuple(one["feeds"]) for one in shown} == {tuple(sorted(feed.name for feed in bed.plan.feeds))}
    assert " 320 " in bed.gebus("state", bed.plan.feeds[0].name).stdout

    flipped, cut, foreign, good = snapshots(bed)
    data = bytearray(flipped.read_bytes())
    data[-50] ^= 1
    flipped.write_bytes(data)
    os.truncate(cut, cut.stat().st_size - 7)
    foreign.write_bytes(good.read_bytes())
    bed.publish(numbered(0, 330))
    with bed.worker() as running:
        running.wait_live()
        wait_until(lambda: bed.taken() == 950, "950 records taken")
        said = running.said
    assert "its digest is not that of its bytes" in said
    assert "cut short" in said
    assert f"it is of slice {bed.contract}/3" in said
    assert all(path.with_suffix(".unfit").exists() for path in (flipped, cut, foreign))
    assert sorted(bed.ids("all")) == ids(0, 330)
    assert all(row.adds_up for row in bed.accounts())


def test_what_a_join_waits_for_comes_back_from_snapshots(make_join_bed: Callable[..., JoinBed]) -> None:
    bed = make_join_bed()
    seats = [event("seat", f"s-{number}", carrier=f"G{number % 9}") for number in range(60)]
    trips = [event("trip", f"t-{number}", carrier=f"G{number % 9}") for number in range(30)]
    bed.publish_side("seat", seats)
    bed.publish_side("trip", trips[:10])
    with bed.worker(options=EAGER) as running:
        running.wait_live(SLICES)
        bed.wait_contacts(pairs(trips[:10], seats))
        running.wait_for(" written: ", times=SLICES // 2)
        kill(running)
    bed.publish_side("trip", trips[10:])
    with bed.worker() as running:
        running.wait_live(SLICES)
        bed.wait_contacts(pairs(trips, seats))
        running.wait_for("restored 8 slices in ")
        assert int(running.said.partition(" bytes, ")[2].split()[0]) > 0, running.said
    bed.assert_accounted()


def test_a_state_topic_that_was_deleted_stops_the_lanes(bed: Bed) -> None:
    work_and_die(bed)
    topic = state_topic(bed.contract)
    bed.stack.admin.delete_topics([topic])
    bed.apply()
    bed.publish(numbered(0, 320))
    with bed.worker() as running:
        running.wait_for(f"{topic} was deleted and made anew since the lanes committed offset ")
        assert f'gebus_blocked_partitions{{reason="state_lost",topic="{bed.topic("dxy")}"}}' in running.metrics()
        refused = bed.gebus("reset-offsets", bed.contract, "--to", "current")
        assert "has members: its offsets can be set only while nobody runs" in str(refused.exception)
    assert sorted(bed.ids("all")) == ids(0, 300)
    shown = bed.gebus("reset-offsets", bed.contract)
    assert "--to earliest" in shown.output
    for to, (again, over) in {"earliest": (300, 0), "2h": (300, 0), "latest": (0, 320)}.items():
        wanted = json.loads(bed.gebus("reset-offsets", bed.topic("dxy"), "--to", to, "--dry-run", "--json").output)
        steps = [move["after"] - move["before"] for move in wanted["moves"]]
        assert (-sum(step for step in steps if step < 0), sum(step for step in steps if step > 0)) == (again, over)
    done = bed.gebus("reset-offsets", bed.contract, "--to", "current")
    assert "what was delivered is neither corrected nor taken back any more\ndone" in done.output, done.output
    bed.publish(numbered(320, 340))
    with bed.worker() as running:
        running.wait_live()
        wait_until(lambda: bed.taken() == 340, "what was not taken before the topic was deleted, and 20 more")
    assert sorted(bed.ids("all")) == sorted([*ids(0, 300), *ids(0, 340)]), "nothing is remembered of the first 300"


def test_a_feed_whose_state_does_not_fit_any_more_is_refused_with_what_to_do(make_bed: Callable[..., Bed]) -> None:
    """A feed that follows remembers what it delivered; it delivers something else now."""
    bed = make_bed()
    feed = next((bed.root / "feeds").rglob(f"{bed.domain}-all.yaml"))
    feed.write_text(feed.read_text().replace("corrections: independent", "corrections: follow"))
    bed.apply()
    work_and_die(bed)
    assert sorted(bed.ids("all")) == ids(0, 40), "one of each entity: the others are no newer"
    before = feed.read_text()
    changed = before.replace(", note: reading.note", "").replace(', phone: "13800000001", note: urgent}', "}", 2)
    feed.write_text(changed.replace("quantity: 700}", 'quantity: 700, phone: "13800000001", note: urgent}', 1))
    name = f"hubei-health/{bed.domain}-all"
    for also in ((), ("--forget", f"{name}.corrections")):
        refused = bed.gebus("apply", *also)
        assert refused.exit_code == 1
        assert "`corrections: follow`: `delivered` - note " in refused.output
        assert "give the feed another name" in refused.output
    with bed.worker() as running:
        running.wait_for(
            f"the catalogue changes what {name}, step corrections, remembers, and `gebus apply` has not seen"
        )
        assert f"lane {bed.contract} stands still, the others go on: " in running.said
        assert f'gebus_blocked_partitions{{reason="not_applied",topic="{bed.topic("dxy")}"}}' in running.metrics()
    tombstone(bed, name)
    bed.apply()
    with bed.worker() as running:  # whoever gets round that is held up by what the state itself says
        running.wait_for(f"table corrections/{name} was written by another form of its step")
        assert f'gebus_blocked_partitions{{reason="state_unfit",topic="{bed.topic("dxy")}"}}' in running.metrics()
    tombstone(bed, name)
    feed.write_text(before)
    bed.apply()
    bed.publish(numbered(0, 310))
    with bed.worker() as running:
        running.wait_live()
        wait_until(lambda: bed.taken() == 610, "610 records taken")
    assert sorted(bed.ids("all")) == ids(0, 40)


def test_a_damaged_state_stops_its_share_alone(bed: Bed) -> None:
    with bed.worker() as running:
        running.wait_live()
        bed.publish(numbered(0, 40))
        wait_until(lambda: bed.taken() == 40, "40 records taken")
    with closing(open_producer(bed.stack.connection())) as producer:
        producer.send(state_topic(bed.contract), partition=1, key=b"table/event_id.14d", value=b"no delta").get(30)
    bed.publish(numbered(40, 80))
    others = sum(message.partition() != 1 for message in bed.read(bed.topic("dxy"), PARTITIONS)) // 2
    assert 0 < others < 40, "the same keys twice"
    with bed.worker() as running:
        running.wait_live(PARTITIONS - 1)
        wait_until(lambda: bed.taken() == 40 + others, "what the others hold")
        assert f"lane {bed.contract} stands still, the others go on: {state_topic(bed.contract)}/1 at " in running.said
        assert f'gebus_blocked_partitions{{reason="state_unfit",topic="{bed.topic("dxy")}"}} 1.0' in running.metrics()


def test_a_join_may_forget_only_if_people_say_so(make_join_bed: Callable[..., JoinBed]) -> None:
    bed = make_join_bed()
    name = f"hubei-health/{bed.domain}-contacts"
    feed = next((bed.root / "feeds").rglob("*-contacts.yaml"))
    (lane,) = [plan.name for plan in bed.plans if plan.feeds]
    bed.publish_side("seat", [event("seat", "s-0")])
    with bed.worker() as running:
        running.wait_live(SLICES)
        wait_until(lambda: "1" in bed.gebus("state", name).output.split(), "the seat waits")
    written = feed.read_text()
    for old, new in (("on: [carrier, day]", "on: [carrier]"), ("name: same-run", "name: same-train")):
        feed.write_text(written.replace(old, new))
        refused = bed.gebus("apply")
        assert refused.exit_code == 1
        assert (
            f"`gebus apply --forget {name}.same-run` goes on all the same: what waits for a partner" in refused.output
        )
    with bed.worker() as running:
        running.wait_for(f"the catalogue changes what {name}, step same-run, remembers")
        done = bed.gebus("apply", "--forget", f"{name}.same-run")
        assert done.exit_code == 0, done.output
        assert f"note {name}: remembered by same-train; forgotten: same-run" in done.output
        running.wait_live(SLICES)  # the lane begins by itself
        bed.publish_side("seat", [event("seat", "s-1")])
        bed.publish_side("trip", [event("trip", "t-0")])
        bed.wait_contacts({("t-0", "s-1")})
    assert bed.gebus("apply").output.endswith("nothing to change\n")
    feed.write_text(written)
    refused = bed.gebus("apply", "--forget", f"{name}.same-train")
    assert "join same-run is there again, which was taken out at " in refused.output
    feed.write_text(written.replace("name: same-run", "name: same-train"))
    bed.stack.admin.delete_topics([state_topic(lane)])
    missing = bed.gebus("state", name)
    assert f"Kafka has no topic {state_topic(lane)}: it was never made, or deleted" in str(missing.exception)
    with bed.worker() as running:
        running.wait_for(f"the topic {state_topic(lane)} was deleted, and with it what lane {lane} remembered")
    made = bed.gebus("apply")
    assert f"note {lane}: its state begins now, anew: the topic was there before" in made.output
    bed.gebus("reset-offsets", name, "--to", "current")
    with bed.worker() as running:
        running.wait_live(SLICES)
    said = bed.gebus("accounts").output
    assert f"lane {lane} counts since " in said
    assert "every record since then is accounted for" in said


def test_a_worker_at_its_budget_says_so_and_goes_on_with_more(bed: Bed) -> None:
    bed.publish(numbered(0, 40))
    with bed.worker(options=("--state-bytes", "200000")) as running:
        running.wait_live()
        wait_until(lambda: bed.taken() == 40, "40 records taken")
        bed.publish(numbered(40, 8000))
        running.wait_for("and the budget is 200,000: no input is taken")
        assert "gebus_input_stopped 1.0" in running.metrics()
    stopped_at = bed.taken()
    with bed.worker() as running:
        running.wait_live()
        wait_until(lambda: bed.taken() == 8000, "all records taken")
    assert stopped_at <= 8000
    assert sorted(bed.ids("all")) == ids(0, 8000)
