"""What must come of a recorded log: the oracle of `gebus.testing`, asked key by key.

Records that meet have the same Kafka key in this catalogue, and the oracle searches lists from end to end: so the keys
are divided among many oracles, each of which holds few records.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from zlib import crc32

from tests.fault.checker import Expected, Output, Place
from tests.fault.history import Event, History

from gebus.model.catalogue import Catalogue
from gebus.plan import LanePlan, lanes
from gebus.testing.messages import Encoder, FakeMessage
from gebus.testing.oracle import Oracle
from gebus.testing.oracle_leaf import entry
from gebus.testing.topology import COUNTS, token_key
from gebus.testing.waiting import Waiting, groups_of

RECORDS_AN_ORACLE = 150
TAG_BYTES = 8


class Codec:
    """The schemas of a catalogue under their ids, as the history names them: by contract, and by feed."""

    def __init__(self, plans: Sequence[LanePlan], ids: dict[str, int]) -> None:
        self.contracts = {
            part.contract: Encoder(part.schema, ids[part.contract]) for plan in plans for part in plan.inputs
        }
        self.feeds = {feed.name: Encoder(feed.output_schema, ids[feed.name]) for plan in plans for feed in plan.feeds}
        self.contract_of = {topic: part.contract for plan in plans for part in plan.inputs for topic in part.topics}


def identity(event_id: str, value: bytes) -> str:
    """What tells a record from all others: its id, and a digest of its bytes."""
    return f"{event_id}:{hashlib.sha256(value).hexdigest()[:12]}"


def digest(key: bytes | None, value: bytes) -> str:
    """The beginning of what the ledger keeps of a delivered record."""
    return entry(key, value, "")[TAG_BYTES:][:8].hex()


def text(value: bytes | None) -> str:
    return base64.b64encode(value or b"").decode()


def expect(history: History, catalogue: Catalogue) -> Expected:
    """The oracle's word on everything that the history says was appended."""
    plans = lanes(catalogue)
    (said,) = history.of("catalogue")
    codec = Codec(plans, said["ids"])
    expected = Expected(
        internal={topic for plan in plans for part in plan.inputs if part.internal for topic in part.topics}
    )
    messages = _in_order(list(history.of("appended")), plans)
    ordered = {topic for group in groups_of(plans) if group.ordered for topic in group.topics}
    shards = max(1, len(messages) // RECORDS_AN_ORACLE)
    divided: dict[int, list[tuple[int, FakeMessage]]] = {}
    for number, message in enumerate(messages):
        divided.setdefault(crc32(message.key() or b"") % shards, []).append((number, message))
    found: list[tuple[int, Output]] = []
    accounts: dict[tuple[str, str], Counter[str]] = {}
    for part in divided.values():
        oracle = _oracle(catalogue, codec)
        for number, message in part:
            found += [(number, one) for one in _outputs(oracle, message, codec, message.topic() in ordered)]
        for letter, reasons in oracle.dead:
            expected.dead.append((_place(letter), reasons))
        for feed in oracle.feeds:
            for topic, counts in feed.accounts.items():
                accounts.setdefault((topic, feed.name), Counter()).update(counts)
    expected.outputs = [output for _, output in sorted(found, key=lambda one: one[0])]
    expected.accounts = {place: {name: counts[name] for name in COUNTS} for place, counts in accounts.items()}
    return expected


def _oracle(catalogue: Catalogue, codec: Codec) -> Oracle:
    oracle = Oracle(catalogue, token_key)
    for encoder in codec.contracts.values():
        oracle.know_schema(encoder.schema_id, encoder.schema)
    return oracle


def _outputs(oracle: Oracle, message: FakeMessage, codec: Codec, ordered: bool) -> list[Output]:
    """What comes of one more record."""
    before, copies = [len(feed.delivered) for feed in oracle.feeds], len(oracle.copies)
    oracle.take(message)
    made = [
        (feed.name, key, feed_record["event_id"], codec.feeds[feed.name].encode(feed_record))
        for feed, count in zip(oracle.feeds, before, strict=True)
        for key, feed_record in feed.delivered[count:]
    ]
    made += [
        (
            copy.topic,
            copy.key,
            copy.record["event_id"],
            codec.contracts[codec.contract_of[copy.topic]].encode(copy.record),
        )
        for copy in oracle.copies[copies:]
    ]
    return [
        Output(name, text(key), identity(event_id, value), _order(text(key), message, ordered), _place(message))
        for name, key, event_id, value in made
    ]


def _order(key: str, message: FakeMessage, ordered: bool) -> str:
    """Between slices there is no order, and between the topics of a slice only in ordered lanes."""
    return f"{key} of {'' if ordered else message.topic()}/{message.partition()}"


def _in_order(events: Sequence[Event], plans: Sequence[LanePlan]) -> list[FakeMessage]:
    """As lanes take them: ordered groups by append time, topic, offset."""
    waiting = Waiting(groups_of(plans))
    for event in events:
        key, value = (base64.b64decode(event[name]) for name in ("key", "value"))
        waiting.add(FakeMessage(event["topic"], event["partition"], event["offset"], key, value, event["at_ms"]))
    return waiting.in_order()


def _place(message: FakeMessage) -> Place:
    return message.topic(), message.partition(), message.offset()
