"""Publish the events of one party."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any, Self

from pydantic import BaseModel

from gebus.catalogue import EventValidator
from gebus.catalogue.documents import nearest
from gebus.kafka import Connection
from gebus.kafka.edge import close_producer, open_producer
from gebus.kafka.encoding import EventEncoder, registered_id
from gebus.kafka.errors import in_our_words, told
from gebus.kafka.registry import Registry
from gebus.model.catalogue import Catalogue
from gebus.model.errors import Denied, EventRefused, GebusError, NotFound, Stopped, Unavailable
from gebus_connectors.sdk.in_flight import InFlight, NotAcknowledged, Receipt, Sent, Unsent
from gebus_connectors.sdk.options import PublisherOptions

_CLOSE_MARGIN = 5.0


@dataclass(frozen=True, slots=True)
class _Route:
    """What it takes to publish to one topic."""

    kafka_topic: str
    validator: EventValidator
    encoder: EventEncoder


class Publisher:
    """Publishes events of one party, each checked before it leaves.

    Promised: an event with a receipt is stored on every in-sync replica, once; an event that breaks its contract is
    refused by send() and costs no other; events of one key that one thread sends lie in the log in that order; what
    is in flight is bounded; every event sent ends as a receipt or is handed back by close(), none is lost silently.
    Not promised: that an event handed back is not stored. The answer may be what was lost: send the event again with
    the same event_id, and the bus removes the repeat. Once an event failed, send() refuses further ones, so that only
    what was under way already can come before it: close, and send what was handed back first, with a new Publisher.

        with Publisher(Connection.load("jd"), load_catalogue("schemas"), "jd") as publisher:
            receipt = publisher.send("market.price_report", event).receipt()
    """

    def __init__(
        self,
        connection: Connection,
        catalogue: Catalogue,
        party: str,
        *,
        options: PublisherOptions = PublisherOptions(),  # noqa: B008 - frozen
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Nothing connects before open(), which `with` calls."""
        if party not in catalogue.parties:
            raise NotFound(f"the catalogue has no party {party}; {nearest(party, catalogue.parties)}".rstrip("; "))
        if connection.principal != party:
            raise Denied(f"the connection is that of {connection.principal}; {party} publishes as {party} alone")
        self._connection, self._catalogue, self._party = connection, catalogue, party
        self._options, self._clock = options, clock
        self._in_flight = InFlight(options.in_flight_records, options.in_flight_bytes)
        self._routes: dict[str, _Route] = {}
        self._producer: Any = None
        self._closed = False
        self._failure: GebusError | None = None

    def __repr__(self) -> str:
        return f"Publisher({self._party!r}, in_flight={len(self._in_flight)})"

    def open(self) -> Self:
        """Connect and log in. Raises Unavailable or Denied; may then be called again, for ever."""
        if self._closed:
            raise Stopped(f"the publisher of {self._party} is closed; make a new one")
        if self._producer is None:
            self._producer = open_producer(self._connection, delivery_timeout=self._options.delivery_timeout)
        return self

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        unsent = self.close()
        if unsent and error is None:
            raise NotAcknowledged(unsent)

    def prepare(self, topic: str) -> None:
        """Make sure that this party may publish to a topic and that its schema is registered; send() does so by itself.

        Raises NotFound, Denied or Unavailable.
        """
        if topic not in self._routes:
            self._routes[topic] = self._route(topic)

    def send(self, topic: str, event: Mapping[str, Any] | BaseModel) -> Sent:
        """Check an event and put it on its way; its receipt follows.

        `source` and `published_at` are filled in where they are absent. Raises EventRefused with the field's path, also
        of an `occurred_at` that lies further back or ahead than the contract takes, by this machine's clock;
        NotFound for an unknown topic, Denied where the party is no publisher, Unavailable where there is no room in
        flight for as long as the options allow, Stopped after an event failed; then the event was not sent.
        """
        if self._producer is None or self._closed:
            raise Stopped(f"the publisher of {self._party} is not open; use it in a `with` block, or call open()")
        if self._failure is not None:
            raise Stopped(f"an earlier event was not acknowledged, and none may overtake it: {self._failure}")
        self.prepare(topic)
        route = self._routes[topic]
        record = self._completed(topic, event)
        route.validator.check(record, self._clock())
        encoded = route.encoder.encode(record)
        sent = Sent(
            self._in_flight,
            topic=topic,
            event=record,
            digest=hashlib.sha256(encoded.value).digest(),
            size=encoded.size,
        )
        self._in_flight.add(sent, self._options.room_timeout.total_seconds())
        try:
            with told(self._connection, f"to publish to {route.kafka_topic}"):
                future = self._producer.send(route.kafka_topic, encoded.value, encoded.key)
        except GebusError:
            self._in_flight.drop(sent)
            raise
        answered = partial(self._answered, sent)
        future.add_callback(answered)
        future.add_errback(answered)
        return sent

    def flush(self) -> None:
        """Wait until every event has its receipt; raises NotAcknowledged with those that get none."""
        if not self._in_flight.wait_empty(self._patience):
            raise Unavailable(f"{len(self._in_flight)} events have no answer after {self._patience:g} s")
        if unsent := self._in_flight.unsent():
            raise NotAcknowledged(unsent)

    def close(self) -> tuple[Unsent, ...]:
        """Wait for what is in flight, disconnect, and hand back what was not acknowledged. Safe to call twice.

        Takes no longer than the delivery timeout and a few seconds. A process that dies before has no list: keep
        what was sent until its receipt is there.
        """
        if not self._closed:
            self._closed = True
            if self._producer is not None:
                self._in_flight.wait_empty(self._patience)
                close_producer(self._producer)
            self._in_flight.abandon(Unavailable("the publisher was closed before an answer came"))
        return self._in_flight.unsent()

    @property
    def _patience(self) -> float:
        return self._options.delivery_timeout.total_seconds() + _CLOSE_MARGIN

    def _completed(self, topic: str, event: Mapping[str, Any] | BaseModel) -> dict[str, Any]:
        record = event.model_dump() if isinstance(event, BaseModel) else dict(event)
        if record.get("published_at") is None:
            record["published_at"] = self._clock()
        source = record.get("source")
        if source is None:
            record["source"] = self._party
        elif source != self._party:
            raise EventRefused(topic, "source", repr(source), f"{self._party}, who publishes it, or nothing")
        return record

    def _route(self, topic: str) -> _Route:
        contract = self._catalogue.topics.get(topic)
        if contract is None:
            raise NotFound(f"the catalogue has no topic {topic}; {nearest(topic, self._catalogue.topics)}".rstrip("; "))
        if self._party not in contract.publishers:
            raise Denied(
                f"{self._party} is no publisher of {topic}; its publishers are {', '.join(contract.publishers)}; "
                f"{contract.owner}, who owns it, may add one to topics/{topic}.yaml"
            )
        schema = self._catalogue.events[topic]
        with Registry(self._connection) as registry:
            schema_id = registered_id(registry, contract, schema)
        return _Route(
            contract.kafka_topic(self._party),
            EventValidator(contract, schema, self._catalogue.codes),
            EventEncoder(contract, schema, schema_id),
        )

    def _answered(self, sent: Sent, answer: Any) -> None:
        """Kafka's answer for one event, in the thread of the client."""
        if isinstance(answer, BaseException):
            failure = in_our_words(answer, self._connection, f"to publish to {sent.topic}")
            self._failure = self._failure or failure
            self._in_flight.settle(sent, failure)
        else:
            place = (answer.topic, answer.partition, answer.offset)
            self._in_flight.settle(sent, Receipt(sent.event_id, *place, sent.digest.hex()))
