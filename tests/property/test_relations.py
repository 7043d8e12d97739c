"""Feeds that join, reconcile and follow hold what the naive oracle says, however their input is cut and interrupted."""

from __future__ import annotations

from hypothesis import event, given
from tests.property.conftest import looks
from tests.property.relations import Sent, World, worlds
from tests.property.verdict import compare, follow

from gebus.testing.oracle import Oracle
from gebus.testing.topology import Topology, token_key


def play(world: World) -> Topology:
    """The script, and then everything that still waits; at last so much time that nothing is waited for."""
    topology = Topology(world.plans)
    for action in world.script:
        if isinstance(action, Sent):
            topology.clock.advance(action.after_ms)
            topology.publish(action.record, action.record["source"], to=action.contract)
        elif action == "one":
            topology.step(1)
        elif action == "commit":
            topology.step()
            topology.commit()
        else:
            getattr(topology, action)()
            event(action)
    topology.run()
    topology.clock.advance(20)
    topology.tick()
    topology.commit()
    return topology


@looks(150)
@given(worlds())
def test_lanes_are_their_oracle(world: World) -> None:
    topology = play(world)
    oracle = Oracle(world.catalogue, token_key)
    for encoder in topology.writers.values():
        oracle.know_schema(encoder.schema_id, encoder.schema)
    compare(topology, follow(topology, oracle))
    for feed in oracle.feeds:
        for outcome in {outcome for account in feed.accounts.values() for outcome in account}:
            event(f"outcome: {outcome}")
