"""The control topics as a log with one writer at a time."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from pydantic import ValidationError

from gebus.kafka import Connection
from gebus.kafka.lane_clients import open_control_writer, open_reader, require_answer
from gebus.lanes.backoff import Backoff
from gebus.lanes.errors import told
from gebus.lanes.log import read_to_end
from gebus.lanes.places import Place
from gebus.lanes.ports import Clock
from gebus.model.control import AHEAD_MS, AUDIT_TOPIC, FOLLOWED, GRANTS_TOPIC, MODES_TOPIC, Known
from gebus.model.errors import ActRefused, Unavailable
from gebus.model.grant import FeedGrants
from gebus.model.mode import Mode

_OVERTAKEN = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})
_SECONDS = 10.0
_TRY_SECONDS, _FIRST_WAIT, _LONGEST_WAIT = 10.0, 0.25, 3.0
"""For so long it is tried again, after waits that grow: a try takes some tenths of a second."""


@dataclass(frozen=True, slots=True)
class Written:
    """One word that is to be written, and what the audit says of it."""

    about: str
    """A feed id, or a mode id."""
    value: FeedGrants | Mode | None
    """None: the audit alone."""
    audit: dict[str, Any] = field(default_factory=dict)

    @property
    def topic(self) -> str:
        return GRANTS_TOPIC if isinstance(self.value, FeedGrants) else MODES_TOPIC


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known after a change, and where its last word lies in its topic."""

    known: Known
    at_ms: int
    offsets: dict[str, int]
    """By feed or mode id."""


Decide = Callable[[Known, int], Sequence[Written]]


class ControlLog:
    """Reads and changes what the control topics say.

    Promised: a change is decided on all that was committed before it, and written with its audit in one transaction:
    whoever opens the writer ends what another had begun, reads to the end, and loses to the next one, in which case
    it decides again, after a while and for 10 seconds at most. A clock ahead of the log's by more than a minute
    writes nothing. Not promised: many changes a second; each opens a client.
    """

    def __init__(self, connection: Connection, clock: Clock, wait: Callable[[float], object] | None = None) -> None:
        self.connection, self._clock, self._wait = connection, clock, wait or threading.Event().wait

    def read(self) -> Known:
        """All that is known now."""
        require_answer(self.connection)
        return self._read()

    def audit(self) -> list[dict[str, Any]]:
        """Every act and every refusal, oldest first."""
        require_answer(self.connection)
        consumer = open_reader(self.connection, "control")
        try:
            return [json.loads(message.value() or b"{}") for message in read_to_end(consumer, [Place(AUDIT_TOPIC, 0)])]
        finally:
            consumer.close()

    def change(self, decide: Decide, tried: Mapping[str, Any]) -> Outcome:
        """Write what `decide` makes of what is known, as of an instant; a refusal of its is audited, and raised.

        `tried` is what the audit says of it either way: who, what, about which feed or mode.
        """
        require_answer(self.connection)
        # Without waits those who write at once would end each other's writing again and again.
        backoff, until = Backoff(_FIRST_WAIT, _LONGEST_WAIT), self._clock.monotonic() + _TRY_SECONDS
        while True:
            with told("writing the control topics"):
                try:
                    outcome, refusal = self._try(decide, tried)
                    break
                except KafkaException as error:
                    if error.args[0].code() not in _OVERTAKEN:
                        raise
            pause = backoff.next()
            if self._clock.monotonic() + pause > until:
                raise Unavailable(
                    f"the control topics are written by others all the time: {backoff.failures} tries in "
                    f"{_TRY_SECONDS:g} s were overtaken, each by another command or `gebus run control`; nothing was "
                    "written, try again"
                )
            self._wait(pause)
        if refusal is not None:
            raise refusal
        return outcome

    def _try(self, decide: Decide, tried: Mapping[str, Any]) -> tuple[Outcome, ActRefused | None]:
        """One try. KafkaException with one of `_OVERTAKEN` where another writer has begun meanwhile."""
        producer = open_control_writer(self.connection)
        producer.init_transactions(_SECONDS)
        known = self._read()
        # A clock that went back writes nothing that is older than what is there.
        now = max(self._clock.now_ms(), known.newest_ms)
        words, refusal = _decided(decide, known, now, str(tried.get("about", "")))
        return self._write(producer, known, now, words, tried), refusal

    def _write(
        self, producer: Producer, known: Known, now: int, words: Sequence[Written], tried: Mapping[str, Any]
    ) -> Outcome:
        offsets: dict[str, int] = {}
        appended: list[int] = []

        def landed(about: str) -> Callable[[Any, Any], None]:
            def report(error: Any, message: Any) -> None:
                if error is None:
                    offsets[about] = message.offset()
                    appended.append(message.timestamp()[1])

            return report

        if not words:
            return Outcome(known, now, {})
        producer.begin_transaction()
        for word in words:
            line = json.dumps(
                {"at": now, "outcome": "done", **tried, "about": word.about, **word.audit}, ensure_ascii=False
            )
            producer.produce(AUDIT_TOPIC, line.encode(), key=word.about.encode(), on_delivery=landed(""))
            if word.value is not None:
                value = word.value.model_dump_json().encode()
                producer.produce(word.topic, value, key=word.about.encode(), on_delivery=landed(word.about))
        if producer.flush(_SECONDS) or len(appended) < len(words):
            producer.abort_transaction(_SECONDS)  # raises where it was overtaken
            raise Unavailable("Kafka did not take the control topics' records; nothing was written, try again")
        if appended and now > min(appended) + AHEAD_MS:
            producer.abort_transaction(_SECONDS)
            found = f"the clock of this machine, or an earlier writer's, is {now - min(appended)} ms ahead of Kafka's"
            raise ActRefused(
                "clock", words[0].about, found, f"at most {AHEAD_MS}", "set the clock; nothing was written"
            )
        producer.commit_transaction(_SECONDS)
        for word in words:
            if isinstance(word.value, FeedGrants):
                known.grants[word.about] = word.value
            elif isinstance(word.value, Mode):
                known.modes[word.about] = word.value
        return Outcome(known, now, offsets)

    def _read(self) -> Known:
        known = Known()
        consumer = open_reader(self.connection, "control")
        try:
            for message in read_to_end(consumer, [Place(topic, 0) for topic in FOLLOWED]):
                known.take(message.topic(), message.key(), message.value(), message.timestamp()[1])
        finally:
            consumer.close()
        return known


def _decided(decide: Decide, known: Known, now: int, about: str) -> tuple[Sequence[Written], ActRefused | None]:
    """What is to be written; of a refusal the audit alone."""
    try:
        return decide(known, now), None
    except ActRefused as error:
        refusal = error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "it"
        refusal = ActRefused("form", about, f"{where} is {first['input']!r}", first["msg"])
    said = {"outcome": "refused", "rule": refusal.rule, "said": str(refusal)}
    return [Written(about or refusal.what, None, said)], refusal
