"""Over any cut, rollback, crash and restore, a lane holds what the naive oracle says of the records in its order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

from hypothesis import event, given, note
from hypothesis import strategies as st
from tests.property.conftest import looks
from tests.property.lanes import DAY_MS, PARTIES, Sent, catalogues, emergencies, foreign_schema, records
from tests.property.schemas import values
from tests.property.verdict import compare, follow

from gebus.model.catalogue import Catalogue
from gebus.model.key import encode_key
from gebus.plan import lanes
from gebus.testing.clock import START_MS
from gebus.testing.messages import Encoder
from gebus.testing.oracle import Oracle
from gebus.testing.oracle_policy import OracleMode
from gebus.testing.topology import SOURCE_SCHEMA_ID, Topology, token_key

FOREIGN_ID, REFUSED_ID = 7, 9
ACTIONS = ("step", "step", "commit", "rollback", "crash")


def sent(draw: st.DrawFn, catalogue: Catalogue, encoders: Sequence[Encoder]) -> Sent:
    """A record in the log: mostly well encoded, sometimes not a record at all."""
    contract, event_schema = next(iter(catalogue.topics.values())), next(iter(catalogue.events.values()))
    record = draw(records(event_schema))
    party = record["source"] if draw(st.integers(0, 19)) else draw(st.sampled_from(PARTIES))
    key: bytes | None = encode_key([record[name] for name in contract.key])
    encoder = draw(st.sampled_from(encoders))
    own = {field["name"]: field["type"] for field in event_schema.avro["fields"]}
    value: bytes | None = encoder.encode(_as_written(draw, record, encoder, own))
    partition = None
    match draw(st.integers(0, 29)):
        case 0:
            value = None
        case 1:
            key = draw(st.sampled_from([None, b"", b"shop ", b"elsewhere"]))
            partition = draw(st.integers(0, contract.partitions - 1))
        case 2:
            value = draw(st.sampled_from([b"", b"\0\0\0", b"\1" + (value or b"")[1:], (value or b"") + b"\0"]))
        case 3:
            value = b"\0" + REFUSED_ID.to_bytes(4, "big") + b"anything"
    at_ms = START_MS + draw(st.one_of(st.integers(0, 20), st.integers(0, 3 * DAY_MS)))
    return Sent(key, value, party, at_ms, partition)


def _as_written(draw: st.DrawFn, record: dict[str, Any], encoder: Encoder, own: dict[str, Any]) -> dict[str, Any]:
    """The record as its writer has it, with values drawn anew for fields that differ from the source's."""
    return {
        field["name"]: record[field["name"]] if own.get(field["name"]) == field["type"] else draw(values(field["type"]))
        for field in encoder.schema["fields"]
    }


@st.composite
def runs(draw: st.DrawFn) -> tuple[Catalogue, Any, list[Sent | str], list[OracleMode]]:
    """A catalogue, a foreign writer schema, a script of records and what happens between them, and the modes."""
    catalogue = draw(catalogues())
    foreign = draw(foreign_schema(next(iter(catalogue.events.values()))))
    encoders = [
        Encoder(next(iter(catalogue.events.values())).avro, SOURCE_SCHEMA_ID),
        Encoder(foreign, FOREIGN_ID),
    ]
    script: list[Sent | str] = []
    for _ in range(draw(st.integers(1, 14))):
        script.append(sent(draw, catalogue, encoders))
        if draw(st.integers(0, 2)) == 0:
            script.append(draw(st.sampled_from(ACTIONS)))
    return catalogue, foreign, script, draw(emergencies())


@looks(100)
@given(runs())
def test_a_lane_is_its_oracle(run: tuple[Catalogue, Any, list[Sent | str], list[OracleMode]]) -> None:
    catalogue, foreign, script, modes = run
    lane = lanes(catalogue)[0]
    note(lane.to_kernel())
    topology = Topology(lane)
    topology.set_modes([astuple(mode) for mode in modes])
    oracle = Oracle(catalogue, token_key, modes)
    oracle.know_schema(SOURCE_SCHEMA_ID, lane.inputs[0].schema)
    topology.know_schema(FOREIGN_ID, json.dumps(foreign))
    oracle.know_schema(FOREIGN_ID, foreign)
    topology.refuse_schema(REFUSED_ID, "foreign_schema")
    oracle.refuse_schema(REFUSED_ID, "foreign_schema")
    for action in script:
        if isinstance(action, Sent):
            topology.publish_bytes(action.key, action.value, action.party, action.at_ms, action.partition)
        else:
            if action == "commit":
                topology.step()
            getattr(topology, action)()
            event(action)
    topology.run()
    compare(topology, follow(topology, oracle))
    for feed in oracle.feeds:
        for outcome in {outcome for account in feed.accounts.values() for outcome in account}:
            event(f"outcome: {outcome}")
    for letter in topology.committed.dead:
        event(f"dead: {letter.reason}")
