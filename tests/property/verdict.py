"""The verdict on a run: what the lanes committed against what the oracle says of the same records."""

from __future__ import annotations

from collections import Counter

from gebus.testing.messages import FakeMessage
from gebus.testing.oracle import Oracle
from gebus.testing.topology import COUNTS, OUTCOMES, Topology


def follow(topology: Topology, oracle: Oracle) -> Oracle:
    """Tell the oracle everything that the lanes were given, in the order in which they took it."""
    for part in topology.committed.script:
        if isinstance(part, FakeMessage):
            oracle.take(part)
        else:
            oracle.tick(part.feeds, part.slice, part.clock_ms)
    return oracle


def compare(topology: Topology, oracle: Oracle) -> None:
    """Everything that both say of the same records."""
    assert len(topology.committed.taken) == len(topology.log.messages), "every record is taken once"
    _compare_dead(topology, oracle)
    _compare_copies(topology, oracle)
    for feed in oracle.feeds:
        encoder = topology.feeds[topology.topics[feed.name]]
        expected = [(key, encoder.decode(encoder.encode(record))) for key, record in feed.delivered]
        got = [(one.key, one.record) for name, one in topology.committed.delivered if name == feed.name]
        assert repr(got) == repr(expected), feed.name
    _compare_accounts(topology, oracle)


def _compare_dead(topology: Topology, oracle: Oracle) -> None:
    dead = [(letter.message, letter.reason) for letter in topology.committed.dead]
    assert [message for message, _ in dead] == [message for message, _ in oracle.dead]
    for (message, reason), (_, reasons) in zip(dead, oracle.dead, strict=True):
        assert reason in reasons, f"{message}: {reason} is none of {reasons}"


def _compare_copies(topology: Topology, oracle: Oracle) -> None:
    contracts = {topic: part.contract for part in topology.inputs.values() if part.internal for topic in part.topics}
    got, expected = ({topic: [] for topic in contracts} for _ in range(2))
    for copy in topology.committed.copies:
        record = topology.writers[contracts[copy.topic]].decode(copy.value)
        got[copy.topic].append((copy.key, copy.partition, record))
    for copy in oracle.copies:
        expected[copy.topic].append((copy.key, copy.partition, copy.record))
    assert repr(got) == repr(expected)


def _compare_accounts(topology: Topology, oracle: Oracle) -> None:
    accounts = topology.accounts_by_topic()
    for feed in oracle.feeds:
        topics = {topic for name, topic in accounts if name == feed.name} | set(feed.accounts)
        for topic in topics:
            got, expected = accounts.get((feed.name, topic), Counter()), feed.accounts[topic]
            assert {name: got[name] for name in COUNTS} == {name: expected[name] for name in COUNTS}, (feed.name, topic)
            assert got["taken"] + got["more"] == sum(got[outcome] for outcome in OUTCOMES)
