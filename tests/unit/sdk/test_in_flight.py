"""What is between send and acknowledgement: bounded, and every event ends as a receipt or handed back."""

from __future__ import annotations

import threading
import time

import pytest

from gebus.model.errors import Denied, Unavailable
from gebus_connectors.sdk.in_flight import InFlight, NotAcknowledged, Receipt, Sent


def sent(in_flight: InFlight, name: str, size: int = 10) -> Sent:
    event = {"event_id": name, "phone": "13800000042"}
    return Sent(in_flight, topic="a.b", event=event, digest=b"", size=size)


def receipt(name: str) -> Receipt:
    return Receipt(name, "a.b.shop", 0, 1, "00")


def test_a_full_bound_of_records_waits_and_then_refuses() -> None:
    in_flight = InFlight(2, 1000)
    first, second, third = (sent(in_flight, name) for name in "abc")
    in_flight.add(first, 0)
    in_flight.add(second, 0)
    with pytest.raises(Unavailable, match=r"2 events of 20 bytes wait .* event c of a.b was not sent") as refused:
        in_flight.add(third, 0.01)
    assert refused.value.retriable
    assert len(in_flight) == 2


def test_a_full_bound_of_bytes_refuses_too_but_one_large_event_goes_alone() -> None:
    in_flight = InFlight(100, 25)
    large = sent(in_flight, "large", 1000)
    in_flight.add(large, 0)
    with pytest.raises(Unavailable):
        in_flight.add(sent(in_flight, "b"), 0.01)
    in_flight.settle(large, receipt("large"))
    assert in_flight.size == 0
    in_flight.add(sent(in_flight, "b"), 0)


def test_room_wakes_the_one_that_waits() -> None:
    in_flight = InFlight(1, 1000)
    first = sent(in_flight, "a")
    in_flight.add(first, 0)
    waiting = threading.Thread(target=in_flight.add, args=(sent(in_flight, "b"), 30))
    began = time.monotonic()
    waiting.start()
    in_flight.settle(first, receipt("a"))
    waiting.join(10)
    assert not waiting.is_alive()
    assert time.monotonic() - began < 5
    assert len(in_flight) == 1


def test_the_receipt_is_waited_for() -> None:
    in_flight = InFlight(10, 1000)
    event = sent(in_flight, "a")
    in_flight.add(event, 0)
    assert not event.acknowledged
    with pytest.raises(Unavailable, match=r"event a of a.b was not acknowledged within 0.01 s; it is still on its way"):
        event.receipt(0.01)
    answering = threading.Thread(target=in_flight.settle, args=(event, receipt("a")))
    answering.start()
    assert event.receipt(10) == receipt("a")
    answering.join()
    assert event.acknowledged


def test_what_failed_raises_why_and_is_handed_back_in_order_of_sending() -> None:
    in_flight = InFlight(10, 1000)
    events = [sent(in_flight, name) for name in "abcd"]
    for event in events:
        in_flight.add(event, 0)
    in_flight.settle(events[2], Denied("no right"))
    in_flight.settle(events[1], receipt("b"))
    in_flight.settle(events[1], Denied("a second answer does not count"))
    in_flight.settle(events[0], Denied("no right"))
    in_flight.abandon(Unavailable("closed"))
    with pytest.raises(Denied, match="no right"):
        events[0].receipt(0)
    assert events[1].receipt(0) == receipt("b")
    assert [unsent.event_id for unsent in in_flight.unsent()] == ["a", "c", "d"]
    assert [type(unsent.reason) for unsent in in_flight.unsent()] == [Denied, Denied, Unavailable]
    assert in_flight.unsent()[0].event == {"event_id": "a", "phone": "13800000042"}
    assert in_flight.wait_empty(0)


def test_no_payload_shows_in_a_repr_or_an_error() -> None:
    in_flight = InFlight(10, 1000)
    event = sent(in_flight, "a")
    in_flight.add(event, 0)
    in_flight.abandon(Unavailable("closed"))
    error = NotAcknowledged(in_flight.unsent())
    for text in (repr(event), repr(in_flight.unsent()), str(error), repr(error)):
        assert "138" not in text
        assert "a.b" in text
    assert error.unsent == in_flight.unsent()
    assert error.retriable


def test_an_event_that_the_client_did_not_take_is_forgotten() -> None:
    in_flight = InFlight(1, 1000)
    event = sent(in_flight, "a")
    in_flight.add(event, 0)
    in_flight.drop(event)
    in_flight.add(sent(in_flight, "b"), 0)
    in_flight.abandon(Unavailable("closed"))
    assert [unsent.event_id for unsent in in_flight.unsent()] == ["b"]
