"""What `publish` says where it cannot go on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gebus.cli._event_file import Line
from gebus.cli.edge import _Outcome, _send
from gebus.model.errors import EventRefused, GebusError, Unavailable
from gebus_connectors.sdk import Receipt, Sent
from gebus_connectors.sdk.in_flight import InFlight


class FakePublisher:
    """Acknowledges every event but the last two, and takes so many."""

    def __init__(self, takes: int, error: BaseException) -> None:
        self._in_flight = InFlight(1000, 1000)
        self._takes, self._error = takes, error
        self.sent: list[Sent] = []

    def send(self, topic: str, event: dict[str, Any]) -> Sent:
        if event.get("bad"):
            raise EventRefused(topic, "bad", "true", "nothing")
        if len(self.sent) == self._takes:
            raise self._error
        sent = Sent(self._in_flight, topic=topic, event=event, digest=b"", size=1)
        self._in_flight.add(sent, 0)
        self.sent.append(sent)
        for earlier in self.sent[:-2]:
            self._in_flight.settle(earlier, Receipt(earlier.event_id, topic, 0, 0, ""))
        return sent

    def flush(self) -> None:
        raise self._error

    def close(self) -> None:
        self._in_flight.abandon(Unavailable("closed"))


def lines(count: int) -> Iterator[Line]:
    yield Line(1, {"bad": True})
    for number in range(2, count + 2):
        yield Line(number, {"event_id": f"e-{number}"})


@pytest.mark.parametrize("takes", [5, 100])
@pytest.mark.parametrize(
    ("error", "said"), [(Unavailable("the broker is gone"), "the broker is gone"), (KeyboardInterrupt(), "interrupted")]
)
def test_the_first_line_that_is_not_stored_for_sure_is_named(takes: int, error: BaseException, said: str) -> None:
    outcome, advanced = _Outcome("a.b", "shop", "x.jsonl"), []
    publisher: Any = FakePublisher(takes, error)
    with pytest.raises(
        GebusError, match=rf"x\.jsonl: stopped after \d+ events: {said}; line (\d+) is the first"
    ) as stopped:
        _send(publisher, "a.b", lines(10), outcome, lambda: advanced.append(1))
    first = 5 if takes == 5 else 10  # lines 2 to 6 went out, or 2 to 11; the last two of them have no receipt
    assert f"line {first} is the first that is not stored for sure" in str(stopped.value)
    assert "publish the file again, the bus removes what repeats" in str(stopped.value)
    assert (outcome.sent, outcome.refused) == (min(takes, 10), 1)
    assert len(advanced) == min(takes + 2, 11)
