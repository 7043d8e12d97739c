"""The verdict on a run: what the lane committed against what the oracle says of the same records."""

from __future__ import annotations

from gebus.testing.oracle import Oracle
from gebus.testing.topology import OUTCOMES, Topology


def compare(topology: Topology, oracle: Oracle) -> None:
    """Everything that both say of the same records."""
    assert len(topology.committed.taken) == len(topology.log.messages), "every record is taken once"
    dead = [(letter.message, letter.reason) for letter in topology.committed.dead]
    assert [message for message, _ in dead] == [message for message, _ in oracle.dead]
    for (message, reason), (_, reasons) in zip(dead, oracle.dead, strict=True):
        assert reason in reasons, f"{message}: {reason} is none of {reasons}"
    accounts = topology.accounts()
    for feed in oracle.feeds:
        encoder = topology.feeds[next(plan.topic for plan in topology.lane.feeds if plan.name == feed.name)]
        expected = [(key, encoder.decode(encoder.encode(record))) for key, record in feed.delivered]
        got = [(one.key, one.record) for name, one in topology.committed.delivered if name == feed.name]
        assert repr(got) == repr(expected), feed.name
        counts = {outcome: accounts.get(feed.name, {}).get(outcome, 0) for outcome in OUTCOMES}
        assert counts == {outcome: feed.accounts.get(outcome, 0) for outcome in OUTCOMES}, feed.name
        assert counts["taken"] == sum(count for outcome, count in counts.items() if outcome != "taken")
