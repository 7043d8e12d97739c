"""What the kernel says of a condition is what cel-python says of it."""

from __future__ import annotations

from itertools import count
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st
from tests.property.conditions import conditions, operands
from tests.property.conftest import looks
from tests.property.schemas import INSTANTS, SCALARS, nullable, record, values

from gebus.plan import lanes
from gebus.testing import build
from gebus.testing.clock import START_MS
from gebus.testing.oracle_condition import Condition
from gebus.testing.topology import Topology


@st.composite
def fields(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = count()
    types = draw(
        st.lists(st.sampled_from(["string", "int", "long", "double", "boolean", INSTANTS]), min_size=3, max_size=6)
    )
    types = [nullable(avro) if draw(st.booleans()) else avro for avro in types]
    types.append(nullable(record(names, [draw(st.sampled_from(SCALARS)), nullable(draw(st.sampled_from(SCALARS)))])))
    return [{"name": f"x{index}", "type": avro} for index, avro in enumerate(types)]


@looks(150)
@given(st.data())
def test_kernel_and_cel_python_agree(data: st.DataObject) -> None:
    own = data.draw(fields())
    schema = build.event_schema("Report", own)
    texts = data.draw(st.lists(conditions(operands(own)), min_size=1, max_size=6))
    feeds = [
        build.feed(
            [{"where": {"name": "cut", "when": text}}, {"select": {"name": "out", "fields": {"id": "e.event_id"}}}],
            name=f"f-{index}",
        )
        for index, text in enumerate(texts)
    ]
    topology = Topology(lanes(build.catalogue(schema, feeds))[0])
    records = [_envelope(index) | data.draw(_values(own)) for index in range(4)]
    for one in records:
        topology.publish(one, "jd")
    topology.run()
    assert not topology.committed.dead
    for index, text in enumerate(texts):
        condition = Condition(text, {"e": schema.avro})
        verdicts = [condition.evaluate({"e": one}) for one in records]
        for verdict in verdicts:
            event(f"a condition is {verdict}")
        expected = [one["event_id"] for one, verdict in zip(records, verdicts, strict=True) if verdict is True]
        assert sorted(one["id"] for one in topology.delivered(f"cdc/f-{index}")) == expected, text


def _values(own: list[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({field["name"]: values(field["type"]) for field in own})


def _envelope(index: int) -> dict[str, Any]:
    return {
        "event_id": f"e{index}",
        "entity_id": "shop",
        "revision": index,
        "status": "ASSERTED",
        "occurred_at": START_MS,
        "published_at": START_MS,
        "source": "jd",
        "region": "420100",
    }
