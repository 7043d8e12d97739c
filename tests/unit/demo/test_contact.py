"""A notice counts only if it is of the case that it is waited for, and came because of what was published last."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gebus.cli._demo import contact
from gebus.model.errors import Unavailable
from gebus_connectors.sources.reading import Event

TRIP = Event("health.case_trip", {"carrier_no": "G1278", "contact_area": "car"})
SINCE = 1_600_000_000.0


class _Feed:
    """What a subscriber polls: these records, then nothing."""

    def __init__(self, *records: dict[str, Any]) -> None:
        self._records = [SimpleNamespace(record=record) for record in records]

    def poll(self, _seconds: float) -> list[SimpleNamespace]:
        found, self._records = self._records, []
        return found


def _notice(who: str, **changes: Any) -> dict[str, Any]:
    known = {"passenger_id": who, "status": "ASSERTED", "contact_area": "car", "published_at": int(SINCE * 1000)}
    return known | changes


def _await(*records: dict[str, Any]) -> Any:
    return contact._await(_Feed(*records), "the case came last", {("p1", "ASSERTED")}, TRIP, SINCE)  # type: ignore[arg-type]


def test_a_notice_of_the_case_is_taken_with_its_latency() -> None:
    found = _await(_notice("p2"), _notice("p1", published_at=int(SINCE * 1000) + 7))
    assert (found.why, found.carrier_no) == ("the case came last", "G1278")
    assert found.notice["published_at"] == int(SINCE * 1000) + 7
    assert found.latency_ms > 0


@pytest.mark.parametrize(
    "changes", [{"published_at": int(SINCE * 1000) - 1}, {"contact_area": "carrier"}, {"status": "RETRACTED"}]
)
def test_other_notices_are_not_taken_for_it(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact, "_WAIT_SECONDS", 0.01)
    with pytest.raises(Unavailable, match=r"the case came last: no notice for p1 in 0\.01 s"):
        _await(_notice("p1", **changes))
