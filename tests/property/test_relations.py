"""Feeds that join, reconcile and follow hold what the naive oracle says, however their input is cut and interrupted."""

from __future__ import annotations

from operator import itemgetter

from hypothesis import event, given
from tests.property.conftest import looks
from tests.property.relations import Sent, World, worlds
from tests.property.verdict import compare, follow

from gebus.testing.clock import ManualClock
from gebus.testing.oracle import Oracle
from gebus.testing.topology import Topology, token_key


def publish(topology: Topology, sent: Sent, back_ms: int = 0) -> None:
    topology.clock.advance(sent.after_ms)
    topology.publish(sent.record, sent.record["source"], topology.clock.now_ms - back_ms, to=sent.contract)


def play(world: World) -> Topology:
    """The script, and then everything that still waits; at last so much time that nothing is waited for."""
    topology = Topology(world.plans, ManualClock(world.begins_ms))
    for action in world.script:
        if isinstance(action, Sent):
            publish(topology, action)
        elif action == "one":
            topology.step(1)
        elif action == "commit":
            topology.step()
            topology.commit()
        else:
            getattr(topology, action)()
            event(action)
    finish(topology)
    return topology


def finish(topology: Topology) -> None:
    topology.run()
    topology.clock.advance(31)
    topology.tick()
    topology.commit()


def seen_in(topology: Topology, oracle: Oracle) -> set[str]:
    """What happened, so that statistics tell whether the worlds are worth looking at."""
    seen = {f"dead: {letter.reason}" for letter in topology.committed.dead}
    seen |= {"moved" for copy in oracle.copies if copy.moved}
    for feed in oracle.feeds:
        kind = "source" if feed.relation is None else type(feed.relation).__name__.lower()
        kind += f" {getattr(feed.relation, 'matches', getattr(feed.relation, 'gives', ''))} {feed.corrections}"
        seen |= {f"{kind}: {record['status']}" for _, record in feed.delivered}
        seen |= {f"outcome: {outcome}" for account in feed.accounts.values() for outcome in account}
    return seen


@looks(300)
@given(worlds())
def test_lanes_are_their_oracle(world: World) -> None:
    topology = play(world)
    oracle = Oracle(world.catalogue, token_key)
    for encoder in topology.writers.values():
        oracle.know_schema(encoder.schema_id, encoder.schema)
    compare(topology, follow(topology, oracle))
    for seen in sorted(seen_in(topology, oracle)):
        event(seen)


@looks(100)
@given(worlds())
def test_what_a_feed_holds_depends_on_the_log_alone(world: World) -> None:
    """Each record is taken whole; or bit by bit, by workers that are gone after each bit, from snapshots and logs.

    Append times may fall, as they do when another broker leads whose clock is behind.
    """
    whole, broken = (Topology(world.plans, ManualClock(world.begins_ms)) for _ in range(2))
    for number, sent in enumerate(part for part in world.script if isinstance(part, Sent)):
        back_ms = 3 if number % 5 == 4 else 0
        publish(whole, sent, back_ms)
        whole.run()
        publish(broken, sent, back_ms)
        broken.step(1)
        broken.crash()
        broken.run(1)
        if number % 3 == 0:
            broken.snapshot()
        broken.crash()
    for topology in (whole, broken):
        finish(topology)
    # Between feeds of different lanes there is no order.
    delivered = [sorted(topology.committed.delivered, key=itemgetter(0)) for topology in (broken, whole)]
    assert delivered[0] == delivered[1]
    assert broken.committed.dead == whole.committed.dead
    assert broken.accounts_by_topic() == whole.accounts_by_topic()


@looks(60)
@given(worlds())
def test_an_ordered_feed_does_not_show_which_topic_arrived_first(world: World) -> None:
    """All that was appended arrives at once: as it was appended, or one topic after the other."""
    clock, appended = ManualClock(world.begins_ms), []
    for sent in world.script:
        if isinstance(sent, Sent):
            clock.advance(sent.after_ms)
            appended.append((sent, clock.now_ms))
    by_topic = sorted(appended, key=lambda one: (one[0].contract, one[0].record["source"]))
    held = []
    for arriving in (appended, by_topic):
        topology = Topology(world.plans, ManualClock(clock.now_ms))
        for sent, at_ms in arriving:
            topology.publish(sent.record, sent.record["source"], at_ms, to=sent.contract)
        topology.run(3)
        ordered = {feed.name for lane in world.plans if lane.ordered for feed in lane.feeds}
        held.append({name: topology.delivered(name) for name in ordered})
    assert held[0] == held[1]
