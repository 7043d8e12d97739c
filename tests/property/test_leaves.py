"""Over any cut, rollback, crash and restore, the leaves of the ledger are of exactly what was delivered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from gebus_kernel import Leaf
from hypothesis import event, given
from tests.property.conftest import looks
from tests.property.lanes import Sent
from tests.property.relations import World, worlds
from tests.property.test_kernel_equals_oracle import FOREIGN_ID, REFUSED_ID, runs
from tests.property.test_relations import play as play_world

from gebus.model.catalogue import Catalogue
from gebus.model.leaf import ENTRY_BYTES
from gebus.plan import lanes
from gebus.testing.oracle_leaf import entry, head, levels, values
from gebus.testing.topology import Topology


def parts(leaf: Leaf) -> list[bytes]:
    return [leaf.entries[at : at + ENTRY_BYTES] for at in range(0, len(leaf.entries), ENTRY_BYTES)]


def check(topology: Topology, catalogue: Catalogue) -> None:
    """Every delivered record is under a leaf of its feed, in its order, and nothing else is."""
    leaves: dict[str, list[Leaf]] = {name: [] for name in topology.topics}
    for leaf in topology.committed.leaves:
        leaves[leaf.feed].append(leaf)
        assert leaf.count == len(parts(leaf)) > 0
        assert leaf.root == head([part[8:] for part in parts(leaf)])
    for feed, of_feed in leaves.items():
        deliveries = [delivery for name, delivery in topology.committed.delivered if name == feed]
        expected = [entry(one.key, one.value, one.record["entity_id"]) for one in deliveries]
        assert Counter(part for leaf in of_feed for part in parts(leaf)) == Counter(expected)
        for slice_number in {leaf.slice for leaf in of_feed}:
            mine = [part for leaf in of_feed if leaf.slice == slice_number for part in parts(leaf)]
            assert is_in_order(mine, expected)
        assert sum(leaf.size for leaf in of_feed) == sum(len(one.key or b"") + len(one.value) for one in deliveries)
        of_class = levels(catalogue.feeds[feed], catalogue)
        counted = tuple(sum(leaf.fields[index] for leaf in of_feed) for index in range(4))
        assert counted == values((one.record for one in deliveries), of_class)
        event(f"leaves: {min(len(of_feed), 3)}")


def is_in_order(part: Iterable[bytes], whole: Iterable[bytes]) -> bool:
    rest = iter(whole)
    return all(one in rest for one in part)


@looks(60)
@given(runs())
def test_the_leaves_are_of_what_was_delivered(run: tuple[Catalogue, object, list[Sent | str], object]) -> None:
    catalogue, _, script, _ = run
    topology = Topology(lanes(catalogue)[0])
    for schema_id in (FOREIGN_ID, REFUSED_ID):
        topology.refuse_schema(schema_id, "foreign_schema")
    play(topology, script)
    check(topology, catalogue)


@looks(60)
@given(worlds())
def test_so_are_those_of_what_was_joined_reconciled_and_corrected(world: World) -> None:
    check(play_world(world), world.catalogue)


def play(topology: Topology, script: Iterable[Sent | str]) -> None:
    for action in script:
        if isinstance(action, Sent):
            topology.publish_bytes(action.key, action.value, action.party, action.at_ms, action.partition)
        else:
            if action == "commit":
                topology.step()
            getattr(topology, action)()
    topology.run()
