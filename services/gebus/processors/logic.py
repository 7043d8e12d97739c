"""What a processor is, apart from Kafka: a pure function of one key's state and one record."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gebus.model.key import encode_key

State = Mapping[str, Any]
"""What is remembered of one key: JSON, as it lies in the state topic."""
Record = Mapping[str, Any]
"""A record of the feed as its decoder gives it, or an event without `source` and `published_at`."""

_ID_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Step:
    """What comes of one record: the key's new state, the events to publish, and a word for the account."""

    state: State | None
    """None where it stays as it was."""
    events: Sequence[Record]
    outcome: str


class Logic(Protocol):
    """The business of one processor: no I/O, no clock, no chance, nothing remembered but in the state.

    So a record that comes twice, after a crash or a replay, makes the same events with the same ids, and the lane that
    they pass removes the repeats. The state after a record must not depend on whether it comes again.
    """

    @property
    def outcomes(self) -> Sequence[str]:
        """Every word that a step may give as its outcome."""
        ...

    def key(self, record: Record) -> str:
        """Whose state a record concerns. All records of a key lie in one partition of the feed."""
        ...

    def step(self, state: State | None, record: Record) -> Step:
        """One record further. `state` is None for a key that is new, and is never changed in place."""
        ...


def event_id(processor: str, *parts: str | int) -> str:
    """An id that depends on the processor's name and on what the event says alone, so that a replay makes it again."""
    return hashlib.sha256(encode_key([processor, *parts])).hexdigest()[:_ID_DIGITS]
