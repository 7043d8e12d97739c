"""What people ask the travel app: whether a case was on their journey."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gebus_connectors.sources.identity import digest, make_event
from gebus_connectors.sources.journeys import Run
from gebus_connectors.sources.reading import Reading
from gebus_connectors.sources.rows import days_since_epoch, end_of


class QuerySource:
    """One query for each run, invented; nobody asked. Promised: the same runs give the same events."""

    def __init__(self, party: str, runs: Sequence[Run]) -> None:
        self._party, self._runs = party, runs

    @property
    def party(self) -> str:
        return self._party

    def read(self) -> Iterator[Reading]:
        for place, run in enumerate(self._runs):
            number = f"q-{digest('query', run.carrier_no, str(run.service_date), place)[:16]}"
            content = {
                "query_no": number,
                "carrier_no": run.carrier_no,
                "service_date": days_since_epoch(run.service_date),
            }
            yield make_event(
                self._party,
                "travel.contact_query",
                number,
                at=end_of(run.service_date),
                region=run.region,
                content=content,
            )
