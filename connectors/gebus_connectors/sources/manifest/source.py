"""Who was where on a run: invented people in the seats that such a carrier has."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from gebus_connectors.sources.identity import Revisions, digest
from gebus_connectors.sources.journeys import Run
from gebus_connectors.sources.manifest.config import ManifestConfig
from gebus_connectors.sources.reading import Reading
from gebus_connectors.sources.rows import days_since_epoch, end_of

_ROWS, _CARS, _ROWS_OF_A_CAR = 70, 16, 18
_LETTERS = {"aircraft": "ABCHJK", "train": "ABCDF"}
_SKIPPING = 3
"""Every third flight has no row 13."""
_CREW = 2
_MOVED, _CANCELLED = 10, 15
"""Every so many runs a passenger is moved to another seat, or did not travel."""


class ManifestSource:
    """The list of each run, crew last; then what changed on some of them.

    Promised: the same seed and runs give the same events. Not promised: a full carrier, or the seats of a real type.
    """

    def __init__(self, config: ManifestConfig, runs: Sequence[Run]) -> None:
        self._config, self._runs = config, runs

    @property
    def party(self) -> str:
        return self._config.party

    def read(self) -> Iterator[Reading]:
        revisions = Revisions(self.party, "travel.seat")
        for place, run in enumerate(self._runs):
            # The seed makes the list, so the numbers need to be repeatable, not secret.
            numbers = random.Random(f"{self._config.seed}/{run.carrier_no}/{run.service_date}")  # noqa: S311
            skips = run.carrier == "aircraft" and place % _SKIPPING == 0
            at = end_of(run.service_date)
            for number in range(self._config.passengers):
                yield revisions.say(*self._line(run, number, at, _seat(run, numbers, skips=skips)))
            for number in range(self._config.passengers, self._config.passengers + _CREW):
                car = str(numbers.randint(1, _CARS)) if run.carrier == "train" else None
                crew: dict[str, object] = {"car": car, "row": None, "seat": None, "role": "crew", "skips_row_13": skips}
                yield revisions.say(*self._line(run, number, at, crew))
            if place % _MOVED == 0:
                yield revisions.say(*self._line(run, 0, at, _seat(run, numbers, skips=skips)))
            if place % _CANCELLED == 0:
                gone = revisions.retract(self._entity(run, 1), at)
                if gone is not None:
                    yield gone

    def _line(
        self, run: Run, number: int, at: int, where: dict[str, object]
    ) -> tuple[str, int, str, dict[str, object]]:
        content = {
            "passenger_id": f"p-{digest(self._config.seed, run.carrier_no, str(run.service_date), number)[:16]}",
            "carrier_no": run.carrier_no,
            "service_date": days_since_epoch(run.service_date),
            **where,
        }
        return self._entity(run, number), at, run.region, content

    def _entity(self, run: Run, number: int) -> str:
        return f"{run.carrier_no}/{run.service_date}/{number}"


def _seat(run: Run, numbers: random.Random, *, skips: bool) -> dict[str, object]:
    train = run.carrier == "train"
    row = numbers.randint(1, _ROWS_OF_A_CAR if train else _ROWS)
    return {
        "car": str(numbers.randint(1, _CARS)) if train else None,
        "row": row + 1 if skips and row >= 13 else row,
        "seat": numbers.choice(_LETTERS[run.carrier]),
        "role": "passenger",
        "skips_row_13": skips,
    }
